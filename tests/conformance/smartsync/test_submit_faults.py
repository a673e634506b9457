"""SS-301: every fault of a request, in the words and the order of its table."""

import json
from typing import Any

import pytest

from conformance.smartsync import exports_wire as exports
from conformance.smartsync.wire import check_faults
from service import Service

LONG = "x" * 101
GROUPS = "agent-vacation-summary"
DATE = "{} must match the provided yyyy-MM-dd format"
TIME = "lastModifiedTime must match the provided yyyy-MM-dd'T'HH:mm:ss'Z' format"
FORM = "fields must contain 1 to 200 field objects"
REFUSED = "Insufficient permissions to view entities: "


def missing(*names: str) -> list[str]:
    return [f"Missing required parameter: '{name}'" for name in names]


def wrong(name: str, *values: str) -> list[str]:
    return [f"Invalid {name} value: '{value}'" for value in values]


def group(**members: Any) -> dict[str, Any]:
    return {"timeOffGroupList": [members]}


def field(**members: Any) -> dict[str, Any]:
    return {"fields": [members]}


# Each with the request's changes and the faults it has, in order; None takes a parameter away.
FAULTS: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "nothing": (
        "agent-info",
        dict.fromkeys(exports.VALUES),
        missing("startDate", "endDate", "outputFormat", "timeFormat", "muIds"),
    ),
    "PIPE needs a date format": ("agent-info", {"outputFormat": "PIPE", "dateFormat": None}, missing("dateFormat")),
    "record type": ("agent-export", {"recordType": None}, missing("recordType")),
    "vacation in JSON needs times": (GROUPS, {"timeFormat": None}, missing("timeFormat")),
    "what depends on an unknown format": (
        GROUPS,
        {"timeFormat": None, "outputFormat": "X"},
        wrong("outputFormat", "X"),
    ),
    # dates
    "date of another form": ("agent-info", {"startDate": "2024-5-22"}, [DATE.format("startDate")]),
    "no real date": ("agent-info", {"endDate": "2024-02-30"}, [DATE.format("endDate")]),
    "date with blank": ("agent-info", {"startDate": " 2024-05-22"}, [DATE.format("startDate")]),
    "date with line feed": ("agent-info", {"startDate": "2024-05-22\n"}, [DATE.format("startDate")]),
    "date in Arabic digits": ("agent-info", {"startDate": "٢٠٢٤-٠٥-٢٢"}, [DATE.format("startDate")]),
    "date with time": ("agent-info", {"startDate": "2024-05-22T00:00:00"}, [DATE.format("startDate")]),
    "date as number": ("agent-info", {"startDate": 20240522}, [DATE.format("startDate")]),
    "week date": ("agent-info", {"startDate": "2024-W21-3"}, [DATE.format("startDate")]),
    "too early": ("agent-info", {"startDate": "1969-12-31"}, [DATE.format("startDate")]),
    "too late": ("agent-info", {"endDate": "3000-01-01"}, [DATE.format("endDate")]),
    "both dates": ("agent-info", {"startDate": "", "endDate": []}, [DATE.format("startDate"), DATE.format("endDate")]),
    "start after end": ("agent-info", {"startDate": "2024-05-24"}, ["startDate must not be after endDate"]),
    "401 days": (
        "agent-info",
        {"startDate": "2023-01-01", "endDate": "2024-02-05"},
        ["Date range must not exceed 400 days"],
    ),
    # words
    "no format": ("agent-info", {"outputFormat": "CSV"}, wrong("outputFormat", "CSV")),
    "format not offered": ("agent-info", {"outputFormat": "xml"}, wrong("outputFormat", "xml")),
    "PIPE not offered": ("mu-opens", {"outputFormat": "PIPE"}, wrong("outputFormat", "PIPE")),
    "format with odd capitals": ("agent-info", {"outputFormat": "p\u0131pe"}, wrong("outputFormat", "p\u0131pe")),
    "format as list": ("agent-info", {"outputFormat": ["PIPE"]}, wrong("outputFormat", '["PIPE"]')),
    "format too long": ("agent-info", {"outputFormat": LONG}, wrong("outputFormat", LONG[:100])),
    "date format": ("agent-info", {"dateFormat": "yyyy-mm-dd"}, wrong("dateFormat", "yyyy-mm-dd")),
    "date format as number": ("agent-info", {"dateFormat": 1.50}, wrong("dateFormat", "1.5")),
    "time format": ("agent-info", {"timeFormat": "25"}, wrong("timeFormat", "25")),
    "time format as other number": ("agent-info", {"timeFormat": 25}, wrong("timeFormat", "25")),
    "time format as fraction": ("agent-info", {"timeFormat": 24.0}, wrong("timeFormat", "24.0")),
    "time format as boolean": ("agent-info", {"timeFormat": True}, wrong("timeFormat", "true")),
    "time format with blank": ("agent-info", {"timeFormat": "24 "}, wrong("timeFormat", "24 ")),
    "time with offset": ("agent-export", {"lastModifiedTime": "2024-05-22T10:00:00+00:00"}, [TIME]),
    "time with decimals": ("agent-export", {"lastModifiedTime": "2024-05-22T10:00:00.000Z"}, [TIME]),
    "no real time": ("agent-export", {"lastModifiedTime": "2024-05-22T24:00:00Z"}, [TIME]),
    "time of a leap second": ("agent-export", {"lastModifiedTime": "2024-05-22T23:59:60Z"}, [TIME]),
    "time as number": ("agent-schedule-detail", {"lastModifiedTime": 0}, [TIME]),
    "other record type": ("agent-export", {"recordType": "agent"}, wrong("recordType", "agent")),
    "record type as object": (
        "agent-export",
        {"recordType": {"a": [1, "b", None]}},
        wrong("recordType", '{"a":[1,"b",null]}'),
    ),
    "switch as text": ("agent-info", {"keepEmptyJsonFields": "true"}, wrong("keepEmptyJsonFields", "true")),
    "switch as number": ("agent-info", {"excludePipeHeader": 1}, wrong("excludePipeHeader", "1")),
    "cut-off as text": ("agent-schedule-detail", {"disableMidnightCutOff": "no"}, wrong("disableMidnightCutOff", "no")),
    # ids
    "ids as number": ("agent-info", {"muIds": 1}, wrong("muIds", "1")),
    "ids as text": ("agent-info", {"muIds": "1,2"}, wrong("muIds", "1,2")),
    "ids as object": ("agent-info", {"muIds": {"1": 2}}, wrong("muIds", '{"1":2}')),
    "no ids": ("agent-info", {"muIds": []}, ["muIds must contain at least one id"]),
    "1,001 ids": ("agent-info", {"muIds": list(range(1, 1002))}, ["muIds must contain at most 1000 ids"]),
    "what is no id": (
        "agent-info",
        {"muIds": [1, 0, -1, 1.0, True, "1", None, [], "x" * 200]},
        wrong("muIds", "0", "-1", "1.0", "true", "1", "null", "[]", "x" * 100),
    ),
    "neither BU nor CT": ("ct-results", {"ctIds": None}, ["At least one of 'buIds' and 'ctIds' is required"]),
    "BUs empty": ("ct-results", {"buIds": []}, ["buIds must contain at least one id"]),
    "BUs empty, CTs wrong": (
        "ct-queue-data",
        {"buIds": [], "ctIds": ["a"]},
        ["buIds must contain at least one id", *wrong("ctIds", "a")],
    ),
    # time off
    "neither time off": (
        GROUPS,
        {"timeOffGroupList": None},
        ["One of 'timeOffGroupList' and 'allTimeOffGroups' is required"],
    ),
    "both time off": (
        GROUPS,
        {"allTimeOffGroups": {}},
        ["Only one of 'timeOffGroupList' and 'allTimeOffGroups' is allowed"],
    ),
    "groups as object": (GROUPS, {"timeOffGroupList": {}}, wrong("timeOffGroupList", "{}")),
    "no groups": (GROUPS, {"timeOffGroupList": []}, ["timeOffGroupList must contain at least one id"]),
    "1,001 groups": (
        GROUPS,
        {"timeOffGroupList": [{"timeOffGroup": number} for number in range(1, 1002)]},
        ["timeOffGroupList must contain at most 1000 ids"],
    ),
    "group as number": (GROUPS, {"timeOffGroupList": [3]}, wrong("timeOffGroupList", "3")),
    "group without id": (GROUPS, group(timeOffRules=["2024"]), wrong("timeOffGroupList", '{"timeOffRules":["2024"]}')),
    "group zero": (GROUPS, group(timeOffGroup=0), wrong("timeOffGroupList", '{"timeOffGroup":0}')),
    "group with more": (
        GROUPS,
        group(timeOffGroup=3, rules=[]),
        wrong("timeOffGroupList", '{"timeOffGroup":3,"rules":[]}'),
    ),
    "rules as text": (GROUPS, group(timeOffGroup=3, timeOffRules="2024"), wrong("timeOffRules", "2024")),
    "rule as number": (GROUPS, group(timeOffGroup=3, timeOffRules=["2024", 2024]), wrong("timeOffRules", "2024")),
    "unknown rules": (
        GROUPS,
        group(timeOffGroup=3, timeOffRules=["1999", "2024", ""]),
        wrong("timeOffRules", "1999", ""),
    ),
    "rule of another group": (
        GROUPS,
        group(timeOffGroup=4, timeOffRules=["Lifetime"]),
        wrong("timeOffRules", "Lifetime"),
    ),
    "rule in days": (
        GROUPS,
        group(timeOffGroup=3, timeOffRules=["counted IN days"]),
        ["Time-off rule counted in days is not supported: 'counted IN days'"],
    ),
    "all groups as boolean": (
        GROUPS,
        {"timeOffGroupList": None, "allTimeOffGroups": True},
        wrong("allTimeOffGroups", "true"),
    ),
    "all groups with more": (
        GROUPS,
        {"timeOffGroupList": None, "allTimeOffGroups": {"a": 1}},
        wrong("allTimeOffGroups", '{"a":1}'),
    ),
    "all rules as text": (
        GROUPS,
        {"timeOffGroupList": None, "allTimeOffGroups": {"includeAllTimeOffRules": "yes"}},
        wrong("includeAllTimeOffRules", "yes"),
    ),
    # attribute
    "unknown attribute": ("agent-activity-detail", {"attribute": "Nope"}, wrong("attribute", "Nope")),
    "empty attribute": ("agent-activity-detail", {"attribute": ""}, wrong("attribute", "")),
    "attribute as number": ("agent-activity-detail", {"attribute": 5}, wrong("attribute", "5")),
    # fields
    "fields as object": ("agent-info", {"fields": {"name": "date"}}, [FORM]),
    "no fields": ("agent-info", {"fields": []}, [FORM]),
    "201 fields": ("agent-info", {"fields": [{"name": "agentData"}] * 201}, [FORM]),
    "a field as text": ("agent-info", {"fields": [{"name": "date"}, "TZ"]}, [FORM]),
    "unknown field": ("agent-info", field(name="nope"), wrong("fields", "nope")),
    "empty name": ("agent-info", field(name=""), wrong("fields", "")),
    "no name": ("agent-info", field(value="Team"), wrong("fields", '{"value":"Team"}')),
    "name as number": ("agent-info", field(name=7), wrong("fields", '{"name":7}')),
    "another member": ("agent-info", field(name="date", sort=1), wrong("fields", '{"name":"date","sort":1}')),
    "simple field with value": ("agent-info", field(name="date", value="x"), wrong("fields", "date(x)")),
    "simple field with attribute": (
        "agent-info",
        field(name="date", attributes={"a": "b"}),
        wrong("fields", "date[a=b]"),
    ),
    "unknown group": ("agent-info", field(name="AgentData", value="Nope"), wrong("fields", "AgentData(Nope)")),
    "data group as number": ("agent-info", field(name="agentData", value=7), wrong("fields", "agentData(7)")),
    "data group as attribute": (
        "agent-info",
        field(name="agentData", attributes={"name": "Team"}),
        wrong("fields", "agentData[name=Team]"),
    ),
    "unknown attribute name": (
        "agent-export",
        field(name="id", attributes={"type": "ssn"}),
        wrong("fields", "id[type=ssn]"),
    ),
    "unknown attribute value": (
        "agent-export",
        field(name="ID", attributes={"IDtype": "x"}),
        wrong("fields", "ID[IDtype=x]"),
    ),
    "attributes as text": (
        "agent-export",
        field(name="id", attributes="ssn"),
        wrong("fields", '{"name":"id","attributes":"ssn"}'),
    ),
    "value and attributes": (
        "agent-export",
        field(name="id", attributes={"idType": "ssn"}, value=1),
        wrong("fields", '{"name":"id","attributes":{"idType":"ssn"},"value":1}'),
    ),
    "field of another exporter": ("agent-info", field(name="minutes"), wrong("fields", "minutes")),
    "long field": ("agent-info", field(name="agentData", value="x" * 200), wrong("fields", "agentData(" + "x" * 90)),
    "repeated fields": (
        "agent-info",
        {
            "fields": [
                {"name": "date"},
                {"name": "DATE"},
                {"name": "agentData"},
                {"name": "agentData"},
                {"name": "Date"},
            ]
        },
        wrong("fields", "DATE", "Date"),
    ),
    "fields of vacation in XML": (
        GROUPS,
        {"outputFormat": "XML", "fields": [{"name": "tvID"}]},
        ["fields can be set only if outputFormat is PIPE or JSON"],
    ),
    # permission
    "unknown unit": ("agent-info", {"muIds": [99, 1, 12, 99]}, [REFUSED + "muIds [99, 12]"]),
    "unit beyond all numbers": ("agent-info", {"muIds": [2**63]}, [REFUSED + f"muIds [{2**63}]"]),
    "unknown BUs and CTs": ("ct-results", {"ctIds": [77], "buIds": [9, 1]}, [REFUSED + "buIds [9], ctIds [77]"]),
    "unknown group whose rules nobody looks at": (
        GROUPS,
        group(timeOffGroup=99, timeOffRules=["2024"]),
        [REFUSED + "timeOffGroupList [99]"],
    ),
    # together
    "the example": (
        "agent-info",
        {"endDate": "2024/05/22", "timeFormat": "25", "muIds": [12, 99]},
        [DATE.format("endDate"), "Invalid timeFormat value: '25'", REFUSED + "muIds [12, 99]"],
    ),
    "a fault suppresses only what needs its value": (
        "agent-info",
        {"startDate": "x", "outputFormat": "x", "dateFormat": None, "excludePipeHeader": True, "muIds": [0, 99]},
        [DATE.format("startDate"), *wrong("outputFormat", "x"), *wrong("muIds", "0")],
    ),
    "everything": (
        "agent-schedule-detail",
        {
            "startDate": None,
            "endDate": 1,
            "outputFormat": "PIPE",
            "dateFormat": "x",
            "timeFormat": "x",
            "lastModifiedTime": "x",
            "disableMidnightCutOff": "x",
            "keepEmptyJsonFields": "x",
            "attribute": "x",
            "fields": [{"name": "x"}, {"name": "agentData", "value": "y"}],
            "muIds": [99],
        },
        [
            *missing("startDate"),
            DATE.format("endDate"),
            *wrong("dateFormat", "x"),
            *wrong("timeFormat", "x"),
            TIME,
            *wrong("keepEmptyJsonFields", "x"),
            *wrong("disableMidnightCutOff", "x"),
            *wrong("attribute", "x"),
            *wrong("fields", "x", "agentData(y)"),
            REFUSED + "muIds [99]",
        ],
    ),
}


