"""What a format is: a way to say, in SQL, the text of one output row, and the text before and after all rows.

SQL here is DuckDB's; an engine that speaks another dialect translates it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

ColumnType = Literal["text", "integer", "decimal", "datetime", "date", "boolean"]
"""What a column of a dataset holds."""

FieldType = Literal[ColumnType, "time", "elapsed", "group"]
"""What an output column holds: `time` is a wall clock's, `elapsed` counts minutes, `group` holds other columns."""

# What some format minds in a text: a character; being empty; a blank at an end; and any other control character, or one
# that XML does not allow.
EMPTY, EDGE, CONTROL = "empty", "edge", "control"
SPECIALS = (",", '"', "\n", "\r", "\t", "|", "\\", "&", "<", ">", EMPTY, EDGE, CONTROL)
# What may be known of any column besides: no row is without a value.
FILLED = "filled"

# The last word on order between rows that are otherwise alike; intake gives it to every row it stores.
ROW_KEY = "_row_key"
# Whether a computed row is the first of its group.
OPENS = "_opens"


@dataclass(frozen=True, slots=True)
class Field:
    """One output column: its written name, its source column and how its values are written.

    `precision` counts the digits of a decimal, `scale` those written after the point;
    `true_text` and `false_text` are what booleans say; `pattern` is how dates and times are written, in the signs of
    strftime, empty for ISO 8601; `label` is the name of the agent data group, or the kind of the id, that the column
    holds. A `group` without columns has an empty source.
    `backslash_plus` asks for a backslash before a leading plus (CX-613, profile `live`). `specials` are
    all of SPECIALS that values may hold, and FILLED if there always is one; None if that is not known. What no value
    holds need not be looked for.
    """

    name: str
    source: str
    type: FieldType
    precision: int = 18
    scale: int = 0
    true_text: str = "true"
    false_text: str = "false"
    backslash_plus: bool = False
    pattern: str = ""
    label: str = ""
    specials: tuple[str, ...] | None = None

    @property
    def reference(self) -> str:
        """The source column as SQL."""
        return quote_name(self.source)

    def may_hold(self, *specials: str) -> bool:
        """Whether any value may hold one of these; only texts can."""
        if self.type != "text":
            return False
        return self.specials is None or not set(self.specials).isdisjoint(specials)

    @property
    def filled(self) -> bool:
        """Whether every row is known to have a value."""
        return self.specials is not None and FILLED in self.specials

    @property
    def never_empty(self) -> bool:
        """Whether every row is known to have a value, and no value is an empty text."""
        return self.filled and not self.may_hold(EMPTY)


class Format(Protocol):
    """A format's face; a module in this folder offers `create(fields, options)` that returns one.

    A file is the head, lead and row for each record, and the tail; or what `empty` says, without records. A page of it
    is what `open_page` says, the records with the leads between them, and the tail (SS-524).
    """

    extension: str
    media_type: str
    grouped: bool
    """Whether a lead can hold the beginning of a group of records, which a page must repeat."""
    row_bytes: int
    """What every record has besides its values, more or less; 0 for little. Slices hold fewer rows where it is much."""

    def head(self) -> bytes:
        """The bytes before the first record's lead."""

    def lead(self) -> str:
        """A SQL expression: what stands before a record's own text, such as a separator; `''` for never anything.

        It may use the column `_row_key`, the record's place from 0 on, and, if the format is grouped, the boolean
        `_opens`, which says that a new group begins here.
        """

    def row(self) -> str:
        """A SQL expression over the source columns: the text of one record, its end included."""

    def tail(self) -> bytes:
        """The bytes after the last record."""

    def empty(self) -> bytes:
        """The whole file, when there is no record."""

    def open_page(self, lead: bytes) -> bytes:
        """What a page begins with; `lead` is the last that opened a group, up to the page's first record."""

    def replaced(self) -> str:
        """A SQL expression: how many characters of a record the format cannot hold, so that others stand for them.

        `0` where that never happens or nobody asks; another expression makes the rows be read once more. It may use
        what `lead` may.
        """


class CreateFormat(Protocol):
    """What a format's module offers as `create`."""

    def __call__(self, fields: Sequence[Field], options: Mapping[str, Any]) -> Format:
        """Make the format for these columns."""


