"""Reads the parameters of a request to export, one function for each kind of rule (SS-204 to SS-221, SS-301)."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import partial
from typing import Any

from tailrace.jobs.exports import DATE_FORMATS, TIME_FORMATS
from tailrace.web.smartsync.body import missing
from tailrace.web.smartsync.faults import PARAMETERS, Row
from tailrace.web.smartsync.fields import read_fields
from tailrace.web.smartsync.reading import Reading, find_named
from tailrace.web.smartsync.time_off import read_all_groups, read_group_list

# Gives what was read, or None with a fault noted.
_Reader = Callable[[Reading, str, Any], Any]

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_FIRST_YEAR, _LAST_YEAR = 1970, 2999
_MOST_IDS = 1000
_DEFAULT_ATTRIBUTE = "EXC_EXPORT"
_RECORD_TYPES = ("newAgent", "changedAgent")
# Parameters of which at least one is needed, and the fault when there is none (SS-215, SS-217).
_ONE_OF = (
    (("buIds", "ctIds"), Row.NEITHER_BU_NOR_CT, "At least one of 'buIds' and 'ctIds' is required"),
    (
        ("timeOffGroupList", "allTimeOffGroups"),
        Row.NEITHER_TIME_OFF,
        "One of 'timeOffGroupList' and 'allTimeOffGroups' is required",
    ),
)
# Switches that mean something for one output format alone (SS-218).
_SWITCHES = (
    ("keepEmptyJsonFields", "JSON", Row.NOT_JSON),
    ("excludePipeHeader", "PIPE", Row.NOT_PIPE),
)


def read_parameters(reading: Reading, members: Mapping[str, Any]) -> None:
    """Read all parameters and note every fault that needs no look at permissions."""
    if reading.documented:
        _refuse_unknown(reading, members)
    for name in PARAMETERS:
        if name in reading.given:
            value = _READERS[name](reading, name, reading.given[name])
            if value is not None:
                reading.values[name] = value
    _check_missing(reading)
    _check_range(reading)
    _check_switches(reading)
    _use_default_attribute(reading)


def taken(parameters: Mapping[str, str], members: Mapping[str, Any]) -> dict[str, Any]:
    """Leave the members of a body that an exporter with these parameters takes; null counts as absent (SS-204)."""
    return {
        name: value for name, value in members.items() if name in parameters and name in _READERS and value is not None
    }


# -- all parameters together --------------------------------------------------------------------------------------


def _refuse_unknown(reading: Reading, members: Mapping[str, Any]) -> None:
    for name, value in members.items():
        if value is not None and name not in reading.given:
            reading.faults.add(Row.UNKNOWN_PARAMETER, name, f"Unknown parameter: '{name}'")


def _check_missing(reading: Reading) -> None:
    """Ask for what is required; what depends on the output format only if that is known (SS-302)."""
    for name in PARAMETERS:
        if name not in reading.given and reading.exporter.requires(name, reading.output_format):
            reading.faults.add(Row.MISSING_PARAMETER, name, missing(name))
    for names, row, text in _ONE_OF:
        if set(names) <= reading.exporter.params.keys() and not any(name in reading.given for name in names):
            reading.faults.add(row, names[0], text)
    if "timeOffGroupList" in reading.given and "allTimeOffGroups" in reading.given:
        text = "Only one of 'timeOffGroupList' and 'allTimeOffGroups' is allowed"
        reading.faults.add(Row.BOTH_TIME_OFF, "timeOffGroupList", text)


def _check_range(reading: Reading) -> None:
    start, end = reading.values.get("startDate"), reading.values.get("endDate")
    if start is None or end is None:
        return
    if start > end:
        reading.faults.add(Row.DATE_ORDER, "startDate", "startDate must not be after endDate")
    elif (end - start).days >= reading.max_range_days:
        text = f"Date range must not exceed {reading.max_range_days} days"
        reading.faults.add(Row.DATE_RANGE, "startDate", text)


def _check_switches(reading: Reading) -> None:
    for name, output_format, row in _SWITCHES:
        if reading.values.get(name) and reading.output_format not in (None, output_format) and reading.documented:
            reading.faults.add(row, name, f"{name} can be set only if outputFormat is {output_format}")


def _use_default_attribute(reading: Reading) -> None:
    if "attribute" not in reading.exporter.params or "attribute" in reading.given:
        return
    if found := find_named(_DEFAULT_ATTRIBUTE, reading.choices.attributes, str):
        reading.values["attribute"] = found
    else:
        text = f"Missing default attribute value: '{_DEFAULT_ATTRIBUTE}'"
        reading.faults.add(Row.DEFAULT_ATTRIBUTE, "attribute", text)


# -- one parameter ------------------------------------------------------------------------------------------------


def _read_date(row: Row, reading: Reading, name: str, value: Any) -> date | None:
    """Read a real date from 1970-01-01 to 2999-12-31 (SS-211)."""
    try:
        found = date.fromisoformat(value) if isinstance(value, str) and _DATE.fullmatch(value) else None
    except ValueError:
        found = None
    if found is None or not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        reading.faults.add(row, name, f"{name} must match the provided yyyy-MM-dd format")
        return None
    return found


def _read_output_format(reading: Reading, name: str, value: Any) -> str | None:
    """Read one of the exporter's formats, whatever its case (SS-212)."""
    offered = {one.lower(): one for one in reading.exporter.formats}
    found = offered.get(value.lower()) if isinstance(value, str) else None
    if found is None:
        reading.faults.add_wrong(Row.OUTPUT_FORMAT, name, value)
    return found


