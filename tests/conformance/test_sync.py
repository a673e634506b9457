"""Section 4: `POST jobs/sync`, an extraction in one request."""

import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from conformance import wire
from conformance.wire import BASE, post, send
from service import EXAMPLE, JOBS, Caller, Service, poll
from web.outages import no_database

pytestmark = pytest.mark.long

SYNC = f"{JOBS}/sync"
BODY = json.dumps(EXAMPLE).encode()
JSON = ("Content-Type", "application/json")
# CX-707
FAILURES = {
    "internal": "Internal error while extracting data",
    "source_unavailable": "The data source is not available",
    "took_too_long": "The extraction took too long",
    "result_too_large": "The result is too large",
    "storage_unavailable": "Storage is not available",
}


def sync(caller: Caller, body: bytes = BODY, *headers: tuple[str, str]) -> wire.httpx2.Response:
    return send(caller.service, "POST", SYNC, [wire.bearer(caller), JSON, *headers], body)


def check_deprecated(answer: wire.httpx2.Response) -> None:
    """CX-402."""
    assert answer.headers["deprecation"] == "@1558483200"
    assert answer.headers["link"] == f'<{BASE}/jobs>; rel="successor-version"'


def check_failed(service: Service, answer: wire.httpx2.Response, error: str, text: str) -> None:
    """CX-901, CX-902, CX-906."""
    expected = {"message": text, "error": error, "errorDescription": text}
    if wire.is_live(service):
        expected = {"message": text}
    assert answer.status_code == 500
    assert list(wire.check_json(answer).items()) == list(expected.items())
    assert "retry-after" not in answer.headers
    check_deprecated(answer)


def listed(caller: Caller) -> list[dict[str, str]]:
    return list(caller.request("GET", JOBS).json()["jobs"])


def state_of(service: Service, job_id: str) -> str:
    [row] = service.database.execute("SELECT state::text FROM jobs WHERE id = %(id)s", {"id": job_id})
    return str(row.state)


class Stuck:
    """A tenant whose slots are all taken, so that further jobs of it wait (CX-710)."""

    def __init__(self, caller: Caller) -> None:
        self._caller, self._database = caller, caller.service.database
        wire.running(caller)
        wire.add_unfinished(caller, 1)
        taken = self._database.execute(
            "UPDATE jobs SET state = 'running', attempt = 1, retry_at = now(), started_at = now(),"
            " lease_until = now() + interval '1 hour', deadline_at = now() + interval '1 hour'"
            " WHERE tenant_id = %(tenant)s RETURNING id",
            {"tenant": caller.tenant.id},
        )
        self._taken = [row.id for row in taken]
        wire.age_window(caller, 31)

    def waiting(self) -> str:
        """Wait for the tenant's new job and name it."""
        rows = poll(
            lambda: self._database.execute(
                "SELECT id FROM jobs WHERE tenant_id = %(tenant)s AND state = 'queued'",
                {"tenant": self._caller.tenant.id},
            )
        )
        return str(rows[0].id)

    def free(self) -> None:
        """Let the tenant's jobs be run."""
        self._database.execute("DELETE FROM jobs WHERE id = ANY(%(ids)s)", {"ids": self._taken})
        self._database.execute("NOTIFY tailrace_jobs")


@contextmanager
def waiting_sync(caller: Caller) -> Iterator[tuple[Stuck, str, "Future[wire.httpx2.Response]"]]:
    """Let a sync request wait for its job."""
    stuck = Stuck(caller)
    try:
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(sync, caller)
            try:
                yield stuck, stuck.waiting(), answer
            finally:
                stuck.free()
    finally:
        stuck.free()


@pytest.mark.req("CX-401", "CX-402", "CX-502", "CX-006", "CX-007")
def test_the_answer_is_the_link(service: Service, tmp_path: Path):
    caller = service.caller()
    rows = [wire.row(wire.dataset(), workflow_id=str(number)) for number in range(3)]
    wire.load(caller, tmp_path, wire.dataset(), rows)
    answer = sync(caller)
    assert answer.status_code == 202
    check_deprecated(answer)
    url = wire.check_json(answer)["url"]
    assert answer.content == b'{"url":"%s"}' % url.encode()
    assert url.startswith(f"{service.url}/")
    assert "location" not in answer.headers
    assert "retry-after" not in answer.headers
    assert send(service, "GET", url).content == wire.expected_file(wire.dataset(), rows)


@pytest.mark.req("CX-001", "CX-401", "CX-402")
def test_it_is_there_under_both_spellings(documented: Service):
    caller = documented.caller()
    answer = send(documented, "POST", SYNC.replace("v1", "V1"), [wire.bearer(caller)], BODY)
    assert (answer.status_code, list(answer.json())) == (202, ["url"])
    check_deprecated(answer)


