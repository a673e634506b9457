"""Records made by chance, each document against plain writers and read back by parsers that are not ours."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from datetime import date, datetime
from itertools import pairwise, product
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from formats import plain_writers as plain
from formats import strict_xml
from formats.plain_writers import Column, Element
from formats.rendering import Rendered, columns_of, render
from formats.trees import GROUPED_BY, as_field, make_agents, make_opens, make_vacation
from tailrace.formats import json as json_format
from tailrace.formats import pipe, xml

pytestmark = pytest.mark.long

# Records a document; with the examples below some 500 of each format in every run, and 20,000 in the long one.
ROWS = 20
Rows = list[dict[str, Any]]

SIGNS = st.sampled_from(
    [
        *"\\|#\n\r\t\0\"'&<>/,{}[]u0 ",
        *"\b\f\x0b\x1a\x1f\x7f\x85\u2028\ufeff\ufffd\ufffe\uffff",
        "]]>",
        r"\u000B",
        "é😀",
        "e\u0301",
    ]
)
TEXT = st.none() | st.text(SIGNS.filter(lambda sign: len(sign) == 1) | st.characters(codec="utf-8"), max_size=8)
TEXT |= st.lists(SIGNS, max_size=6).map("".join)
INTEGER = st.none() | st.integers(-(2**63), 2**63 - 1)
DECIMAL = st.none() | st.decimals(-(10**15), 10**15, places=4)
DATE = st.none() | st.dates(date(1000, 1, 1), date(2999, 12, 31))
TIME = st.none() | st.datetimes(datetime(1000, 1, 1), datetime(2999, 12, 31))
ELAPSED = st.none() | st.integers(0, 47 * 60 + 45)
BOOLEAN = st.none() | st.booleans()
VALUES = {"text": TEXT, "integer": INTEGER, "decimal": DECIMAL, "date": DATE, "time": TIME, "elapsed": ELAPSED}
VALUES |= {"boolean": BOOLEAN}

FLAT = [
    Column("first", "first", "text"),
    Column("agentData", "agentData.1", "text", label='T|e"<a>\\m\n'),
    Column("mid|dle", "middle", "text"),
    Column("whole", "whole", "integer"),
    Column("part", "part", "decimal", scale=4),
    Column("agentData", "agentData.2", "text", label="Site"),
    Column("day", "day", "date", pattern="%d%m%y"),
    Column("other day", "other", "date"),
    Column("at", "at", "time", pattern="%I:%M %p"),
    Column("till", "till", "time", pattern="%H:%M"),
    Column("since", "since", "elapsed"),
    Column("yes", "yes", "boolean"),
]
DATA = [Column("agentData", f"agentData.{number}", "text", label=label) for number, label in ((7, 'Te"a\tm'), (9, "S"))]


def rows_of(columns: Sequence[Column], **others: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    values = {column.source: VALUES[column.type] for column in columns if column.type in VALUES} | others
    return st.lists(st.fixed_dictionaries(values), min_size=ROWS, max_size=ROWS)


def items_of(columns: Sequence[Column], **others: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    item = st.fixed_dictionaries({column.source: VALUES[column.type] for column in columns} | others)
    return st.none() | st.lists(item, max_size=3)


def agents() -> st.SearchStrategy[list[dict[str, Any]]]:
    span = st.fixed_dictionaries({column.source: DATE for column in plain.RANGE})
    return rows_of(
        [*plain.AGENT, *plain.NAME, Column("id", "id", "text")],
        acdList=items_of(plain.ACD),
        agentData=items_of(plain.GROUP, groupID=INTEGER),
        availListDateRange=st.none() | span,
    )


# -- PIPE ---------------------------------------------------------------------------------------------------------

_UNESCAPED = {"\\\\": "\\", "\\|": "|", "\\n": "\n", "\\r": "\r"}


def parse_pipe(document: bytes) -> list[list[str]]:
    lines = document.decode().split("\n")
    assert lines.pop() == ""
    return [
        [_unescape(cell) for cell in _cells(line.removeprefix("\\") if line[:2] == "\\#" else line)] for line in lines
    ]


def _cells(line: str) -> list[str]:
    return [cell[1:] for cell in re.findall(r"\|(?:[^\\|]|\\.)*", f"|{line}", re.DOTALL)]


def _unescape(cell: str) -> str:
    return re.sub(r"\\.", lambda found: _UNESCAPED[found[0]], cell)


def check_pipe(rows: Rows) -> None:
    fields = [as_field(column) for column in FLAT]
    rendered = render(pipe.create(fields, {"header": False}), columns_of(fields), rows)
    assert rendered.document == plain.write_pipe(FLAT, rows, None)
    texts = [[plain.text_of(row[column.source], column) for column in FLAT] for row in rows]
    assert parse_pipe(rendered.document) == [[text.replace("\0", "\ufffd") for text in line] for line in texts]
    assert rendered.replaced == sum(text.count("\0") for line in texts for text in line)


# -- JSON ---------------------------------------------------------------------------------------------------------


class Number(NamedTuple):
    """A number by its digits, so that nothing is lost in comparing."""

    digits: str


def parse_json(document: bytes) -> Any:
    return json.loads(document, parse_float=Number, parse_int=Number, object_pairs_hook=_object, parse_constant=None)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), "a name stands twice"
    return dict(pairs)


def as_parsed(value: Any, *, keep: bool) -> Any:
    if isinstance(value, plain.Bare):
        return value == "true" if value in {"true", "false"} else Number(str(value))
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return [as_parsed(item, keep=keep) for item in value]
    return {name: as_parsed(one, keep=keep) for name, one in value if keep or not plain.is_empty(one)}


def check_json(document: bytes, opening: str, closing: str, records: list[Any], *, keep: bool) -> None:
    written = [plain.write_json(record, keep=keep) for record in records]
    assert document == plain.write_json_document(opening, closing, written)
    parsed = parse_json(document)
    while isinstance(parsed, dict):
        [parsed] = parsed.values()
    assert parsed == [as_parsed(record, keep=keep) for record in records]


def check_flat_json(rows: Rows) -> None:
    fields = [as_field(column) for column in FLAT]
    for keep in (False, True):
        document = render(json_format.create(fields, {"keep_empty": keep}), columns_of(fields), rows).document
        check_json(document, "[", "]", [plain.flat_record(FLAT, row, keep=keep) for row in rows], keep=keep)


def check_json_agents(rows: Rows) -> None:
    for record, keep in product(("newAgent", "changedAgent"), (False, True)):
        made, columns = make_agents(json_format, record, "ssn", keep_empty=keep)
        records = [plain.agent_object(row, record, "ssn") for row in rows]
        document = render(made, columns, rows).document
        check_json(document, f'{{"agentList":{{"{record}":[', "]}}", records, keep=keep)


def check_json_opens(rows: Rows) -> None:
    for keep in (False, True):
        made, columns = make_opens(json_format, keep_empty=keep)
        records = [plain.opens_object(row) for row in rows]
        check_json(render(made, columns, rows).document, '{"opens":{"muOpens":[', "]}}", records, keep=keep)


# -- XML ----------------------------------------------------------------------------------------------------------


def from_expat(element: ET.Element) -> Element:
    children = [from_expat(child) for child in element]
    texts = "".join(element.itertext()) if not children else ""
    return Element(element.tag, children or texts, tuple(element.attrib.items()))


def from_strict(parsed: strict_xml.Parsed) -> Element:
    children = [from_strict(child) for child in parsed.children]
    assert not children or not parsed.text.strip("\n")
    return Element(parsed.name, children or parsed.text, tuple(parsed.attributes.items()))


def as_allowed(element: Element) -> Element:
    attributes = tuple((name, plain.allowed(value)) for name, value in element.attributes)
    if isinstance(element.content, str):
        return Element(element.name, plain.allowed(element.content), attributes)
    return Element(element.name, [as_allowed(child) for child in element.content] or "", attributes)


def forbidden_in(element: Element) -> int:
    texts = [value for _, value in element.attributes]
    if not isinstance(element.content, str):
        return sum(map(forbidden_in, element.content))
    return sum(plain.is_forbidden(sign) for text in [*texts, element.content] for sign in text)


def check_xml(rendered: Rendered, root: Element, written: bytes) -> None:
    assert rendered.document == written
    assert from_expat(ET.fromstring(rendered.document)) == as_allowed(root)
    assert from_strict(strict_xml.parse(rendered.document)) == as_allowed(root)
    assert rendered.replaced == forbidden_in(root)


def check_xml_agents(rows: Rows) -> None:
    for record in ("newAgent", "changedAgent"):
        made, columns = make_agents(xml, record, "externalID")
        elements = [plain.agent_element(row, record, "externalID") for row in rows]
        root = Element("agentList", elements)
        check_xml(render(made, columns, rows), root, plain.write_xml("agentList", elements))


def check_xml_opens(rows: Rows) -> None:
    made, columns = make_opens(xml)
    elements = [plain.opens_element(row) for row in rows]
    check_xml(render(made, columns, rows), Element("opens", elements), plain.write_xml("opens", elements))


def check_xml_vacation(rows: Rows) -> None:
    # Neighbours share a group now and then.
    for before, row in pairwise(rows):
        row.update({name: before[name] for name in GROUPED_BY} if (row["tvID"] or 0) % 2 else {})
    made, columns = make_vacation(xml, DATA)
    groups = plain.vacation_groups(rows, DATA)
    root = Element("agentVacationSummary", [Element("agentVacation", [*own, *agents]) for own, agents in groups])
    check_xml(render(made, columns, rows, GROUPED_BY), root, plain.write_vacation(groups))


# -- all ----------------------------------------------------------------------------------------------------------

OPENS = rows_of(plain.opens_columns(), open=items_of(plain.OPEN))
VACATION = rows_of([*plain.AGENT_GROUP, *[c for c in plain.VACATION if c.name != "agentData"], *DATA])
# What to make, how to check it, and how many documents in the long run: forty times those of every run.
CASES: dict[str, tuple[st.SearchStrategy[Rows], Callable[[Rows], None], int]] = {
    "pipe": (rows_of(FLAT), check_pipe, 1000),
    "json": (rows_of(FLAT), check_flat_json, 400),
    "json-agents": (agents(), check_json_agents, 200),
    "json-opens": (OPENS, check_json_opens, 450),
    "xml-agents": (agents(), check_xml_agents, 200),
    "xml-opens": (OPENS, check_xml_opens, 450),
    "xml-vacation": (VACATION, check_xml_vacation, 400),
}
REQUIREMENTS = ["SS-801", "SS-803", "SS-811", "SS-814", "SS-815", "SS-821", "SS-822", "SS-823", "SS-824", "SS-825"]
REQUIREMENTS += ["SS-826", "SS-827", "SS-831", "SS-832", "SS-833", "SS-834", "SS-836", "SS-837", "SS-901", "SS-903"]


def hold(case: str, documents: int) -> None:
    """Check so many documents, and that there were so many."""
    strategy, check, _ = CASES[case]
    checked = []

    @settings(max_examples=documents, deadline=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def holds(rows: Rows) -> None:
        check(rows)
        checked.append(len(rows))

    holds()
    assert sum(checked) >= documents * ROWS


@pytest.mark.req(*REQUIREMENTS)
@pytest.mark.parametrize("case", CASES)
def test_records_made_by_chance(case):
    hold(case, CASES[case][2] // 40)


@pytest.mark.slow
@pytest.mark.req(*REQUIREMENTS)
@pytest.mark.parametrize("case", CASES)
def test_many_records_made_by_chance(case):
    hold(case, CASES[case][2])
