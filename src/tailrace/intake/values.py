"""How an input value becomes a stored one, in SQL: strict where DuckDB's own casts are lenient.

`'12.7'::BIGINT` is 13 for DuckDB and `'1e-21'` may lose its exponent; here a value is either exactly right or NULL,
and a NULL made of a value is a fault.
"""

from tailrace.catalog.model import Column
from tailrace.formats.base import quote_text
from tailrace.intake.store import stored_type

_YEAR = r"(?:[1-9]\d{3}|0[1-9]\d{2}|00[1-9]\d|000[1-9])"
_DATE = rf"{_YEAR}-\d{{2}}-\d{{2}}"
_MINUTE = r"(?:[01]\d|2[0-3]):[0-5]\d"
_TIME = rf"{_MINUTE}(?::[0-5]\d(?:\.\d{{1,9}})?)?"
# What most files hold: nothing to compute, DuckDB reads it as it is.
_INSTANT_UTC = rf"{_DATE}(?:[T ]{_MINUTE}:[0-5]\d(?:\.\d{{1,6}})?Z?)?"
_INSTANT = rf"{_DATE}[T ]{_TIME}(?:Z|[+-](?:[01]\d|2[0-3]):?[0-5]\d)?"
_WHOLE_NUMBER = r"[+-]?\d+"
_SCIENTIFIC = r"[+-]?(?:\d+\.?\d*|\.\d+)[eE][+-]?\d{1,2}"
_LOCAL = rf"^{_DATE}[T ]{_MINUTE}(?::\d\d(?:\.\d{{1,6}})?)?"
_OFFSET = r"([+-])(\d\d):?(\d\d)$"
_HAS_OFFSET = r".*:.*[+-]\d\d:?\d\d"
_EXPONENT = r"([+-]?)(\d*)\.?(\d*)[eE]([+-]?\d{1,2})"
_EARLIEST, _LATEST = "TIMESTAMP '0001-01-01 00:00:00'", "TIMESTAMP '9999-12-31 23:59:59.999999'"

WANTED = {
    "text": "text",
    "integer": "a whole number of 64 bits",
    "decimal": "a decimal number",
    "datetime": "a date and time",
    "date": "a date",
    "boolean": "true or false",
}
_WHOLE = {
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "HUGEINT",
    "UHUGEINT",
}
_FLOATS = {"FLOAT", "DOUBLE"}
_ZONED = {"TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"}
_INSTANTS = {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "DATE", *_ZONED}


def checked(column: Column, raw: str, parsed: str) -> str:
    """Write the stored value of a column, which ends the query with an error where there is a fault."""
    # Not a constant, so that no planner computes it before there is a row.
    stop = f"error('fault' || coalesce(left(CAST({raw} AS VARCHAR), 0), ''))"
    if column.type == "text" and parsed == raw:
        return raw if column.nullable else f"coalesce({raw}, {stop})"
    value = f"coalesce({parsed}, {stop})"
    return value if not column.nullable else f"CASE WHEN {raw} IS NOT NULL THEN {value} END"


def fault(column: Column, raw: str, parsed: str) -> str:
    """Write the condition under which a row has a fault in this column."""
    wrong = f"({raw} IS NOT NULL AND {parsed} IS NULL)" if parsed != raw else "false"
    return wrong if column.nullable else f"({raw} IS NULL OR {wrong})"


def from_text(column: Column, raw: str) -> str:
    """Write the stored value of a text, NULL where the text does not mean one."""
    match column.type:
        case "text":
            return raw
        case "integer":
            return f"CASE WHEN {_matches(raw, _WHOLE_NUMBER)} THEN TRY_CAST({raw} AS BIGINT) END"
        case "decimal":
            return _decimal(column, raw)
        case "datetime":
            return _instant(raw)
        case "date":
            return f"CASE WHEN {_matches(raw, _DATE)} THEN TRY_CAST({raw} AS DATE) END"
        case "boolean":
            yes, no = quote_text(column.true_text), quote_text(column.false_text)
            return (
                f"CASE WHEN {raw} = {yes} THEN true WHEN {raw} = {no} THEN false"
                f" WHEN lower({raw}) = 'true' THEN true WHEN lower({raw}) = 'false' THEN false END"
            )


