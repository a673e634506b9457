"""What a format is: a way to say, in SQL, the text of one output row, and the text before and after all rows.

SQL here is DuckDB's; an engine that speaks another dialect translates it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

FieldType = Literal["text", "integer", "decimal", "datetime", "date", "boolean"]


@dataclass(frozen=True, slots=True)
class Field:
    """One output column: its written name, its source column and how its values are written.

    `precision` counts the digits of a decimal, `scale` those written after the point;
    `true_text` and `false_text` are what booleans say;
    `backslash_plus` asks for a backslash before a leading plus (CX-613, profile `live`). `plain` promises that no value
    is empty, begins or ends with a blank, or holds what any format escapes, so that nothing need be looked for.
    """

    name: str
    source: str
    type: FieldType
    precision: int = 18
    scale: int = 0
    true_text: str = "true"
    false_text: str = "false"
    backslash_plus: bool = False
    plain: bool = False

    @property
    def reference(self) -> str:
        """The source column as SQL."""
        return quote_name(self.source)


class Format(Protocol):
    """A format's face; a module in this folder offers `create(fields, options)` that returns one."""

    extension: str
    media_type: str

    def head(self) -> bytes:
        """The bytes before the first row."""

    def row(self) -> str:
        """A SQL expression over the source columns: the text of one row, its end included."""

    def tail(self) -> bytes:
        """The bytes after the last row."""


class CreateFormat(Protocol):
    """What a format's module offers as `create`."""

    def __call__(self, fields: Sequence[Field], options: Mapping[str, Any]) -> Format:
        """Make the format for these columns."""


def sql_type(kind: FieldType, precision: int, scale: int) -> str:
    """Name the SQL type that values of a kind are stored as."""
    if kind == "decimal":
        return f"DECIMAL({precision},{scale})"
    plain = {"text": "VARCHAR", "integer": "BIGINT", "datetime": "TIMESTAMP", "date": "DATE", "boolean": "BOOLEAN"}
    return plain[kind]


def write_value(field: Field) -> str:
    """A SQL expression for the written text of a value, null for none; text as it is stored (CX-609 to CX-611).

    Decimals are rounded half away from zero, times cut off after the milliseconds.
    """
    value = field.reference
    match field.type:
        case "text":
            return value
        case "integer":
            return f"CAST({value} AS VARCHAR)"
        case "decimal":
            return f"CAST(CAST({value} AS DECIMAL({field.precision}, {field.scale})) AS VARCHAR)"
        case "datetime":
            return f"strftime({value}, '%Y-%m-%dT%H:%M:%S.%gZ')"
        case "date":
            return f"strftime({value}, '%Y-%m-%d')"
        case "boolean":
            true, false = quote_text(field.true_text), quote_text(field.false_text)
            return f"CASE WHEN {value} THEN {true} WHEN NOT {value} THEN {false} END"


def write_order(range_source: str, fields: Sequence[Field]) -> tuple[str, ...]:
    """The SQL terms that order rows: by instant, then by the written texts in byte order, none first (CX-614)."""
    return (f"{quote_name(range_source)} NULLS FIRST", *(f"{write_value(field)} NULLS FIRST" for field in fields))


def quote_name(name: str) -> str:
    """Write a name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Write a text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"
