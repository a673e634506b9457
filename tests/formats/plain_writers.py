"""Section 8 of the SmartSync specification in plain Python, sharing nothing with the product."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple


class Column(NamedTuple):
    """What is written: `source` names the value in a row, `label` the agent data group."""

    name: str
    source: str
    type: str
    scale: int = 0
    pattern: str = ""
    label: str = ""


class Element(NamedTuple):
    """An element with a text, or a list of elements, in it."""

    name: str
    content: Any = ""
    attributes: tuple[tuple[str, str], ...] = ()


def text_of(value: Any, column: Column) -> str:
    """A value's plain text, nothing for none."""
    if value is None:
        return ""
    match column.type:
        case "text":
            return value
        case "integer":
            return str(value)
        case "decimal":
            return decimal_text(value, column.scale)
        case "date":
            return by_pattern(value, column.pattern or "%Y-%m-%d")
        case "time":
            return by_pattern(value, column.pattern or "%H:%M")
        case "elapsed":
            return f"{value // 60:02d}:{value % 60:02d}"
        case "boolean":
            return "true" if value else "false"
    raise AssertionError(column)


def decimal_text(value: Decimal, scale: int) -> str:
    rounded = value.quantize(Decimal(1).scaleb(-scale), rounding=ROUND_HALF_UP)
    return f"{'-' if rounded < 0 else ''}{abs(rounded):f}"


def by_pattern(value: date | datetime, pattern: str) -> str:
    """SS-901 to SS-903, digit by digit."""
    written = {"%Y": f"{value.year:04d}", "%y": f"{value.year % 100:02d}", "%m": f"{value.month:02d}"}
    written["%d"] = f"{value.day:02d}"
    if isinstance(value, datetime):
        hour = value.hour % 12 or 12
        written |= {"%H": f"{value.hour:02d}", "%I": f"{hour:02d}", "%M": f"{value.minute:02d}"}
        written["%p"] = "AM" if value.hour < 12 else "PM"
    for sign, digits in written.items():
        pattern = pattern.replace(sign, digits)
    return pattern


# -- PIPE ---------------------------------------------------------------------------------------------------------

_PIPE = {"\\": "\\\\", "|": "\\|", "\n": "\\n", "\r": "\\r", "\0": "\ufffd"}


def escape_pipe(text: str) -> str:
    return "".join(_PIPE.get(sign, sign) for sign in text)


def write_pipe(columns: Sequence[Column], rows: Iterable[Mapping[str, Any]], sort: Sequence[str] | None) -> bytes:
    """SS-811 to SS-816; without `sort` there is no header."""
    lines = []
    if sort is not None:
        names = (column.name + (f"({column.label})" if column.label else "") for column in columns)
        lines = ["#fields:" + "|".join(map(escape_pipe, names)), "#sort:" + "|".join(sort)]
    for row in rows:
        line = "|".join(escape_pipe(text_of(row.get(column.source), column)) for column in columns)
        lines.append("\\" + line if line.startswith("#") else line)
    return "".join(line + "\n" for line in lines).encode()


# -- JSON ---------------------------------------------------------------------------------------------------------

_JSON = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Bare(str):
    """A text written without quotes."""

    __slots__ = ()


def quote_json(text: str) -> str:
    return '"' + "".join(_JSON.get(sign) or (f"\\u{ord(sign):04x}" if sign < " " else sign) for sign in text) + '"'


def json_value(value: Any, column: Column) -> Any:
    text = text_of(value, column)
    return Bare(text) if text and column.type in {"integer", "decimal", "boolean"} else text


def write_json(value: Any, *, keep: bool) -> str:
    """Write a value; objects are lists of pairs within a tuple, arrays are lists. Members without value are dropped."""
    if isinstance(value, Bare):
        return str(value)
    if isinstance(value, str):
        return quote_json(value)
    if isinstance(value, list):
        return "[" + ",".join(write_json(item, keep=keep) for item in value) + "]"
    members = [f"{quote_json(name)}:{write_json(one, keep=keep)}" for name, one in value if keep or not is_empty(one)]
    return "{" + ",".join(members) + "}"


