"""Section 7: statuses, and what time does to them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conformance import wire
from conformance.wire import show
from service import JOBS, Caller, Service, poll
from tailrace.catalog.loader import load_catalog
from tailrace.runtime import Runtime
from tailrace.settings import load_settings
from tailrace.worker.housekeeping import Housekeeping


def first_jobs(caller: Caller) -> list[dict[str, str]]:
    return list(caller.request("GET", JOBS).json()["jobs"])


def times(service: Service, job_id: str) -> Any:
    [row] = service.database.execute(
        "SELECT result_until - finished_at AS kept, record_until - finished_at AS recorded FROM jobs WHERE id = %(id)s",
        {"id": job_id},
    )
    return row


def state_of(service: Service, job_id: str) -> str:
    [row] = service.database.execute("SELECT state::text FROM jobs WHERE id = %(id)s", {"id": job_id})
    return str(row.state)


def error_text(status: dict[str, Any]) -> tuple[str, Any]:
    result = status["result"]
    assert "messageError" not in result or result["messageError"] == result["errorMessage"]
    return status["status"], result.get("errorMessage")


@contextmanager
def held(service: Service, caller: Caller, **changes: Any) -> Iterator[str]:
    """Accept a job and change its row before a worker may take it."""
    job_id = wire.running(caller)
    for column, value in changes.items():
        statement: Any = f"UPDATE jobs SET {column} = {value} WHERE id = %(id)s"
        service.database.execute(statement, {"id": job_id})
    yield job_id
    wire.release(service, job_id)


@pytest.mark.req("CX-702", "CX-701", "CX-318")
@pytest.mark.parametrize(
    "changes",
    [
        "retry_at = 'infinity'",
        "attempt = 1, started_at = now(), deadline_at = now() + interval '1 hour'",
        "state = 'running', attempt = 2, lease_until = now() + interval '1 hour', slices_done = 3, slices_total = 7",
    ],
    ids=["waiting", "waiting for another attempt", "executing"],
)
def test_all_that_is_unfinished_is_running(service: Service, changes: str):
    caller = service.caller()
    job_id = wire.running(caller)
    statement: Any = f"UPDATE jobs SET {changes} WHERE id = %(id)s"
    service.database.execute(statement, {"id": job_id})
    assert caller.status(job_id)["status"] == "RUNNING"
    assert caller.status(job_id)["result"].get("url", "") == ""
    assert first_jobs(caller) == [{"id": job_id, "status": "RUNNING"}]
    assert wire.cancel(caller, job_id).json()["jobStatus"]["status"] == "CANCELLED"


@pytest.mark.req("CX-705", "CX-703", "CX-315")
def test_a_result_expires_after_twenty_four_hours_by_the_clock(service: Service):
    caller = service.caller()
    job_id, _ = wire.succeeded(caller)
    kept = times(service, job_id)
    assert (kept.kept.total_seconds(), kept.recorded.total_seconds()) == (24 * 3600, 7 * 86_400)
    wire.age_job(service, job_id, hours=23, minutes=59, seconds=50)
    assert caller.status(job_id)["status"] == "SUCCEEDED"
    link = caller.status(job_id)["result"]["url"]
    wire.age_job(service, job_id, seconds=10)
    expired = show(caller, job_id)
    assert error_text(expired.json()["jobStatus"]) == ("EXPIRED", "The result has expired")
    assert wire.same(show(caller, job_id), expired)
    assert first_jobs(caller) == [{"id": job_id, "status": "EXPIRED"}]
    wire.check_refusal(service, wire.send(service, "GET", link), "old link")
    assert list((service.data / "results").glob(f"*/{job_id}/*")), "no clean-up has run"


@pytest.mark.req("CX-705", "CX-708")
def test_retention_and_record_are_settings(tuned: Service):
    job_id, _ = wire.succeeded(tuned.caller())
    kept = times(tuned, job_id)
    assert (kept.kept.total_seconds(), kept.recorded.total_seconds()) == (48 * 3600, 3 * 86_400)


@pytest.mark.req("CX-708", "CX-303", "CX-316")
@pytest.mark.parametrize("status", ["EXPIRED", "FAILED", "CANCELLED"])
def test_a_record_is_gone_seven_days_after_the_end(service: Service, status: str):
    caller = service.caller()
    job_id = wire.in_state(caller, status)
    assert times(service, job_id).recorded.total_seconds() == 7 * 86_400
    wire.age_job(service, job_id, days=6 if status == "EXPIRED" else 7, minutes=-1)
    assert first_jobs(caller) == [{"id": job_id, "status": status}]
    wire.age_job(service, job_id, minutes=2)
    assert first_jobs(caller) == []
    wire.check_refusal(service, show(caller, job_id), "job")
    wire.check_refusal(service, wire.cancel(caller, job_id), "job")


@pytest.mark.req("CX-708")
def test_an_unfinished_job_is_never_gone(service: Service):
    caller = service.caller()
    job_id = wire.running(caller)
    wire.age_job(service, job_id, days=400)
    assert first_jobs(caller) == [{"id": job_id, "status": "RUNNING"}]


@pytest.mark.req("CX-706", "CX-705")
def test_an_expired_file_is_removed_from_storage(documented: Service):
    caller, other = documented.caller(), documented.caller()
    job_id, _ = wire.succeeded(caller)
    kept, url = wire.succeeded(other)
    [file] = (documented.data / "results").glob(f"*/{job_id}/*")
    wire.age_job(documented, job_id, hours=24)
    settings = load_settings(documented.data, {})
    runtime = Runtime(documented.data, settings, documented.database, load_catalog(), (), lambda: None)
    Housekeeping(runtime).sweep()
    assert not file.exists()
    assert caller.status(job_id)["status"] == "EXPIRED"
    assert other.status(kept)["status"] == "SUCCEEDED"
    assert wire.send(documented, "GET", url).status_code == 200


# -- how jobs fail ------------------------------------------------------------------------------------------------


@pytest.mark.req("CX-707", "CX-709", "CX-313", "CX-314")
@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"deadline_at": "now()"}, "The extraction took too long"),
        (
            {"request": "jsonb_set(request, '{limits,max_result_bytes}', '100')"},
            "The result is too large",
        ),
        (
            {"attempt": "2", "request": "jsonb_set(request, '{format}', '\"none\"')"},
            "Internal error while extracting data",
        ),
    ],
    ids=["too long", "too large", "internal"],
)
def test_a_failed_job_says_why(service: Service, changes: dict[str, str], text: str):
    caller = service.caller()
    with held(service, caller, **changes) as job_id:
        # A worker may have seen already that its time is over.
        assert caller.status(job_id)["status"] in ("RUNNING", "FAILED")
    assert error_text(caller.wait(job_id)) == ("FAILED", text)


@pytest.mark.req("CX-707", "CX-905")
def test_a_source_that_is_gone(service: Service, tmp_path: Path):
    caller = service.caller()
    wire.load(caller, tmp_path, wire.dataset(), [wire.row(wire.dataset())])
    with held(service, caller, attempt=2) as job_id:
        rows = service.database.execute(
            "SELECT path FROM stored_files WHERE tenant_id = %(id)s", {"id": caller.tenant.id}
        )
        (service.data / "tables" / rows[0].path).unlink()
    assert error_text(caller.wait(job_id)) == ("FAILED", "The data source is not available")


@pytest.mark.req("CX-707", "CX-905")
def test_a_store_that_cannot_be_written(service: Service):
    caller = service.caller()
    with held(service, caller, attempt=2) as job_id:
        folder = service.data / "results" / str(caller.tenant.id)
        folder.mkdir(parents=True)
        (folder / job_id).symlink_to("/nowhere/to/be/found")
    assert error_text(caller.wait(job_id)) == ("FAILED", "Storage is not available")


@pytest.mark.req("CX-709", "CX-702")
def test_the_third_attempt_is_the_last(documented: Service):
    """An attempt that fails is followed by another, with a pause, until there were three."""
    caller = documented.caller()
    with held(documented, caller, request="jsonb_set(request, '{format}', '\"none\"')") as job_id:
        pass
    attempts = "SELECT attempt FROM jobs WHERE id = %(id)s AND state = 'queued' AND attempt = %(n)s"
    for number in (1, 2):
        poll(lambda number=number: documented.database.execute(attempts, {"id": job_id, "n": number}))
        assert caller.status(job_id)["status"] == "RUNNING"
        wire.release(documented, job_id)
    assert caller.wait(job_id)["status"] == "FAILED"
    [row] = documented.database.execute("SELECT attempt FROM jobs WHERE id = %(id)s", {"id": job_id})
    assert row.attempt == 3


# -- who is next --------------------------------------------------------------------------------------------------


@pytest.fixture
def occupied(tuned: Service) -> Iterator[Any]:
    """Make jobs that occupy a slot of their tenant, until the end of the test."""
    made: list[str] = []

    def occupy(caller: Caller, number: int) -> None:
        job_id = wire.running(caller)
        made.append(job_id)
        if number > 1:
            wire.add_unfinished(caller, number - 1)
        tuned.database.execute(
            "UPDATE jobs SET state = 'running', lease_until = now() + interval '1 hour' WHERE tenant_id = %(id)s",
            {"id": caller.tenant.id},
        )

    yield occupy
    free(tuned)


def free(service: Service) -> None:
    """End all that occupies a slot."""
    service.database.execute(
        "UPDATE jobs SET state = 'cancelled', error_code = 'cancelled', finished_at = now(), lease_until = NULL"
        " WHERE state = 'running' AND lease_until > now() + interval '30 minutes'"
    )
    service.database.execute("NOTIFY tailrace_jobs")


@pytest.mark.req("CX-710", "CX-702")
def test_two_jobs_of_a_tenant_run_at_once_and_others_wait(tuned: Service, occupied: Any):
    caller = tuned.caller()
    occupied(caller, 2)
    waiting = caller.submit()
    wire.succeeded(tuned.caller())
    wire.succeeded(tuned.caller())
    assert state_of(tuned, waiting) == "queued"
    assert caller.status(waiting)["status"] == "RUNNING"
    free(tuned)
    assert caller.wait(waiting)["status"] == "SUCCEEDED"


@pytest.mark.req("CX-710", "CX-702")
def test_four_jobs_run_at_once_and_the_next_slot_goes_to_who_waited_longest(tuned: Service, occupied: Any):
    served, patient = tuned.caller(), tuned.caller()
    wire.succeeded(patient)
    wire.succeeded(served)
    for caller in (tuned.caller(), tuned.caller()):
        occupied(caller, 2)
    jobs = [caller.submit() for caller in (served, served, patient, patient)]
    assert tuned.caller().request("GET", JOBS).json() == {"jobs": []}
    assert {state_of(tuned, job_id) for job_id in jobs} == {"queued"}
    free(tuned)
    for caller, job_id in zip((served, served, patient, patient), jobs, strict=True):
        assert caller.wait(job_id)["status"] == "SUCCEEDED"
    rows = tuned.database.execute(
        "SELECT id::text FROM jobs WHERE id = ANY(%(ids)s::uuid[]) ORDER BY started_at", {"ids": jobs}
    )
    # Patient was served longest ago; then the tenants take turns, each with its oldest job first.
    assert [row.id for row in rows] == [jobs[2], jobs[0], jobs[3], jobs[1]]
