"""XML, case by case (section 8.4 of the SmartSync specification)."""

from datetime import date
from decimal import Decimal

import pytest

from formats import strict_xml
from formats.plain_writers import Column
from formats.rendering import columns_of, page, render
from formats.trees import GROUPED_BY, make_agents, make_opens, make_vacation
from tailrace.formats import xml
from tailrace.formats.base import Field

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
TEAM, SITE = Column("agentData", "agentData.7", "text", label="Team"), Column("", "agentData.9", "text", label="Site")
AGENT = {
    "tvID": 1001,
    "custID": 7,
    "muID": 1,
    "acdID": 1,
    "logonID": "4711",
    "agentData.7": "North",
    "agentName": "O'Neil, Zoë",
    "allotted": 9600,
    "carriedOver": 480,
    "scheduled": 960,
    "taken": 480,
    "remaining": 8640,
    "timeOffGroupID": 3,
    "timeOffGroupName": "Full time",
    "timeOffRule": "2024",
    "ruleStartDate": date(2024, 1, 1),
    "ruleEndDate": date(2024, 12, 31),
}
GROUP = (
    "<agentVacation><timeOffGroupID>3</timeOffGroupID><timeOffGroupName>Full time</timeOffGroupName>"
    "<timeOffRule>2024</timeOffRule><ruleStartDate>2024-01-01</ruleStartDate><ruleEndDate>2024-12-31</ruleEndDate>\n"
)
WRITTEN = (
    "<agent><agentID>1001</agentID><custID>7</custID><muID>1</muID><acdID>1</acdID><logonID>4711</logonID><ssn/>"
    '<agentData name="Team">North</agentData><agentName>O\'Neil, Zoë</agentName><externalID/><allotted>9600</allotted>'
    "<carriedOver>480</carriedOver><scheduled>960</scheduled><taken>480</taken><remaining>8640</remaining></agent>\n"
)
END = "</agentVacation>\n"


def sso(value):
    """The one element of an agent of whom only this text is known."""
    made, columns = make_agents(xml, "newAgent")
    rendered = render(made, columns, [{"sso": value}])
    return rendered.rows[0].removeprefix("<newAgent>").removesuffix("</newAgent>\n"), rendered


@pytest.mark.req("SS-831", "SS-834", "SS-837")
def test_the_mu_opens_example_of_the_specification():
    made, columns = make_opens(xml)
    steps = [{"time": 480, "openValue": Decimal(15)}]
    rows = [{"muID": 1, "ctID": 10, "date": date(2024, 5, 22), "open": steps}]
    assert render(made, columns, rows).document.decode() == (
        f"{HEAD}<opens>\n<muOpens><muID>1</muID><ctID>10</ctID><date>2024-05-22</date>"
        "<open><time>08:00</time><openValue>15.0000</openValue></open></muOpens>\n</opens>\n"
    )


@pytest.mark.req("SS-831", "SS-834", "SS-836")
def test_the_agent_vacation_summary_example_of_the_specification():
    made, columns = make_vacation(xml, [TEAM])
    assert render(made, columns, [AGENT], GROUPED_BY).document.decode() == (
        f"{HEAD}<agentVacationSummary>\n{GROUP}{WRITTEN}{END}</agentVacationSummary>\n"
    )


@pytest.mark.req("SS-831", "SS-834", "SS-836", "SS-837")
def test_the_agent_export_example_of_the_specification():
    made, columns = make_agents(xml, "changedAgent")
    row = {
        "id": "1001",
        "firstName": "Zoë",
        "lastName": "O'Neil",
        "mu": 1,
        "agentStartDate": date(2023, 2, 1),
        "acdList": [{"acdID": 1, "logon": "4711", "agentGroup": None}],
    }
    assert render(made, columns, [row]).document.decode() == (
        f'{HEAD}<agentList>\n<changedAgent><id idType="tvID">1001</id><name><firstName>Zoë</firstName>'
        "<lastName>O'Neil</lastName></name><mu>1</mu><agentStartDate><day>1</day><month>2</month><year>2023</year>"
        "</agentStartDate><acdList><acd><acdID>1</acdID><logon>4711</logon></acd></acdList></changedAgent>\n"
        "</agentList>\n"
    )


@pytest.mark.req("SS-835")
def test_no_records():
    made, columns = make_opens(xml)
    assert render(made, columns, []).document.decode() == f"{HEAD}<opens/>\n"
    made, columns = make_agents(xml, "newAgent")
    assert render(made, columns, []).document.decode() == f"{HEAD}<agentList/>\n"
    made, columns = make_vacation(xml, [])
    assert render(made, columns, []).document.decode() == f"{HEAD}<agentVacationSummary/>\n"


