"""The writers of the three formats against the specification's printed examples and hand-written documents."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from wfm.asking import SMALL, exporter, find
from wfm.writers import count_replaced, page, write

GROUPS = [(9, "Site"), (7, "Team")]
ODD = "\0\u0001\u001f\ufffe\uffff\t\n\r\\|\"&<>'#é😀\u007f"
XML = '<?xml version="1.0" encoding="UTF-8"?>\n'


def fields(*names: str) -> list[dict[str, Any]]:
    """`name` or `agentData=value`."""
    return [
        {"name": name} if not value else {"name": name, "value": value}
        for name, _, value in (one.partition("=") for one in names)
    ]


def summary(**changed: Any) -> dict[str, Any]:
    known = {field["name"]: None for field in exporter("agent-schedule-summary")["fields"]}
    return {**known, "agentData": {}, **changed}


ZOE = summary(
    date=date(2024, 5, 22),
    tvID=1001,
    agentName="O'Neil, Zoë",
    exceptionCode="BREAK",
    agentData={7: "North|East"},
    minutes=30,
)
SHORT = fields("date", "tvID", "agentName", "exceptionCode", "agentData=Team", "minutes")


def text(name: str, records: list[dict[str, Any]], output_format: str, **how: Any) -> str:
    how.setdefault("data_groups", GROUPS)
    return write(exporter(name), records, output_format=output_format, **how).decode()


def flat(records: list[dict[str, Any]], output_format: str, **how: Any) -> str:
    return text("agent-schedule-summary", records, output_format, **how)


# -- PIPE ------------------------------------------------------------------------------------------------------------


def test_the_printed_example_of_pipe():
    assert flat([ZOE], "PIPE", date_format="mmddyyyy", fields=SHORT) == (
        "#fields:date|tvID|agentName|exceptionCode|agentData(Team)|minutes\n"
        "#sort:date|muID|tvID|exceptionCode\n"
        "05222024|1001|O'Neil, Zoë|BREAK|North\\|East|30\n"
    )


def test_pipe_without_fields_has_all_groups_by_id():
    head = flat([], "PIPE", date_format="yymmdd").splitlines()[0]
    assert head == (
        "#fields:date|TZ|custID|muID|tvID|acdID|logonID|ssn|externalID|agentName|agentData(Team)|agentData(Site)"
        "|exceptionCode|minutes"
    )
    assert "agentData" not in flat([], "PIPE", date_format="yymmdd", data_groups=())
    assert flat([], "PIPE", date_format="yymmdd", exclude_header=True) == ""


def test_pipe_escapes():
    record = summary(agentName=ODD, exceptionCode="#x", ssn="")
    how: dict[str, Any] = {"exclude_header": True, "date_format": "yymmdd"}
    assert flat([record], "PIPE", fields=fields("AGENTNAME", "exceptionCode", "ssn"), **how) == (
        "\ufffd\u0001\u001f\ufffe\uffff\t\\n\\r\\\\\\|\"&<>'#é😀\u007f|#x|\n"
    )
    assert flat([record], "PIPE", fields=fields("exceptionCode", "minutes"), **how) == "\\#x|\n"
    assert flat([record], "PIPE", fields=fields("minutes"), **how) == "\n"
    header = flat([], "PIPE", date_format="yymmdd", fields=fields("agentData=a|B\\"), data_groups=[(1, "A|b\\")])
    assert header.startswith("#fields:agentData(A\\|b\\\\)\n")


@pytest.mark.parametrize(
    ("layout", "shown"),
    {
        "mmddyy": "050924",
        "ddmmyy": "090524",
        "mmddyyyy": "05092024",
        "DDMMYYYY": "09052024",
        "yyyymmdd": "20240509",
        "yyyyddmm": "20240905",
        "yyddmm": "240905",
        "yymmdd": "240509",
    }.items(),
)
def test_dates(layout, shown):
    record = summary(date=date(2024, 5, 9))
    assert flat([record], "PIPE", fields=fields("date"), date_format=layout).splitlines()[2] == shown
    assert flat([record], "JSON", fields=fields("date"), date_format=layout) == f'[\n{{"date":"{shown}"}}\n]\n'


@pytest.mark.parametrize(
    ("hour", "minute", "half", "whole"),
    [
        (0, 0, "12:00 AM", "00:00"),
        (9, 5, "09:05 AM", "09:05"),
        (12, 0, "12:00 PM", "12:00"),
        (23, 59, "11:59 PM", "23:59"),
    ],
)
def test_times(hour, minute, half, whole):
    known = {field["name"]: None for field in exporter("agent-schedule-detail")["fields"]}
    record = {**known, "agentData": {}, "startTime": datetime(2024, 5, 22, hour, minute)}
    for time_format, shown in (("12", half), ("24", whole)):
        how: dict[str, Any] = {"fields": fields("startTime"), "time_format": time_format}
        assert text("agent-schedule-detail", [record], "JSON", **how) == f'[\n{{"startTime":"{shown}"}}\n]\n'


# -- JSON ------------------------------------------------------------------------------------------------------------


def test_flat_json():
    records = [ZOE, summary(minutes=-5)]
    assert flat(records, "JSON", fields=SHORT) == (
        '[\n{"date":"2024-05-22","tvID":1001,"agentName":"O\'Neil, Zoë","exceptionCode":"BREAK",'
        '"agentData":[{"name":"Team","value":"North|East"}],"minutes":30},\n{"minutes":-5}\n]\n'
    )
    assert flat([], "JSON") == "[]\n"
    assert flat([summary()], "JSON") == "[\n{}\n]\n"


def test_flat_json_with_empty_members():
    how: dict[str, Any] = {"fields": fields("date", "agentData", "ssn", "minutes"), "keep_empty": True}
    assert flat([ZOE], "JSON", **how) == (
        '[\n{"date":"2024-05-22","agentData":[{"name":"Team","value":"North|East"},{"name":"Site","value":""}],'
        '"ssn":"","minutes":30}\n]\n'
    )
    assert flat([summary()], "JSON", **how, data_groups=()) == (
        '[\n{"date":"","agentData":[],"ssn":"","minutes":""}\n]\n'
    )


def test_items_of_agent_data_stand_at_the_place_of_the_first():
    asked = fields("agentData=site", "minutes", "agentData=TEAM", "agentData=Team")
    assert flat([ZOE], "JSON", fields=asked) == (
        '[\n{"agentData":[{"name":"Team","value":"North|East"},{"name":"Team","value":"North|East"}],"minutes":30}\n]\n'
    )
    assert flat([ZOE], "PIPE", fields=asked, date_format="yymmdd", exclude_header=True) == (
        "|30|North\\|East|North\\|East\n"
    )


def test_json_escapes_and_numbers():
    record = summary(agentName="\b\f" + ODD)
    assert flat([record], "JSON", fields=fields("agentName")) == (
        '[\n{"agentName":"\\b\\f\\u0000\\u0001\\u001f\ufffe\uffff\\t\\n\\r\\\\|\\"&<>\'#é😀\u007f"}\n]\n'
    )
    known = {field["name"]: None for field in exporter("ct-results")["fields"]}
    asked = fields("actAHT", "actSL")
    assert (
        text("ct-results", [{**known, "actAHT": Decimal("37.50")}], "JSON", fields=asked) == '[\n{"actAHT":37.50}\n]\n'
    )


# -- mu-opens --------------------------------------------------------------------------------------------------------

OPENS = [
    {
        "muID": 1,
        "ctID": 10,
        "date": date(2024, 5, 22),
        "open": [{"time": 480, "openValue": Decimal("15.0000")}, {"time": 495, "openValue": Decimal("7.5000")}],
    }
]


def test_the_printed_examples_of_mu_opens():
    assert text("mu-opens", OPENS, "JSON") == (
        '{"opens":{"muOpens":[\n'
        '{"muID":1,"ctID":10,"date":"2024-05-22","open":[{"time":"08:00","openValue":15.0000},'
        '{"time":"08:15","openValue":7.5000}]}\n'
        "]}}\n"
    )
    one = [{**OPENS[0], "open": OPENS[0]["open"][:1]}]
    assert text("mu-opens", one, "XML") == XML + (
        "<opens>\n"
        "<muOpens><muID>1</muID><ctID>10</ctID><date>2024-05-22</date>"
        "<open><time>08:00</time><openValue>15.0000</openValue></open></muOpens>\n"
        "</opens>\n"
    )


def test_empty_trees():
    assert text("mu-opens", [], "JSON") == '{"opens":{"muOpens":[]}}\n'
    assert text("mu-opens", [], "XML") == XML + "<opens/>\n"
    assert text("agent-vacation-summary", [], "XML") == XML + "<agentVacationSummary/>\n"
    assert text("agent-export", [], "XML", record_type="newAgent") == XML + "<agentList/>\n"
    assert text("agent-export", [], "JSON", record_type="changedAgent") == '{"agentList":{"changedAgent":[]}}\n'


# -- agent-export ----------------------------------------------------------------------------------------------------

LISTS = {"acdList": [], "agentData": [], "availListDateRange": None}


def agent(**known: Any) -> dict[str, Any]:
    names = {field["name"]: None for field in exporter("agent-export")["fields"]}
    return {**names, **LISTS, "tvID": 1001, **known}


def test_the_printed_example_of_agent_export():
    acd = {"acdID": 1, "logon": "4711", "agentGroup": None}
    record = agent(
        firstName="Zoë", lastName="O'Neil", mu=1, agentStartDate=date(2023, 2, 1), acdList=[acd], ssn="hidden"
    )
    assert text("agent-export", [record], "XML", record_type="changedAgent") == XML + (
        "<agentList>\n"
        '<changedAgent><id idType="tvID">1001</id><name><firstName>Zoë</firstName><lastName>O\'Neil</lastName></name>'
        "<mu>1</mu><agentStartDate><day>1</day><month>2</month><year>2023</year></agentStartDate>"
        "<acdList><acd><acdID>1</acdID><logon>4711</logon></acd></acdList></changedAgent>\n"
        "</agentList>\n"
    )


FULL = agent(
    firstName="A&B",
    lastName="",
    mu=1,
    useAvailability=False,
    availListDateRange={"startDate": date(2024, 1, 1), "endDate": date(2024, 12, 31)},
    agentData=[{"groupID": 7, "description": "Team", "adgStartDate": date(2024, 5, 2), "value": "N"}],
)


def test_new_agents_as_json():
    assert text("agent-export", [FULL], "JSON", record_type="NEWAGENT") == (
        '{"agentList":{"newAgent":[\n'
        '{"name":{"firstName":"A&B"},"mu":1,"useAvailability":false,'
        '"availListDateRange":{"startDate":"2024-01-01","endDate":"2024-12-31"},'
        '"agentData":[{"description":"Team","adgStartDate":"2024-05-02","value":"N"}]}\n'
        "]}}\n"
    )
    kept = text("agent-export", [agent()], "JSON", record_type="changedAgent", keep_empty=True)
    assert kept == (
        '{"agentList":{"changedAgent":[\n'
        '{"id":{"idType":"tvID","value":"1001"},"sso":"","UUID":"",'
        '"name":{"firstName":"","lastName":"","nameSuffix":""},"externalID":"","mu":"","startID":"",'
        '"agentStartDate":"","acdList":[],"senDate":"","senExt":"","accrualDate":"","rank":"","workStatus":"",'
        '"tourGroup":"","rotationNum":"","minCDO":"","minRestPerWeek":"","maxMinutes":"","useAvailability":"",'
        '"availListDateRange":{},"vacGroup":"","agentData":[]}\n'
        "]}}\n"
    )


@pytest.mark.parametrize(
    ("record_type", "asked", "content"),
    [
        ("newAgent", fields("mu"), "<name><firstName>A&amp;B</firstName></name><mu>1</mu>"),
        ("changedAgent", fields("mu"), '<id idType="tvID">1001</id><mu>1</mu>'),
        (
            "changedAgent",
            fields("lastname", "FIRSTNAME"),
            '<id idType="tvID">1001</id><name><firstName>A&amp;B</firstName></name>',
        ),
        ("changedAgent", [{"name": "id", "attributes": {"idType": "SSN"}}], '<id idType="ssn"/>'),
        (
            "newAgent",
            fields("agentData=Site", "useAvailability"),
            "<name><firstName>A&amp;B</firstName></name><useAvailability>false</useAvailability>",
        ),
    ],
    ids=["name", "id", "parts", "idType", "group"],
)
def test_fields_of_agent_export(record_type, asked, content):
    found = text("agent-export", [FULL], "XML", record_type=record_type, fields=asked)
    assert found == f"{XML}<agentList>\n<{record_type}>{content}</{record_type}>\n</agentList>\n"


# -- agent-vacation-summary ------------------------------------------------------------------------------------------

VACATION = {
    "tvID": 1001,
    "custID": 7,
    "muID": 1,
    "acdID": 1,
    "logonID": "4711",
    "ssn": None,
    "agentData": {7: "North"},
    "agentName": "O'Neil, Zoë",
    "externalID": None,
    "timeOffGroupID": 3,
    "timeOffGroupName": "Full time",
    "timeOffRule": "2024",
    "ruleStartDate": date(2024, 1, 1),
    "ruleEndDate": date(2024, 12, 31),
    "allotted": 9600,
    "carriedOver": 480,
    "scheduled": 960,
    "taken": 480,
    "remaining": 8640,
}
AGENT = (
    "<agent><agentID>1001</agentID><custID>7</custID><muID>1</muID><acdID>1</acdID><logonID>4711</logonID><ssn/>"
    '<agentData name="Team">North</agentData><agentName>O\'Neil, Zoë</agentName><externalID/><allotted>9600</allotted>'
    "<carriedOver>480</carriedOver><scheduled>960</scheduled><taken>480</taken><remaining>8640</remaining></agent>\n"
)
GROUP = (
    "<agentVacation><timeOffGroupID>3</timeOffGroupID><timeOffGroupName>Full time</timeOffGroupName>"
    "<timeOffRule>2024</timeOffRule><ruleStartDate>2024-01-01</ruleStartDate><ruleEndDate>2024-12-31</ruleEndDate>\n"
)


def test_the_printed_example_of_the_vacation_summary():
    one_group: dict[str, Any] = {"data_groups": GROUPS[1:], "date_format": "mmddyy"}
    assert text("agent-vacation-summary", [VACATION], "XML", **one_group) == XML + (
        "<agentVacationSummary>\n" + GROUP + AGENT + "</agentVacation>\n</agentVacationSummary>\n"
    )
    other = {**VACATION, "timeOffRule": "2025"}
    both = text("agent-vacation-summary", [VACATION, VACATION, other], "XML", **one_group)
    assert both == XML + (
        "<agentVacationSummary>\n" + GROUP + AGENT * 2 + "</agentVacation>\n"
        + GROUP.replace(">2024<", ">2025<") + AGENT + "</agentVacation>\n</agentVacationSummary>\n"
    )  # fmt: skip


def test_a_page_is_a_document_with_its_groups():
    other = {**VACATION, "timeOffRule": "2025"}
    vacation = exporter("agent-vacation-summary")
    how: dict[str, Any] = {"output_format": "XML", "data_groups": GROUPS[1:]}
    assert page(vacation, [VACATION, VACATION, other], 2, 1, **how) == write(vacation, [VACATION], **how)
    assert page(vacation, [VACATION, VACATION, other], 2, 9, **how).count(b"<agentVacation>") == 2


def test_xml_escapes():
    record = {**VACATION, "agentName": ODD, "agentData": {9: ""}}
    found = text("agent-vacation-summary", [record], "XML", data_groups=[(9, ODD), (7, "Team")])
    assert (
        '<agentData name="Team"/><agentData name="\ufffd\ufffd\ufffd\ufffd\ufffd&#9;&#10;&#13;'
        "\\|&quot;&amp;&lt;&gt;'#é😀\u007f\"/>"
        "<agentName>\ufffd\ufffd\ufffd\ufffd\ufffd\t\n&#13;\\|\"&amp;&lt;&gt;'#é😀\u007f</agentName>"
    ) in found
    assert '<agentData name="Team"/>' in found


def test_replaced_characters_are_counted():
    record = {**VACATION, "agentName": ODD, "timeOffGroupName": "\u0001"}
    vacation = exporter("agent-vacation-summary")
    odd_group = [(9, "\u0002")]
    assert count_replaced(vacation, [record, record], output_format="XML", data_groups=odd_group) == 2 * (5 + 1) + 1
    assert count_replaced(vacation, [record], output_format="PIPE", date_format="yymmdd") == 1
    assert count_replaced(vacation, [record], output_format="JSON") == 0
    assert count_replaced(vacation, [record], output_format="PIPE", fields=fields("tvID")) == 0


def test_records_of_the_oracle_can_be_written():
    rows = find("agent-info", mu_ids=[1])
    groups = [(row["group_id"], row["name"]) for row in SMALL["data_group"]]
    lines = text("agent-info", rows, "PIPE", data_groups=groups, date_format="yyyymmdd").splitlines()
    assert lines[2] == (
        "20240522|Europe/Paris|1|1|Lyon|1001|1|4711||0b6e3c1e-0000-4000-8000-000000001001||O'Neil, Zoë|Zoë|O'Neil"
        "|20230201|North|Lyon\\\\1|"
    )
