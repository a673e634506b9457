"""Section 7, and what of sections 8 and 9 a request chooses: fields, attribute, forms of dates and times."""

import json
from typing import Any

import pytest

from conformance.smartsync import exports_wire as exports
from service import Service

TEAM = {"name": "agentData", "value": "Team"}
ODD = {"name": "agentData", "value": exports.ODD_GROUP}
PIPE = {"outputFormat": "PIPE"}
XML = {"outputFormat": "XML", "startDate": "2024-05-20"}


def named(*names: str) -> list[dict[str, Any]]:
    return [{"name": name} for name in names]


# Requests whose output must be that of the specification's writers.
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "in the order of the request": ("agent-info", PIPE | {"fields": named("agentName", "date", "muID", "startDate")}),
    "in that order as JSON": ("agent-info", {"fields": named("agentName", "date", "muID", "startDate")}),
    "one field": ("agent-info", PIPE | {"fields": named("firstName")}),
    "a value that begins a line": (
        "agent-info",
        PIPE | {"fields": named("lastName", "tvID"), "excludePipeHeader": True},
    ),
    "all groups between": ("agent-info", PIPE | {"fields": named("tvID", "agentData", "date")}),
    "groups again and again": ("agent-info", PIPE | {"fields": [TEAM, *named("tvID"), ODD, TEAM, *named("agentData")]}),
    "groups in one array": ("agent-info", {"fields": [*named("tvID"), ODD, *named("date"), TEAM, TEAM]}),
    "empty members kept": (
        "agent-info",
        {"fields": [*named("ssn", "startDate", "acdID"), ODD], "keepEmptyJsonFields": True},
    ),
    "records without members": ("agent-info", {"fields": named("ssn")}),
    "a tree keeps its order": ("agent-export", XML | {"fields": named("maxMinutes", "mu", "externalID")}),
    "a container": ("agent-export", XML | {"fields": named("acdList", "name")}),
    "parts bring their container": ("agent-export", {"startDate": "2024-05-20", "fields": named("lastName")}),
    "the id by another attribute": (
        "agent-export",
        XML | {"fields": [{"name": "id", "attributes": {"idType": "ssn"}}, {"name": "mu"}]},
    ),
    "the id by its default": ("agent-export", {"startDate": "2024-05-20", "fields": named("id")}),
    "new agents": ("agent-export", XML | {"recordType": "newAgent", "fields": named("sso", "externalID", "mu")}),
    "one group of a tree": ("agent-export", XML | {"fields": [TEAM]}),
    "all groups of a tree": ("agent-export", {"startDate": "2024-05-20", "fields": [TEAM, *named("agentData")]}),
    "a tree with empty members": ("agent-export", {"startDate": "2024-05-20", "keepEmptyJsonFields": True}),
    "another attribute": ("agent-schedule-summary", PIPE | {"attribute": "Pay"}),
    "the default attribute": ("agent-schedule-summary", PIPE),
    "12 hours, day first": ("agent-schedule-detail", PIPE | {"timeFormat": 12, "dateFormat": "ddmmyy"}),
    "24 hours, year first": ("agent-schedule-detail", {"timeFormat": "24", "dateFormat": "yyyyddmm"}),
    "ISO dates": ("agent-schedule-detail", {"timeFormat": "12", "dateFormat": None}),
    "contacts": ("ct-results", PIPE | {"ctIds": [11], "buIds": [1]}),
    "rules of a group more than once": (
        "agent-vacation-summary",
        {
            "endDate": "2024-06-30",
            "timeOffGroupList": [
                *({"timeOffGroup": 3}, {"timeOffGroup": 3, "timeOffRules": ["2024", "Lifetime"]}),
                *({"timeOffGroup": 3}, {"timeOffGroup": 4}),
            ],
        },
    ),
    "rules by name": (
        "agent-vacation-summary",
        PIPE | {"endDate": "2024-06-30", "timeOffGroupList": [{"timeOffGroup": 3, "timeOffRules": ["Sommer é"]}]},
    ),
}