@pytest.mark.req("SS-832")
@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("&", "&amp;"),
        ("&amp;", "&amp;amp;"),
        ("<a>", "&lt;a&gt;"),
        ("]]>", "]]&gt;"),
        ("\r\n", "&#13;\n"),
        ("\t\"'", "\t\"'"),
        ("\x7f\x85\u2028\ufeff\ufffd", "\x7f\x85\u2028\ufeff\ufffd"),
        ("😀e\u0301", "😀e\u0301"),
        (" ", " "),
    ],
)
def test_content(value, written):
    element, rendered = sso(value)
    assert element == f"<sso>{written}</sso>"
    assert rendered.replaced == 0
    assert strict_xml.parse(rendered.document).children[0].children[0].text == value


@pytest.mark.req("SS-833")
@pytest.mark.parametrize("number", [*range(9), 0xB, 0xC, *range(0xE, 0x20), 0xFFFE, 0xFFFF], ids=hex)
def test_characters_xml_does_not_allow(number):
    element, rendered = sso(f"a{chr(number)}<{chr(number)}😀")
    assert element == "<sso>a\ufffd&lt;\ufffd😀</sso>"
    assert rendered.replaced == 2


@pytest.mark.req("SS-833", "SS-403")
def test_replaced_characters_are_counted_wherever_they_are():
    made, columns = make_agents(xml, "newAgent")
    row = {
        "sso": "\0",
        "firstName": "\x01\x02",
        "acdList": [
            {"acdID": 1, "logon": "\0", "agentGroup": "\uffff"},
            {"acdID": 1, "logon": "ok", "agentGroup": None},
        ],
        "agentData": [{"groupID": 1, "description": "\0", "adgStartDate": None, "value": "\x1f\x1f"}],
    }
    rendered = render(made, columns, [row, {"sso": "fine"}, row, {}])
    assert rendered.replaced == 16 == rendered.document.decode().count("\ufffd")


@pytest.mark.req("SS-833")
def test_replaced_characters_of_a_group_count_once():
    made, columns = make_vacation(xml, [Column("", "agentData.7", "text", label="T\x01")])
    rows = [{**AGENT, "timeOffGroupName": "\0\0", "timeOffRule": rule} for rule in ("a", "a", "b")]
    rendered = render(made, columns, rows, GROUPED_BY)
    assert rendered.replaced == 7 == rendered.document.decode().count("\ufffd")


@pytest.mark.req("SS-832", "SS-836")
def test_attributes():
    label = "a\"b'<c>&\t\n\r\x01"
    made, columns = make_vacation(xml, [Column("", "agentData.7", "text", label=label)])
    rendered = render(made, columns, [AGENT], GROUPED_BY)
    written = "a&quot;b'&lt;c&gt;&amp;&#9;&#10;&#13;\ufffd"
    assert f'<agentData name="{written}">North</agentData>' in rendered.rows[0]
    agent = strict_xml.parse(rendered.document).children[0].children[-1]
    assert [child.attributes for child in agent.children if child.name == "agentData"] == [
        {"name": label.replace("\x01", "\ufffd")}
    ]


@pytest.mark.req("SS-836")
def test_agent_export_leaves_out_what_has_no_value():
    made, columns = make_agents(xml, "newAgent")
    empty = {
        "sso": "",
        "lastName": "",
        "acdList": [],
        "agentData": [{"groupID": 1, "description": "", "adgStartDate": None, "value": None}],
        "availListDateRange": {"startDate": None, "endDate": None},
    }
    part = {"nameSuffix": "jr", "availListDateRange": {"startDate": date(2024, 10, 31), "endDate": None}}
    assert render(made, columns, [{}, empty, part]).rows == [
        "<newAgent/>\n",
        "<newAgent/>\n",
        (
            "<newAgent><name><nameSuffix>jr</nameSuffix></name><availListDateRange><startDate><day>31</day>"
            "<month>10</month><year>2024</year></startDate></availListDateRange></newAgent>\n"
        ),
    ]


@pytest.mark.req("SS-836")
def test_an_id_is_written_even_without_value():
    made, columns = make_agents(xml, "changedAgent", "ssn")
    assert render(made, columns, [{"id": ""}, {}]).rows == ['<changedAgent><id idType="ssn"/></changedAgent>\n'] * 2


@pytest.mark.req("SS-710", "SS-836")
def test_only_what_was_asked_for():
    made, columns = make_agents(xml, "changedAgent", "UUID", ["id", "lastName", "agentData"])
    row = {"id": "u", "firstName": "Zoë", "lastName": "O'Neil", "sso": "s"}
    data = [{"groupID": 1, "description": "Team", "adgStartDate": date(2024, 1, 1), "value": "<N>"}]
    assert render(made, columns, [{**row, "agentData": data}]).rows == [
        (
            '<changedAgent><id idType="UUID">u</id><name><lastName>O\'Neil</lastName></name><agentData><group>'
            "<description>Team</description><adgStartDate><day>1</day><month>1</month><year>2024</year></adgStartDate>"
            "<value>&lt;N&gt;</value></group></agentData></changedAgent>\n"
        )
    ]