@pytest.mark.req("CX-403", "CX-302")
def test_its_job_is_listed_and_shown_like_any_other(service: Service):
    caller = service.caller()
    assert sync(caller).status_code == 202
    [job] = listed(caller)
    assert job["status"] == "SUCCEEDED"
    shown = wire.show(caller, job["id"])
    assert shown.status_code == wire.shown(service)
    url = shown.json()["jobStatus"]["result"]["url"]
    assert send(service, "GET", url).status_code == 200


@pytest.mark.req("CX-401", "CX-403", "CX-710")
def test_it_waits_for_the_end_of_its_job(service: Service):
    caller = service.caller()
    with waiting_sync(caller) as (stuck, job_id, answer):
        assert {"id": job_id, "status": "RUNNING"} in listed(caller)
        assert not answer.done()
        stuck.free()
        assert answer.result(30).status_code == 202
        assert listed(caller) == [{"id": job_id, "status": "SUCCEEDED"}]


@pytest.mark.req("CX-403", "CX-801", "CX-805")
def test_it_counts_for_the_thirty_seconds(service: Service):
    caller = service.caller()
    assert sync(caller).status_code == 202
    for refused in (sync(caller), post(caller)):
        wire.check_refusal(service, refused, "interval")
        assert 1 <= int(refused.headers["retry-after"]) <= 30
    wire.age_window(caller, 30)
    caller.submit()
    wire.check_refusal(service, sync(caller), "interval")
    wire.age_window(caller, 30)
    assert sync(caller).status_code == 202


@pytest.mark.req("CX-403", "CX-806", "CX-809", "CX-810")
def test_it_counts_for_the_other_rules(service: Service):
    caller = service.caller()
    other = service.caller(caller.tenant)
    with waiting_sync(caller) as (_, job_id, _answer):
        wire.age_window(caller, 31)
        for refused in (sync(other), post(other)):
            wire.check_refusal(service, refused, "busy")
            assert refused.headers["retry-after"] == "30"
        wire.cancel(caller, job_id)
    many = service.caller()
    wire.running(many)
    wire.add_unfinished(many, 99)
    wire.age_window(many, 31)
    refused = sync(many)
    wire.check_refusal(service, refused, "jobs")
    assert refused.headers["retry-after"] == "30"


@pytest.mark.req("CX-401", "CX-209", "CX-208", "CX-207", "CX-804")
def test_bodies_are_checked_as_those_of_jobs(service: Service):
    caller, barred = service.caller(), service.caller(permissions=[])
    many = {**EXAMPLE, "endDate": "2019-05-01", "entityName": 1}
    bodies: list[Any] = [{}, [], "x", None, many, {**EXAMPLE, "startDate": "x"}, {**EXAMPLE, "endDate": "2019-12-31"}]
    bodies += [{**EXAMPLE, "version": "99"}, {**EXAMPLE, "entityName": "\0\ud800"}, {"version": None, "x": 1}]
    texts = [*(json.dumps(body).encode() for body in bodies), b"", b"{", b"\xff", b"[" * 60_000, b" " * 65_537]
    for text in texts:
        answer = sync(caller, text)
        assert answer.status_code in (400, 404, 413)
        same_as(answer, send(service, "POST", JOBS, [wire.bearer(caller), JSON], text))
    wire.check_refusal(service, sync(caller, b" " * 65_537), "size")
    wire.check_refusal(service, sync(caller, b"[]"), "body", "Request body is not a JSON object")
    wire.check_refusal(service, sync(caller, json.dumps({**EXAMPLE, "version": "99"}).encode()), "entity")
    wire.check_refusal(service, sync(barred), "extract")
    other = send(service, "POST", SYNC, [wire.bearer(caller), ("Content-Type", "text/plain")], BODY)
    wire.check_refusal(service, other, "body", "Content-Type must be application/json")
    wire.check_refusal(service, send(service, "POST", SYNC, [JSON], BODY), "token")
    wire.check_refusal(service, send(service, "POST", SYNC, [JSON], b" " * 65_537), "size")
    assert listed(caller) == []
    assert sync(caller).status_code == 202, "nothing refused has opened a window"


def same_as(one: wire.httpx2.Response, other: wire.httpx2.Response) -> None:
    assert (one.status_code, one.content) == (other.status_code, other.content)


@pytest.mark.req("CX-207")
def test_an_unknown_member(documented: Service, live: Service):
    body = json.dumps({**EXAMPLE, "extra": 1}).encode()
    wire.check_refusal(documented, sync(documented.caller(), body), "body", "Unknown field: 'extra'")
    assert sync(live.caller(), body).status_code == 202


