"""The two trees and the XML of the vacation summary (SS-826, SS-827, SS-831 to SS-837)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import groupby
from typing import Any

from wfm.writers_base import (
    Count,
    Exporter,
    Record,
    Style,
    asked_groups,
    chosen,
    json_items,
    json_lines,
    json_object,
    json_text,
    json_value,
    plain,
)

XML_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


# -- trees -----------------------------------------------------------------------------------------------------------


@dataclass
class Tree:
    """The record element of a tree, cut down to the fields asked for."""

    exporter: Exporter
    style: Style
    root: str = field(init=False)
    record: Record = field(init=False)
    id_type: str = field(init=False, default="tvID")
    parts: frozenset[str] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        tree = self.exporter["tree"]
        self.root = tree["element"]
        wanted = self.style.record_type.casefold() or tree["children"][0]["element"].casefold()
        self.record = next(child for child in tree["children"] if child["element"].casefold() == wanted)
        if self.style.fields is not None:
            self.choose(self.style.fields)

    def choose(self, fields: Sequence[Mapping[str, Any]]) -> None:
        """SS-710: a container names all in it, a part brings its container; `name` and `id` are always there."""
        asked = {name for name, _ in chosen(self.exporter, self.style)}
        asked.add("name" if self.record["element"] == "newAgent" else "id")
        places = {known["name"]: known.get("path", known["name"]) for known in self.exporter["fields"]}
        paths = [places[name] for name in asked]

        def is_asked(place: str) -> bool:
            return any(place == p or place.startswith(p + "/") or p.startswith(place + "/") for p in paths)

        self.parts = frozenset(place for place in places.values() if is_asked(place))
        types = {name.casefold(): name for name in ("tvID", "ssn", "UUID", "externalID")}
        for one in fields:
            if one["name"].casefold() == "id":
                self.id_type = types[one.get("attributes", {}).get("idType", "tvID").casefold()]

    def has(self, path: str) -> bool:
        return self.parts is None or path in self.parts

    def children(self) -> list[Mapping[str, Any]]:
        return [child for child in self.record["children"] if self.has(child["element"])]

    def groups(self, record: Record) -> list[Mapping[str, Any]]:
        """The agent's data groups, by id, of those asked for."""
        names = {name for _, name in self.style.data_groups}
        if self.style.fields is not None:
            values = [value for name, value in chosen(self.exporter, self.style) if name == "agentData"]
            names = {name for value in values for _, name in asked_groups(self.style.data_groups, value)}
        return [item for item in record["agentData"] if item["description"] in names]

    def id(self, record: Record) -> str:
        found = record[self.id_type]
        return "" if found is None else str(found)


def elapsed(minutes: int) -> str:
    """SS-921."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


ACD = ("acdID", "logon", "agentGroup")
GROUP = ("description", "adgStartDate", "value")
NAME = ("firstName", "lastName", "nameSuffix")


def write_tree_json(exporter: Exporter, records: Sequence[Record], style: Style) -> str:
    """SS-826, SS-827."""
    style = replace(style, date_format=None)
    tree = Tree(exporter, style)
    opening = f'{{"{tree.root}":{{"{tree.record["element"]}":['
    return json_lines(opening, [tree_object(tree, record, style) for record in records], "]}}")


def tree_object(tree: Tree, record: Record, style: Style) -> str:
    keep = style.keep_empty

    def one(item: Mapping[str, Any], names: Collection[str]) -> str:
        return json_object([(name, json_value(item[name], style)) for name in names], keep_empty=keep)

    def member(name: str) -> str:
        match name:
            case "id":
                return json_object(
                    [("idType", json_text(tree.id_type)), ("value", json_text(tree.id(record)))], keep_empty=keep
                )
            case "name":
                return one(record, [part for part in NAME if tree.has("name/" + part)])
            case "acdList":
                return json_items([one(item, ACD) for item in record["acdList"]])
            case "agentData":
                return json_items([one(item, GROUP) for item in tree.groups(record)])
            case "availListDateRange":
                return one(record[name], ("startDate", "endDate")) if record[name] else "{}"
            case "open":
                items = [{"time": elapsed(item["time"]), "openValue": item["openValue"]} for item in record["open"]]
                return json_items([one(item, ("time", "openValue")) for item in items])
        return json_value(record[name], style)

    members = [(child["element"], member(child["element"])) for child in tree.children()]
    return json_object(members, keep_empty=keep)


# -- XML (SS-831 to SS-837) ------------------------------------------------------------------------------------------


def is_forbidden(sign: str) -> bool:
    """SS-833."""
    return (sign < " " and sign not in "\t\n\r") or sign in "\ufffe\uffff"


def xml_text(text: str, count: Count) -> str:
    """SS-832, in content."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
    return count.replace(text, is_forbidden)


