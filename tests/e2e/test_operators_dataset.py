"""A dataset of another shape, from its TOML file to the bytes a client downloads, against section 6 in Python."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from random import Random

import duckdb
import pytest

import oracle
from service import start_service

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


WRITERS = {"csv": write_csv, "parquet": write_parquet}


def put_catalog(folder):
    folder.mkdir(parents=True)
    (folder / "shifts.toml").write_text(TOML, encoding="utf-8")


def test_from_the_catalogue_of_the_data_folder(start, tmp_path):
    put_catalog(tmp_path / "service-0" / "catalog")
    service = start(TAILRACE_CXONE__MIN_INTERVAL_S="0")
    rows = make_rows(400)
    files = {}
    for kind, write in WRITERS.items():
        caller = service.caller(permissions=["shifts"])
        path = tmp_path / f"input.{kind}"
        write(path, rows)
        service.load(caller.tenant, "shifts", path)
        files[kind] = caller.extract(**ASKED)
    assert files["csv"] == expected(rows)
    assert files["parquet"] == expected(rows)


def test_from_a_folder_named_in_the_settings(start, tmp_path):
    put_catalog(tmp_path / "elsewhere")
    service = start(TAILRACE_CATALOG__FOLDERS=str(tmp_path / "elsewhere"))
    put_catalog(service.data / "catalog")  # for the loader of this process alone
    caller = service.caller(permissions=["shifts"])
    rows = make_rows(100, seed=2)
    write_csv(tmp_path / "input.csv", rows)
    service.load(caller.tenant, "shifts", tmp_path / "input.csv")
    assert caller.extract(**ASKED) == expected(rows)


@pytest.mark.req("CX-815")
def test_rows_younger_than_the_simulated_latency_are_left_out(start, tmp_path):
    put_catalog(tmp_path / "service-0" / "catalog")
    service = start(TAILRACE_CXONE__SIMULATED_LATENCY_S="3600")
    caller = service.caller(permissions=["shifts"])
    now = datetime.now(UTC)
    ages = (7200, 3700, 3500, 60)
    rows = [(age, now - timedelta(seconds=age), None, None, None, None) for age in ages]
    write_csv(tmp_path / "input.csv", rows)
    service.load(caller.tenant, "shifts", tmp_path / "input.csv")
    first, last = (now + timedelta(days=days) for days in (-1, 1))
    text = caller.extract(**ASKED | {"startDate": f"{first:%Y-%m-%d}", "endDate": f"{last:%Y-%m-%d}"})
    assert [line.partition(b",")[0] for line in text.splitlines()[1:]] == [b"7200", b"3700"]


def test_a_column_added_by_a_later_version_is_empty_in_rows_loaded_before(start, tmp_path):
    folder = tmp_path / "service-0" / "catalog"
    put_catalog(folder)
    service = start()
    caller = service.caller(permissions=["shifts"])
    rows = make_rows(50)
    write_csv(tmp_path / "input.csv", rows)
    service.load(caller.tenant, "shifts", tmp_path / "input.csv")
    service.stop()
    later = TOML.replace('version = "1"', 'version = "2"') + '\n[[columns]]\nname = "Site"\ntype = "text"\n'
    (folder / "shifts.v2.toml").write_text(later, encoding="utf-8")
    quick = {"TAILRACE_CXONE__MIN_INTERVAL_S": "0"}
    with start_service(service.data, service.environment["DATABASE_URL"], **quick) as again:
        caller.service, caller.token = again, again.sign_in(caller.key)
        assert caller.extract(**ASKED) == expected(rows)
        header, _, body = expected(rows).partition(b"\r\n")
        # One comma more in each record, and nothing after it.
        text = caller.extract(**ASKED | {"version": "2"})
        assert text.startswith(header + b",Site\r\n")
        assert len(text) == len(header) + len(",Site\r\n") + len(body) + len(chosen(rows))


@pytest.mark.parametrize("permissions", [[], ["qm-workflow"]])
def test_it_needs_its_own_permission(documented, permissions):
    caller = documented.caller(permissions=permissions)
    assert caller.request("POST", "/data-extraction/v1/jobs", json=ASKED).status_code in (403, 404)
