"""Reads which time-off groups and rules are asked for (SS-216, SS-217)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from tailrace.access.choices import TimeOffRule
from tailrace.jobs.exports import TimeOff
from tailrace.web.smartsync.body import shown
from tailrace.web.smartsync.faults import Row
from tailrace.web.smartsync.reading import Reading, find_named

_MEMBERS = {"timeOffGroup", "timeOffRules"}
_SWITCH = "includeAllTimeOffRules"
_MOST_GROUPS = 1000
_DAYS = "days"


@dataclass(frozen=True, slots=True)
class AskedGroup:
    """A group asked for, with the names of its rules as given; without any all rules are meant."""

    id: int
    rules: tuple[str, ...] = ()


def read_group_list(reading: Reading, name: str, value: Any) -> list[AskedGroup] | None:
    """Read `timeOffGroupList`; whether its groups may be viewed and its rules exist is checked later."""
    if not isinstance(value, list):
        reading.faults.add_wrong(Row.VALUE, name, value)
        return None
    groups = [_read_group(reading, name, one) for one in value]
    good = [group for group in groups if group is not None]
    distinct = len({group.id for group in good})
    if not value:
        reading.faults.add(Row.NO_IDS, name, f"{name} must contain at least one id")
    if distinct > _MOST_GROUPS:
        reading.faults.add(Row.MANY_IDS, name, f"{name} must contain at most {_MOST_GROUPS} ids")
    return good if 0 < distinct <= _MOST_GROUPS and len(good) == len(value) else None


def read_all_groups(reading: Reading, name: str, value: Any) -> bool | None:
    """Read `allTimeOffGroups`: whether rules that only overlap the range are wanted too."""
    if not isinstance(value, dict) or value.keys() - {_SWITCH}:
        reading.faults.add_wrong(Row.VALUE, name, value)
        return None
    overlapping = value.get(_SWITCH)
    if overlapping is None:
        return False
    if not isinstance(overlapping, bool):
        reading.faults.add_wrong(Row.VALUE, name, overlapping, name=_SWITCH)
        return None
    return overlapping


def _read_group(reading: Reading, name: str, value: Any) -> AskedGroup | None:
    if not isinstance(value, dict) or value.keys() - _MEMBERS or not _is_id(value.get("timeOffGroup")):
        reading.faults.add_wrong(Row.ID, name, value)
        return None
    rules = value.get("timeOffRules")
    rules = [] if rules is None else rules
    wrong = [one for one in rules if not isinstance(one, str)] if isinstance(rules, list) else [rules]
    for one in wrong:
        reading.faults.add_wrong(Row.VALUE, name, one, name="timeOffRules")
    return None if wrong else AskedGroup(value["timeOffGroup"], tuple(rules))


def _is_id(value: object) -> bool:
    return type(value) is int and value >= 1


def choose_rules(reading: Reading, refused: Collection[int], viewable: Sequence[int]) -> list[TimeOff]:
    """Say which rules are asked for, each once, and note those that a group does not have or that count days.

    Nothing is said about the rules of a group that is `refused`; `viewable` are all groups the user may View.
    """
    if "allTimeOffGroups" in reading.values:
        covering = not reading.values["allTimeOffGroups"]
        return [TimeOff(group, covering=covering) for group in viewable]
    rules: dict[tuple[int, str], list[TimeOffRule]] = {}
    for one in reading.choices.rules:
        rules.setdefault((one.group_id, one.rule.lower()), []).append(one)
    chosen: dict[TimeOff, None] = {}
    for group in reading.values.get("timeOffGroupList", ()):
        if group.id in refused:
            continue
        if not group.rules:
            chosen[TimeOff(group.id)] = None
        for name in group.rules:
            found = find_named(name, rules.get((group.id, name.lower()), ()), lambda rule: rule.rule)
            if usable := _usable(reading, name, found):
                chosen[TimeOff(group.id, usable.rule)] = None
    return list(chosen)


def _usable(reading: Reading, name: str, found: TimeOffRule | None) -> TimeOffRule | None:
    if found is None:
        reading.faults.add_wrong(Row.RULE, "timeOffGroupList", name, name="timeOffRules")
        return None
    if found.unit == _DAYS:
        text = f"Time-off rule counted in days is not supported: '{shown(name)}'"
        reading.faults.add(Row.RULE_IN_DAYS, "timeOffGroupList", text)
        return None
    return found
