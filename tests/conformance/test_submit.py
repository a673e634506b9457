"""Section 2: POST jobs."""

import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from conformance import wire
from conformance.wire import BODY, post, send
from service import EXAMPLE, JOBS, Caller, Service, start_service

JSON = ("Content-Type", "application/json")
ENTITY, VERSION, START, END = EXAMPLE
START_FORM = "startDate must be a date in the form yyyy-MM-dd"
END_FORM = "endDate must be a date in the form yyyy-MM-dd"


def missing(name: str) -> str:
    return f"Missing required field: '{name}'"


def no_string(name: str) -> str:
    return f"Field '{name}' must be a string"


@pytest.mark.req("CX-201", "CX-202", "CX-210", "CX-211", "CX-006")
def test_a_valid_body_brings_a_job_id(service: Service):
    answer = post(service.caller())
    assert answer.status_code == 202
    job_id = wire.check_json(answer)
    assert answer.content == f'"{job_id}"'.encode()
    assert re.fullmatch(wire.UUID4, job_id)
    assert answer.headers["location"] == f"{JOBS}/{job_id}"
    assert "retry-after" not in answer.headers
    [row] = service.database.execute("SELECT count(*) AS jobs FROM jobs WHERE id = %(id)s", {"id": job_id})
    assert row.jobs == 1


@pytest.mark.req("CX-203", "CX-208", "CX-903")
@pytest.mark.parametrize("name", [ENTITY, VERSION, START, END])
@pytest.mark.parametrize(
    ("change", "detail"),
    [("left out", missing), (None, missing), ([], no_string), ({}, no_string), (True, no_string), (1.5, no_string)],
)
def test_each_member_is_required_and_text(service: Service, idle: Caller, name: str, change: Any, detail: Any):
    body = {**EXAMPLE, name: change}
    if change == "left out":
        del body[name]
    wire.check_refusal(service, post(idle, body), "body", detail(name))


@pytest.mark.req("CX-203")
@pytest.mark.parametrize("name", ["EntityName", "entityname", "startdate", "EndDate", "Version"])
def test_names_are_case_sensitive(service: Service, idle: Caller, name: str):
    right = next(known for known in EXAMPLE if known.lower() == name.lower())
    body = {key: value for key, value in EXAMPLE.items() if key != right} | {name: EXAMPLE[right]}
    unknown = [] if wire.is_live(service) else [f"Unknown field: '{name}'"]
    wire.check_refusal(service, post(idle, body), "body", missing(right), *unknown)


@pytest.mark.req("CX-203", "CX-204", "CX-906")
@pytest.mark.parametrize(
    "members",
    [
        *({ENTITY: name} for name in ("", " ", "QM-Workflows", "qm-workflows ", "qm_workflows", "qm-worÑflows")),
        *({ENTITY: name} for name in ("\x00", "\ud800", "x" * 10_000, "../qm-workflows", "wfm-payroll", "%")),
        *({VERSION: version} for version in ("", "2", "03", "3 ", "v3", "3.0", "+3", "٣", 2, 0, -3, 10**30)),
    ],
    ids=repr,
)
def test_entity_and_version_must_equal_an_entry(service: Service, idle: Caller, members: dict[str, Any]):
    wire.check_refusal(service, post(idle, **members), "entity")


@pytest.mark.req("CX-204")
@pytest.mark.parametrize("version", ["1", 1, "3", 3])
def test_a_version_may_be_a_number(documented: Service, version: Any):
    body = documented.caller().extract(version=version)
    assert body == wire.header(wire.dataset(version=str(version)))


@pytest.mark.req("CX-205", "CX-903")
@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "2019-5-22", "2019-05-22 ", " 2019-05-22", "2019-05-22T00:00:00Z", "2019-05-22 00:00", "20190522"),
        *("2019/05/22", "2019.05.22", "22-05-2019", "05-22-2019", "2019-13-01", "2019-00-10", "2019-04-31"),
        *("2019-02-29", "2100-02-29", "2019-05-00", "0000-05-22", "0019-05-22", "1969-12-31", "3000-01-01"),
        *("9999-12-31", "-2019-05-2", "2019-W21-3", "2019-142", "2019-05-2\u0662", "2019\u201005\u201022", "today"),
        *("2019-05-22\n", "2019-05-2२", "2019-05-22\x00", "\uff12019-05-2", "\ud800"),
    ],
)
def test_dates_must_be_real_and_in_their_form(service: Service, idle: Caller, text: str):
    wire.check_refusal(service, post(idle, startDate=text), "body", START_FORM)
    wire.check_refusal(service, post(idle, endDate=text), "body", END_FORM)


@pytest.mark.req("CX-205", "CX-206", "CX-814", "CX-816")
@pytest.mark.parametrize(
    ("start", "end"),
    [
        *(("1970-01-01", "1970-01-01"), ("2999-12-31", "2999-12-31"), ("2020-02-29", "2020-02-29")),
        *(("2000-02-29", "2000-03-01"), ("2024-02-20", "2024-03-06"), ("2199-01-01", "2199-01-16")),
    ],
)
def test_any_real_date_may_be_asked_for(service: Service, start: str, end: str):
    assert post(service.caller(), startDate=start, endDate=end).status_code == 202


@pytest.mark.req("CX-206", "CX-814", "CX-903")
@pytest.mark.parametrize(
    ("start", "end", "detail"),
    [
        ("2019-05-29", "2019-05-28", "endDate must not be before startDate"),
        ("2999-12-31", "1970-01-01", "endDate must not be before startDate"),
        ("2019-05-22", "2019-06-07", "The date range must not exceed 15 days"),
        ("1970-01-01", "2999-12-31", "The date range must not exceed 15 days"),
    ],
)
def test_dates_in_the_wrong_order_or_too_far_apart(service: Service, idle: Caller, start: str, end: str, detail: str):
    wire.check_refusal(service, post(idle, startDate=start, endDate=end), "body", detail)