_SQL_TYPES: dict[FieldType, str] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "datetime": "TIMESTAMP",
    "date": "DATE",
    "boolean": "BOOLEAN",
    "time": "TIMESTAMP",
    "elapsed": "INTEGER",
}


def sql_type(kind: FieldType, precision: int, scale: int) -> str:
    """Name the SQL type that values of a kind are stored as; a group has none of its own."""
    if kind == "decimal":
        return f"DECIMAL({precision},{scale})"
    return _SQL_TYPES[kind]


def write_value(field: Field, value: str = "") -> str:
    """A SQL expression for the written text of a value, null for none; text as it is stored.

    `value` is SQL for what to write, where that is not the field's own column. Decimals are rounded half away from
    zero, instants cut off after the milliseconds (CX-609 to CX-611, SS-803, SS-901, SS-903).
    """
    value = value or field.reference
    match field.type:
        case "text":
            text = value
        case "integer":
            text = f"CAST({value} AS VARCHAR)"
        case "decimal":
            # A digit before the point, be it 0.
            digits = max(field.precision, field.scale + 1)
            text = f"CAST(CAST({value} AS DECIMAL({digits}, {field.scale})) AS VARCHAR)"
        case "datetime":
            text = f"strftime({value}, '%Y-%m-%dT%H:%M:%S.%gZ')"
        case "date":
            text = _write_date(value, field.pattern)
        case "time":
            text = _write_time(value, field.pattern)
        case "elapsed":
            text = f"lpad(CAST({value} // 60 AS VARCHAR), 2, '0') || ':' || lpad(CAST({value} % 60 AS VARCHAR), 2, '0')"
        case "boolean":
            true, false = quote_text(field.true_text), quote_text(field.false_text)
            text = f"CASE WHEN {value} THEN {true} WHEN NOT {value} THEN {false} END"
        case "group":
            text = "CAST(NULL AS VARCHAR)"
    return text


def _write_date(value: str, pattern: str) -> str:
    """DuckDB's own text is ISO 8601 from year 1 to 9999 and, with a value met before, costs nothing to make again."""
    match pattern:
        case "" | "%Y-%m-%d":
            return f"CAST({value} AS VARCHAR)"
        case "%Y%m%d":
            return f"replace(CAST({value} AS VARCHAR), '-', '')"
    return f"strftime({value}, {quote_text(pattern)})"


def _write_time(value: str, pattern: str) -> str:
    if pattern in {"", "%H:%M"}:
        return f"substr(CAST({value} AS VARCHAR), 12, 5)"
    return f"strftime({value}, {quote_text(pattern)})"


def write_order(range_source: str, fields: Sequence[Field]) -> tuple[str, ...]:
    """The SQL terms that order rows: by instant, then by the written texts in byte order, none first (CX-614)."""
    return (f"{quote_name(range_source)} NULLS FIRST", *(f"{write_value(field)} NULLS FIRST" for field in fields))


def quote_name(name: str) -> str:
    """Write a name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class Constant(str):
    """A SQL literal of a text, which can be told from other SQL."""

    __slots__ = ()


def quote_text(text: str) -> Constant:
    """Write a text as a SQL literal."""
    return Constant("'" + text.replace("'", "''") + "'")


def concat(parts: Iterable[str]) -> str:
    """Join texts, which are SQL, taking null for an empty one; constants that meet become one."""
    merged: list[str] = []
    for part in parts:
        if merged and isinstance(part, Constant) and isinstance(merged[-1], Constant):
            merged[-1] = Constant(merged[-1][:-1] + part[1:])
        else:
            merged.append(part)
    return f"concat({', '.join(merged)})" if merged else "''"


def quote_sign(sign: str) -> str:
    """Write one character as SQL; control characters by number, so that the statement can be read."""
    return f"chr({ord(sign)})" if sign < " " else quote_text(sign)


def replace_signs(text: str, signs: Mapping[str, str]) -> str:
    """A SQL expression: a text, itself SQL, with characters or short texts replaced, one after the other."""
    for sign, written in signs.items():
        text = f"replace({text}, {quote_sign(sign)}, {quote_text(written)})"
    return text


def texts_with(fields: Sequence[Field], *specials: str) -> list[str]:
    """The columns, as SQL, whose texts may hold any of these."""
    return [field.reference for field in fields if field.may_hold(*specials)]
