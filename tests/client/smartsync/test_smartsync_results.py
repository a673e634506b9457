"""A result is complete and checked, or there is nothing; pages and records are those of the whole."""

import gzip
import random
from decimal import Decimal
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fault_peer import Reply
from hypothesis import given
from hypothesis import strategies as st
from smartsync_peer import CANCEL, EXPIRED, LOGIN, NOT_YET, RESULT, STATUS, SmartPeer

from tailrace.client import ExportJob, Progress
from tailrace.client.smartsync import ExportFailed, NotFinished, RequestRefused, ResultExpired
from tailrace.client.smartsync.records import read_records
from tailrace.errors import ClientError, DownloadDamaged, ServerUnreachable


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tries follow each other closely."""
    monkeypatch.setattr("tailrace.client.download._FIRST_PAUSE_SECONDS", 0.001)


def only_file(folder: Path, path: Path) -> None:
    assert [entry.name for entry in folder.iterdir()] == [path.name]


def damaged(body: bytes, place: int) -> bytes:
    return body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]


# -- the whole ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["documented", "live"])
def test_saves_what_was_compressed_on_the_way(job: ExportJob, peer: SmartPeer, tmp_path: Path, profile: str) -> None:
    peer.live, target = profile == "live", tmp_path / "out.txt"
    told: list[Progress] = []
    saved = job.download(target, told.append)
    content = peer.document(peer.rows)
    assert target.read_bytes() == job.bytes() == content
    assert (saved.path, saved.rows, saved.bytes) == (target, 3, len(content))
    assert saved.sha256 == sha256(content).hexdigest()
    assert told[-1] == Progress("downloading", len(content), len(content))
    assert peer.requests(RESULT)[0].headers["accept-encoding"] == "gzip"
    only_file(tmp_path, target)


def test_saves_what_came_uncompressed(job: ExportJob, peer: SmartPeer, tmp_path: Path) -> None:
    peer.tell(RESULT, Reply(200, peer.document(peer.rows)))
    assert job.download(tmp_path / "out.txt").bytes == len(peer.document(peer.rows))


@pytest.mark.parametrize(
    "packed",
    [gzip.compress, lambda whole: gzip.compress(whole[:9]) + gzip.compress(whole[9:])],
    ids=["one-member", "two-members"],
)
def test_large_results_come_in_pieces(job: ExportJob, peer: SmartPeer, tmp_path: Path, packed: Any) -> None:
    # Compresses a thousandfold, so that one chunk of the network is many pieces.
    peer.whole = bytes(5_000_000) + random.Random(1).randbytes(100_000)
    peer.tell(RESULT, Reply(200, packed(peer.whole), {"Content-Encoding": "gzip"}))
    told: list[Progress] = []
    job.download(tmp_path / "out.txt", told.append)
    assert (tmp_path / "out.txt").read_bytes() == peer.whole
    steps = [step.done for step in told]
    assert max(after - before for before, after in pairwise(steps)) <= 1_048_576


@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_an_empty_result(job: ExportJob, peer: SmartPeer, tmp_path: Path, coding: str) -> None:
    peer.whole, peer.rows = b"", []
    if coding == "identity":
        peer.tell(RESULT, Reply(200, b""))
    assert job.download(tmp_path / "out.txt").bytes == 0
    assert (tmp_path / "out.txt").read_bytes() == b""


@pytest.mark.parametrize("cut_after", [0, 5, 60], ids=["head", "gzip-head", "middle"])
def test_begins_anew_when_the_connection_was_lost(
    job: ExportJob, peer: SmartPeer, tmp_path: Path, cut_after: int, quick: None
) -> None:
    peer.tell(RESULT, peer.result(cut_after=cut_after))
    job.download(tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_bytes() == peer.document(peer.rows)
    assert ["range" in request.headers for request in peer.requests(RESULT)] == [False, False]


def test_a_compressed_body_that_ends_too_soon_is_a_lost_connection(
    job: ExportJob, peer: SmartPeer, tmp_path: Path, quick: None
) -> None:
    whole = gzip.compress(peer.document(peer.rows))
    peer.tell(RESULT, Reply(200, whole[:-4], {"Content-Encoding": "gzip"}), Reply(200, peer.document(peer.rows)[:-1]))
    job.download(tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_bytes() == peer.document(peer.rows)
    assert len(peer.requests(RESULT)) == 3


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: b"plain text, no gzip",
        lambda body: damaged(body, len(body) - 6),
        lambda body: damaged(body, len(body) - 2),
        lambda body: body + b"more",
        lambda _: gzip.compress(b"fewer"),
        lambda body: gzip.compress(gzip.decompress(body) + b"more"),
    ],
    ids=["no-gzip", "checksum", "length", "rubbish-after", "fewer-bytes", "more-bytes"],
)
def test_bytes_that_are_not_those_announced_are_thrown_away(
    job: ExportJob, peer: SmartPeer, tmp_path: Path, spoil: Any
) -> None:
    target = tmp_path / "out.txt"
    target.write_text("old")
    body = spoil(gzip.compress(peer.document(peer.rows)))
    peer.tell(RESULT, *[Reply(200, body, {"Content-Encoding": "gzip"})] * 2)
    with pytest.raises(DownloadDamaged):
        job.download(target)
    with pytest.raises(DownloadDamaged):
        job.bytes()
    assert target.read_text() == "old"
    only_file(tmp_path, target)


def test_a_coding_nobody_asked_for(job: ExportJob, peer: SmartPeer, tmp_path: Path) -> None:
    peer.tell(RESULT, Reply(200, b"x", {"Content-Encoding": "br"}))
    with pytest.raises(ClientError, match="coding"):
        job.download(tmp_path / "out.txt")
    assert list(tmp_path.iterdir()) == []


def test_gives_up_and_leaves_nothing(job: ExportJob, peer: SmartPeer, tmp_path: Path, quick: None) -> None:
    peer.tell(RESULT, *[peer.result(cut_after=0)] * 5)
    with pytest.raises(ServerUnreachable, match="the connection was lost"):
        job.download(tmp_path / "out.txt")
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_leaves_nothing(job: ExportJob, tmp_path: Path) -> None:
    def interrupt(_progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job.download(tmp_path / "out.txt", interrupt)
    assert list(tmp_path.iterdir()) == []


def test_refuses_a_place_it_cannot_write(job: ExportJob, peer: SmartPeer, tmp_path: Path) -> None:
    before = len(peer.seen)
    with pytest.raises(ClientError, match="is a folder"):
        job.download(tmp_path)
    with pytest.raises(ClientError, match="There is no folder"):
        job.save(tmp_path / "no" / "out.txt")
    assert len(peer.seen) == before


def test_a_session_that_ends_meanwhile_is_renewed(job: ExportJob, peer: SmartPeer, tmp_path: Path) -> None:
    peer.tell(RESULT, Reply(401, {"message": "Unauthorized", "status": 401}))
    assert job.download(tmp_path / "out.txt").rows == 3
    assert len(peer.requests(LOGIN)) == 2


# -- no result ----------------------------------------------------------------------------------------------------


def test_a_job_that_has_not_ended_has_no_result(job: ExportJob, peer: SmartPeer, tmp_path: Path) -> None:
    peer.tell(STATUS, *[peer.status("RUNNING")] * 2)
    with pytest.raises(NotFinished, match="wait for it first"):
        job.download(tmp_path / "out.txt")
    with pytest.raises(NotFinished):
        next(job.pages())
    assert peer.requests(RESULT) == []


def test_a_result_that_is_not_there_yet_is_waited_for(
    job: ExportJob, peer: SmartPeer, tmp_path: Path, slept: list[float]
) -> None:
    busy = Reply(429, {"message": "Too many requests", "status": 429}, {"Retry-After": "3"})
    peer.tell(RESULT, Reply(206, NOT_YET, {"Retry-After": "7"}), busy)
    assert job.download(tmp_path / "out.txt").rows == 3
    assert slept == [7, 3]


@pytest.mark.parametrize(
    "message",
    [
        "Your job has failed. Call the status endpoint to get more details about the failure",
        "Job was canceled by a user",
    ],
    ids=["failed", "canceled"],
)
def test_206_may_mean_never(job: ExportJob, peer: SmartPeer, tmp_path: Path, message: str) -> None:
    peer.tell(RESULT, Reply(206, {"message": message, "status": 206}))
    with pytest.raises(ExportFailed, match=message):
        job.download(tmp_path / "out.txt")
    assert list(tmp_path.iterdir()) == []


def test_an_expired_result_says_so(job: ExportJob, peer: SmartPeer, tmp_path: Path) -> None:
    peer.tell(RESULT, *[Reply(404, EXPIRED)] * 2)
    with pytest.raises(ResultExpired, match="Job results have expired") as caught:
        job.download(tmp_path / "out.txt")
    assert (caught.value.status, caught.value.code) == (404, "result_expired")
    with pytest.raises(ResultExpired):
        job.page(1, 1)


def test_saves_when_it_has_ended(job: ExportJob, peer: SmartPeer, tmp_path: Path, slept: list[float]) -> None:
    peer.tell(STATUS, peer.status("WAITING"), peer.status("RUNNING"))
    told: list[Progress] = []
    assert job.save(tmp_path / "out.txt", progress=told.append).rows == 3
    assert [step.stage for step in told] == ["waiting", "running", "downloading"]


def test_an_interruption_while_waiting_cancels_the_job(job: ExportJob, peer: SmartPeer, tmp_path: Path) -> None:
    def interrupt(_progress: Progress) -> None:
        raise KeyboardInterrupt

    peer.tell(STATUS, peer.status("RUNNING"))
    with pytest.raises(KeyboardInterrupt):
        job.save(tmp_path / "out.txt", progress=interrupt)
    assert peer.seen[-1].path == CANCEL


# -- pages and records --------------------------------------------------------------------------------------------


def test_pages_follow_each_other(job: ExportJob, peer: SmartPeer) -> None:
    peer.rows = [b"05222024|%d\n" % number for number in range(7)]
    pages = list(job.pages(3))
    assert [(page.start, page.records, page.next, page.remaining) for page in pages] == [
        (1, 3, 4, 4),
        (4, 3, 7, 1),
        (7, 1, None, 0),
    ]
    assert b"".join(page.content.removeprefix(peer.document([])) for page in pages) == b"".join(peer.rows)


def test_a_page_is_brought_again_when_the_connection_was_lost(job: ExportJob, peer: SmartPeer, quick: None) -> None:
    peer.tell(RESULT, peer.result(cut_after=5))
    assert [record["agentName"] for record in job.records(2)] == ["O'Neil", "North|East", ""]


def test_saves_a_page(job: ExportJob, peer: SmartPeer, tmp_path: Path) -> None:
    saved = job.download(tmp_path / "out.txt", start_record=2, num_records=5)
    assert (saved.rows, (tmp_path / "out.txt").read_bytes()) == (2, peer.document(peer.rows[1:]))


def test_records_that_are_not_there(job: ExportJob, peer: SmartPeer, tmp_path: Path) -> None:
    fault = "'numRecords' query parameter requires 'startRecord'"
    answer = {"message": "One or more request validations failed", "status": 400, "details": [fault]}
    peer.tell(RESULT, Reply(400, answer))
    with pytest.raises(RequestRefused) as caught:
        job.download(tmp_path / "out.txt", num_records=5)
    assert caught.value.details == (fault,)
    assert list(tmp_path.iterdir()) == []


def test_without_records_there_is_no_page(job: ExportJob, peer: SmartPeer) -> None:
    peer.rows = []
    assert list(job.pages()) == list(job.records()) == []
    assert peer.requests(RESULT) == []


@pytest.mark.parametrize("follows", ["1", "0"])
def test_pages_that_go_in_circles(job: ExportJob, peer: SmartPeer, follows: str) -> None:
    peer.tell(RESULT, Reply(200, b"", {"X-Count-Records": "1", "X-Next-Record": follows}))
    with pytest.raises(DownloadDamaged):
        list(job.pages(1))


def test_pages_that_do_not_add_up(job: ExportJob, peer: SmartPeer) -> None:
    peer.tell(RESULT, Reply(200, b"", {"X-Count-Records": "2"}))
    with pytest.raises(DownloadDamaged, match="2 records came instead of 3"):
        list(job.pages(2))


def test_reads_json_page_by_page(job: ExportJob, peer: SmartPeer) -> None:
    peer.output_format = "JSON"
    peer.rows = [b'{"date":"2024-05-22","paid":37.50}', b"{}", b'{"agentData":[{"name":"Team","value":"A|B"}]}']
    records = list(job.records(2))
    assert records == [
        {"date": "2024-05-22", "paid": Decimal("37.50")},
        {},
        {"agentData": [{"name": "Team", "value": "A|B"}]},
    ]
    assert str(records[0]["paid"]) == "37.50"
    assert len(peer.requests(RESULT)) == 2


@pytest.mark.parametrize(
    ("document", "records"),
    [
        (b"[]\n", []),
        (b'{"agentList":{"newAgent":[\n{"mu":1}\n]}}\n', [{"mu": 1}]),
        (b'{"opens":{"muOpens":[\n\n]}}\n', []),
    ],
    ids=["empty", "agent-export", "mu-opens"],
)
def test_reads_the_shapes_of_json(document: bytes, records: list[Any]) -> None:
    assert read_records(document, "JSON") == records


def escape(value: str, *, first: bool = False) -> str:
    """Write a value as SS-814 says."""
    for char, written in (("\\", "\\\\"), ("|", "\\|"), ("\n", "\\n"), ("\r", "\\r")):
        value = value.replace(char, written)
    return f"\\{value}" if first and value.startswith("#") else value


CELLS = st.text(alphabet="ab|\\\n\r#\u2028\x85é ", max_size=6)


@given(rows=st.lists(st.tuples(CELLS, CELLS), max_size=6), group=CELLS)
def test_reads_every_value_of_pipe(rows: list[tuple[str, str]], group: str) -> None:
    name = f"agentData({group})"
    lines = [f"#fields:date|{escape(name)}", "#sort:date"]
    lines += [f"{escape(first, first=True)}|{escape(second)}" for first, second in rows]
    document = "".join(f"{line}\n" for line in lines).encode()
    assert read_records(document, "PIPE") == [{"date": first, name: second} for first, second in rows]


@pytest.mark.parametrize(
    ("document", "output_format"),
    [
        (b"05222024|x\n", "PIPE"),
        (b"", "PIPE"),
        (b"#fields:a|b\n#sort:a\n1\n", "PIPE"),
        (b"#fields:a\n\xff\n", "PIPE"),
        (b"[1]", "JSON"),
        (b'{"a":1}', "JSON"),
        (b"[", "JSON"),
        (b"<opens/>", "XML"),
    ],
    ids=["no-header", "nothing", "too-few", "no-utf-8", "no-objects", "no-array", "no-json", "xml"],
)
def test_documents_without_records_to_read(document: bytes, output_format: str) -> None:
    with pytest.raises(ClientError):
        read_records(document, output_format)
