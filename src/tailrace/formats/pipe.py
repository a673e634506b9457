"""Values between bars, one record a line, as section 8.2 of the SmartSync specification says (SS-811 to SS-816)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tailrace.formats.base import CONTROL, Field, quote_sign, replace_signs, texts_with, write_value

_NOTHING = "''"
_NUL, _REPLACEMENT = "\0", "\ufffd"
# The backslash first, so that those of the other escapes stay single (SS-814).
_ESCAPES = {"\\": r"\\", "|": r"\|", "\n": r"\n", "\r": r"\r", _NUL: _REPLACEMENT}


def create(fields: Sequence[Field], options: Mapping[str, Any]) -> "PipeFormat":
    """Make the format.

    Option `header` (default true) asks for the two header lines, `sort` names the fields that rows are sorted by.
    """
    return PipeFormat(tuple(fields), header=bool(options.get("header", True)), sort=tuple(options.get("sort", ())))


class PipeFormat:
    """Bars between values, backslashes before what could be mistaken, LF."""

    extension = "pipe"
    media_type = "text/plain; charset=utf-8"
    grouped = False
    row_bytes = 0

    def __init__(self, fields: tuple[Field, ...], *, header: bool, sort: tuple[str, ...]) -> None:
        """Take the columns in output order."""
        self._fields = fields
        self._header = header
        self._sort = sort

    def head(self) -> bytes:
        """The header lines, if asked for (SS-812)."""
        if not self._header:
            return b""
        names = "|".join(_column_name(field) for field in self._fields)
        return f"#fields:{names}\n#sort:{'|'.join(map(_escape, self._sort))}\n".encode()

    def lead(self) -> str:
        """Nothing stands between records."""
        return "''"

    def row(self) -> str:
        """The SQL of one line: `concat` takes null for nothing, which is just how a blank is written (SS-815)."""
        cells = [_cell(field) for field in self._fields]
        if self._fields and self._fields[0].type == "text":
            first = self._fields[0].reference
            cells[0] = rf"CASE WHEN starts_with({first}, '#') THEN concat('\', {cells[0]}) ELSE {cells[0]} END"
        bar = ", '|', "
        return f"concat({bar.join(cells) or _NOTHING}, chr(10))"

    def tail(self) -> bytes:
        """Nothing follows the last record."""
        return b""

    def empty(self) -> bytes:
        """The header lines alone (SS-816)."""
        return self.head()

    def open_page(self, lead: bytes) -> bytes:  # noqa: ARG002 the protocol's argument; there are no groups
        """The header lines."""
        return self.head()

    def replaced(self) -> str:
        """Characters U+0000."""
        texts = texts_with(self._fields, CONTROL)
        if not texts:
            return "0"
        nul, whole = quote_sign(_NUL), f"concat({', '.join(texts)})"
        found = " OR ".join(f"contains({text}, {nul})" for text in texts)
        return f"CASE WHEN {found} THEN length({whole}) - length(replace({whole}, {nul}, '')) ELSE 0 END"


def _cell(field: Field) -> str:
    """One value; several plain searches are quicker than one regular expression or replacing at once."""
    if field.type == "boolean":
        field = replace(field, true_text=_escape(field.true_text), false_text=_escape(field.false_text))
    text = write_value(field)
    escapes = {sign: written for sign, written in _ESCAPES.items() if field.may_hold(CONTROL if sign == _NUL else sign)}
    if not escapes:
        return text
    found = " OR ".join(f"contains({text}, {quote_sign(sign)})" for sign in escapes)
    return f"CASE WHEN {found} THEN {replace_signs(text, escapes)} ELSE {text} END"


def _column_name(field: Field) -> str:
    """The column of an agent data group is named after both (SS-813)."""
    return f"{field.name}({_escape(field.label)})" if field.label else _escape(field.name)


def _escape(text: str) -> str:
    """Escape a text known beforehand, by the same rule."""
    for sign, written in _ESCAPES.items():
        text = text.replace(sign, written)
    return text
