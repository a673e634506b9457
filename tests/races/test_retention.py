"""Retention against downloads: one that has started may finish, none starts after, whatever has been removed (P7)."""

import http.client
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from conformance import wire
from conformance.smartsync import exports_wire as exports
from races.together import row_of, together
from service import poll
from sizes import sizes
from tailrace.catalog.loader import load_catalog
from tailrace.intake.sample import load_sample
from tailrace.runtime import Runtime
from tailrace.settings import Settings
from tailrace.worker.housekeeping import Housekeeping

pytestmark = pytest.mark.long

FIRST_BYTES = 1000
ENDINGS = ("", ".gz", ".index")


def sweep(service):
    Housekeeping(Runtime(service.data, Settings(), service.database, load_catalog(), (), lambda: None)).sweep()


def files_of(service, job_id):
    key = row_of(service, job_id).result_key
    return [path for ending in ENDINGS if (path := Path(service.data, "results", key + ending)).exists()]


def begin(url, headers=()):
    """Start a download and read its head."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    target = parts.path + ("?" + parts.query if parts.query else "")
    connection.request("GET", target, headers=dict(headers))
    answer = connection.getresponse()
    return connection, answer


def fetch(url, headers=()):
    connection, answer = begin(url, headers)
    try:
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.fixture
def large(quick):
    """A tenant whose result does not fit into what the kernel keeps of a connection that is not read."""
    caller = quick.caller()
    load_sample(quick.database, load_catalog(), quick.data / "tables", caller.tenant, "qm-workflows", rows=60_000)
    return caller


@pytest.mark.req("CX-503", "CX-705", "CX-706")
def test_a_started_download_finishes_and_none_starts_after(quick, large):
    job_id, link = wire.succeeded(large)
    status, whole = fetch(link)
    assert status == 200
    connection, answer = begin(link)
    first = answer.read(FIRST_BYTES)
    wire.age_job(quick, job_id, hours=24)
    assert fetch(link)[0] == 403  # by the clock, with the file still there
    assert files_of(quick, job_id)
    sweep(quick)
    assert not files_of(quick, job_id)
    assert fetch(link)[0] == 403
    assert large.status(job_id)["status"] == "EXPIRED"
    assert first + answer.read() == whole
    connection.close()


def race_downloads(service, caller, rounds, downloads):
    """Many start at the moment the time runs out: each gets all of it, or nothing."""
    found = Counter()
    for _ in range(rounds):
        job_id, link = wire.succeeded(caller)
        status, whole = fetch(link)
        assert status == 200

        def expire(job_id=job_id):
            wire.age_job(service, job_id, hours=24)
            sweep(service)
            return 0, b""

        starts = [partial(fetch, link) for _ in range(downloads)]
        for status, body in together(*starts[::2], expire, *starts[1::2]):
            assert status in {0, 200, 403}
            assert status != 200 or body == whole
            found[status] += 1
        assert fetch(link)[0] == 403
        assert not files_of(service, job_id)
    return found


def test_a_download_gets_all_of_a_result_or_nothing(quick):
    caller = quick.caller()
    load_sample(quick.database, load_catalog(), quick.data / "tables", caller.tenant, "qm-workflows", rows=3_000)
    race_downloads(quick, caller, rounds=2, downloads=8)


@sizes("rounds", share=8, whole=40)
def test_a_download_gets_all_of_a_large_result_or_nothing(quick, large, rounds):
    found = race_downloads(quick, large, rounds, downloads=12)
    assert found[200]
    assert found[403]


@pytest.fixture
def gate(tmp_path):
    return tmp_path / "gate"


@pytest.fixture
def gated(start_noted, gate):
    """A server that waits before it opens any result's file, until the gate is there."""
    fault = {"TAILRACE_TESTING__FAULTS": "on", "TAILRACE_TESTING__FAULT": f"store.read=pause:{gate}"}
    with start_noted(**fault) as service:
        yield service


def fetch_between(gate, do, url, headers=()):
    """Do something between the look at a job and the opening of its result; gives the answer's status."""
    reached = gate.with_name(f"{gate.name}.reached")
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(fetch, url, headers)
        try:
            poll(reached.exists)
            do()
        finally:
            gate.touch()
        status, _ = answer.result()
    gate.unlink()
    reached.unlink()
    return status


@pytest.mark.req("CX-503", "CX-504", "CX-705", "SS-509")
def test_what_is_swept_just_before_it_is_opened_has_expired(gated, gate):
    def expire():
        wire.age_job(gated, job_id, hours=24)
        sweep(gated)
        assert not files_of(gated, job_id)

    job_id, link = wire.succeeded(gated.caller())
    assert fetch_between(gate, expire, link) == 403
    person = exports.new_centre(gated)
    for query in ("", "?startRecord=1&numRecords=1"):
        job_id = exports.completed(person, "agent-info")
        url = f"{gated.url}{exports.BASE}/result/{job_id}{query}"
        assert fetch_between(gate, expire, url, [person.cookie]) == 404


def test_what_is_lost_within_its_time_is_an_outage(gated, gate):
    def lose():
        for path in files_of(gated, job_id):
            path.unlink()

    job_id, link = wire.succeeded(gated.caller())
    assert fetch_between(gate, lose, link) == 503
    person = exports.new_centre(gated)
    job_id = exports.completed(person, "agent-info")
    assert fetch_between(gate, lose, f"{gated.url}{exports.BASE}/result/{job_id}", [person.cookie]) == 503


@pytest.mark.slow
@pytest.mark.share
@pytest.mark.req("SS-607", "SS-509", "SS-510")
def test_a_result_that_is_being_read_is_read_to_its_end(quick):
    person = exports.new_centre(quick)
    asked = {"startDate": "2024-01-01", "endDate": "2024-12-31", "muIds": [1, 2, 3, 4]}
    job_id = exports.completed(person, "agent-info", **asked)
    url = f"{quick.url}{exports.BASE}/result/{job_id}"
    plain = [person.cookie, ("Accept-Encoding", "identity")]
    status, whole = fetch(url, plain)
    assert (status, whole) == (200, exports.expected(person, "agent-info", **asked))
    connection, answer = begin(url, plain)
    first = answer.read(FIRST_BYTES)
    assert len(files_of(quick, job_id)) == len(ENDINGS)
    wire.age_job(quick, job_id, hours=24)
    assert fetch(url, plain)[0] == 404
    sweep(quick)
    assert not files_of(quick, job_id)
    assert fetch(url, plain)[0] == 404
    assert exports.status(person, job_id)["status"] == "COMPLETED_SUCCESSFULLY"
    assert first + answer.read() == whole
    connection.close()
