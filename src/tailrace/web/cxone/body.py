"""Reads the body of a request to extract, and names every fault of it at once (CX-018, CX-203 to CX-208)."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NoReturn

from tailrace.errors import RequestInvalid

_MEMBERS = ("entityName", "version", "startDate", "endDate")
_FORMAT = "format"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FIRST_YEAR, _LAST_YEAR = 1970, 2999
_LONGEST_ECHO = 100
CSV = "csv"
NOT_AN_OBJECT = "Request body is not a JSON object"


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """A request whose form is right; whether the entity exists is not yet known.

    `format` is Tailrace's extension.
    """

    entity: str
    version: str
    start_date: date
    end_date: date
    format: str = CSV


def read_object(body: bytes) -> dict[str, Any]:
    """Read one JSON object; raises RequestInvalid for anything else."""
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (UnicodeDecodeError, ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise RequestInvalid("Invalid request", details=(NOT_AN_OBJECT,))
    return value


def read_export_request(
    body: bytes, *, max_range_days: int, strict: bool, formats: Callable[[str], Sequence[str]]
) -> ExportRequest:
    """Read an `exportRequest`; raises RequestInvalid with every fault, in the documented order.

    `strict` refuses unknown members, as profile `documented` does (CX-207). `formats` tells what a dataset offers
    besides CSV; without any, `format` is a member like any other that is not known.
    """
    members = read_object(body)
    faults: list[str] = []
    entity = _read_text(members, "entityName", faults)
    version = _read_text(members, "version", faults)
    start = _read_date(members, "startDate", faults)
    end = _read_date(members, "endDate", faults)
    if start and end:
        faults += _check_range(start, end, max_range_days)
    offered = formats(entity) if entity is not None else ()
    wanted = _read_format(members, offered, faults) if offered else CSV
    if strict:
        known = (*_MEMBERS, _FORMAT) if offered else _MEMBERS
        faults += [f"Unknown field: '{name[:_LONGEST_ECHO]}'" for name in members if name not in known]
    if faults or entity is None or version is None or start is None or end is None:
        raise RequestInvalid("Invalid request", details=tuple(faults))
    return ExportRequest(entity, version, start, end, wanted)


def _read_text(members: dict[str, Any], name: str, faults: list[str]) -> str | None:
    value = members.get(name)
    if value is None:
        faults.append(f"Missing required field: '{name}'")
        return None
    if name == "version" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        faults.append(f"Field '{name}' must be a string")
        return None
    return value


def _read_date(members: dict[str, Any], name: str, faults: list[str]) -> date | None:
    text = _read_text(members, name, faults)
    if text is None:
        return None
    try:
        value = date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        value = None
    if value is None or not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        faults.append(f"{name} must be a date in the form yyyy-MM-dd")
        return None
    return value


def _read_format(members: dict[str, Any], offered: Sequence[str], faults: list[str]) -> str:
    value = members.get(_FORMAT)
    if value is None:
        return CSV
    if not isinstance(value, str) or value not in (CSV, *offered):
        faults.append(f"format must be one of: {', '.join((CSV, *offered))}")
        return CSV
    return value


def _check_range(start: date, end: date, max_range_days: int) -> list[str]:
    if end < start:
        return ["endDate must not be before startDate"]
    if (end - start).days > max_range_days:
        return [f"The date range must not exceed {max_range_days} days"]
    return []


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
