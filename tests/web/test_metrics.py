"""/metrics tells each promise's figure, to those who may read it, and names nobody."""

import re
from typing import Any

import httpx2
import pytest

from conformance.smartsync.wire import ENTITIES, make_person
from conformance.wire import age_job, hold, link_of_age, send
from service import JOBS, Service, poll
from web.outages import no_database

_SAMPLE = re.compile(r"([a-z_]+)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'([a-z]+)="([^"]*)"')
LABELS = {"dialect", "state", "reason", "code", "method", "route", "status", "le"}


def read(server: Service, **headers: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Read all samples: name and labels, with their value."""
    answer = server.request("GET", "/metrics", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    matches = [_SAMPLE.fullmatch(line) for line in lines]
    assert all(matches)
    return {
        (match[1], frozenset(_LABEL.findall(match[2] or ""))): float(match[3]) for match in matches if match is not None
    }


def value(server: Service, name: str, **labels: str) -> float:
    return read(server)[f"tailrace_{name}", frozenset(labels.items())]


@pytest.fixture(scope="module")
def caller(server: Service) -> Any:
    return server.caller()


def test_every_dialect_and_state_is_told_of_from_the_start(server):
    told = read(server)
    for dialect in ("cxone", "smartsync"):
        states = {
            dict(labels)["state"] for name, labels in told if name == "tailrace_jobs" and ("dialect", dialect) in labels
        }
        assert states == {"queued", "running", "succeeded", "failed", "cancelled", "expired"}
        for name in (
            "queue_age_seconds",
            "lease_overdue_seconds",
            "retention_lag_seconds",
            "results_bytes",
            "sign_ins",
        ):
            assert (f"tailrace_{name}", frozenset({("dialect", dialect)})) in told
    assert value(server, "database_up") == 1


def test_p1_p8_a_waiting_job_shows_with_its_age(server, caller):
    job = hold(server, caller.submit())
    before = value(server, "jobs", dialect="cxone", state="queued")
    assert before >= 1
    assert value(server, "queue_age_seconds", dialect="cxone") < 1000
    server.database.execute(
        "UPDATE jobs SET created_at = now() - interval '2000 seconds' WHERE id = %(id)s", {"id": job}
    )
    assert 2000 <= value(server, "queue_age_seconds", dialect="cxone") < 3000
    assert value(server, "queue_age_seconds", dialect="smartsync") == 0
    caller.request("DELETE", f"{JOBS}/{job}")
    assert value(server, "jobs", dialect="cxone", state="queued") == before - 1
    assert value(server, "queue_age_seconds", dialect="cxone") == 0


def test_p4_a_recovered_job_is_counted_and_repeated(server, caller):
    recoveries, repeated = value(server, "recoveries_total"), value(server, "jobs_repeated", dialect="cxone")
    job = hold(server, caller.submit())
    server.database.execute(
        "UPDATE jobs SET state = 'running', started_at = now(), claimed_at = now(), attempt = 1, worker = 'gone',"
        " lease_until = now() - interval '1 second' WHERE id = %(id)s",
        {"id": job},
    )
    assert caller.wait(job)["status"] == "SUCCEEDED"
    assert value(server, "recoveries_total") == recoveries + 1
    assert value(server, "jobs_repeated", dialect="cxone") == repeated + 1


def test_p5_failed_attempts_are_counted(server, caller, tmp_path):
    """Without a stored file that is there, an attempt fails."""
    server.database.execute(
        "INSERT INTO stored_files (tenant_id, dataset, input_sha256, input_name, path, rows, bytes, first_at, last_at)"
        " VALUES (%(tenant)s, 'qm-workflows', 'x', 'x', %(path)s, 1, 1, '2019-05-23', '2019-05-24')",
        {"tenant": caller.tenant.id, "path": "gone.parquet"},
    )
    job = caller.submit()
    poll(lambda: value_or_zero(server, "attempts_failed_total", code="source_unavailable") >= 1)
    caller.request("DELETE", f"{JOBS}/{job}")
    server.database.execute("DELETE FROM stored_files WHERE path = 'gone.parquet'")


def value_or_zero(server: Service, name: str, **labels: str) -> float:
    return read(server).get((f"tailrace_{name}", frozenset(labels.items())), 0.0)


def test_p7_retention_that_lags_shows(server, caller):
    stored = value(server, "results_bytes", dialect="cxone")
    job = caller.submit()
    assert caller.wait(job)["status"] == "SUCCEEDED"
    assert value(server, "results_bytes", dialect="cxone") > stored
    age_job(server, job, hours=25)
    assert 3600 <= value(server, "retention_lag_seconds", dialect="cxone") < 7200
    assert value(server, "jobs", dialect="cxone", state="expired") >= 1
    server.database.execute("UPDATE jobs SET result_purged_at = now() WHERE id = %(id)s", {"id": job})
    assert value(server, "retention_lag_seconds", dialect="cxone") == 0


def test_sign_ins_are_counted_while_they_are_good(server):
    before = {dialect: value(server, "sign_ins", dialect=dialect) for dialect in ("cxone", "smartsync")}
    server.caller()
    person = make_person(server)
    assert value(server, "sign_ins", dialect="cxone") == before["cxone"] + 1
    assert value(server, "sign_ins", dialect="smartsync") == before["smartsync"] + 1
    server.database.execute(
        "UPDATE sessions SET last_used_at = now() - interval '31 minutes' WHERE user_id = %(user)s",
        {"user": person.user.id},
    )
    assert value(server, "sign_ins", dialect="smartsync") == before["smartsync"]


def test_requests_are_counted_by_template_and_status(server, caller):
    route = {"method": "GET", "route": f"{JOBS}/{{job_id}}"}
    before = value_or_zero(server, "http_requests_total", **route, status="404")
    timed = value_or_zero(server, "http_request_seconds_count", **route)
    for _ in range(3):
        caller.request("GET", f"{JOBS}/00000000-0000-4000-8000-000000000000?x=secret")
    assert value(server, "http_requests_total", **route, status="404") == before + 3
    assert value(server, "http_request_seconds_count", **route) == timed + 3


def test_p11_labels_name_nobody_whatever_is_sent(server, caller):
    """Neither paths, ids, methods nor names of clients become labels, of which there are few whatever is sent."""
    names = [caller.tenant.name, caller.user.name, str(caller.tenant.id), str(caller.user.id), "odd-canary"]
    for path in ("/odd-canary", f"{JOBS}/odd-canary", f"{ENTITIES}?entityType=odd-canary", "/downloads/odd-canary"):
        for method in ("GET", "ODDCANARY"):
            send(server, method, path, [("Authorization", "Bearer odd-canary"), ("User-Agent", "odd-canary")])
    text = server.request("GET", "/metrics").text
    assert not [name for name in names if name.lower() in text.lower()]
    assert "ODDCANARY" not in text
    assert {name for _, labels in read(server) for name, _ in labels} <= LABELS


def test_downloads_are_counted_without_their_key(server, caller):
    job = caller.submit()
    assert caller.wait(job)["status"] == "SUCCEEDED"
    link = link_of_age(caller, job, 0)
    assert httpx2.get(link, verify=False).status_code == 200
    assert value(server, "http_requests_total", method="GET", route="/downloads/{key}", status="200") >= 1
    assert job not in server.request("GET", "/metrics").text


@pytest.mark.parametrize("header", ["Forwarded", "Via", "X-Forwarded-For", "X-Real-IP"])
def test_who_comes_through_a_proxy_may_not_read(server, header):
    answer = server.request("GET", "/metrics", headers={header: "127.0.0.1"})
    unknown = server.request("GET", "/no-such-path")
    assert (answer.status_code, answer.content) == (404, unknown.content)


def test_without_a_database_the_rest_is_told(server):
    with no_database(server):
        poll(lambda: value(server, "database_up") == 0, pause_seconds=0.1)
        told = {name for name, _ in read(server)}
        assert "tailrace_http_requests_total" in told
        assert "process_resident_memory_bytes" in told
        assert "tailrace_jobs" not in told
    poll(lambda: value(server, "database_up") == 1, pause_seconds=0.1)


@pytest.mark.slow
@pytest.mark.share
def test_the_setting_says_who_may_read(start):
    off, everybody = start(TAILRACE_SERVER__METRICS="off"), start(TAILRACE_SERVER__METRICS="all")
    assert off.request("GET", "/metrics").status_code == 404
    assert everybody.request("GET", "/metrics", headers={"X-Forwarded-For": "198.51.100.1"}).status_code == 200
