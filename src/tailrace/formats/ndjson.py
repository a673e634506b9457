"""NDJSON: one JSON object a line, for programs that want types and names with every row."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tailrace.formats.base import Field, concat, quote_text, write_value
from tailrace.formats.json_text import bytes_of_keys, is_escaped, quote, quote_in_sql

# Written without quotes, as in JSON.
_BARE = {"integer", "decimal", "boolean"}


def create(fields: Sequence[Field], options: Mapping[str, Any]) -> "NdjsonFormat":  # noqa: ARG001 a format's face
    """Make the format; it has no options."""
    return NdjsonFormat(tuple(fields))


class NdjsonFormat:
    """Every column is a member of every object, in wire order; no value is null; lines end with LF."""

    extension = "ndjson"
    media_type = "application/x-ndjson"
    grouped = False

    def __init__(self, fields: tuple[Field, ...]) -> None:
        """Take the columns in wire order."""
        self._fields = fields
        self.row_bytes = bytes_of_keys(field.name for field in fields)

    def head(self) -> bytes:
        """Nothing comes before the first record."""
        return b""

    def lead(self) -> str:
        """Nothing stands between records."""
        return "''"

    def row(self) -> str:
        """The SQL of one object and its line's end."""
        members = [part for number, field in enumerate(self._fields) for part in _member(field, first=not number)]
        return concat([*(members or [quote_text("{")]), quote_text("}"), "chr(10)"])

    def tail(self) -> bytes:
        """Nothing follows the last record."""
        return b""

    def empty(self) -> bytes:
        """No record, no byte."""
        return b""

    def open_page(self, lead: bytes) -> bytes:  # noqa: ARG002 the protocol's argument; there are no groups
        """Nothing."""
        return b""

    def replaced(self) -> str:
        """JSON holds every character."""
        return "0"


def _member(field: Field, *, first: bool) -> Iterator[str]:
    """Yield SQL for a member's key, with what stands before it, and for its value."""
    key = ("{" if first else ",") + quote(field.name) + ":"
    if not field.filled or (field.type == "text" and is_escaped(field)):
        yield from (quote_text(key), _value(field))
    elif field.type in _BARE:
        yield from (quote_text(key), _bare(field))
    else:
        yield from (quote_text(key + '"'), write_value(field), quote_text('"'))


def _value(field: Field) -> str:
    if field.type == "text":
        text = quote_in_sql(field, field.reference)
        return text if field.filled else _or_null(field, text)
    if field.type in _BARE:
        return f"coalesce({_bare(field)}, 'null')"
    return _or_null(field, f"""concat('"', {write_value(field)}, '"')""")


def _bare(field: Field) -> str:
    return write_value(replace(field, true_text="true", false_text="false"))


def _or_null(field: Field, text: str) -> str:
    """SQL for a text that is `null` without a value."""
    if field.type == "group":
        return "'null'"
    return f"CASE WHEN {field.reference} IS NULL THEN 'null' ELSE {text} END"
