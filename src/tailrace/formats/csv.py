"""CSV after RFC 4180, byte for byte as section 6 of the Data Extraction specification says (CX-601 to CX-613)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tailrace.formats.base import CONTROL, EDGE, EMPTY, Field, quote_sign, texts_with, write_value

# What a text must not begin or end with, and by which of its column's specials one may.
_BLANKS = {" ": EDGE, "\t": "\t"}
_SPECIAL = (",", '"', "\n", "\r")
# What a spreadsheet takes for the beginning of a formula (CX-608).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUL, _REPLACEMENT = "chr(0)", "chr(65533)"


def create(fields: Sequence[Field], options: Mapping[str, Any]) -> "CsvFormat":
    """Make the format.

    Option `spreadsheet_safe` guards text against being run as a formula, `backslash_plus` writes the backslash of
    the columns so marked.
    """
    return CsvFormat(
        tuple(fields),
        spreadsheet_safe=bool(options.get("spreadsheet_safe", False)),
        backslash_plus=bool(options.get("backslash_plus", False)),
    )


class CsvFormat:
    """Comma, quotes only where needed, CR LF, a header line."""

    extension = "csv"
    media_type = "text/csv; charset=utf-8"
    grouped = False
    row_bytes = 0

    def __init__(self, fields: tuple[Field, ...], *, spreadsheet_safe: bool, backslash_plus: bool) -> None:
        """Take the columns in wire order."""
        self._fields = fields
        self._spreadsheet_safe = spreadsheet_safe
        self._backslash_plus = backslash_plus

    def head(self) -> bytes:
        """The header line, in UTF-8."""
        return (",".join(_quote_cell(field.name) for field in self._fields) + "\r\n").encode()

    def lead(self) -> str:
        """Nothing stands between records."""
        return "''"

    def row(self) -> str:
        """The SQL of one record: `concat` takes null for nothing, which is just how null is written (CX-606)."""
        if len(self._fields) == 1:
            cells = f"""coalesce({self._cell(self._fields[0])}, '""')"""
        else:
            cells = ", ',', ".join(self._cell(field) for field in self._fields)
        line = f"concat({cells}, chr(13), chr(10))"
        # A character CSV readers choke on; looked for in the whole record rather than in each text (CX-607).
        return f"replace({line}, {_NUL}, {_REPLACEMENT})" if texts_with(self._fields, CONTROL) else line

    def tail(self) -> bytes:
        """Nothing follows the last record."""
        return b""

    def empty(self) -> bytes:
        """The header line alone."""
        return self.head()

    def open_page(self, lead: bytes) -> bytes:  # noqa: ARG002 the protocol's argument; there are no groups
        """The header line."""
        return self.head()

    def replaced(self) -> str:
        """Not counted: nothing tells it to anybody."""
        return "0"

    def _cell(self, field: Field) -> str:
        if field.type == "text":
            return _quote_in_sql(self._text(field), field)
        if field.type == "boolean":
            return write_value(_with_quoted_texts(field))
        return write_value(field)

    def _text(self, field: Field) -> str:
        text = write_value(field)
        if field.backslash_plus and self._backslash_plus:
            text = f"CASE WHEN starts_with({text}, '+') THEN concat('\\', {text}) ELSE {text} END"
        if self._spreadsheet_safe:
            risky = " OR ".join(f"starts_with({text}, {quote_sign(sign)})" for sign in _FORMULA)
            text = f"CASE WHEN {risky} THEN concat('''', {text}) ELSE {text} END"
        return text


def _quote_in_sql(text: str, field: Field) -> str:
    """Quote a cell where CX-605 asks for it; several plain searches are quicker than one regular expression."""
    if not (reasons := list(_reasons(text, field))):
        return text
    doubled = f"""replace({text}, '"', '""')""" if field.may_hold('"') else text
    return f"""CASE WHEN {" OR ".join(reasons)} THEN concat('"', {doubled}, '"') ELSE {text} END"""


def _reasons(text: str, field: Field) -> Iterator[str]:
    """Yield the conditions to look at, of those that a column's texts may meet."""
    if field.may_hold(EMPTY):
        yield f"{text} = ''"
    for sign in filter(field.may_hold, _SPECIAL):
        yield f"contains({text}, {quote_sign(sign)})"
    for sign, special in _BLANKS.items():
        if field.may_hold(special):
            yield f"starts_with({text}, {quote_sign(sign)}) OR ends_with({text}, {quote_sign(sign)})"


def _quote_cell(text: str) -> str:
    """Quote a cell known beforehand, by the same rule."""
    special = not text or any(sign in text for sign in _SPECIAL) or text[0] in _BLANKS or text[-1] in _BLANKS
    return '"' + text.replace('"', '""') + '"' if special else text


def _with_quoted_texts(field: Field) -> Field:
    return Field(
        name=field.name,
        source=field.source,
        type=field.type,
        true_text=_quote_cell(field.true_text),
        false_text=_quote_cell(field.false_text),
    )