@pytest.mark.req("SS-702", "SS-703", "SS-704", "SS-706", "SS-707", "SS-709", "SS-710", "SS-721", "SS-722", "SS-723")
@pytest.mark.req("SS-812", "SS-813", "SS-814", "SS-824", "SS-825", "SS-826", "SS-827", "SS-836", "SS-901", "SS-902")
@pytest.mark.req("SS-903", "SS-215", "SS-217", "SS-805")
@pytest.mark.parametrize("words", ASKED)
def test_the_output_has_what_was_asked_for(documented: Service, words: str):
    person = exports.centre_of(documented)
    exporter, changes = ASKED[words]
    output = exports.export(person, exporter, **changes)
    assert output == exports.expected(person, exporter, **changes)
    assert len(exports.records_of(person, exporter, **changes)) > 0


@pytest.mark.req("SS-705", "SS-721", "SS-217", "SS-212", "SS-213", "SS-220")
@pytest.mark.parametrize(
    ("exporter", "written", "meant"),
    [
        (
            "agent-info",
            {"fields": [*named("TVid", "DATE"), {"name": "AGENTDATA", "value": "tEAM"}], "outputFormat": "pipe"},
            {"fields": [*named("tvID", "date"), TEAM], "outputFormat": "PIPE"},
        ),
        (
            "agent-export",
            {
                "fields": [{"name": "ID", "attributes": {"IDTYPE": "SSN"}}],
                "outputFormat": "xml",
                "recordType": "CHANGEDagent",
            },
            {"fields": [{"name": "id", "attributes": {"idType": "ssn"}}], "outputFormat": "XML"},
        ),
        (
            "agent-schedule-summary",
            {"attribute": "pAy", "dateFormat": "YYMMDD"},
            {"attribute": "Pay", "dateFormat": "yymmdd"},
        ),
        (
            "agent-vacation-summary",
            {"timeOffGroupList": [{"timeOffGroup": 3, "timeOffRules": ["SOMMER É", "sommer é"]}]},
            {"timeOffGroupList": [{"timeOffGroup": 3, "timeOffRules": ["Sommer é"]}]},
        ),
    ],
    ids=["fields", "attributes", "attribute", "rules"],
)
def test_case_does_not_matter_and_the_output_has_the_stored_spelling(
    documented: Service, exporter: str, written: dict[str, Any], meant: dict[str, Any]
):
    person = exports.centre_of(documented)
    wide = {"startDate": "2024-05-20", "endDate": "2024-06-30"}
    assert exports.export(person, exporter, **wide, **written) == exports.expected(person, exporter, **wide, **meant)


@pytest.mark.req("SS-708", "SS-709", "SS-812")
def test_fields_choose_columns_only(documented: Service):
    person = exports.centre_of(documented)
    whole = exports.export(person, outputFormat="PIPE").decode().splitlines()
    names = [field.name for field in exports.catalogue()["agent-info"].fields]
    columns = whole[0].removeprefix("#fields:").split("|")
    assert columns[:15] == names[:15]
    assert next(name.partition("(")[0] for name in columns[15:]) == names[15] == "agentData"
    place = columns.index("tvID")
    chosen = exports.export(person, outputFormat="PIPE", fields=named("tvID")).decode().splitlines()
    assert chosen[1:] == [whole[1], *(line.split("|")[place] for line in whole[2:])]


@pytest.mark.req("SS-824", "SS-825", "SS-821")
def test_a_flat_record_has_the_members_asked_for_in_their_order(documented: Service):
    asked = [ODD, *named("tvID"), TEAM, *named("date")]
    output = exports.export(exports.centre_of(documented), fields=asked, endDate="2024-05-22", muIds=[1])
    [first, *_] = json.loads(output)
    assert list(first.items()) == [
        ("agentData", [{"name": exports.ODD_GROUP, "value": "Lyon\\1"}, {"name": "Team", "value": "North"}]),
        ("tvID", 1001),
        ("date", "05222024"),
    ]
