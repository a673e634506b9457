"""Reads the records of a result or page: PIPE (SS-811 to SS-816) and JSON (SS-821 to SS-827)."""

import json
import re
from decimal import Decimal
from typing import Any

from tailrace.errors import ClientError

_HEADER, _SORT = "#fields:", "#sort:"
_ESCAPED = {"n": "\n", "r": "\r"}
_ESCAPE_OR_BAR = re.compile(r"\\(.)|\|", re.DOTALL)
# U+0000 never occurs in a result (SS-814).
_BETWEEN = "\0"

Record = dict[str, Any]


def read_records(content: bytes, output_format: str) -> list[Record]:
    """Read a complete document; values of PIPE are texts, decimals of JSON `Decimal`.

    Raises ClientError when the format is none of the two, or the document is not of its format.
    """
    if output_format not in ("PIPE", "JSON"):
        raise ClientError(f"Records can be read from PIPE and JSON; this result is {output_format or 'of no format'}.")
    try:
        text = content.decode()
        return _read_pipe(text) if output_format == "PIPE" else _read_json(text)
    except ValueError:
        raise ClientError(f"The result is not {output_format} as it should be.") from None


def _read_pipe(text: str) -> list[Record]:
    """Read lines; raises ValueError when one has more or fewer values than there are names."""
    lines = text.removesuffix("\n").split("\n")
    if not lines[0].startswith(_HEADER):
        raise ClientError("The result has no header lines to take names from; export without exclude_header.")
    names = _split(lines[0].removeprefix(_HEADER))
    rows = lines[2:] if len(lines) > 1 and lines[1].startswith(_SORT) else lines[1:]
    return [dict(zip(names, _split(line), strict=True)) for line in rows]


def _split(line: str) -> list[str]:
    if "\\" not in line:
        return line.split("|")
    return _ESCAPE_OR_BAR.sub(_unescape, line).split(_BETWEEN)


def _unescape(found: re.Match[str]) -> str:
    return _BETWEEN if found[1] is None else _ESCAPED.get(found[1], found[1])


def _read_json(text: str) -> list[Record]:
    """Read an array, or the one a root object holds inside; raises ValueError."""
    document = json.loads(text, parse_float=Decimal)
    while isinstance(document, dict) and len(document) == 1:
        [document] = document.values()
    if not isinstance(document, list) or not all(isinstance(record, dict) for record in document):
        raise ValueError
    return document
