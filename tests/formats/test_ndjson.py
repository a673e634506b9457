"""NDJSON against a writer of its own and against Python's reader."""

import json
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.rendering import columns_of, render
from tailrace.formats import ndjson
from tailrace.formats.base import Field

FIELDS = (
    Field('text "so", \\', "text", "text"),
    Field("whole", "whole", "integer"),
    Field("part", "part", "decimal", precision=38, scale=2),
    Field("at", "at", "datetime"),
    Field("day", "day", "date"),
    Field("yes", "yes", "boolean", true_text="Ja", false_text="Nein"),
)
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
VALUES = st.tuples(
    st.none() | st.text(max_size=30) | st.text('\\"u00\0\x0b\x1f\n\r\t,é', max_size=12),
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.decimals(-(10**20), 10**20, places=2),
    st.none() | st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)),
    st.none() | st.dates(),
    st.none() | st.booleans(),
)


def write(rows, fields=FIELDS):
    named = [dict(zip(columns_of(fields), row, strict=True)) for row in rows]
    return render(ndjson.create(fields, {}), columns_of(fields), named).document


def text_of(value, field):
    """One value, by hand."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case Decimal():
            rounded = value.quantize(Decimal(1).scaleb(-field.scale), rounding=ROUND_HALF_UP)
            return f"{'-' if rounded < 0 else ''}{abs(rounded):f}"
        case datetime():
            day = f"{value.year:04d}-{value.month:02d}-{value.day:02d}"
            return f'"{day}T{value:%H:%M:%S}.{value.microsecond // 1000:03d}Z"'
        case date():
            return f'"{value.year:04d}-{value.month:02d}-{value.day:02d}"'
    signs = (_ESCAPES.get(sign) or (f"\\u{ord(sign):04x}" if sign < " " else sign) for sign in value)
    return f'"{"".join(signs)}"'


def expected(rows):
    keys = [text_of(field.name, field) for field in FIELDS]
    for row in rows:
        members = [f"{key}:{text_of(value, field)}" for key, value, field in zip(keys, row, FIELDS, strict=True)]
        yield f"{{{','.join(members)}}}\n"


@settings(max_examples=60)
@given(st.lists(VALUES, min_size=1, max_size=20))
def test_every_byte_is_as_written_by_hand_and_python_reads_the_values(rows):
    document = write(rows)
    assert document.decode() == "".join(expected(rows))
    lines = document.decode().split("\n")
    assert lines.pop() == ""
    for line, row in zip(lines, rows, strict=True):
        read = json.loads(line, parse_float=Decimal)
        assert list(read) == [field.name for field in FIELDS]
        assert [read[FIELDS[place].name] for place in (0, 1, 2, 5)] == [row[0], row[1], row[2], row[5]]
        assert read["at"] == (row[3] and json.loads(text_of(row[3], FIELDS[3])))


def test_no_record_is_no_byte():
    assert write([]) == b""


def test_plain_texts_are_written_without_looking():
    plain = (Field("a", "a", "text", specials=()), Field("b", "b", "text", specials=()))
    assert write([("x", None), ("+1555", "y z")], plain) == b'{"a":"x","b":null}\n{"a":"+1555","b":"y z"}\n'


@pytest.mark.parametrize(
    ("value", "written"), [("0.005", "0.01"), ("-0.005", "-0.01"), ("-0.004", "0.00"), ("7", "7.00")]
)
def test_decimals_are_rounded_half_away_from_zero_and_have_all_their_digits(value, written):
    field = Field("n", "n", "decimal", precision=18, scale=2)
    made = ndjson.create((field,), {})
    assert render(made, {"n": "DECIMAL(18,6)"}, [{"n": Decimal(value)}]).document == f'{{"n":{written}}}\n'.encode()


def test_it_tells_how_long_its_keys_make_a_row():
    assert ndjson.create(FIELDS, {}).row_bytes >= sum(len(field.name) for field in FIELDS)
