"""The client's calls: sign-in, rules, refusals, waiting; in both wire profiles."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from fault_peer import (
    JOB,
    JOB_ID,
    JOBS,
    SECRET,
    SIGNATURE,
    TOKEN,
    TOKEN_TEXT,
    Peer,
    Reply,
)

from tailrace.client import DataExtraction, Progress
from tailrace.errors import (
    ClientError,
    ComeBackLater,
    NotAuthenticated,
    NotPermitted,
    RequestInvalid,
    ServerUnreachable,
    TailraceError,
    TenantBusy,
    TooSoon,
    UnknownDataset,
    UnknownJob,
)

RANGE = ("qm-workflows", "3", "2019-05-22", "2019-05-29")


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note the pauses the client takes, which then take no time."""
    pauses: list[float] = []
    monkeypatch.setattr("tailrace.client.waiting.time.sleep", pauses.append)
    return pauses


def test_submits_what_the_wire_wants(api: DataExtraction, peer: Peer) -> None:
    job = api.submit("qm-workflows", 3, date(2019, 5, 22), datetime(2019, 5, 29, 8, 0))
    assert (job.id, job.status) == (JOB_ID, "RUNNING")
    [request] = peer.requests(JOBS)
    expected = {"entityName": "qm-workflows", "version": "3", "startDate": "2019-05-22", "endDate": "2019-05-29"}
    assert request.body == expected
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == f"Bearer {TOKEN_TEXT}"


def test_signs_in_once_for_many_calls(api: DataExtraction, peer: Peer) -> None:
    api.submit(*RANGE)
    api.jobs()
    [request] = peer.requests(TOKEN)
    assert request.body == {"accessKeyId": "key-id", "accessKeySecret": SECRET}


def test_renews_a_token_that_is_refused_once(api: DataExtraction, peer: Peer) -> None:
    api.jobs()
    peer.tell(JOBS, Reply(401, {"message": "Unauthorized"}))
    assert api.submit(*RANGE).id == JOB_ID
    assert len(peer.requests(TOKEN)) == 2


def test_a_token_refused_twice_is_an_error(api: DataExtraction, peer: Peer) -> None:
    peer.tell(JOBS, *[Reply(401, {"message": "Unauthorized"})] * 2)
    with pytest.raises(NotAuthenticated):
        api.submit(*RANGE)
    assert len(peer.requests(JOBS)) == 2


def test_renews_a_token_before_it_ends(api: DataExtraction, peer: Peer) -> None:
    peer.tell(TOKEN, Reply(200, {"access_token": "short", "expires_in": 0}))
    api.jobs()
    api.jobs()
    assert len(peer.requests(TOKEN)) == 2


@pytest.mark.parametrize("status", [400, 401, 429])
def test_a_bad_key_is_not_authenticated(api: DataExtraction, peer: Peer, status: int) -> None:
    peer.tell(TOKEN, Reply(status, {"message": "no"}, {"Retry-After": "600"} if status == 429 else {}))
    with pytest.raises(NotAuthenticated):
        api.submit(*RANGE, patient=True)


REFUSALS: list[tuple[Reply, type[TailraceError]]] = [
    (Reply(400, {"message": "Invalid request", "details": ["endDate must not be before startDate"]}), RequestInvalid),
    (Reply(403, {"message": "User does not have permission to extract this entity"}), NotPermitted),
    (Reply(404, {"message": "Entity or version not found"}), UnknownDataset),
    (Reply(429, {"message": "Wait", "error": "rate_limited"}, {"Retry-After": "17"}), TooSoon),
    (Reply(429, {"message": "Wait", "error": "tenant_busy"}, {"Retry-After": "30"}), TenantBusy),
    (Reply(403, {"message": "Wait"}, {"Retry-After": "17"}), ComeBackLater),
    (Reply(500, {"message": "Internal Server Error"}), ClientError),
    (Reply(503, {"message": "Service unavailable"}, {"Retry-After": "5"}), ServerUnreachable),
    (Reply(502, b"<html>bad gateway</html>"), ClientError),
    (Reply(202, {"id": "not a string"}), ClientError),
    (Reply(202, b"not json"), ClientError),
]


@pytest.mark.parametrize(("reply", "kind"), REFUSALS)
def test_refusals_become_errors(api: DataExtraction, peer: Peer, reply: Reply, kind: type[TailraceError]) -> None:
    peer.tell(JOBS, reply)
    with pytest.raises(TailraceError) as caught:
        api.submit(*RANGE)
    assert type(caught.value) is kind


def test_details_and_seconds_are_handed_on(api: DataExtraction, peer: Peer) -> None:
    peer.tell(JOBS, REFUSALS[0][0], REFUSALS[3][0])
    with pytest.raises(RequestInvalid) as invalid:
        api.submit(*RANGE)
    assert invalid.value.details == ("endDate must not be before startDate",)
    with pytest.raises(TooSoon) as soon:
        api.submit(*RANGE)
    assert soon.value.retry_after_seconds == 17


