"""The three output formats byte for byte, from sections 7 and 8 of the SmartSync specification alone.

An `exporter` is its parsed catalogue file, records are those of `oracle.rows_of`, `fields` is the request's parameter
of that name (None when it is absent), `data_groups` are the tenant's agent data groups as (id, name).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from wfm.writers_base import (
    Count,
    Exporter,
    Groups,
    Record,
    Style,
    chosen,
    columns_of,
    json_items,
    json_lines,
    json_object,
    json_text,
    json_value,
    plain,
)
from wfm.writers_trees import write_tree_json, write_tree_xml, write_vacation

TREE_JSON = ("agent-export", "mu-opens")


def write(
    exporter: Exporter,
    records: Sequence[Record],
    *,
    output_format: str,
    date_format: str | None = None,
    time_format: str = "24",
    fields: Sequence[Mapping[str, Any]] | None = None,
    data_groups: Groups = (),
    exclude_header: bool = False,
    keep_empty: bool = False,
    record_type: str = "",
) -> bytes:
    """The whole document."""
    style = Style(
        output_format, date_format, time_format, fields, sorted(data_groups), exclude_header, keep_empty, record_type
    )
    return write_style(exporter, records, style, Count()).encode()


def page(exporter: Exporter, records: Sequence[Record], start: int, count: int, **how: Any) -> bytes:
    """SS-521, SS-524: records start to start + count - 1, counted from 1, as a document of its own; as `write`."""
    return write(exporter, records[start - 1 : start - 1 + count], **how)


def count_replaced(exporter: Exporter, records: Sequence[Record], **how: Any) -> int:
    """How many characters of the document are U+FFFD in place of one the format does not allow; as `write`."""
    count = Count()
    style = replace(Style(**how), data_groups=sorted(how.get("data_groups", ())))
    write_style(exporter, records, style, count)
    return count.replaced


def write_style(exporter: Exporter, records: Sequence[Record], style: Style, count: Count) -> str:
    match style.output_format.upper():
        case "PIPE":
            return write_pipe(exporter, records, style, count)
        case "JSON" if exporter["name"] in TREE_JSON:
            return write_tree_json(exporter, records, style)
        case "JSON":
            return write_flat_json(exporter, records, style)
        case "XML" if exporter["name"] == "agent-vacation-summary":
            return write_vacation(exporter, records, style, count)
    return write_tree_xml(exporter, records, style, count)


# -- PIPE (SS-811 to SS-816) -----------------------------------------------------------------------------------------


def write_pipe(exporter: Exporter, records: Sequence[Record], style: Style, count: Count) -> str:
    columns = columns_of(exporter, style)
    names = [f"agentData({pipe_text(c.group[1], count)})" if c.group else c.name for c in columns]
    lines = [] if style.exclude_header else ["#fields:" + "|".join(names), "#sort:" + "|".join(exporter["sort"])]
    for record in records:
        line = "|".join(pipe_text(plain(column.value(record), style), count) for column in columns)
        lines.append("\\" + line if line.startswith("#") else line)
    return "".join(line + "\n" for line in lines)


def pipe_text(text: str, count: Count) -> str:
    """SS-814, but for the # that only matters at the beginning of a line."""
    text = text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", "\\n").replace("\r", "\\r")
    return count.replace(text, lambda sign: sign == "\0")


# -- JSON (SS-821 to SS-825) -----------------------------------------------------------------------------------------


def write_flat_json(exporter: Exporter, records: Sequence[Record], style: Style) -> str:
    return json_lines("[", [flat_object(exporter, record, style) for record in records], "]")


def flat_object(exporter: Exporter, record: Record, style: Style) -> str:
    columns = columns_of(exporter, style)
    members: dict[str, str] = {}
    for name, _ in chosen(exporter, style):  # SS-706: all items stand at the place of the first agentData
        if name == "agentData":
            items = [(column.group, column.value(record)) for column in columns if column.group]
            members[name] = json_items(
                [
                    json_object([("name", json_text(group[1])), ("value", json_value(value, style))], keep_empty=True)
                    for group, value in items
                    if style.keep_empty or value  # SS-825
                ]
            )
        else:
            members[name] = json_value(record[name], style)
    return json_object(list(members.items()), keep_empty=style.keep_empty)