@pytest.mark.req("SS-301", "SS-302", "SS-303", "SS-204", "SS-211", "SS-212", "SS-213", "SS-214", "SS-215", "SS-216")
@pytest.mark.req("SS-217", "SS-219", "SS-220", "SS-321", "SS-701", "SS-703", "SS-704", "SS-706", "SS-721", "SS-005")
@pytest.mark.parametrize("words", FAULTS)
def test_a_request_is_told_all_its_faults(service: Service, words: str):
    exporter, changes, details = FAULTS[words]
    check_faults(exports.submit(exports.centre_of(service), exporter, **changes), *details)


@pytest.mark.req("SS-301", "SS-302", "SS-321")
def test_a_request_with_faults_makes_no_job(service: Service):
    person = exports.centre_of(service)
    before = exports.count_jobs(person)
    for exporter, changes, _ in list(FAULTS.values())[::10]:
        exports.submit(person, exporter, **changes)
    assert exports.count_jobs(person) == before


@pytest.mark.req("SS-301")
@pytest.mark.parametrize(
    ("written", "echoed"),
    [
        ("1.50", "1.50"),
        ("1E+2", "1E+2"),
        ("[1, 2.0,  3]", "[1,2.0,3]"),
        ('"\\u00e9\\ud83d\\ude00|\\n"', "é😀|\n"),
        ('"\\ud800"', "\ud800"),
        ('{"é": false}', '{"é":false}'),
    ],
)
def test_a_value_is_echoed_as_it_was_given(idle, written: str, echoed: str):
    answer = exports.submit_text(idle, "agent-info", f'{{"outputFormat": {written}}}')
    assert answer.status_code == 400
    assert f"Invalid outputFormat value: '{echoed}'" in json.loads(answer.content)["details"]


@pytest.mark.req("SS-721", "SS-301")
def test_without_its_default_an_attribute_must_be_given(service: Service):
    person = exports.centre_of(service)
    # Of a tenant that has no attributes at all.
    other = exports.make_person(service)
    other.add_entity("mu:1")
    other.add_entity("mu:2")
    other.allow("mu:all")
    check_faults(exports.submit(other, "agent-activity-detail"), "Missing default attribute value: 'EXC_EXPORT'")
    check_faults(exports.submit(other, "agent-activity-detail", attribute="Pay"), *wrong("attribute", "Pay"))
    check_faults(exports.submit(person, "agent-activity-detail", attribute="x"), *wrong("attribute", "x"))
