"""Section 4: what is told of exports."""

import http.client
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest

from conformance.smartsync import exports_wire as exports
from conformance.smartsync.wire import Person, check_refusal, check_unauthorized
from conformance.wire import age_job, check_json, fail, hold, same, send
from service import Service

STATES = {
    "waiting": "WAITING",
    "running": "RUNNING",
    "completed": "COMPLETED_SUCCESSFULLY",
    "failed": "FAILED",
    "canceled": "CANCELED",
}
ALWAYS = ["jobId", "status", "exporterType", "lastStatusChange", "outputFormat"]
INSTANT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z"


@pytest.fixture(autouse=True)
def _freed(documented: Service) -> Iterator[None]:
    """No job stays running."""
    yield
    exports.free(documented)


def moments(service: Service, job_id: str) -> Any:
    [row] = service.database.execute(
        "SELECT created_at, started_at, finished_at FROM jobs WHERE id = %(id)s", {"id": job_id}
    )
    return row


def written(moment: datetime | None) -> str:
    """Cut off after the milliseconds."""
    return "-" if moment is None else f"{moment.astimezone(UTC).isoformat()[:23]}Z"


@pytest.mark.req("SS-401", "SS-402", "SS-403", "SS-404", "SS-003")
@pytest.mark.parametrize(
    ("state", "more"),
    [
        ("waiting", []),
        ("running", []),
        ("completed", ["totalRecords", "resultsSizeBytes", "additionalDetails"]),
        ("failed", ["errorDetails", "additionalDetails"]),
        ("canceled", ["errorDetails", "additionalDetails"]),
    ],
)
def test_a_status_has_its_members_in_their_order(documented: Service, state: str, more: list[str]):
    person = exports.colleague_of(exports.centre_of(documented), "mu:1", "mu:2")
    job_id = exports.in_state(person, state)
    shown = exports.status(person, job_id)
    assert list(shown) == ALWAYS + more
    facts = (shown["jobId"], shown["status"], shown["exporterType"], shown["outputFormat"])
    assert facts == (job_id, STATES[state], "agent-info", "JSON")
    assert re.fullmatch(INSTANT, shown["lastStatusChange"])
    at = moments(documented, job_id)
    assert shown["lastStatusChange"] == written(at.finished_at or at.started_at or at.created_at)


@pytest.mark.req("SS-402")
def test_a_completed_job_tells_its_records_sizes_and_report(documented: Service):
    person = exports.centre_of(documented)
    job_id = exports.completed_once(person, outputFormat="PIPE")
    shown = exports.status(person, job_id)
    records = exports.records_of(person, "agent-info", outputFormat="PIPE")
    replaced = exports.expected(person, "agent-info", outputFormat="PIPE").count("\ufffd".encode())
    plain = exports.result(person, job_id)
    _, packed = exports.body_as_sent(person, job_id)
    assert shown["outputFormat"] == "PIPE"
    assert shown["totalRecords"] == len(records) > 0
    assert list(shown["resultsSizeBytes"].items()) == [
        ("compressed", len(packed)),
        ("uncompressed", len(plain.content)),
    ]
    at = moments(documented, job_id)
    assert shown["additionalDetails"] == (
        f"Exporter: agent-info\nSubmitted: {written(at.created_at)}\nStarted: {written(at.started_at)}\n"
        f"Finished: {written(at.finished_at)}\nRecords: {len(records)}\nReplaced characters: {replaced}\n"
    )


@pytest.mark.req("SS-402", "SS-404")
def test_a_report_has_dashes_for_what_there_is_none_of(documented: Service):
    person = exports.centre_of(documented)
    job_id = exports.in_state(person, "canceled")
    at = moments(documented, job_id)
    assert exports.status(person, job_id)["additionalDetails"] == (
        f"Exporter: agent-info\nSubmitted: {written(at.created_at)}\nStarted: -\n"
        f"Finished: {written(at.finished_at)}\nRecords: -\nReplaced characters: -\n"
    )


@pytest.mark.req("SS-404", "SS-010")
@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("result_too_large", exports.TOO_LARGE),
        *((code, "Internal server error") for code in ("internal", "took_too_long", "source_unavailable")),
        *((code, "Internal server error") for code in ("storage_unavailable", "permission_withdrawn")),
    ],
)
def test_what_went_wrong_inside_is_not_told(documented: Service, code: str, words: str):
    person = exports.centre_of(documented)
    job_id = fail(documented, hold(documented, exports.submitted(person)), code)
    assert exports.status(person, job_id)["errorDetails"] == words


