"""Section 2: what a request to export may say, and what becomes of it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from conformance.smartsync import exports_wire as exports
from conformance.smartsync.wire import JSON, Person, check_faults, check_json, check_refusal, check_unauthorized, send
from service import Service

TOO_LARGE = b" " * 65_537


@pytest.fixture(scope="module")
def _parked_people() -> Iterator[dict[str, Person]]:
    people: dict[str, Person] = {}
    yield people
    for one in people.values():
        one.service.database.execute("DELETE FROM jobs WHERE tenant_id = %(tenant)s", {"tenant": one.tenant.id})


@pytest.fixture
def parked(service: Service, _parked_people: dict[str, Person]) -> Person:
    """Take somebody of a contact centre whose jobs all wait, as its slots are taken; all go afterwards."""
    if service.url not in _parked_people:
        person = _parked_people[service.url] = exports.new_centre(service)
        for _ in range(2):
            exports.in_state(person, "running")
    return _parked_people[service.url]


@pytest.mark.req("SS-201", "SS-202", "SS-204", "SS-401", "SS-402", "SS-601")
def test_each_exporter_takes_its_parameters_and_answers_with_a_job(parked: Person):
    before = exports.count_jobs(parked)
    for number, exporter in enumerate(exports.catalogue().values(), start=before + 1):
        answer = exports.submit(parked, exporter.name)
        assert answer.status_code == 200, answer.text
        [(name, job_id)] = check_json(answer).items()
        assert (name, bool(re.fullmatch("[0-9a-f]{32}", job_id))) == ("jobId", True)
        shown = exports.status(parked, job_id)
        assert list(shown) == ["jobId", "status", "exporterType", "lastStatusChange", "outputFormat"]
        assert (shown["jobId"], shown["status"], shown["exporterType"]) == (job_id, "WAITING", exporter.name)
        assert exports.count_jobs(parked) == number


@pytest.mark.req("SS-201")
def test_there_are_the_20_exporters_of_annex_a():
    assert len(exports.catalogue()) == 20


ACCEPTED: dict[str, tuple[str, dict[str, Any]]] = {
    "one day": ("agent-info", {"endDate": "2024-05-22"}),
    "first and last possible day": ("agent-info", {"startDate": "2998-11-27", "endDate": "2999-12-31"}),
    "the first possible day": ("agent-info", {"startDate": "1970-01-01", "endDate": "1970-01-01"}),
    "400 days": ("agent-info", {"startDate": "2023-01-01", "endDate": "2024-02-04"}),
    "a leap day": ("agent-info", {"startDate": "2024-02-29", "endDate": "2024-02-29"}),
    "format in another case": ("agent-info", {"outputFormat": "pIpE"}),
    "date format in another case": ("agent-info", {"dateFormat": "YYYYddMM"}),
    "JSON without a date format": ("agent-info", {"dateFormat": None}),
    "12 hours as a number": ("agent-info", {"timeFormat": 12}),
    "24 hours as a number": ("agent-info", {"timeFormat": 24}),
    "12 hours": ("agent-info", {"timeFormat": "12"}),
    "vacation in XML without times": (
        "agent-vacation-summary",
        {"outputFormat": "XML", "timeFormat": None, "dateFormat": None},
    ),
    "an id twice": ("agent-info", {"muIds": [1, 2, 1]}),
    "an id 1,001 times": ("agent-info", {"muIds": [1] * 1001}),
    "business units": ("ct-results", {"ctIds": None, "buIds": [1]}),
    "contact types and business units": ("ct-results", {"buIds": [2]}),
    "no rules": ("agent-vacation-summary", {"timeOffGroupList": [{"timeOffGroup": 3, "timeOffRules": []}]}),
    "rules of null": ("agent-vacation-summary", {"timeOffGroupList": [{"timeOffGroup": 3, "timeOffRules": None}]}),
    "a rule in another case": (
        "agent-vacation-summary",
        {"timeOffGroupList": [{"timeOffGroup": 3, "timeOffRules": ["sOMMER É", "2024"]}, {"timeOffGroup": 4}]},
    ),
    "a group without rules": ("agent-vacation-summary", {"timeOffGroupList": [{"timeOffGroup": 5}]}),
    "all groups": ("agent-vacation-summary", {"timeOffGroupList": None, "allTimeOffGroups": {}}),
    "all groups with all rules": (
        "agent-vacation-summary",
        {"timeOffGroupList": None, "allTimeOffGroups": {"includeAllTimeOffRules": True}},
    ),
    "switches that are off": ("agent-info", {"keepEmptyJsonFields": False, "excludePipeHeader": False}),
    "empty JSON fields": ("agent-info", {"keepEmptyJsonFields": True}),
    "no header": ("agent-info", {"outputFormat": "PIPE", "excludePipeHeader": True}),
    "an attribute in another case": ("agent-activity-detail", {"attribute": "pAY"}),
    "a time": ("agent-export", {"lastModifiedTime": "2024-05-22T23:59:59Z"}),
    "a record type in another case": ("agent-export", {"recordType": "NEWAGENT"}),
    "schedules uncut": ("agent-schedule-detail", {"disableMidnightCutOff": True}),
    "fields": ("agent-info", {"fields": [{"name": "DATE"}, {"name": "agentdata", "value": "tEAM"}]}),
    "200 fields": ("agent-info", {"fields": [{"name": "agentData"}] * 200}),
    "a deleted unit": ("agent-info", {"muIds": [8]}),
}


@pytest.mark.req("SS-202", "SS-211", "SS-212", "SS-213", "SS-214", "SS-215", "SS-217", "SS-218", "SS-219", "SS-220")
@pytest.mark.req("SS-701", "SS-704", "SS-705", "SS-706", "SS-721", "SS-915")
def test_what_fits_is_taken(parked: Person):
    answers = {words: exports.submit(parked, name, **changes) for words, (name, changes) in ACCEPTED.items()}
    assert {words: answer.text for words, answer in answers.items() if answer.status_code != 200} == {}


@pytest.mark.req("SS-204")
def test_null_counts_as_absent(parked: Person):
    absent = dict.fromkeys(("attribute", "fields", "keepEmptyJsonFields", "noSuchParameter"))
    body = json.dumps({**exports.ask("agent-info"), **absent})
    assert exports.submit_text(parked, "agent-info", body).status_code == 200
    nothing = json.dumps({**exports.ask("agent-info"), "muIds": None, "startDate": None})
    check_faults(
        exports.submit_text(parked, "agent-info", nothing),
        "Missing required parameter: 'startDate'",
        "Missing required parameter: 'muIds'",
    )


@pytest.mark.req("SS-002", "SS-201", "SS-506")
def test_the_routes_are_described(service: Service, idle: Person):
    document = idle.get("/openapi.json").json()
    paths = {path.removeprefix(exports.BASE): each for path, each in document["paths"].items() if exports.BASE in path}
    assert {path: sorted(each) for path, each in paths.items()} == {
        "/status": ["get"],
        "/status/{jobId}": ["get"],
        "/result/{jobId}": ["get"],
        "/cancel/{jobId}": ["post"],
        "/{exporter}": ["post"],
    }
    [exporter] = paths["/{exporter}"]["post"]["parameters"]
    assert exporter["schema"]["enum"] == list(exports.catalogue())
    assert {"200", "206", "406"} <= set(paths["/result/{jobId}"]["get"]["responses"])
    assert all(one["security"] == [{"session": []}] for each in paths.values() for one in each.values())


# -- paths, methods, and what comes before the parameters ---------------------------------------------------------


@pytest.mark.req("SS-201", "SS-007", "SS-006")
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("name", ["agent-inf", "AGENT-INFO", "agent-info/", "agent-info/1", "agent%20info", "result"])
def test_no_other_name_is_a_path(idle: Person, service: Service, method: str, name: str):
    for headers in ([], [idle.cookie]):
        check_refusal(send(service, method, f"{exports.BASE}/{name}", headers), 404, "Not Found")


@pytest.mark.req("SS-007", "SS-002", "SS-006")
@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "agent-info", "POST"),
        ("DELETE", "agent-info", "POST"),
        ("POST", "status", "GET"),
        ("POST", f"status/{'0' * 32}", "GET"),
        ("DELETE", f"result/{'0' * 32}", "GET"),
        ("GET", f"cancel/{'0' * 32}", "POST"),
    ],
)
def test_a_known_path_with_another_method_is_405(idle: Person, method: str, path: str, allowed: str):
    answer = idle.send(method, f"{exports.BASE}/{path}")
    check_refusal(answer, 405, "Method Not Allowed")
    assert answer.headers["allow"] == allowed


@pytest.mark.req("SS-001")
def test_the_first_segment_may_be_in_any_case(idle: Person):
    answer = idle.get(f"/smartSYNC{exports.BASE.removeprefix('/SMARTSync')}/status")
    assert (answer.status_code, answer.json()) == (200, [])


@pytest.mark.req("SS-203", "SS-004", "SS-029")
def test_checks_come_in_their_order(service: Service):
    path, text = f"{exports.BASE}/agent-info", ("Content-Type", "text/plain")
    person = exports.centre_of(service)
    check_refusal(send(service, "POST", path, [text], TOO_LARGE), 413, "Request Entity Too Large")
    check_unauthorized(send(service, "POST", path, [text], b"{"))
    check_refusal(person.send("POST", path, b"{", [text]), 415, "Unsupported Media Type")
    check_faults(person.send("POST", path, b"{", [JSON]), "Request body is not a JSON object")


@pytest.mark.req("SS-004", "SS-203")
@pytest.mark.parametrize("header", [[], [("Content-Type", "application/JSON; charset=latin1")]])
def test_json_needs_no_type_and_its_type_may_have_parameters(service: Service, header: list[tuple[str, str]]):
    body = json.dumps(exports.ask("agent-info", muIds=[99])).encode()
    answer = exports.centre_of(service).send("POST", f"{exports.BASE}/agent-info", body, header)
    check_faults(answer, "Insufficient permissions to view entities: muIds [99]")


@pytest.mark.req("SS-009")
@pytest.mark.parametrize("path", ["agent-info", f"cancel/{'0' * 32}"])
def test_what_a_browser_posts_for_another_site_is_403(idle: Person, path: str):
    answer = idle.send("POST", f"{exports.BASE}/{path}", b"{}", [JSON, ("Sec-Fetch-Site", "cross-site")])
    check_refusal(answer, 403, "Forbidden")


@pytest.mark.req("SS-301", "SS-010")
@pytest.mark.parametrize(
    "body",
    [
        *("", "{", "[]", '"{}"', "null", "1", "{} {}", '{"startDate": NaN}', '{"a": Infinity}', "{'a': 1}", "﻿{}"),
        '{"a":' + "[" * 30_000 + "]" * 30_000 + "}",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_not_one_json_object_is_one_fault(idle: Person, body: str):
    check_faults(exports.submit_text(idle, "agent-info", body), "Request body is not a JSON object")


@pytest.mark.req("SS-301")
def test_bytes_that_are_no_utf_8_are_one_fault(idle: Person):
    answer = exports.submit_text(idle, "agent-info", b'{"startDate": "\xff"}')
    check_faults(answer, "Request body is not a JSON object")