def is_empty(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(is_empty(one) for _, one in value)
    return len(value) == 0


def flat_record(columns: Sequence[Column], row: Mapping[str, Any], *, keep: bool) -> tuple[Any, ...]:
    """SS-821 to SS-825."""
    members: dict[str, Any] = {}
    for column in columns:
        if not column.label and column.type != "group":
            members[column.name] = json_value(row.get(column.source), column)
            continue
        items = members.setdefault(column.name, [])
        if column.label and (keep or row.get(column.source)):
            items.append((("name", column.label), ("value", row.get(column.source) or "")))
    return tuple(members.items())


def write_json_document(opening: str, closing: str, records: Sequence[str]) -> bytes:
    """SS-822, SS-827."""
    if not records:
        return f"{opening}{closing}\n".encode()
    return f"{opening}\n{(',' + chr(10)).join(records)}\n{closing}\n".encode()


# -- XML ----------------------------------------------------------------------------------------------------------

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


def is_forbidden(sign: str) -> bool:
    return (sign < " " and sign not in "\t\n\r") or sign in "\ufffe\uffff"


def allowed(text: str) -> str:
    return "".join("\ufffd" if is_forbidden(sign) else sign for sign in text)


def escape_xml(text: str, *, attribute: bool = False) -> str:
    signs = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
    if attribute:
        signs |= {'"': "&quot;", "\t": "&#9;", "\n": "&#10;"}
    return "".join(signs.get(sign, sign) for sign in allowed(text))


def write_element(element: Element) -> str:
    """One element with all in it, on one line."""
    attributes = "".join(f' {name}="{escape_xml(value, attribute=True)}"' for name, value in element.attributes)
    if isinstance(element.content, str):
        content = escape_xml(element.content)
    else:
        content = "".join(write_element(child) for child in element.content)
    start = f"<{element.name}{attributes}"
    return f"{start}>{content}</{element.name}>" if content else f"{start}/>"


def without_empty(elements: Iterable[Element]) -> list[Element]:
    """Leave out elements without value or content, but for those with an attribute (SS-836)."""
    kept = (
        element if isinstance(element.content, str) else element._replace(content=without_empty(element.content))
        for element in elements
    )
    return [element for element in kept if element.content or element.attributes]


def write_xml(root: str, records: Sequence[Element]) -> bytes:
    """A document without groups (SS-834, SS-835)."""
    if not records:
        return f"{DECLARATION}<{root}/>\n".encode()
    return f"{DECLARATION}<{root}>\n{''.join(write_element(one) + chr(10) for one in records)}</{root}>\n".encode()


# -- the exporters with trees -------------------------------------------------------------------------------------

NAME = [Column(name, name, "text") for name in ("firstName", "lastName", "nameSuffix")]
ACD = [
    Column("acdID", "acdID", "integer"),
    Column("logon", "logon", "text"),
    Column("agentGroup", "agentGroup", "text"),
]
GROUP = [
    Column("description", "description", "text"),
    Column("adgStartDate", "adgStartDate", "date"),
    Column("value", "value", "text"),
]
RANGE = [Column("startDate", "startDate", "date"), Column("endDate", "endDate", "date")]
OPEN = [Column("time", "time", "elapsed"), Column("openValue", "openValue", "decimal", 4)]
_TYPES = dict.fromkeys(["sso", "UUID", "ssn", "externalID", "workStatus", "tourGroup"], "text")
_TYPES |= dict.fromkeys(["agentStartDate", "senDate", "accrualDate"], "date")
_TYPES |= dict.fromkeys(["name", "acdList", "availListDateRange", "agentData"], "group")
_TYPES |= {"useAvailability": "boolean"}
_AGENT = [
    *("sso", "UUID", "name", "ssn", "externalID", "mu", "startID", "agentStartDate", "acdList", "senDate", "senExt"),
    *("accrualDate", "rank", "workStatus", "tourGroup", "rotationNum", "minCDO", "minRestPerWeek", "maxMinutes"),
    *("useAvailability", "availListDateRange", "vacGroup", "agentData"),
]
AGENT = [Column(name, name, _TYPES.get(name, "integer")) for name in _AGENT]
AGENT_GROUP = [Column("timeOffGroupID", "timeOffGroupID", "integer")]
AGENT_GROUP += [Column(name, name, "text") for name in ("timeOffGroupName", "timeOffRule")]
AGENT_GROUP += [Column(name, name, "date") for name in ("ruleStartDate", "ruleEndDate")]
VACATION = [Column("agentID", "tvID", "integer")]
VACATION += [Column(name, name, "integer") for name in ("custID", "muID", "acdID")]
VACATION += [Column(name, name, "text") for name in ("logonID", "ssn", "agentData", "agentName", "externalID")]
VACATION += [Column(n, n, "integer") for n in ("allotted", "carriedOver", "scheduled", "taken", "remaining")]


def agent_columns(kind: str) -> list[Column]:
    """The members of a record, the id first on changedAgent and ssn only on newAgent (SS-836, the exporter's tree)."""
    return AGENT if kind == "newAgent" else [Column("id", "id", "text"), *(c for c in AGENT if c.name != "ssn")]


def agent_object(row: Mapping[str, Any], kind: str, id_type: str) -> tuple[Any, ...]:
    """SS-827."""
    return tuple(_agent_member(column, row, id_type) for column in agent_columns(kind))


def _agent_member(column: Column, row: Mapping[str, Any], id_type: str) -> tuple[str, Any]:
    value = row.get(column.source)
    match column.name:
        case "id":
            return "id", (("idType", id_type), ("value", value or ""))
        case "name":
            return "name", _object(NAME, row)
        case "acdList":
            return "acdList", [_object(ACD, item) for item in value or []]
        case "agentData":
            return "agentData", [_object(GROUP, item) for item in value or []]
        case "availListDateRange":
            found = _object(RANGE, value or {})
            return "availListDateRange", () if is_empty(found) else found
    return column.name, json_value(value, column)


def _object(columns: Sequence[Column], row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple((column.name, json_value(row.get(column.source), column)) for column in columns)


def agent_element(row: Mapping[str, Any], kind: str, id_type: str) -> Element:
    """SS-836, SS-837."""
    elements = [_agent_part(column, row, id_type) for column in agent_columns(kind)]
    return Element(kind, without_empty(elements))


def _agent_part(column: Column, row: Mapping[str, Any], id_type: str) -> Element:
    value = row.get(column.source)
    match column.name:
        case "id":
            return Element("id", value or "", (("idType", id_type),))
        case "name":
            return Element("name", _elements(NAME, row))
        case "acdList":
            return Element("acdList", [Element("acd", _elements(ACD, item)) for item in value or []])
        case "agentData":
            return Element("agentData", [Element("group", _elements(GROUP, item)) for item in value or []])
        case "availListDateRange":
            return Element("availListDateRange", _elements(RANGE, value or {}))
    return _element(column, value)


def _elements(columns: Sequence[Column], row: Mapping[str, Any]) -> list[Element]:
    return [_element(column, row.get(column.source)) for column in columns]


def _element(column: Column, value: Any) -> Element:
    if column.type != "date" or value is None:
        return Element(column.name, text_of(value, column))
    parts = {"day": value.day, "month": value.month, "year": value.year}
    return Element(column.name, [Element(name, str(part)) for name, part in parts.items()])


def opens_columns() -> list[Column]:
    return [Column("muID", "muID", "integer"), Column("ctID", "ctID", "integer"), Column("date", "date", "date")]


def opens_object(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (*_object(opens_columns(), row), ("open", [_object(OPEN, item) for item in row.get("open") or []]))


def opens_element(row: Mapping[str, Any]) -> Element:
    own = [Element(column.name, text_of(row.get(column.source), column)) for column in opens_columns()]
    steps = [
        Element("open", [Element(column.name, text_of(item.get(column.source), column)) for column in OPEN])
        for item in row.get("open") or []
    ]
    return Element("muOpens", without_empty([*own, *steps]))


def vacation_agent(row: Mapping[str, Any], data: Sequence[Column]) -> Element:
    """Every element, an empty one too, and one for each agent data group (SS-836)."""
    elements = []
    for column in VACATION:
        if column.name == "agentData":
            elements += [Element("agentData", row.get(one.source) or "", (("name", one.label),)) for one in data]
        else:
            elements.append(Element(column.name, text_of(row.get(column.source), column)))
    return Element("agent", elements)


def vacation_groups(
    rows: Sequence[Mapping[str, Any]], data: Sequence[Column]
) -> list[tuple[list[Element], list[Element]]]:
    """The own elements of each group of rows that agree in them, and its agents."""
    groups: list[tuple[list[Element], list[Element]]] = []
    before = None
    for row in rows:
        own = [Element(column.name, text_of(row.get(column.source), column)) for column in AGENT_GROUP]
        key = [row.get(column.source) for column in AGENT_GROUP]
        if not groups or key != before:
            groups.append((own, []))
        groups[-1][1].append(vacation_agent(row, data))
        before = key
    return groups


def write_vacation(groups: Sequence[tuple[list[Element], list[Element]]]) -> bytes:
    """Tags of groups on lines of their own, their own elements beside the start tag (SS-834)."""
    if not groups:
        return f"{DECLARATION}<agentVacationSummary/>\n".encode()
    lines = [DECLARATION + "<agentVacationSummary>"]
    for own, agents in groups:
        lines.append("<agentVacation>" + "".join(map(write_element, own)))
        lines += map(write_element, agents)
        lines.append("</agentVacation>")
    return "\n".join([*lines, "</agentVacationSummary>", ""]).encode()
