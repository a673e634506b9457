"""The SmartSync client asks for a status, waits, lists and cancels; in both wire profiles."""

from datetime import UTC, datetime
from typing import Any

import pytest
from fault_peer import Reply
from smartsync_peer import (
    DONE,
    EXPORTER,
    JOB_ID,
    LOGIN,
    MISSPELT,
    STATUS,
    STATUSES,
    SmartPeer,
)

from tailrace.client import ExportJob, Progress, SmartSync
from tailrace.client.smartsync import (
    ExportFailed,
    JobHasEnded,
    JobNotFound,
)
from tailrace.errors import (
    ClientError,
    UnknownJob,
)

DAY: dict[str, Any] = {"start": "2024-05-22", "end": "2024-05-22", "output_format": "PIPE"}
UNAUTHORIZED = Reply(401, {"message": "Unauthorized", "status": 401})


def submit(api: SmartSync, **more: Any) -> ExportJob:
    return api.export(EXPORTER, **(DAY | more))


@pytest.mark.parametrize("spelling", [DONE, MISSPELT])
def test_both_spellings_of_completed(api: SmartSync, peer: SmartPeer, spelling: str) -> None:
    peer.tell(STATUS, peer.status(spelling))
    status = submit(api).status()
    assert (status.state, status.completed, status.ended) == (DONE, True, True)
    assert (status.exporter, status.output_format, status.total_records) == (EXPORTER, "PIPE", 3)
    assert status.changed_at == datetime(2024, 5, 23, 8, tzinfo=UTC)
    assert (status.compressed_bytes, status.uncompressed_bytes) == (1, len(peer.document(peer.rows)))
    assert status.additional_details.startswith("Exporter: ")


def test_a_status_may_lack_what_it_need_not_have(api: SmartSync, peer: SmartPeer) -> None:
    peer.tell(STATUS, Reply(200, {"jobId": JOB_ID, "status": "WAITING", "totalRecords": True, "lastStatusChange": 1}))
    status = submit(api).status()
    assert (status.state, status.ended, status.total_records, status.changed_at) == ("WAITING", False, None, None)


@pytest.mark.parametrize("answer", [[], {}, {"jobId": 1, "status": "x"}, "x"], ids=repr)
def test_a_status_that_is_none(api: SmartSync, peer: SmartPeer, answer: Any) -> None:
    peer.tell(STATUS, Reply(200, answer))
    with pytest.raises(ClientError, match="no job status"):
        submit(api).status()


def test_waits_with_growing_pauses(api: SmartSync, peer: SmartPeer, slept: list[float]) -> None:
    told: list[Progress] = []
    peer.tell(STATUS, peer.status("WAITING"), *[peer.status("RUNNING") for _ in range(12)], peer.status(MISSPELT))
    assert submit(api).wait(progress=told.append).completed
    assert [step.stage for step in told] == ["waiting", *["running"] * 12]
    assert (slept[0], slept[-1]) == (0.1, 2.0)
    assert slept == sorted(slept)


def test_waits_out_refusals_outages_and_an_ended_session(api: SmartSync, peer: SmartPeer, slept: list[float]) -> None:
    job = submit(api)
    busy = Reply(429, {"message": "Too many requests", "status": 429}, {"Retry-After": "1"})
    down = Reply(503, {"message": "Service Unavailable", "status": 503}, {"Retry-After": "5"})
    peer.tell(STATUS, busy, down, Reply(200, b"{}", {"Content-Length": "99"}, cut_after=1), UNAUTHORIZED)
    assert job.wait().completed
    assert slept == [1, 5, 2]
    assert len(peer.requests(LOGIN)) == 2


def test_stays_below_the_limit_of_status_requests(
    api: SmartSync, peer: SmartPeer, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(api)
    monkeypatch.setattr("tailrace.client.smartsync.pace.time.monotonic", lambda: 1000.0)
    for _ in range(151):
        job.status()
    assert slept == [10]
    api.jobs()
    assert slept == [10, 10]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("FAILED", "Result set is too large, reduce date range and/or number of entities"),
        ("CANCELED", "Job was canceled by a user"),
    ],
)
def test_a_job_that_ends_without_result_is_an_error(api: SmartSync, peer: SmartPeer, status: str, reason: str) -> None:
    peer.tell(STATUS, peer.status(status, errorDetails=reason))
    with pytest.raises(ExportFailed, match=f"{status}: {reason}"):
        submit(api).wait()


def test_the_time_given_bounds_the_wait(api: SmartSync, peer: SmartPeer) -> None:
    peer.tell(STATUS, peer.status("RUNNING"))
    with pytest.raises(ClientError, match="still running"):
        submit(api).wait(0)


def test_lists_jobs_with_what_is_known(api: SmartSync, peer: SmartPeer) -> None:
    [job] = api.jobs()
    assert job.last_status
    assert (job.id, job.last_status.state) == (JOB_ID, "RUNNING")
    peer.tell(STATUSES, Reply(200, {"jobs": []}))
    with pytest.raises(ClientError, match="no list of jobs"):
        api.jobs()


@pytest.mark.parametrize("profile", ["documented", "live"])
def test_unknown_jobs(api: SmartSync, peer: SmartPeer, profile: str) -> None:
    peer.live = profile == "live"
    with pytest.raises(JobNotFound, match="Job id is not found") as caught:
        api.job("f" * 32)
    assert caught.value.status == 404
    assert isinstance(caught.value, UnknownJob)
    with pytest.raises(JobNotFound):
        api.job("../login")
    assert len(peer.requests(LOGIN)) == 1, "a 404 that says 401 is no reason to log in again"


def test_cancels(api: SmartSync, peer: SmartPeer) -> None:
    job = api.job(JOB_ID)
    assert job.cancel().state == "CANCELED"
    path = peer.seen[-1].path
    peer.tell(path, Reply(409, {"message": "Job has already ended", "status": 409}))
    with pytest.raises(JobHasEnded, match="Job has already ended"):
        job.cancel()