def from_typed(column: Column, raw: str, kind: str) -> str | None:
    """Write the stored value of a value of DuckDB's type `kind`, NULL where it would lose something.

    None when no value of that type may be stored in the column.
    """
    number = kind in _WHOLE or kind.startswith("DECIMAL")
    stored = stored_type(column)
    value: str | None = None
    match column.type:
        case _ if kind == "VARCHAR":
            value = from_text(column, raw)
        case "text" if kind == "UUID" or kind.startswith("ENUM"):
            value = f"CAST({raw} AS VARCHAR)"
        case "integer" if number or kind in _FLOATS:
            value = _lossless(raw, kind, stored)
        case "decimal" if number:
            value = _lossless(raw, kind, stored)
        case "decimal" if kind in _FLOATS:  # hardly ever a decimal: rounded to the digits that are stored
            value = f"TRY_CAST({raw} AS {stored})"
        case "datetime" if kind in _INSTANTS:
            value = _within_years(_typed_instant(raw, kind))
        case "date" if kind in _INSTANTS - _ZONED:  # those have a day in a time zone only
            day = _lossless(raw, kind, "DATE")
            value = f"CASE WHEN {_within_years(_typed_instant(raw, kind))} IS NOT NULL THEN {day} END"
        case "boolean" if kind == "BOOLEAN":
            value = raw
    return value


def _matches(raw: str, pattern: str) -> str:
    return f"regexp_full_match({raw}, {quote_text(pattern)})"


def _lossless(raw: str, kind: str, stored: str) -> str:
    there = f"TRY_CAST({raw} AS {stored})"
    return f"CASE WHEN TRY_CAST({there} AS {kind}) = {raw} THEN {there} END"


def _decimal(column: Column, raw: str) -> str:
    # DuckDB rounds what has too many decimals; zeros at the end are none.
    scale = column.stored_scale
    plain = rf"[+-]?(?:\d+(?:\.\d{{0,{scale}}}0*)?|\.\d{{1,{scale}}}0*)"
    shifted = _shift_point(raw)
    return (
        f"CASE WHEN {_matches(raw, plain)} THEN TRY_CAST({raw} AS {stored_type(column)})"
        f" WHEN {_matches(raw, _SCIENTIFIC)} AND {_matches(shifted, plain)}"
        f" THEN TRY_CAST({shifted} AS {stored_type(column)}) END"
    )


def _shift_point(raw: str) -> str:
    """Write `1.5e-3` as `0.0015`, in text: DuckDB's own cast of exponents loses digits."""
    sign, whole, part, shift = (f"regexp_extract({raw}, {quote_text(_EXPONENT)}, {group})" for group in (1, 2, 3, 4))
    digits = f"(repeat('0', 100) || {whole} || {part} || repeat('0', 100))"
    point = f"(100 + length({whole}) + TRY_CAST({shift} AS INTEGER))"
    left = f"ltrim(substr({digits}, 1, {point}), '0')"
    right = f"rtrim(substr({digits}, {point} + 1), '0')"
    return f"({sign} || '0' || {left} || '.' || {right})"


def _instant(raw: str) -> str:
    # Only rows with an offset, without seconds or with nanoseconds come to the second branch.
    sign, hours, minutes = (f"regexp_extract({raw}, {quote_text(_OFFSET)}, {group})" for group in (1, 2, 3))
    size = f"(TRY_CAST({hours} AS INTEGER) * 60 + TRY_CAST({minutes} AS INTEGER))"
    offset = f"CASE WHEN {_matches(raw, _HAS_OFFSET)} THEN CASE {sign} WHEN '-' THEN -{size} ELSE {size} END ELSE 0 END"
    local = f"regexp_extract({raw}, {quote_text(_LOCAL)})"
    shifted = f"(epoch_us(TRY_CAST({local} AS TIMESTAMP)) - ({offset}) * 60000000::BIGINT)"
    return (
        f"CASE WHEN {_matches(raw, _INSTANT_UTC)} THEN TRY_CAST({raw} AS TIMESTAMP)"
        f" WHEN {_matches(raw, _INSTANT)} THEN {_within_years(f'make_timestamp({shifted})')} END"
    )


def _typed_instant(raw: str, kind: str) -> str:
    if kind == "TIMESTAMP_NS":  # DuckDB's cast rounds what lies before 1970 the other way
        return f"make_timestamp((epoch_ns({raw}) - ((epoch_ns({raw}) % 1000) + 1000) % 1000) // 1000)"
    if kind in _ZONED:  # a cast would ask for the session's time zone
        return f"CASE WHEN isfinite({raw}) THEN make_timestamp(epoch_us({raw})) END"
    return f"TRY_CAST({raw} AS TIMESTAMP)"


def _within_years(instant: str) -> str:
    return f"CASE WHEN {instant} BETWEEN {_EARLIEST} AND {_LATEST} THEN {instant} END"