def xml_attribute(text: str, count: Count) -> str:
    """SS-832, in attribute values."""
    return xml_text(text, count).replace('"', "&quot;").replace("\t", "&#9;").replace("\n", "&#10;")


def element(name: str, content: str, attribute: str = "") -> str:
    return f"<{name}{attribute}>{content}</{name}>" if content else f"<{name}{attribute}/>"


def optional(name: str, content: str) -> str:
    """SS-836: without content nothing at all."""
    return element(name, content) if content else ""


def write_tree_xml(exporter: Exporter, records: Sequence[Record], style: Style, count: Count) -> str:
    """agent-export and mu-opens."""
    style = replace(style, date_format=None)
    writer = XmlTree(Tree(exporter, style), style, count)
    return xml_lines(writer.tree.root, [writer.record(record) for record in records])


def xml_lines(root: str, lines: Sequence[str]) -> str:
    """SS-834, SS-835."""
    if not lines:
        return f"{XML_HEAD}<{root}/>\n"
    return f"{XML_HEAD}<{root}>\n" + "".join(line + "\n" for line in lines) + f"</{root}>\n"


@dataclass
class XmlTree:
    """Writes one record after the other, each on one line."""

    tree: Tree
    style: Style
    count: Count

    def record(self, record: Record) -> str:
        content = "".join(self.child(node["element"], record) for node in self.tree.children())
        return element(self.tree.record["element"], content)

    def child(self, name: str, record: Record) -> str:
        match name:
            case "id":
                return element("id", xml_text(self.tree.id(record), self.count), f' idType="{self.tree.id_type}"')
            case "name":
                return optional(name, self.leaves(record, [part for part in NAME if self.tree.has("name/" + part)]))
            case "acdList":
                return optional(name, "".join(optional("acd", self.leaves(item, ACD)) for item in record[name]))
            case "agentData":
                items = self.tree.groups(record)
                return optional(name, "".join(optional("group", self.leaves(item, GROUP)) for item in items))
            case "availListDateRange":
                return optional(name, self.leaves(record[name], ("startDate", "endDate"))) if record[name] else ""
            case "open":
                return "".join(self.open(item) for item in record[name])
        return self.leaf(name, record[name])

    def open(self, item: Record) -> str:
        return element("open", element("time", elapsed(item["time"])) + self.leaf("openValue", item["openValue"]))

    def leaf(self, name: str, value: Any) -> str:
        if isinstance(value, date) and self.tree.root == "agentList":  # SS-837
            return element(name, f"<day>{value.day}</day><month>{value.month}</month><year>{value.year}</year>")
        return optional(name, xml_text(plain(value, self.style), self.count))

    def leaves(self, item: Record, names: Collection[str]) -> str:
        return "".join(self.leaf(name, item[name]) for name in names)


def write_vacation(exporter: Exporter, records: Sequence[Record], style: Style, count: Count) -> str:
    """SS-834, SS-836: every element, all groups of the tenant; a new agentVacation for each group and rule."""
    style = replace(style, date_format=None)
    outer = ("timeOffGroupID", "timeOffGroupName", "timeOffRule", "ruleStartDate", "ruleEndDate")
    inner = {"tvID": "agentID"}
    order: tuple[str, ...] = (
        "tvID",
        "custID",
        "muID",
        "acdID",
        "logonID",
        "ssn",
        "agentData",
        "agentName",
        "externalID",
    )
    order += ("allotted", "carriedOver", "scheduled", "taken", "remaining")
    lines = []
    for _, same in groupby(records, key=lambda record: (record["timeOffGroupID"], record["timeOffRule"])):
        agents = list(same)
        head = "".join(element(name, xml_text(plain(agents[0][name], style), count)) for name in outer)
        lines.append("<agentVacation>" + head)
        for record in agents:
            content = "".join(
                data_elements(record, style, count)
                if name == "agentData"
                else element(inner.get(name, name), xml_text(plain(record[name], style), count))
                for name in order
            )
            lines.append(element("agent", content))
        lines.append("</agentVacation>")
    return xml_lines(exporter["tree"]["element"], lines)


def data_elements(record: Record, style: Style, count: Count) -> str:
    return "".join(
        element(
            "agentData",
            xml_text(record["agentData"].get(group_id) or "", count),
            f' name="{xml_attribute(name, count)}"',
        )
        for group_id, name in style.data_groups
    )
