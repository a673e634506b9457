"""A dataset of another shape than those that come with Tailrace: its file, rows, and what their CSV file must be."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from random import Random

import duckdb

import oracle

TOML = """
name = "shifts"
version = "1"
range_column = "Begins At"
order_by = ["Begins At", "Shift No"]

[[columns]]
name = "Shift No"
type = "integer"
nullable = false

[[columns]]
name = "Begins At"
type = "datetime"

[[columns]]
name = "Paid, Hours"
type = "decimal"
scale = 2

[[columns]]
name = "Open"
type = "boolean"
true_text = "yes"
false_text = "no, never"

[[columns]]
name = "Due"
type = "date"

[[columns]]
name = 'Remark "R"'
type = "text"
"""
COLUMNS = [
    {"name": "Shift No", "type": "integer"},
    {"name": "Begins At", "type": "datetime"},
    {"name": "Paid, Hours", "type": "decimal", "scale": 2},
    {"name": "Open", "type": "boolean", "true_text": "yes", "false_text": "no, never"},
    {"name": "Due", "type": "date"},
    {"name": 'Remark "R"', "type": "text"},
]
HEADER = [column["name"] for column in COLUMNS]
ASKED = {"entityName": "shifts", "version": "1", "startDate": "2024-02-28", "endDate": "2024-03-02"}
START, END = datetime(2024, 2, 28, tzinfo=UTC), datetime(2024, 3, 2, tzinfo=UTC)
REMARKS = [None, "", "plain", " led", 'say "so"', "a,b", "two\nlines", "two\r\nlines", "=1+1", "你好 😀", "\ttab", "+1"]
ZONES = [timezone(timedelta(minutes=minutes)) for minutes in (0, 60, -330, 845, -720)]


def make_rows(number, seed=1):
    """Rows around the range, in no order, each instant given in some zone."""
    chance = Random(seed)
    rows = []
    for shift in range(number):
        at = START - timedelta(days=1) + timedelta(milliseconds=chance.randrange(5 * 86_400_000))
        rows.append(
            (
                chance.randrange(-(2**63), 2**63) if shift % 9 == 0 else shift,
                None if shift % 50 == 7 else at.astimezone(chance.choice(ZONES)),
                None if shift % 7 == 3 else Decimal(chance.randrange(-(10**8), 10**8)).scaleb(-chance.randrange(5)),
                chance.choice([None, True, False]),
                chance.choice([None, date(1, 1, 1), date(2024, 2, 29), date(9999, 12, 31)]),
                chance.choice(REMARKS),
            )
        )
    instants = [START, END - timedelta(microseconds=1000), END, START - timedelta(microseconds=1000)]
    return rows + [(10**6 + n, at, Decimal("1.005"), True, None, "edge") for n, at in enumerate(instants)]


def chosen(rows):
    return [row for row in rows if row[1] is not None and START <= row[1] < END]


def expected(rows):
    """What the specification says the file is: CX-811, CX-614 and section 6."""
    utc = [(row[0], row[1].astimezone(UTC), *row[2:]) for row in chosen(rows)]
    utc.sort(key=lambda row: (row[1], str(row[0]).encode()))
    assert len(utc) > len(rows) // 3
    return oracle.write_csv(HEADER, utc, COLUMNS)


def write_csv(path, rows):
    def cell(value, place):
        if value is None:
            return ""
        if place == 3:
            return '"no, never"' if value is False else "yes"
        text = value.isoformat() if isinstance(value, date) else str(value)
        return '"' + text.replace('"', '""') + '"' if place == 5 else text

    lines = [",".join('"' + name.replace('"', '""') + '"' for name in HEADER)]
    lines += [",".join(cell(value, place) for place, value in enumerate(row)) for row in rows]
    path.write_bytes(("\n".join(lines) + "\n").encode())


def write_parquet(path, rows):
    kinds = ["BIGINT", "TIMESTAMPTZ", "DECIMAL(18,6)", "BOOLEAN", "DATE", "VARCHAR"]
    with duckdb.connect() as connection:
        names = ['"' + name.replace('"', '""') + '"' for name in HEADER]
        columns = ", ".join(f"{name} {kind}" for name, kind in zip(names, kinds, strict=True))
        connection.execute(f"CREATE TABLE rows ({columns})")
        connection.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?)", rows)
        connection.execute(f"COPY rows TO '{path}' (FORMAT parquet)")


def put_catalog(folder):
    folder.mkdir(parents=True)
    (folder / "shifts.toml").write_text(TOML, encoding="utf-8")
