"""What all output formats share: how a document is asked for, its columns, and values as text (sections 7 and 8)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

Exporter = Mapping[str, Any]
Record = Mapping[str, Any]
Groups = Sequence[tuple[int, str]]
DATES = {
    "mmddyy": "%m%d%y",
    "ddmmyy": "%d%m%y",
    "mmddyyyy": "%m%d%Y",
    "ddmmyyyy": "%d%m%Y",
    "yyyymmdd": "%Y%m%d",
    "yyyyddmm": "%Y%d%m",
    "yyddmm": "%y%d%m",
    "yymmdd": "%y%m%d",
}


@dataclass(frozen=True)
class Style:
    """How a document is to be written."""

    output_format: str
    date_format: str | None = None
    time_format: str = "24"
    fields: Sequence[Mapping[str, Any]] | None = None
    data_groups: Groups = ()
    exclude_header: bool = False
    keep_empty: bool = False
    record_type: str = ""


@dataclass
class Count:
    """Characters replaced so far (SS-814, SS-833)."""

    replaced: int = 0

    def replace(self, text: str, forbidden: Callable[[str], bool]) -> str:
        self.replaced += sum(1 for sign in text if forbidden(sign))
        return "".join("\ufffd" if forbidden(sign) else sign for sign in text)


# -- fields (section 7) ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Column:
    """A field of a flat document; `group` for one agent data group."""

    name: str
    group: tuple[int, str] | None = None

    def value(self, record: Record) -> Any:
        found = record[self.name]
        return found if self.group is None else found.get(self.group[0])


def chosen(exporter: Exporter, style: Style) -> list[tuple[str, str | None]]:
    """(Field in catalogue spelling, group asked for) in the order of the request (SS-705, SS-707, SS-709)."""
    if style.fields is None:
        return [(known["name"], None) for known in exporter["fields"]]
    spelled = {known["name"].casefold(): known["name"] for known in exporter["fields"]}
    return [(spelled[asked["name"].casefold()], asked.get("value")) for asked in style.fields]


def asked_groups(groups: Groups, value: str | None) -> list[tuple[int, str]]:
    """SS-704: one group, or all of the tenant by id."""
    return [group for group in groups if value is None or group[1].casefold() == value.casefold()]


def columns_of(exporter: Exporter, style: Style) -> list[Column]:
    columns = []
    for name, value in chosen(exporter, style):
        if name == "agentData":
            columns += [Column(name, group) for group in asked_groups(style.data_groups, value)]
        else:
            columns.append(Column(name))
    return columns


# -- values (SS-803, SS-901 to SS-903) -------------------------------------------------------------------------------


def plain(value: Any, style: Style) -> str:
    """A value as text, before any escape; a blank is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return clock(value, style.time_format)
    if isinstance(value, date):
        return value.strftime(DATES[style.date_format.lower()]) if style.date_format else value.isoformat()
    return str(value)


def clock(value: datetime, time_format: str) -> str:
    """SS-903."""
    if str(time_format) == "24":
        return f"{value.hour:02d}:{value.minute:02d}"
    return f"{value.hour % 12 or 12:02d}:{value.minute:02d} {'AM' if value.hour < 12 else 'PM'}"


# -- JSON (SS-821 to SS-827) -----------------------------------------------------------------------------------------


def json_text(text: str) -> str:
    """SS-823."""
    short = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(short.get(sign, f"\\u{ord(sign):04x}" if sign < " " else sign) for sign in text) + '"'


def json_value(value: Any, style: Style) -> str:
    """Numbers and booleans bare, the rest as strings, a blank as an empty one."""
    if isinstance(value, int | Decimal):
        return plain(value, style)
    return json_text(plain(value, style))


def json_object(members: Sequence[tuple[str, str]], *, keep_empty: bool) -> str:
    """SS-824; members are (name, JSON text)."""
    kept = [(name, text) for name, text in members if keep_empty or text not in ('""', "[]", "{}")]
    return "{" + ",".join(f'"{name}":{text}' for name, text in kept) + "}"


def json_items(items: Sequence[str]) -> str:
    return "[" + ",".join(items) + "]"


def json_lines(opening: str, records: Sequence[str], closing: str) -> str:
    """SS-822, SS-827: brackets on lines of their own, one record per line; without records all on one line."""
    if not records:
        return opening + closing + "\n"
    return opening + "\n" + ",\n".join(records) + "\n" + closing + "\n"
