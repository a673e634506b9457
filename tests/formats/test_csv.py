"""CSV as rendered by the engine, byte for byte against the specification written out in Python."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

import oracle
from tailrace.formats import csv
from tailrace.formats.base import Field

COLUMNS: list[dict[str, Any]] = [
    {"name": "Text", "type": "text"},
    {"name": "Whole, number", "type": "integer"},
    {"name": "Price", "type": "decimal", "scale": 2},
    {"name": "At", "type": "datetime"},
    {"name": "Day", "type": "date"},
    {"name": "Yes", "type": "boolean", "true_text": "TRUE", "false_text": "no, never"},
]
TYPES = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "decimal": "DECIMAL(18,6)",
    "datetime": "TIMESTAMP",
    "date": "DATE",
    "boolean": "BOOLEAN",
}
# Every sign the format minds, more often than chance would have it.
SIGNS = st.sampled_from([",", '"', "\r", "\n", "\t", " ", "\0", "=", "+", "\\", "|", "'", "é", "你", "😀", "\ufeff"])
TEXT = st.text(SIGNS | st.characters(codec="utf-8"), max_size=12)
DECIMALS = st.decimals(-(10**11), 10**11, places=6)
ROWS = st.lists(
    st.tuples(
        st.none() | TEXT,
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | DECIMALS | st.sampled_from([Decimal("0.005"), Decimal("-0.005"), Decimal("-0.004999")]),
        st.none() | st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)),
        st.none() | st.dates(),
        st.none() | st.booleans(),
    ),
    max_size=4,
)


def render(columns: Sequence[dict[str, Any]], rows: Sequence[Sequence[Any]], **options: bool) -> bytes:
    fields = [Field(source=f"c{number}", **column) for number, column in enumerate(columns)]
    made = csv.create(fields, options)
    with duckdb.connect() as connection:
        declared = ", ".join(f"{field.source} {TYPES[field.type]}" for field in fields)
        connection.execute(f"CREATE TABLE rows (number INTEGER, {declared})")
        marks = ", ".join("?" * (len(fields) + 1))
        for number, row in enumerate(rows):
            connection.execute(f"INSERT INTO rows VALUES ({marks})", [number, *row])
        lines = connection.execute(f"SELECT {made.row()} FROM rows ORDER BY number").fetchall()
    return made.head() + b"".join(line.encode() for (line,) in lines) + made.tail()


@given(ROWS)
def test_every_value_is_written_as_specified(rows):
    header = [column["name"] for column in COLUMNS]
    assert render(COLUMNS, rows) == oracle.write_csv(header, rows, COLUMNS)


@given(st.lists(st.tuples(st.none() | TEXT), max_size=4))
def test_a_single_column_writes_null_as_quotes(rows):
    columns = [{"name": "Only", "type": "text"}]
    assert render(columns, rows) == oracle.write_csv(["Only"], rows, columns)


@pytest.mark.req("CX-605", "CX-606", "CX-607")
@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, ""),
        ("", '""'),
        ("plain", "plain"),
        (" led", '" led"'),
        ("trailed\t", '"trailed\t"'),
        ("a,b", '"a,b"'),
        ('say "so"', '"say ""so"""'),
        ("two\nlines", '"two\nlines"'),
        ("two\rlines", '"two\rlines"'),
        ("nul\0here", "nul�here"),
        ("=1+1", "=1+1"),
        ("inner  blank", "inner  blank"),
    ],
)
def test_cells(value, written):
    columns = [{"name": "A", "type": "text"}, {"name": "B", "type": "integer"}]
    assert render(columns, [(value, 1)]).decode() == f"A,B\r\n{written},1\r\n"


@pytest.mark.req("CX-609", "CX-610")
def test_numbers_and_times_are_cut_and_rounded_as_written():
    columns = [{"name": "D", "type": "decimal", "scale": 2}, {"name": "T", "type": "datetime"}]
    rows = [
        (Decimal("1.005"), datetime(2019, 5, 22, 1, 2, 3, 999999)),
        (Decimal("-1.005"), datetime(999, 1, 1)),
        (Decimal("-0.001"), None),
    ]
    assert render(columns, rows).decode().split("\r\n")[1:-1] == [
        "1.01,2019-05-22T01:02:03.999Z",
        "-1.01,0999-01-01T00:00:00.000Z",
        "0.00,",
    ]


@pytest.mark.req("CX-608")
@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_spreadsheet_safe_guards_text_columns_only(sign):
    columns = [{"name": "A", "type": "text"}, {"name": "B", "type": "integer"}]
    lines = render(columns, [(f"{sign}1", -1)], spreadsheet_safe=True).decode()
    guarded = oracle.quote(f"'{sign}1")
    assert lines == f"A,B\r\n{guarded},-1\r\n"


@pytest.mark.req("CX-613")
def test_backslash_plus_is_for_marked_columns_and_by_option():
    columns = [{"name": "ANI", "type": "text", "backslash_plus": True}, {"name": "B", "type": "text"}]
    assert render(columns, [("+1555", "+1")], backslash_plus=True).decode() == "ANI,B\r\n\\+1555,+1\r\n"
    assert render(columns, [("+1555", "+1")]).decode() == "ANI,B\r\n+1555,+1\r\n"