@pytest.mark.req("CX-405", "CX-707", "CX-906", "CX-402")
@pytest.mark.parametrize(
    ("profile", "code"), [*(("documented", code) for code in FAILURES), ("live", "source_unavailable")]
)
def test_a_failed_job_is_500_with_its_text(documented: Service, live: Service, profile: str, code: str):
    service = live if profile == "live" else documented
    caller = service.caller()
    with waiting_sync(caller) as (_, job_id, answer):
        wire.fail(service, job_id, code)
        check_failed(service, answer.result(30), "extraction_failed", FAILURES[code])
        assert {"id": job_id, "status": "FAILED"} in listed(caller)


@pytest.mark.req("CX-405", "CX-421", "CX-707")
def test_a_job_that_was_cancelled_is_500_with_its_text(service: Service):
    caller = service.caller()
    with waiting_sync(caller) as (_, job_id, answer):
        assert wire.cancel(caller, job_id).is_success
        check_failed(service, answer.result(30), "extraction_failed", "The job was cancelled")


@pytest.mark.req("CX-404", "CX-402", "CX-704", "CX-808", "CX-906")
@pytest.mark.parametrize("profile", ["documented", "live"])
def test_after_its_time_the_job_is_cancelled(start: Callable[..., Service], profile: str):
    service = start(TAILRACE_CXONE__SYNC_TIMEOUT_S="1", TAILRACE_CXONE__PROFILE=profile)
    caller = service.caller()
    with waiting_sync(caller) as (_, job_id, answer):
        text = "The extraction did not finish in time. Use POST jobs"
        check_failed(service, answer.result(30), "sync_timeout", text)
        assert caller.status(job_id)["status"] == "CANCELLED"
    assert listed(caller) == [{"id": job_id, "status": "CANCELLED"}]
    wire.age_window(caller, 30)
    # Not by another `jobs/sync`, which a busy machine may not finish in its one second.
    assert wire.post(service.caller(caller.tenant)).status_code == 202, "the tenant is free"


@pytest.mark.slow
@pytest.mark.share
@pytest.mark.req("CX-404", "CX-402", "CX-704", "CX-906")
def test_when_the_service_is_stopped_the_job_is_cancelled_and_the_caller_told(start: Callable[..., Service]):
    service = start()
    caller = service.caller()
    with waiting_sync(caller) as (_, job_id, answer):
        service.process.terminate()
        text = "The extraction did not finish in time. Use POST jobs"
        check_failed(service, answer.result(30), "sync_timeout", text)
        assert state_of(service, job_id) == "cancelled"


@pytest.mark.req("CX-404", "CX-704")
def test_a_client_that_hangs_up_cancels_its_job(service: Service):
    caller = service.caller()
    stuck, parts = Stuck(caller), urlsplit(service.url)
    try:
        with socket.create_connection((parts.hostname, parts.port)) as connection:
            head = f"POST {SYNC} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {caller.token}\r\n"
            connection.sendall(f"{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY)
            job_id = stuck.waiting()
            assert caller.status(job_id)["status"] == "RUNNING"
        poll(lambda: state_of(service, job_id) == "cancelled", 10)
        assert caller.status(job_id)["status"] == "CANCELLED"
    finally:
        stuck.free()


@pytest.mark.req("CX-401", "CX-404")
def test_many_may_wait_while_others_are_served(documented: Service):
    callers = [documented.caller() for _ in range(2)]
    stuck = [Stuck(caller) for caller in callers]
    with ThreadPoolExecutor(len(callers)) as pool:
        answers = [pool.submit(sync, caller) for caller in callers]
        for one in stuck:
            one.waiting()
        assert send(documented, "GET", "/readyz").status_code == 200
        for one in stuck:
            one.free()
        assert [answer.result(30).status_code for answer in answers] == [202] * len(callers)


@pytest.mark.req("CX-404")
def test_it_waits_while_the_database_is_away(start: Callable[..., Service]):
    service = start(TAILRACE_DATABASE__TIMEOUT_S="1")
    caller = service.caller()
    with waiting_sync(caller) as (stuck, _, answer):
        with no_database(service):
            # Whoever asks later than the one that waits hears of it later.
            poll(lambda: caller.request("GET", JOBS).status_code == 503)
            assert caller.request("GET", JOBS).status_code == 503
        stuck.free()
        assert answer.result(60).status_code == 202


@pytest.mark.req("CX-431", "CX-012")
def test_an_idempotency_key_is_nothing_to_it(service: Service):
    caller = service.caller()
    assert sync(caller, BODY, ("Idempotency-Key", "not valid")).status_code == 202
    wire.age_window(caller, 30)
    assert sync(caller, BODY, ("Idempotency-Key", "k")).status_code == 202
    wire.check_refusal(service, sync(caller, BODY, ("Idempotency-Key", "k")), "interval")
    assert len(listed(caller)) == 2


@pytest.mark.req("CX-316")
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_sync_is_no_job(service: Service, method: str):
    answer = send(service, method, SYNC, [wire.bearer(service.caller())])
    wire.check_refusal(service, answer, "body", "jobId must be a UUID")
    wire.check_refusal(service, send(service, method, SYNC), "token")