@pytest.mark.req("CX-207", "CX-903")
@pytest.mark.parametrize("name", ["extra", "", "x" * 101, "schluß", "a'b", "\x00", "\ud800"])
def test_an_unknown_member(documented: Service, live: Service, name: str):
    answer = post(documented.caller(), {**EXAMPLE, name: None})
    wire.check_refusal(documented, answer, "body", f"Unknown field: '{name[:100]}'")
    assert post(live.caller(), {**EXAMPLE, name: {"a": [1]}}).status_code == 202


@pytest.mark.req("CX-208", "CX-207", "CX-903")
def test_all_faults_come_together_in_their_order(service: Service, idle: Caller):
    unknown = [] if wire.is_live(service) else ["Unknown field: 'b'", "Unknown field: 'a'"]
    body: dict[str, Any] = {"b": 1, END: "2019-05-21T00:00:00Z", "a": 1, START: 5, VERSION: None, ENTITY: []}
    faults = [no_string(ENTITY), missing(VERSION), no_string(START), END_FORM]
    wire.check_refusal(service, post(idle, body), "body", *faults, *unknown)
    body = {"b": 1, END: "2019-05-21", "a": 1, START: "2019-05-22"}
    faults = [missing(ENTITY), missing(VERSION), "endDate must not be before startDate"]
    wire.check_refusal(service, post(idle, body), "body", *faults, *unknown)
    body = {"b": 1, END: "2019-09-21", "a": 1, START: "2019-05-22", VERSION: True}
    faults = [missing(ENTITY), no_string(VERSION), "The date range must not exceed 15 days"]
    wire.check_refusal(service, post(idle, body), "body", *faults, *unknown)
    wire.check_refusal(service, post(idle, {}), "body", *map(missing, EXAMPLE))


@pytest.mark.req("CX-209")
def test_the_first_check_that_fails_answers(service: Service):
    """Each request has the fault that is expected and all that are checked after it."""
    caller = service.caller()
    busy = service.caller(caller.tenant, ["qm-workflow", "interaction-metadata"])
    wire.running(busy)
    wire.add_unfinished(busy, 99)
    bad, unknown = {ENTITY: "none", VERSION: 1.5}, {ENTITY: "none"}
    refused = {ENTITY: "recording-interaction-metadata", VERSION: "7"}
    wire.check_refusal(service, send(service, "POST", JOBS, body=b" " * 65_537), "size")
    wire.check_refusal(service, send(service, "POST", JOBS, [JSON], b"{}"), "token")
    assert post(caller, **bad).status_code == 400
    wire.check_refusal(service, post(caller, **unknown), "entity")
    wire.check_refusal(service, post(caller, **refused), "extract")
    wire.check_refusal(service, post(caller), "busy")
    wire.check_refusal(service, post(busy), "interval")
    wire.age_window(busy, 30)
    wire.check_refusal(service, post(busy), "jobs")


@pytest.mark.req("CX-212", "CX-801")
def test_of_fifty_at_once_one_is_accepted(service: Service):
    caller = service.caller()
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: send(service, "POST", JOBS, [wire.bearer(caller)], BODY), range(50)))
    assert Counter(answer.status_code for answer in answers)[202] == 1
    for answer in answers:
        if answer.status_code != 202:
            wire.check_refusal(service, answer, "interval")
    assert len(caller.request("GET", JOBS).json()["jobs"]) == 1


@pytest.mark.req("CX-212")
def test_of_fifty_at_once_of_several_users_one_is_accepted(service: Service):
    first = service.caller()
    callers = [first] + [service.caller(first.tenant) for _ in range(4)]
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda number: post(callers[number % 5]), range(50)))
    accepted = [answer for answer in answers if answer.status_code == 202]
    assert len(accepted) == 1
    assert {answer.status_code for answer in answers} == {202, 403 if wire.is_live(service) else 429}


@pytest.mark.req("CX-210", "CX-105", "CX-503", "CX-702")
def test_a_killed_server_loses_nothing(start: Any):
    server = start(TAILRACE_SERVER__PUBLIC_URL="http://tailrace.example")
    server.url = wire.listening_at(server)
    caller, waiting = server.caller(), server.caller()
    job_id, url = wire.succeeded(caller)
    accepted = waiting.submit()
    server.process.kill()
    server.process.wait()
    with start_service(server.data, server.environment["DATABASE_URL"], **_settings(server)) as again:
        again.url = wire.listening_at(again)
        caller.service = waiting.service = again
        whole = send(again, "GET", url)
        assert (whole.status_code, whole.content) == (200, wire.header(wire.dataset()))
        assert caller.status(job_id)["status"] == "SUCCEEDED"
        assert waiting.wait(accepted)["status"] == "SUCCEEDED"
        assert again.sign_in(caller.key)
        wire.check_refusal(again, post(waiting), "interval")


def _settings(server: Service) -> dict[str, str]:
    return {name: text for name, text in server.environment.items() if name.startswith("TAILRACE_")}


@pytest.mark.req("CX-201", "CX-018")
def test_the_order_of_members_and_blanks_do_not_matter(service: Service):
    body = "\r\n\t" + json.dumps(dict(reversed(EXAMPLE.items())), indent=3) + "\n"
    assert send(service, "POST", JOBS, [wire.bearer(service.caller()), JSON], body.encode()).status_code == 202
