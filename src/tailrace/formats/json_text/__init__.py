"""How JSON writes texts, in SQL and for texts known beforehand (SS-823)."""

import json
from collections.abc import Iterable

from tailrace.formats.base import CONTROL, Field, replace_signs

# DuckDB writes these with capital letters.
_CAPITALS = {rf"\u00{high}{low}": rf"\u00{high}{low.lower()}" for high in "01" for low in "ABCDEF"}
# Stands for an escaped backslash for a while; as a control character it is never part of what DuckDB wrote.
_MARK = "chr(1)"
# What is escaped, besides control characters that have no name.
_ESCAPED = ('"', "\\", "\n", "\r", "\t")


def is_escaped(field: Field) -> bool:
    """Tell whether any text of a field may need an escape."""
    return field.may_hold(*_ESCAPED, CONTROL)


def quote_in_sql(field: Field, value: str) -> str:
    """SQL for a text of a field, with its quotes and escapes; for null either null or an empty text in quotes.

    DuckDB's own is nearly right; what it escapes with capital letters is mended where there is any.
    """
    if not is_escaped(field):
        return f"""concat('"', {value}, '"')"""
    text = f"CAST(to_json({value}) AS VARCHAR)"
    if not field.may_hold(CONTROL):
        return text
    mended = f"replace({text}, '\\\\', {_MARK})"
    mended = f"replace({replace_signs(mended, _CAPITALS)}, {_MARK}, '\\\\')"
    return f"CASE WHEN contains({text}, '\\u00') THEN {mended} ELSE {text} END"


def bytes_of_keys(names: Iterable[str]) -> int:
    """Count what the keys of an object take: names with their quotes, colon and comma."""
    return sum(len(name.encode()) + 4 for name in names)


def quote(text: str) -> str:
    """Quote a text known beforehand, by the same rule."""
    return json.dumps(text, ensure_ascii=False)
