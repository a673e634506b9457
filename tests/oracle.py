"""Section 6 of the Data Extraction specification in plain Python, sharing nothing with the product."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any


def write_csv(header: Sequence[str], rows: Iterable[Sequence[Any]], columns: Sequence[dict[str, Any]]) -> bytes:
    """Write a whole file; `columns` says type, scale, true_text and false_text of each column."""
    lines = [",".join(quote(name) for name in header)]
    for row in rows:
        cells = [cell(value, column) for value, column in zip(row, columns, strict=True)]
        lines.append('""' if cells == [""] else ",".join(cells))
    return "".join(line + "\r\n" for line in lines).encode()


def cell(value: Any, column: dict[str, Any]) -> str:
    """CX-605 to CX-611."""
    if value is None:
        return ""
    match column["type"]:
        case "text":
            return quote(value.replace("\0", "�"))
        case "integer":
            return str(value)
        case "decimal":
            return decimal_text(value, column["scale"])
        case "datetime":
            return datetime_text(value)
        case "date":
            return date_text(value)
        case "boolean":
            return quote(column.get("true_text", "true") if value else column.get("false_text", "false"))
    raise AssertionError(column)


def quote(text: str) -> str:
    special = text == "" or any(sign in text for sign in ',"\r\n') or text[0] in " \t" or text[-1] in " \t"
    return '"' + text.replace('"', '""') + '"' if special else text


def decimal_text(value: Decimal, scale: int) -> str:
    rounded = value.quantize(Decimal(1).scaleb(-scale), rounding=ROUND_HALF_UP)
    text = f"{abs(rounded):f}"
    return "-" + text if rounded < 0 else text


def datetime_text(value: datetime) -> str:
    return f"{date_text(value)}T{value:%H:%M:%S}.{value.microsecond // 1000:03d}Z"


def date_text(value: date) -> str:
    return f"{value.year:04d}-{value.month:02d}-{value.day:02d}"