def _read_date_format(reading: Reading, name: str, value: Any) -> str | None:
    if isinstance(value, str) and value.lower() in DATE_FORMATS:
        return value.lower()
    reading.faults.add_wrong(Row.DATE_FORMAT, name, value)
    return None


def _read_time_format(reading: Reading, name: str, value: Any) -> str | None:
    """Read 12 or 24, as a text or an integer (SS-214)."""
    text = str(value) if type(value) is int else value
    if isinstance(text, str) and text in TIME_FORMATS:
        return text
    reading.faults.add_wrong(Row.TIME_FORMAT, name, value)
    return None


def _read_ids(reading: Reading, name: str, value: Any) -> list[int] | None:
    """Read 1 to 1,000 ids, of which repeated ones count once (SS-215)."""
    if not isinstance(value, list):
        reading.faults.add_wrong(Row.VALUE, name, value)
        return None
    good = [one for one in value if type(one) is int and one >= 1]
    ids = list(dict.fromkeys(good))
    if not value:
        reading.faults.add(Row.NO_IDS, name, f"{name} must contain at least one id")
    if len(ids) > _MOST_IDS:
        reading.faults.add(Row.MANY_IDS, name, f"{name} must contain at most {_MOST_IDS} ids")
    for one in value:
        if type(one) is not int or one < 1:
            reading.faults.add_wrong(Row.ID, name, one)
    return ids if 0 < len(ids) <= _MOST_IDS and len(good) == len(value) else None


def _read_switch(reading: Reading, name: str, value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    reading.faults.add_wrong(Row.VALUE, name, value)
    return None


def _read_attribute(reading: Reading, name: str, value: Any) -> str | None:
    """Find an attribute of the tenant; gives its stored spelling (SS-721)."""
    if not isinstance(value, str):
        reading.faults.add_wrong(Row.VALUE, name, value)
        return None
    found = find_named(value, reading.choices.attributes, str)
    if found is None:
        reading.faults.add_wrong(Row.ATTRIBUTE, name, value)
    return found


def _read_instant(reading: Reading, name: str, value: Any) -> datetime | None:
    """Read an instant in UTC (SS-219)."""
    try:
        if isinstance(value, str) and _INSTANT.fullmatch(value):
            return datetime.strptime(value, "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        pass
    text = f"{name} must match the provided yyyy-MM-dd'T'HH:mm:ss'Z' format"
    reading.faults.add(Row.LAST_MODIFIED_TIME, name, text)
    return None


def _read_record_type(reading: Reading, name: str, value: Any) -> str | None:
    found = find_named(value, _RECORD_TYPES, str) if isinstance(value, str) else None
    if found is None:
        reading.faults.add_wrong(Row.VALUE, name, value)
    return found


_READERS: dict[str, _Reader] = {
    "startDate": partial(_read_date, Row.START_DATE),
    "endDate": partial(_read_date, Row.END_DATE),
    "outputFormat": _read_output_format,
    "dateFormat": _read_date_format,
    "timeFormat": _read_time_format,
    "muIds": _read_ids,
    "buIds": _read_ids,
    "ctIds": _read_ids,
    "timeOffGroupList": read_group_list,
    "allTimeOffGroups": read_all_groups,
    "keepEmptyJsonFields": _read_switch,
    "excludePipeHeader": _read_switch,
    "attribute": _read_attribute,
    "lastModifiedTime": _read_instant,
    "disableMidnightCutOff": _read_switch,
    "recordType": _read_record_type,
    "fields": read_fields,
}
