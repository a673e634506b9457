"""An operator's own PostgreSQL: every format is written as DuckDB writes it, byte for byte."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from unittest import mock

import duckdb
import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from engines.operators import END, START, lines, options, scan_of
from tailrace.engines.base import Selection, Slice
from tailrace.engines.postgresql import connect
from tailrace.formats.base import Field, quote_name, write_order
from tailrace.plugins import load_plugin

pytestmark = pytest.mark.long

ALL_OF_TIME = (datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999))


@pytest.fixture
def engine(server, own):
    with connect(options(server)) as engine:
        yield engine


TYPES = {
    "text": ("VARCHAR", "text"),
    "integer": ("BIGINT", "bigint"),
    "decimal": ("DECIMAL(18,6)", "numeric"),
    "datetime": ("TIMESTAMP", "timestamptz"),
    "date": ("DATE", "date"),
    "boolean": ("BOOLEAN", "boolean"),
    "time": ("TIMESTAMP", "timestamp"),
    "elapsed": ("INTEGER", "integer"),
}
FIELDS = [
    *(Field(f'{kind} "<&|,', f"{kind} '\"", kind, scale=2) for kind in TYPES),
    *(
        Field(f"date {number}", "date '\"", "date", pattern=pattern)
        for number, pattern in enumerate(("%m%d%y", "%Y%m%d"))
    ),
    Field("clock", "time '\"", "time", pattern="%I:%M %p"),
    Field("nothing", "text '\"", "text", backslash_plus=True),
    Field("agentData", "text '\"", "text", label="T<\n"),
    Field("agentData", "integer '\"", "integer", label="S"),
]
INSTANTS = st.none() | st.datetimes(*ALL_OF_TIME) | st.sampled_from(ALL_OF_TIME)
SIGNS = st.sampled_from(
    [*"\\|#\n\r\t\x01\x02\x08\x0b\x0c\x1f\x7f\x85'\"&<>/,{}[]u0 .+=-@^$", "\u2028", "\ufeff", "\ufffe", "é", "😀"]
)
TEXT = st.none() | st.sampled_from(["", " ", "\\.", "\\N", "NULL"]) | st.lists(SIGNS, max_size=6).map("".join)
TEXT |= st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
VALUES = {
    "text": TEXT,
    "integer": st.none() | st.integers(-(2**63), 2**63 - 1),
    "decimal": st.none()
    | st.decimals(-(10**11), 10**11, places=6)
    | st.sampled_from([Decimal("-0.001"), Decimal("0.005")]),
    "datetime": INSTANTS,
    "date": st.none() | st.dates(),
    "boolean": st.none() | st.booleans(),
    "time": INSTANTS,
    "elapsed": st.none() | st.integers(0, 99 * 60 + 59),
}
FORMATS = {
    "csv": [{}, {"spreadsheet_safe": True, "backslash_plus": True}],
    "pipe": [{}],
    "json": [{}, {"keep_empty": True}],
    "xml": [{}],
}
COLUMNS = [f"{kind} '\"" for kind in TYPES]


def in_duckdb(rows, expressions, order):
    declared = ", ".join(f"{quote_name(name)} {kind}" for name, (kind, _) in zip(COLUMNS, TYPES.values(), strict=True))
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(f"CREATE TABLE rows (_row_key BIGINT, {declared})")
        for number, row in enumerate(rows):
            connection.execute(f"INSERT INTO rows VALUES ({', '.join('?' * (len(row) + 1))})", [number, *row])
        return [
            b"".join(
                line.encode()
                for (line,) in connection.execute(f"SELECT {one} FROM rows ORDER BY {', '.join(order)}").fetchall()
            )
            for one in expressions
        ]


def in_postgresql(own, engine, rows, expressions, order):
    declared = ", ".join(f"{quote_name(name)} {kind}" for name, (_, kind) in zip(COLUMNS, TYPES.values(), strict=True))
    own.execute("DROP TABLE IF EXISTS rows")
    own.execute(f"CREATE TABLE rows (instant timestamptz DEFAULT '2019-05-22Z', _row_key bigint, {declared})")
    with own.cursor().copy(f"COPY rows (_row_key, {', '.join(map(quote_name, COLUMNS))}) FROM STDIN") as copy:
        for number, row in enumerate(rows):
            copy.write_row(
                [number, *(one.replace(tzinfo=UTC) if at == 3 and one else one for at, one in enumerate(row))]
            )
    kinds = tuple((name, kind) for name, (kind, _) in zip(COLUMNS, TYPES.values(), strict=True))
    scan = scan_of(selection=Selection((), None, ""), columns=(("_row_key", "BIGINT"), *kinds), order=order)
    return [b"".join(block.data for block in engine.render(scan, Slice(START, END), one)) for one in expressions]


@given(
    st.lists(st.tuples(*VALUES.values()), min_size=20, max_size=40),
    st.sampled_from(FIELDS[:8]),
    st.sampled_from([1, 1_000]),
)
@example([(None,) * 8, ("",) + (None,) * 7], FIELDS[0], 1)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_format_gives_the_bytes_that_it_gives_from_duckdb(server, rows, by, sample):
    order = (write_order("x", [by])[1], "_row_key")
    made = [load_plugin("tailrace.formats", name).create(FIELDS, one) for name, few in FORMATS.items() for one in few]
    made.append(load_plugin("tailrace.formats", "csv").create(FIELDS[:1], {}))
    expressions = [one.row() for one in made] + [f"concat({one.replaced()}, ' ')" for one in made] + [made[3].lead()]
    with psycopg.connect(server, autocommit=True) as own:
        with connect(options(server)) as engine, mock.patch("tailrace.engines.postgresql._SAMPLE", sample):
            given = in_postgresql(own, engine, rows, expressions, order)
        own.execute("DROP TABLE rows")
    assert given == in_duckdb(rows, expressions, order)


SPECIAL = [
    "",
    " ",
    "\t",
    " a",
    "a ",
    "\ta",
    "a\t",
    "a,b",
    ",",
    '"',
    '""',
    'a"b',
    '"a"',
    "a\nb",
    "a\rb",
    "\r\n",
    "\x01,",
]
NOT_SPECIAL = ["select", "Table", "a b", "a\tb", "\x01", "\x02a", "\x1f", "a\x01b", "a'b", "\\", "é", "_a1", "\xa0a"]


@pytest.mark.parametrize("seldom", [0.0, 0.05, 1.0])
def test_texts_in_quotes_among_many_that_need_none(own, engine, monkeypatch, seldom):
    monkeypatch.setattr("tailrace.engines.postgresql._SELDOM", seldom)
    fields = [Field(name, name, "text") for name in "abcde"]
    own.execute("CREATE TABLE rows (tenant text, instant timestamptz, a text, b text, c text, d text, e text)")
    texts = [*SPECIAL, *NOT_SPECIAL]
    rows = [[text if at == column else "plain" for at in range(5)] for text in texts for column in range(5)]
    with own.cursor().copy("COPY rows FROM STDIN") as copy:
        for number, row in enumerate(rows):
            copy.write_row(["acme", START + timedelta(seconds=number), *row])
    row = load_plugin("tailrace.formats", "csv").create(fields, {}).row()
    scan = scan_of(columns=tuple((name, "VARCHAR") for name in "abcde"), order=write_order("x", fields)[1:])
    made = b"".join(block.data for block in engine.render(scan, Slice(START, END), row)).decode()
    quoted = {text: '"' + text.replace('"', '""') + '"' for text in SPECIAL}
    assert made == "".join(",".join(quoted.get(text, text) for text in row) + "\r\n" for row in rows)


@pytest.mark.parametrize("name", ["csv", "xml"])
def test_a_thousand_columns(own, engine, name):
    fields = [Field(f"c{number}", f"c{number}", "text") for number in range(1_000)]
    own.execute(
        f"CREATE TABLE rows (tenant text, instant timestamptz, {', '.join(f'{one.source} text' for one in fields)})"
    )
    own.execute("INSERT INTO rows (tenant, instant, c0, c999) VALUES ('acme', '2019-05-22 01:00Z', 'a', 'z')")
    scan = scan_of(columns=tuple((one.source, "VARCHAR") for one in fields), order=write_order("x", fields)[1:])
    [line] = lines(engine, scan, row=load_plugin("tailrace.formats", name).create(fields, {}).row())
    assert line.startswith({"csv": "a,,", "xml": '<record><field name="c0">a</field>'}[name])
