"""Columns called plain really hold nothing that any format has to escape; and ordinary ones are called plain."""

import json
from collections.abc import Sequence
from xml.sax.saxutils import escape

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

import oracle
from tailrace.intake.plain import find_plain_columns

SIGNS = st.sampled_from(
    [",", '"', "\n", "\r", "\t", " ", "\0", "\x1f", "\x1e", "|", "\\", "&", "<", ">", "\ufffe", "é"]
)
TEXT = st.none() | st.text(SIGNS | st.characters(codec="utf-8"), max_size=6) | st.sampled_from(["a", "Zoë", "O'Neil"])


def find_plain(rows: Sequence[tuple[str | None, str | None]]) -> tuple[str, ...]:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE stored (a VARCHAR, b VARCHAR)")
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            connection.execute("INSERT INTO stored SELECT unnest($1::VARCHAR[]), unnest($2::VARCHAR[])", columns)
        return find_plain_columns(connection, "stored", ["a", "b"])


def needs_nothing(text: str | None) -> bool:
    if text is None:
        return True
    written = json.dumps(text, ensure_ascii=False) == f'"{text}"' and escape(text) == text
    return written and oracle.quote(text) == text and not any(sign in text for sign in "|\0\x1f\ufffe\uffff")


@given(st.lists(st.tuples(TEXT, TEXT), max_size=6))
def test_a_plain_column_needs_no_escape_in_any_format(rows):
    for name in find_plain(rows):
        values = [row["ab".index(name)] for row in rows]
        assert all(needs_nothing(value) for value in values)


@pytest.mark.parametrize(
    "value", ["Zoë", "O'Neil", "Team 12", "+15550100", "2019/05/22", "你好", None, "-", "=1", "#1"]
)
def test_ordinary_values_are_plain(value):
    assert find_plain([(value, "x"), ("y", None), (None, None)]) == ("a", "b")


@pytest.mark.parametrize(
    "value", ["", " a", "a ", "a,b", 'a"b', "a\nb", "a\rb", "a\tb", "a|b", "a\\b", "a&b", "a\0b", "a\x1fb"]
)
def test_one_special_value_is_enough(value):
    assert find_plain([("y", "x")] * 3 + [(value, "x")]) == ("b",)
    assert find_plain([("y", "x")] * 10_001 + [("y", value)]) == ("a",)
