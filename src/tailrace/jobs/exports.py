"""From an exporter and what was asked of it to the rows, fields and options a worker needs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from tailrace.access.choices import Choices
from tailrace.catalog.exporter import AGENT_DATA, Exporter, ExporterField, prune, record_of
from tailrace.formats.base import Field, quote_name
from tailrace.jobs.model import ExporterRows, Limits, Request

# SS-901: the documented names of layouts, as strftime writes them.
DATE_FORMATS = {
    "mmddyy": "%m%d%y",
    "ddmmyy": "%d%m%y",
    "mmddyyyy": "%m%d%Y",
    "ddmmyyyy": "%d%m%Y",
    "yyyymmdd": "%Y%m%d",
    "yyyyddmm": "%Y%d%m",
    "yyddmm": "%y%d%m",
    "yymmdd": "%y%m%d",
}
TIME_FORMATS = {"12": "%I:%M %p", "24": "%H:%M"}
# Which entities a parameter names.
ENTITY_OF = {"muIds": "mu", "buIds": "bu", "ctIds": "ct"}
# Digits a written decimal may have in all; SQL computes with as many.
_PRECISION = 38
# What a record is made of, whatever was asked for (SS-710).
_ALWAYS = {"newAgent": "name", "changedAgent": "id"}

# A column of the output, and its SQL over the exporter's columns.
_Column = tuple[Field, str]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A field asked for by its catalogue name, and which of it.

    `choice` is the attribute's value for a field with an attribute; the id of one agent data group, or None for all,
    for a field with a value; None for a simple field.
    """

    name: str
    choice: str | int | None = None


@dataclass(frozen=True, slots=True)
class TimeOff:
    """Time-off rules asked for: one by its stored name, or all of a group.

    Without a rule those that overlap the range, or, if `covering`, those that cover the whole of it (SS-217).
    """

    group_id: int
    rule: str | None = None
    covering: bool = False


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """What a request asks of an exporter, already checked; names in the catalogue's or the stored spelling.

    `ids` has the entities asked for by parameter (`muIds`, `buIds`, `ctIds`). Without `fields` all are written.
    """

    start_date: date
    end_date: date
    output_format: str
    date_format: str = ""
    time_format: str = "24"
    ids: Mapping[str, Sequence[int]] = field(default_factory=dict)
    time_off: Sequence[TimeOff] = ()
    attribute: str | None = None
    last_modified_at: datetime | None = None
    midnight_cut_off: bool = True
    record_type: str | None = None
    keep_empty: bool = False
    header: bool = True
    fields: Sequence[Chosen] | None = None


def resolve_export(exporter: Exporter, choices: Choices, order: ExportOrder, limits: Limits) -> Request:
    """Turn an order into what a worker needs; `choices` are what the tenant has to choose from."""
    chosen = _chosen(exporter, order)
    options, columns = _lay_out(exporter, choices, order, chosen)
    groups = _groups(options["tree"]) if "tree" in options else ()
    rows = ExporterRows(
        exporter=exporter.name,
        asked=_asked(order),
        columns=tuple({made.source: sql for made, sql in columns if made.source}.items()),
        groups=tuple(groups),
        entities={kind: list(order.ids[name]) for name, kind in ENTITY_OF.items() if order.ids.get(name)}
        | ({"tog": list(dict.fromkeys(one.group_id for one in order.time_off))} if order.time_off else {}),
    )
    return Request(
        rows=rows,
        fields=tuple(made for made, _ in columns),
        format=order.output_format.lower(),
        limits=limits,
        options=options,
        companions=("gz", "index"),
    )


def _chosen(exporter: Exporter, order: ExportOrder) -> list[Chosen]:
    """List the fields to write: those asked for and those always there, or all (SS-709, SS-710)."""
    if order.fields is None:
        return [Chosen(one.name, one.attribute_default or None) for one in exporter.fields]
    always = _ALWAYS.get(order.record_type or "")
    if always is None or always in {one.name for one in order.fields}:
        return list(order.fields)
    return [*order.fields, Chosen(always, _field(exporter, always).attribute_default or None)]


def _field(exporter: Exporter, name: str) -> ExporterField:
    return next(one for one in exporter.fields if one.name == name)