@pytest.mark.req("SS-405")
def test_a_job_between_two_attempts_is_running(documented: Service):
    person = exports.centre_of(documented)
    job_id = exports.in_state(person, "running")
    before = exports.status(person, job_id)
    documented.database.execute(
        "UPDATE jobs SET state = 'queued', lease_until = NULL, retry_at = 'infinity' WHERE id = %(id)s", {"id": job_id}
    )
    assert exports.status(person, job_id) == before
    exports.cancel(person, job_id)


@pytest.mark.req("SS-401", "SS-406", "SS-407")
def test_the_list_has_all_jobs_of_the_user_newest_first(documented: Service):
    centre = exports.centre_of(documented)
    person, other = (exports.colleague_of(centre, "mu:1", "mu:2") for _ in range(2))
    assert listed(person) == []
    jobs = [exports.in_state(person, state) for state in ("waiting", "failed", "completed", "canceled", "running")]
    exports.in_state(other, "canceled")
    assert listed(person) == [exports.status(person, job_id) for job_id in reversed(jobs)]
    assert len(listed(other)) == 1
    age_job(documented, jobs[1], hours=48)
    age_job(documented, jobs[2], hours=48)
    assert [one["jobId"] for one in listed(person)] == [jobs[4], jobs[3], jobs[0]]
    for job_id in (jobs[0], jobs[4]):
        exports.cancel(person, job_id)


def listed(person: Person) -> list[dict[str, Any]]:
    answer = person.get(f"{exports.BASE}/status")
    assert answer.status_code == 200, answer.text
    return list(check_json(answer))


@pytest.mark.req("SS-406", "SS-509", "SS-609", "SS-010", "SS-006")
def test_every_id_that_is_not_the_users_is_unknown_in_the_same_words(service: Service, idle: Person):
    centre = exports.centre_of(service)
    own = hold(service, exports.submitted(centre))
    gone = exports.in_state(centre, "canceled")
    age_job(service, gone, hours=48)
    colleague = exports.colleague_of(centre)
    other_api = UUID(service.caller(centre.tenant).submit()).hex
    malformed = ["0", "0" * 31, "0" * 33, own.upper(), str(UUID(own)), "g" * 32, f"{own[:-1]}%20", "%00" * 32, "é" * 32]
    cases = [(centre, job_id) for job_id in [uuid4().hex, gone, other_api, *malformed]]
    cases += [(colleague, own), (idle, own)]
    for method, path in (("GET", "status"), ("GET", "result"), ("POST", "cancel")):
        answers = [one.send(method, f"{exports.BASE}/{path}/{job_id}".replace("é", "%C3%A9")) for one, job_id in cases]
        exports.check_no_job(answers[0], service)
        assert all(same(answers[0], other) for other in answers[1:])
    assert exports.status(centre, own)["status"] == "WAITING"
    exports.cancel(centre, own)


@pytest.mark.req("SS-029", "SS-406")
@pytest.mark.parametrize("path", ["status", f"status/{'0' * 32}", f"result/{'0' * 32}", "status/x"])
def test_without_a_session_nothing_is_told(service: Service, path: str):
    check_unauthorized(send(service, "GET", f"{exports.BASE}/{path}"))


@pytest.mark.req("SS-407", "SS-509")
@pytest.mark.parametrize("state", ["completed", "failed", "canceled"])
def test_a_status_is_told_until_48_hours_after_the_end(documented: Service, state: str):
    person = exports.centre_of(documented)
    job_id = exports.in_state(person, state)
    age_job(documented, job_id, hours=47, minutes=59)
    assert exports.status(person, job_id)["status"] == STATES[state]
    age_job(documented, job_id, minutes=1)
    exports.check_no_job(exports.show(person, job_id), documented)


@pytest.mark.req("SS-408", "SS-006")
def test_a_session_may_ask_200_times_in_ten_seconds(documented: Service):
    person = exports.colleague_of(exports.centre_of(documented))
    path = urlsplit(documented.url)
    connection = http.client.HTTPConnection(str(path.hostname), path.port, timeout=30)
    codes = []
    for number in range(200):
        job = "" if number % 2 else f"/{'0' * 32}"
        connection.request("GET", f"{exports.BASE}/status{job}", headers=dict([person.cookie]))
        answer = connection.getresponse()
        answer.read()
        codes.append(answer.status)
    connection.close()
    assert codes == [404, 200] * 100
    refused = person.get(f"{exports.BASE}/status")
    check_refusal(refused, 429, "Too many requests")
    assert refused.headers["retry-after"] == "1"
    check_refusal(exports.show(person, "x"), 429, "Too many requests")
    again = exports.make_person(documented, person.tenant)
    assert again.get(f"{exports.BASE}/status").status_code == 200
    exports.check_no_job(exports.result(person, "0" * 32), documented)
