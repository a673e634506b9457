"""Writes parameters as the wire does; what is wrong with them, the server says."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

FieldChoice = str | Mapping[str, Any]
TimeOffGroups = Mapping[int, Iterable[str]] | Iterable[int | Mapping[str, Any]]

# The one field that takes an attribute, and the attribute it takes (SS-703); others take a value (SS-704).
_FIELD_WITH_ATTRIBUTE, _ATTRIBUTE = "id", "idType"


def write_body(given: Mapping[str, Any], further: Mapping[str, Any]) -> dict[str, Any]:
    """Join named and further parameters; those that are None are left out."""
    return {name: value for name, value in {**given, **further}.items() if value is not None}


def write_day(day: date | str) -> str:
    """Write a day; text goes as it is."""
    return day if isinstance(day, str) else f"{day:%Y-%m-%d}"


def write_modified(at: datetime | str | None) -> str | None:
    """Write `lastModifiedTime` (SS-219); an instant without zone counts as UTC, text goes as it is."""
    return at if at is None or isinstance(at, str) else f"{_in_utc(at):%Y-%m-%dT%H:%M:%SZ}"


def write_since(at: datetime) -> str:
    """Write `timestamp` of the entities (SS-108); an instant without zone counts as UTC."""
    instant = _in_utc(at)
    return f"{instant:%Y.%m.%dT%H:%M:%S}.{instant.microsecond // 1000:03d}Z"


def write_ids(ids: Iterable[int] | None) -> list[int] | None:
    """Write ids as an array."""
    return None if ids is None else list(ids)


def write_fields(fields: FieldChoice | Iterable[FieldChoice] | None) -> list[dict[str, Any]] | None:
    """Write `fields`: names, `agentData=Team` for a value, `id=ssn` for an id's type, or objects as they are."""
    if fields is None:
        return None
    chosen = [fields] if isinstance(fields, str | Mapping) else fields
    return [_write_field(field) if isinstance(field, str) else dict(field) for field in chosen]


def write_time_off(groups: TimeOffGroups | None) -> list[dict[str, Any]] | None:
    """Write `timeOffGroupList` (SS-217): rules by group, or groups with all their rules, or objects as they are."""
    if groups is None:
        return None
    if isinstance(groups, Mapping):
        return [{"timeOffGroup": group, "timeOffRules": list(rules)} for group, rules in groups.items()]
    return [{"timeOffGroup": group, "timeOffRules": []} if isinstance(group, int) else dict(group) for group in groups]


def write_all_time_off(choice: bool | Mapping[str, Any] | None) -> Any:  # noqa: FBT001 - True and False are the wire's
    """Write `allTimeOffGroups` (SS-217); a switch says whether all rules are included."""
    return {"includeAllTimeOffRules": choice} if isinstance(choice, bool) else choice


def _write_field(text: str) -> dict[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        return {"name": name}
    if name.lower() == _FIELD_WITH_ATTRIBUTE:
        return {"name": name, "attributes": {_ATTRIBUTE: value}}
    return {"name": name, "value": value}


def _in_utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
