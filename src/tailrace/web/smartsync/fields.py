"""Reads which fields are asked for (SS-701 to SS-706, SS-710)."""

from collections.abc import Mapping
from typing import Any

from tailrace.catalog.exporter import ExporterField
from tailrace.jobs.exports import Chosen
from tailrace.web.smartsync.body import shown
from tailrace.web.smartsync.faults import Row
from tailrace.web.smartsync.reading import Reading, find_named

_MOST_FIELDS = 200


def read_fields(reading: Reading, name: str, value: Any) -> list[Chosen] | None:
    """Read the field objects, in their order; gives catalogue names and stored spellings."""
    if reading.exporter.is_flat and reading.output_format == "XML":
        reading.faults.add(Row.FIELDS_WITH_XML, name, "fields can be set only if outputFormat is PIPE or JSON")
    objects = value if isinstance(value, list) and all(isinstance(one, dict) for one in value) else []
    if not 1 <= len(objects) <= _MOST_FIELDS:
        reading.faults.add(Row.FIELDS, name, f"{name} must contain 1 to {_MOST_FIELDS} field objects")
        return None
    chosen = []
    named: set[str] = set()
    for one in objects:
        given = {member: content for member, content in one.items() if content is not None}
        field = _find_field(reading, given.get("name"))
        choice = _choose(reading, field, given) if field else None
        if field is None or choice is None or (field.name in named and not field.repeatable):
            reading.faults.add_wrong(Row.FIELD, name, _written(one, given))
        else:
            chosen.append(choice)
        if field:
            named.add(field.name)
    return chosen if len(chosen) == len(objects) else None


def _find_field(reading: Reading, name: object) -> ExporterField | None:
    """Find a field that the output format has; as long as the format is not known any will do (SS-302)."""
    field = reading.exporter.field(name) if isinstance(name, str) else None
    wanted = reading.output_format
    return field if field and (wanted is None or not field.formats or wanted in field.formats) else None


def _choose(reading: Reading, field: ExporterField, given: Mapping[str, Any]) -> Chosen | None:
    """Say which of a field is meant; None when it has no such attribute, value, or member at all."""
    match field.kind, sorted(given.keys() - {"name"}):
        case _, []:
            return Chosen(field.name, field.attribute_default or None)
        case "attribute", ["attributes"]:
            value = _read_attributes(field, given["attributes"])
            return None if value is None else Chosen(field.name, value)
        case "value", ["value"]:
            wanted = given["value"]
            groups = reading.choices.data_groups if isinstance(wanted, str) else ()
            group = find_named(wanted, groups, lambda one: one.name)
            return None if group is None else Chosen(field.name, group.id)
    return None


def _read_attributes(field: ExporterField, attributes: object) -> str | None:
    """Read the value of a field's one attribute, its default when it is not given."""
    if not isinstance(attributes, dict) or len(attributes) > 1:
        return None
    for name, value in attributes.items():
        known = find_named(name, field.attribute_names, str)
        return find_named(value, field.attribute_values, str) if known and isinstance(value, str) else None
    return field.attribute_default


def _written(one: Mapping[str, Any], given: Mapping[str, Any]) -> object:
    """Write a field as the fault's text names it: what has no name, or odd members, as it was given."""
    match given:
        case {"name": str(name), **rest} if not rest:
            return name
        case {"name": str(name), "value": value, **rest} if not rest:
            return f"{name}({shown(value)})"
        case {"name": str(name), "attributes": dict(attributes), **rest} if not rest and attributes:
            pairs = ",".join(f"{attribute}={shown(value)}" for attribute, value in attributes.items())
            return f"{name}[{pairs}]"
    return one
