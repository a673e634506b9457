"""How JSON writes texts, in SQL and for texts known beforehand (SS-823)."""

import json

from tailrace.formats.base import replace_signs

# DuckDB writes these with capital letters.
_CAPITALS = {rf"\u00{high}{low}": rf"\u00{high}{low.lower()}" for high in "01" for low in "ABCDEF"}
# Stands for an escaped backslash for a while; as a control character it is never part of what DuckDB wrote.
_MARK = "chr(1)"


def quote_in_sql(value: str) -> str:
    """SQL for a text with its quotes and escapes, null for null.

    DuckDB's own is nearly right; what it escapes with capital letters is mended where there is any.
    """
    text = f"CAST(to_json({value}) AS VARCHAR)"
    mended = f"replace({text}, '\\\\', {_MARK})"
    mended = f"replace({replace_signs(mended, _CAPITALS)}, {_MARK}, '\\\\')"
    return f"CASE WHEN contains({text}, '\\u00') THEN {mended} ELSE {text} END"


def quote(text: str) -> str:
    """Quote a text known beforehand, by the same rule."""
    return json.dumps(text, ensure_ascii=False)
