"""Section 4: DELETE jobs/{jobId}, an extension."""

from pathlib import Path

import pytest

from conformance import wire
from conformance.wire import cancel, show
from service import Caller, Service, poll
from tailrace.access.users import allow


@pytest.fixture
def caller(service: Service) -> Caller:
    return service.caller()


@pytest.mark.req("CX-421", "CX-422", "CX-311", "CX-313", "CX-314", "CX-704")
def test_a_running_job_is_cancelled_at_once_and_again(service: Service, caller: Caller):
    job_id = wire.running(caller)
    first = cancel(caller, job_id)
    assert first.status_code == wire.shown(service)
    text = "The job was cancelled"
    live = {"url": "", "errorMessage": text, "messageError": text}
    result = live if wire.is_live(service) else {"errorMessage": text}
    assert wire.check_json(first) == {"jobStatus": {"id": job_id, "status": "CANCELLED", "result": result}}
    assert wire.same(cancel(caller, job_id), first)
    assert wire.same(show(caller, job_id), first)


@pytest.mark.req("CX-422", "CX-906")
@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "EXPIRED"])
def test_a_finished_job_cannot_be_cancelled(service: Service, caller: Caller, status: str):
    job_id = wire.in_state(caller, status)
    wire.check_refusal(service, cancel(caller, job_id), "finished")
    assert caller.status(job_id)["status"] == status


@pytest.mark.req("CX-423", "CX-824", "CX-906", "CX-807")
def test_only_the_maker_or_who_may_cancel_any(service: Service, caller: Caller):
    colleague = service.caller(caller.tenant)
    again = Caller(service, caller.tenant, caller.user, caller.key, service.sign_in(caller.key))
    job_id = wire.running(caller)
    wire.check_refusal(service, cancel(colleague, job_id), "cancel")
    assert caller.status(job_id)["status"] == "RUNNING"
    allow(service.database, colleague.user, ["job-cancel-any"])
    assert cancel(colleague, job_id).json()["jobStatus"]["status"] == "CANCELLED"
    wire.age_window(caller, 30)
    assert cancel(again, wire.running(caller)).json()["jobStatus"]["status"] == "CANCELLED"


@pytest.mark.req("CX-423", "CX-316")
def test_cancelling_any_ends_at_the_tenant(service: Service, caller: Caller):
    stranger = service.caller(permissions=["qm-workflow", "job-cancel-any"])
    job_id = wire.running(caller)
    wire.check_refusal(service, cancel(stranger, job_id), "job")
    assert caller.status(job_id)["status"] == "RUNNING"


@pytest.mark.req("CX-423", "CX-514", "CX-703")
def test_a_worker_about_to_publish_changes_nothing(documented: Service, tmp_path: Path):
    """The job is cancelled while a worker has it; when the next job is done, the worker is done with the first."""
    caller = documented.caller()
    long = [wire.row(wire.dataset(), user_review_comments="x" * 1000) for _ in range(3_000)]
    wire.load(caller, tmp_path, wire.dataset(), long)
    job_id = caller.submit()
    at_work = "SELECT id FROM jobs WHERE id = %(id)s AND state = 'running'"
    poll(lambda: documented.database.execute(at_work, {"id": job_id}))
    cancelled = cancel(caller, job_id)
    assert cancelled.json()["jobStatus"]["status"] == "CANCELLED"
    wire.succeeded(documented.caller())
    wire.extract(caller, startDate="2019-05-01", endDate="2019-05-02")
    assert wire.same(show(caller, job_id), cancelled)
    [row] = documented.database.execute("SELECT result_key FROM jobs WHERE id = %(id)s", {"id": job_id})
    assert row.result_key is None


@pytest.mark.req("CX-421", "CX-906")
def test_the_extension_can_be_switched_off(tuned: Service):
    caller = tuned.caller()
    job_id = wire.running(caller)
    refused = cancel(caller, job_id)
    wire.check_refusal(tuned, refused, "method")
    assert refused.headers["allow"] == "GET"
    assert caller.status(job_id)["status"] == "RUNNING"