def _lay_out(
    exporter: Exporter, choices: Choices, order: ExportOrder, chosen: list[Chosen]
) -> tuple[dict[str, Any], list[_Column]]:
    """Settle the format's options, and the columns with the SQL of each over the exporter's own."""
    if exporter.tree is not None and (order.output_format == "XML" or not exporter.is_flat):
        names = None if order.fields is None else [one.name for one in chosen]
        tree = prune(exporter.tree, order.record_type, names)
        return {"tree": tree, "keep_empty": order.keep_empty}, list(_tree_columns(tree, exporter, choices, chosen))
    columns = [column for one in chosen for column in _flat_columns(exporter, one, choices, order)]
    if order.output_format == "PIPE":
        return {"header": order.header, "sort": list(exporter.sort)}, columns
    return {"keep_empty": order.keep_empty}, columns


def _asked(order: ExportOrder) -> dict[str, Any]:
    """Write what the exporter's SQL may read of the request, as JSON values; instants in UTC."""
    modified = order.last_modified_at
    return {
        "start_date": order.start_date.isoformat(),
        "end_date": order.end_date.isoformat(),
        "attribute": order.attribute,
        "last_modified_at": None if modified is None else modified.isoformat(sep=" "),
        "midnight_cut_off": order.midnight_cut_off,
        "record_type": order.record_type,
        **{kind: list(order.ids.get(name, ())) for name, kind in ENTITY_OF.items()},
        "time_off": [[one.group_id, one.rule, one.covering] for one in order.time_off],
    }


# -- columns ------------------------------------------------------------------------------------------------------


def _flat_columns(exporter: Exporter, chosen: Chosen, choices: Choices, order: ExportOrder) -> Iterator[_Column]:
    """Yield the columns of a field asked for; agent data has one for each group (SS-704)."""
    wanted = _field(exporter, chosen.name)
    if wanted.kind == "value":
        yield from _data_columns(wanted.name, choices, chosen.choice)
    else:
        yield _simple(wanted, _pattern(wanted, order))


def _pattern(wanted: ExporterField, order: ExportOrder) -> str:
    """Choose how dates and times are written (SS-901 to SS-903)."""
    if wanted.type == "time":
        return TIME_FORMATS[order.time_format]
    return DATE_FORMATS[order.date_format] if wanted.type == "date" and order.date_format else ""


def _data_columns(name: str, choices: Choices, only: str | int | None = None) -> Iterator[_Column]:
    """Yield a column for one agent data group, or for each of the tenant's by id; an empty group when it has none."""
    groups = [group for group in choices.data_groups if only in (None, group.id)]
    for group in groups:
        made = Field(name=name, source=f"{name}.{group.id}", type="text", label=group.name)
        yield made, f"{quote_name(name)}[{group.id}]"
    if not groups:
        yield Field(name=name, source="", type="group"), ""


def _simple(wanted: ExporterField, pattern: str = "") -> _Column:
    name = quote_name(wanted.name)
    made = Field(wanted.name, wanted.name, wanted.type, precision=_PRECISION, scale=wanted.scale, pattern=pattern)
    return made, f"CAST({name} AS DECIMAL({_PRECISION}, {wanted.scale}))" if wanted.type == "decimal" else name


def _tree_columns(
    node: dict[str, Any], exporter: Exporter, choices: Choices, chosen: list[Chosen]
) -> Iterator[_Column]:
    """Yield the columns that the elements of a tree hold, in its order."""
    for child in node.get("children", ()):
        name = child.get("field", child["element"])
        wanted = next((one for one in exporter.fields if one.name == name), None)
        if "source" in child:
            yield Field(name, name, "group"), _only_chosen_groups(name, chosen)
        elif wanted is None or (wanted.type == "group" and "children" in child):
            yield from _tree_columns(child, exporter, choices, chosen)
        elif wanted.kind == "value":
            yield from _data_columns(name, choices)
        elif wanted.kind == "attribute":
            label = next(str(one.choice) for one in chosen if one.name == name)
            yield Field(name, name, "text", label=label), f"CAST({quote_name(label)} AS VARCHAR)"
        else:
            yield _simple(wanted)


def _only_chosen_groups(name: str, chosen: list[Chosen]) -> str:
    """Leave the agent data groups asked for in a list of them; all, when one was asked for without naming it."""
    groups = [one.choice for one in chosen if one.name == name]
    if name != AGENT_DATA or None in groups or not groups:
        return quote_name(name)
    return f'list_filter({quote_name(name)}, lambda one: one."groupID" IN ({", ".join(map(str, groups))}))'


def _groups(tree: dict[str, Any]) -> Iterator[str]:
    """Name the columns of the elements that stand around records: a change in one of them opens a new group."""
    for child in tree.get("children", ()):
        if child.get("record"):
            return
        if record_of(child) is not None:
            yield from (leaf.get("field", leaf["element"]) for leaf in child["children"] if "children" not in leaf)