@pytest.mark.parametrize("status", [429, 403])
def test_patience_waits_as_long_as_the_server_says(
    api: DataExtraction, peer: Peer, slept: list[float], status: int
) -> None:
    peer.tell(JOBS, *[Reply(status, {"message": "Wait"}, {"Retry-After": "17"})] * 2)
    assert api.submit(*RANGE, patient=True).id == JOB_ID
    assert slept == [17, 17]


def test_patience_has_an_end(api: DataExtraction, peer: Peer, slept: list[float]) -> None:
    peer.tell(JOBS, Reply(429, {"message": "Wait"}, {"Retry-After": "3000"}))
    with pytest.raises(ComeBackLater):
        api.submit(*RANGE, patient=True)
    assert slept == []


@pytest.mark.parametrize(
    ("code", "nothing"), [(202, {}), (200, {"url": "", "errorMessage": None, "messageError": None})]
)
def test_waits_in_both_profiles(
    api: DataExtraction, peer: Peer, slept: list[float], code: int, nothing: dict[str, Any]
) -> None:
    running = [peer.status("RUNNING", code, {"Retry-After": "30"}, **nothing) for _ in range(12)]
    peer.tell(JOB, *running, peer.status("SUCCEEDED", code, url="http://x/y"))
    assert api.submit(*RANGE).wait().status == "SUCCEEDED"
    # A gentle back-off; the Retry-After of a good answer is a hint only.
    assert slept[0] == 0.05
    assert slept == sorted(slept)
    assert slept[-1] == 1.0


def test_tells_the_progress_in_slices(api: DataExtraction, peer: Peer, slept: list[float]) -> None:
    told: list[Progress] = []
    peer.tell(JOB, peer.status("RUNNING"), peer.status("RUNNING", headers={"Tailrace-Progress": "3/8"}))
    api.submit(*RANGE).wait(progress=told.append)
    assert told == [Progress("waiting", 0, None), Progress("waiting", 3, 8)]


def test_waits_out_refusals_and_outages(api: DataExtraction, peer: Peer, slept: list[float]) -> None:
    job = api.submit(*RANGE)
    busy = Reply(429, {"message": "Too many requests"}, {"Retry-After": "1"})
    down = Reply(503, {"message": "Service unavailable"}, {"Retry-After": "5"})
    peer.tell(JOB, busy, down, Reply(200, b"{}", {"Content-Length": "99"}, cut_after=1))
    assert job.wait().status == "SUCCEEDED"
    assert slept == [1, 5, 1]


def test_the_time_given_bounds_the_wait(api: DataExtraction, peer: Peer) -> None:
    peer.tell(JOB, peer.status("RUNNING"))
    with pytest.raises(ClientError, match="still running"):
        api.submit(*RANGE).wait(0)


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED", "EXPIRED"])
def test_a_job_that_ends_without_result_is_an_error(api: DataExtraction, peer: Peer, status: str) -> None:
    peer.tell(JOB, peer.status(status, 200, url="", errorMessage="It is gone", messageError="It is gone"))
    with pytest.raises(ClientError, match=f"{status}: It is gone"):
        api.submit(*RANGE).wait()


def test_unknown_jobs(api: DataExtraction, peer: Peer) -> None:
    with pytest.raises(UnknownJob):
        api.job("00000000-0000-4000-8000-000000000000")
    with pytest.raises(UnknownJob):
        api.job("../../authentication")
    assert not peer.requests("/authentication")


def test_lists_and_cancels(api: DataExtraction) -> None:
    [job] = api.jobs()
    assert (job.id, job.status) == (JOB_ID, "RUNNING")
    assert job.cancel().status == "CANCELLED"
    assert job.error_message == "The job was cancelled"


def test_extracts_in_one_call(api: DataExtraction, tmp_path: Path) -> None:
    saved = api.extract(*RANGE, tmp_path / "out.csv")
    assert (saved.rows, saved.bytes) == (1, 10)


def test_an_interruption_while_waiting_cancels_the_job(api: DataExtraction, peer: Peer, tmp_path: Path) -> None:
    def interrupt(_progress: Progress) -> None:
        raise KeyboardInterrupt

    peer.tell(JOB, peer.status("RUNNING"))
    with pytest.raises(KeyboardInterrupt):
        api.extract(*RANGE, tmp_path / "out.csv", progress=interrupt)
    assert peer.seen[-1].method == "DELETE"


def test_a_bad_target_is_found_before_anything_is_asked(api: DataExtraction, peer: Peer, tmp_path: Path) -> None:
    with pytest.raises(ClientError):
        api.extract(*RANGE, tmp_path)
    assert peer.seen == []


@pytest.mark.parametrize(
    "url", ["", "example.com", "ftp://x", "http://", "https://user:canary-secret@x", "http://x/?a"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ServerUnreachable) as caught:
        DataExtraction(url, "id", SECRET)
    assert SECRET not in str(caught.value)


def test_nobody_at_home() -> None:
    with DataExtraction("http://127.0.0.1:1", "id", SECRET) as api, pytest.raises(ServerUnreachable):
        api.jobs()


def test_nothing_shown_holds_a_secret(api: DataExtraction) -> None:
    job = api.job(JOB_ID)
    shown = repr(api) + repr(job) + str(vars(job))
    assert not any(secret in shown for secret in (SECRET, TOKEN_TEXT, SIGNATURE))
