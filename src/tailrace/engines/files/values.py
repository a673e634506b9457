"""How a value in an operator's file becomes one of the SQL type that is wanted: exactly, or not at all."""

import re

_WHOLE = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT", "UHUGEINT"}
)
_FLOATS = frozenset({"FLOAT", "DOUBLE"})
_ZONED = frozenset({"TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"})
_INSTANTS = frozenset({"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "DATE"}) | _ZONED
_DECIMAL = re.compile(r"DECIMAL\((\d+), ?(\d+)\)")


def is_instant(kind: str) -> bool:
    """Tell whether values of a type are instants, so that a range of them can be asked for."""
    return kind in _INSTANTS


def convert(raw: str, kind: str, wanted: str) -> str | None:
    """Write the SQL that makes a value of type `wanted` of one of type `kind`; None where that never fits.

    The same rules as for rows that are loaded: what would lose something ends the query. Decimals are
    rounded, as they are when they are written; nanoseconds are cut off.
    """
    cast = f"CAST({raw} AS {wanted})"
    into = "DECIMAL" if wanted.startswith("DECIMAL") else wanted
    number = kind in _WHOLE or kind.startswith("DECIMAL")
    value: str | None = None
    match into:
        case _ if kind == wanted:
            value = raw
        case "VARCHAR" if kind == "UUID" or kind.startswith("ENUM"):
            value = cast
        case "BIGINT" if kind in _WHOLE:
            value = cast
        case "BIGINT" if number or kind in _FLOATS:
            value = _lossless(raw, kind, wanted)
        case "DECIMAL" if kind in _FLOATS:
            value = f"CAST(CAST({raw} AS {_stored(wanted)}) AS {wanted})"
        case "DECIMAL" if number:
            value = cast
        case "TIMESTAMP" if kind == "TIMESTAMP_NS":  # DuckDB's cast rounds what lies before 1970 the other way
            value = f"make_timestamp((epoch_ns({raw}) - ((epoch_ns({raw}) % 1000) + 1000) % 1000) // 1000)"
        case "TIMESTAMP" if kind in _INSTANTS:
            value = cast
        case "DATE" if kind in _INSTANTS - _ZONED:  # those have a day in a time zone only
            value = _lossless(raw, kind, wanted)
    return value


def _stored(wanted: str) -> str:
    """Name the type with the digits more that loaded decimals have, so that a float is rounded as theirs are."""
    found = _DECIMAL.fullmatch(wanted)
    precision, scale = (int(found[1]), int(found[2])) if found else (18, 6)
    return f"DECIMAL({min(38, max(precision, scale + 4))},{min(38, scale + 4)})"


def _lossless(raw: str, kind: str, wanted: str) -> str:
    there = f"CAST({raw} AS {wanted})"
    # Not a constant, so that no planner computes it before there is a row.
    stop = f"error('fault' || coalesce(left(CAST({raw} AS VARCHAR), 0), ''))"
    other = f"WHEN {raw} IS NOT NULL THEN CAST({stop} AS {wanted})"
    return f"CASE WHEN CAST({there} AS {kind}) = {raw} THEN {there} {other} END"