@pytest.mark.req("SS-836")
def test_agent_vacation_summary_writes_every_element_and_every_group():
    made, columns = make_vacation(xml, [TEAM, SITE])
    rendered = render(made, columns, [{}], GROUPED_BY)
    assert rendered.leads == [
        "<agentVacation><timeOffGroupID/><timeOffGroupName/><timeOffRule/><ruleStartDate/><ruleEndDate/>\n"
    ]
    assert rendered.rows == [
        (
            "<agent><agentID/><custID/><muID/><acdID/><logonID/><ssn/>"
            '<agentData name="Team"/><agentData name="Site"/><agentName/><externalID/>'
            "<allotted/><carriedOver/><scheduled/><taken/><remaining/></agent>\n"
        )
    ]
    made, columns = make_vacation(xml, [])
    assert "agentData" not in render(made, columns, [{}], GROUPED_BY).rows[0]


@pytest.mark.req("SS-834")
def test_groups_are_opened_and_closed():
    made, columns = make_vacation(xml, [TEAM])
    other = {**AGENT, "timeOffRule": "2025"}
    opened = GROUP.replace(">2024</timeOffRule", ">2025</timeOffRule")
    assert made.grouped
    assert render(made, columns, [AGENT, AGENT, other], GROUPED_BY).document.decode() == (
        f"{HEAD}<agentVacationSummary>\n{GROUP}{WRITTEN}{WRITTEN}{END}{opened}{WRITTEN}{END}</agentVacationSummary>\n"
    )


@pytest.mark.req("SS-524", "SS-525")
@pytest.mark.parametrize(("start", "count"), [(0, 1), (0, 4), (1, 1), (1, 2), (2, 1), (3, 1), (2, 2), (1, 3)])
def test_a_page_repeats_the_group_around_its_first_record(start, count):
    made, columns = make_vacation(xml, [TEAM])
    rules = ["a", "a", "b", "b"]
    rendered = render(made, columns, [{**AGENT, "timeOffRule": rule} for rule in rules], GROUPED_BY)
    found = strict_xml.parse(page(made, rendered, start, count)).children
    wanted = rules[start : start + count]
    assert [group.children[2].text for group in found] == sorted(set(wanted))
    assert [sum(one.name == "agent" for one in group.children) for group in found] == [
        wanted.count(rule) for rule in sorted(set(wanted))
    ]


@pytest.mark.req("SS-524")
def test_a_page_without_groups():
    made, columns = make_opens(xml)
    assert not made.grouped
    rendered = render(made, columns, [{"muID": number} for number in range(3)])
    assert page(made, rendered, 1, 1).decode() == f"{HEAD}<opens>\n<muOpens><muID>1</muID></muOpens>\n</opens>\n"


@pytest.mark.req("SS-831", "SS-837")
def test_without_a_tree_fields_are_elements_with_names():
    fields = (Field("a <", "a", "text"), Field("agentData", "agentData.1", "text", label="T"), Field("n", "n", "date"))
    rendered = render(xml.create(fields, {}), columns_of(fields), [{"a": ">", "n": date(2024, 5, 9)}])
    assert rendered.rows == [
        (
            '<record><field name="a &lt;">&gt;</field><field name="agentData(T)"/>'
            '<field name="n">2024-05-09</field></record>\n'
        )
    ]


@pytest.mark.parametrize("specials", [(), (",", '"', "empty", "edge"), ("&",), None])
def test_texts_are_looked_through_unless_they_are_known_to_hold_nothing_that_is_escaped(specials):
    made = xml.create((Field("a", "a", "text", specials=specials), Field("b", "b", "text", specials=specials)), {})
    columns = columns_of((Field("a", "a", "text"), Field("b", "b", "text")))
    assert render(made, columns, [{"a": "x y", "b": None}]).rows == [
        '<record><field name="a">x y</field><field name="b"/></record>\n'
    ]
    assert ("regexp" in made.row()) is (specials is None or "&" in specials)


@pytest.mark.parametrize(
    "document",
    [
        b"<a/>\n",
        b"<a>",
        b"<a></b>",
        b"<a>&x;</a>",
        b"<a>]]></a>",
        b"<a b='x'/>",
        b'<a b="<"/>',
        b'<a b="1" b="2"/>',
        b"<a/><b/>",
        b"<a>\x01</a>",
        b"<a>\xef\xbf\xbe</a>",
    ],
)
def test_the_parser_these_tests_rely_on_is_strict(document):
    with pytest.raises(ValueError, match=r"well-formed|stands|ends|text|root"):
        strict_xml.parse((HEAD.encode() if document != b"<a/>\n" else b"") + document + b"\n")
