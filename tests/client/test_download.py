"""A download is complete and checked, or there is nothing."""

import logging
from hashlib import sha256
from pathlib import Path

import pytest
from fault_peer import FILE, JOB, JOB_ID, SIGNATURE, Peer, Reply

from tailrace.client import DataExtraction, Job, Progress
from tailrace.errors import ClientError, DownloadDamaged, ServerUnreachable

CONTENT = b"A,B\r\n" + b'"x, ""y""\r\nz",2\r\n' * 10_000


@pytest.fixture
def job(api: DataExtraction, peer: Peer) -> Job:
    """Find a job with a result."""
    peer.content = CONTENT
    return api.job(JOB_ID)


def only_file(folder: Path, path: Path) -> None:
    assert [entry.name for entry in folder.iterdir()] == [path.name]


def test_saves_the_bytes_and_says_what_they_are(job: Job, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    saved = job.download(target)
    assert target.read_bytes() == CONTENT
    assert (saved.path, saved.rows, saved.bytes) == (target, 10_000, len(CONTENT))
    assert saved.sha256 == sha256(CONTENT).hexdigest()
    only_file(tmp_path, target)


def test_sends_no_token_to_the_store_and_asks_for_plain_bytes(job: Job, peer: Peer, tmp_path: Path) -> None:
    job.download(tmp_path / "out.csv")
    [request] = peer.requests(FILE)
    assert "authorization" not in request.headers
    assert request.headers["accept-encoding"] == "identity"


def test_replaces_a_file_that_is_there(job: Job, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("old")
    job.download(target)
    assert target.read_bytes() == CONTENT


def test_resumes_where_the_connection_was_lost_with_a_fresh_link(job: Job, peer: Peer, tmp_path: Path) -> None:
    peer.tell(FILE, peer.file({}, cut_after=1000))
    links_before = len(peer.requests(JOB))
    saved = job.download(tmp_path / "out.csv")
    first, second = peer.requests(FILE)
    assert "range" not in first.headers
    assert (second.headers["range"], second.headers["if-range"]) == ("bytes=1000-", '"one"')
    assert len(peer.requests(JOB)) - links_before == 2
    assert (tmp_path / "out.csv").read_bytes() == CONTENT
    assert (saved.rows, saved.sha256) == (10_000, sha256(CONTENT).hexdigest())


def test_starts_anew_when_the_file_has_changed(job: Job, peer: Peer, tmp_path: Path) -> None:
    peer.tell(FILE, peer.file({}, cut_after=1000))
    peer.content, peer.etag = b"A\r\n1\r\n", '"two"'
    saved = job.download(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == peer.content
    assert (saved.rows, saved.bytes) == (1, 6)


def test_starts_anew_when_the_server_sends_another_part(job: Job, peer: Peer, tmp_path: Path) -> None:
    wrong = {"Content-Range": f"bytes 5-9/{len(CONTENT)}", "ETag": '"one"'}
    peer.tell(FILE, peer.file({}, cut_after=1000), Reply(206, b"XXXXX", wrong))
    job.download(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == CONTENT


def test_does_not_resume_without_a_strong_etag(job: Job, peer: Peer, tmp_path: Path) -> None:
    peer.etag = 'W/"one"'
    peer.tell(FILE, peer.file({}, cut_after=1000))
    job.download(tmp_path / "out.csv")
    assert all("range" not in request.headers for request in peer.requests(FILE))
    assert (tmp_path / "out.csv").read_bytes() == CONTENT


def test_an_expired_link_is_replaced_and_what_came_is_kept(job: Job, peer: Peer, tmp_path: Path) -> None:
    peer.tell(FILE, peer.file({}, cut_after=1000), Reply(403, {"message": "The link has expired"}))
    job.download(tmp_path / "out.csv")
    assert [request.headers.get("range") for request in peer.requests(FILE)] == [None, "bytes=1000-", "bytes=1000-"]


def test_bytes_that_are_not_those_announced_are_thrown_away(job: Job, peer: Peer, tmp_path: Path) -> None:
    peer.digest = bytes(32)
    target = tmp_path / "out.csv"
    target.write_text("old")
    with pytest.raises(DownloadDamaged):
        job.download(target)
    assert target.read_text() == "old"
    only_file(tmp_path, target)


def test_gives_up_and_leaves_nothing(job: Job, peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailrace.client.download._FIRST_PAUSE_SECONDS", 0.001)
    peer.tell(FILE, *[peer.file({}, cut_after=0)] * 5)
    with pytest.raises(ServerUnreachable) as caught:
        job.download(tmp_path / "out.csv")
    assert SIGNATURE not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_leaves_nothing(job: Job, tmp_path: Path) -> None:
    def interrupt(_progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job.download(tmp_path / "out.csv", interrupt)
    assert list(tmp_path.iterdir()) == []


def test_refuses_a_place_it_cannot_write(job: Job, tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="is a folder"):
        job.download(tmp_path)
    with pytest.raises(ClientError, match="There is no folder"):
        job.download(tmp_path / "no" / "out.csv")


def test_tells_the_progress_in_bytes(job: Job, tmp_path: Path) -> None:
    told: list[Progress] = []
    job.download(tmp_path / "out.csv", told.append)
    assert told[-1] == Progress("downloading", len(CONTENT), len(CONTENT))
    assert [step.done for step in told] == sorted(step.done for step in told)


def test_links_are_not_logged(job: Job, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        job.download(tmp_path / "out.csv")
    assert "/..." in caplog.text
    assert SIGNATURE not in caplog.text


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED", "EXPIRED"])
def test_a_job_without_result_says_why(job: Job, peer: Peer, tmp_path: Path, status: str) -> None:
    peer.tell(JOB, peer.status(status, errorMessage="The result has gone"))
    with pytest.raises(ClientError, match=f"{status}: The result has gone"):
        job.download(tmp_path / "out.csv")
    assert list(tmp_path.iterdir()) == []
