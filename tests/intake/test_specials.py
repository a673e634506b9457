"""What is told of a file's texts is just what they hold, so that formats need not look for anything else."""

import json
from collections.abc import Sequence
from xml.sax.saxutils import escape

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

import oracle
from tailrace.formats.base import CONTROL, EDGE, EMPTY, FILLED, SPECIALS
from tailrace.intake.specials import find_specials, specials_of_all

SIGNS = st.sampled_from(
    [",", '"', "\n", "\r", "\t", " ", "\0", "\x1f", "\x1e", "|", "\\", "&", "<", ">", "\ufffe", "é"]
)
TEXT = st.none() | st.text(SIGNS | st.characters(codec="utf-8"), max_size=6) | st.sampled_from(["a", "Zoë", "O'Neil"])


def find(rows: Sequence[tuple[str | None, str | None]]) -> dict[str, tuple[str, ...]]:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE stored (a VARCHAR, b VARCHAR)")
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            connection.execute("INSERT INTO stored SELECT unnest($1::VARCHAR[]), unnest($2::VARCHAR[])", columns)
        return find_specials(connection, "stored", ["a", "b"])


def specials_of(text: str | None) -> set[str]:
    """Say by hand what a text holds."""
    if text is None:
        return set()
    held = {special for special in SPECIALS if len(special) == 1 and special in text}
    kinds = {EMPTY: text == "", EDGE: text != text.strip(" ")}
    allowed = all((sign >= " " and sign not in "\x7f\ufffe\uffff") or sign in "\t\n\r" for sign in text)
    return held | {kind for kind, found in {**kinds, CONTROL: not allowed}.items() if found}


def needs_nothing(text: str | None) -> bool:
    if text is None:
        return True
    written = json.dumps(text, ensure_ascii=False) == f'"{text}"' and escape(text) == text
    return written and oracle.quote(text) == text and not any(sign in text for sign in "|\0\x1f\ufffe\uffff")


@given(st.lists(st.tuples(TEXT, TEXT), max_size=6))
def test_it_finds_what_texts_hold_and_nothing_else(rows):
    for name, found in find(rows).items():
        values = [row["ab".index(name)] for row in rows]
        assert found == tuple(one for one in SPECIALS if any(one in specials_of(value) for value in values))
        assert found or all(needs_nothing(value) for value in values)


@pytest.mark.parametrize(
    "value", ["Zoë", "O'Neil", "Team 12", "+15550100", "2019/05/22", "你好", None, "-", "=1", "#1"]
)
def test_ordinary_values_hold_nothing_special(value):
    assert find([(value, "x"), ("y", None), (None, None)]) == {"a": (), "b": ()}


@pytest.mark.parametrize(
    ("value", "special"),
    [
        *((f"a{special}b", special) for special in SPECIALS if len(special) == 1),
        *(("", EMPTY), (" a", EDGE), ("a ", EDGE), ("a\0b", CONTROL), ("a\x1fb", CONTROL), ("a\uffffb", CONTROL)),
    ],
)
def test_one_value_is_enough(value, special):
    assert find([("y", "x")] * 3 + [(value, "x")]) == {"a": (special,), "b": ()}
    assert find([("y", "x")] * 10_001 + [("y", value)]) == {"a": (), "b": (special,)}
    assert find([("|", "x")] * 10_001 + [(value, value)]) == {
        "a": tuple(one for one in SPECIALS if one in {"|", special}),
        "b": (special,),
    }


def test_of_several_files_all_is_held_and_what_one_does_not_know_is_unknown():
    first, second = {"a": ("|",), "b": (EMPTY,), "c": ()}, {"a": (",", EDGE), "b": ()}
    assert specials_of_all([first, second]) == {"a": (",", "|", EDGE), "b": (EMPTY,)}
    assert specials_of_all([]) == {}


def test_of_several_files_a_column_is_filled_when_it_is_in_all():
    first, second = {"a": ("|", FILLED), "b": (FILLED,), "c": ()}, {"a": (FILLED,), "b": ("|",), "c": (FILLED,)}
    assert specials_of_all([first, second]) == {"a": ("|", FILLED), "b": ("|",), "c": ()}
