"""Section 5: the link and the download."""

import re
import socket
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from conformance import wire
from conformance.wire import send
from service import EXAMPLE, Caller, Service, poll
from tailrace.jobs.results import sign_link, view_job


@dataclass
class Finished:
    """A succeeded job with one of its links and its bytes."""

    caller: Caller
    job_id: str
    url: str
    content: bytes

    def get(self, *headers: tuple[str, str], url: str = "") -> wire.httpx2.Response:
        return send(self.caller.service, "GET", url or self.url, headers)

    def fresh(self) -> wire.httpx2.Response:
        return self.get(url=self.caller.status(self.job_id)["result"]["url"])


@pytest.fixture(scope="module")
def finished_jobs(documented: Service, live: Service, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finished]:
    jobs = {}
    for server in (documented, live):
        caller = server.caller()
        rows = [wire.row(wire.dataset(), workflow_id=f"w{number:03}", plan_name="é, ü") for number in range(20)]
        wire.load(caller, tmp_path_factory.mktemp("rows"), wire.dataset(), rows)
        job_id, url = wire.succeeded(caller)
        jobs[server.url] = Finished(caller, job_id, url, wire.expected_file(wire.dataset(), rows))
    return jobs


@pytest.fixture
def finished(service: Service, finished_jobs: dict[str, Finished]) -> Iterator[Finished]:
    """Take the job of a profile, with a link of now."""
    job = finished_jobs[service.url]
    job.url = job.caller.status(job.job_id)["result"]["url"]
    return job


@pytest.mark.req("CX-501", "CX-005")
def test_the_link_is_an_absolute_plain_url(finished: Finished):
    parts = urlsplit(finished.url)
    assert finished.url.startswith(finished.caller.service.url + "/")
    assert (parts.scheme, parts.username, parts.password, parts.fragment) == ("http", None, None, "")
    assert finished.url.isascii()
    assert len(finished.url) <= 2048
    assert not re.search(r"[\s\"<>\\^`{|}#]", finished.url)


@pytest.mark.req("CX-502", "CX-509", "CX-510", "CX-511", "CX-015", "CX-016")
@pytest.mark.parametrize("encodings", [None, "gzip", "gzip, deflate, br, zstd", "br;q=1, identity;q=0", "*"])
def test_a_plain_get_brings_the_file(finished: Finished, encodings: str | None):
    answer = finished.get(*([("Accept-Encoding", encodings)] if encodings else []))
    assert (answer.status_code, answer.content) == (200, finished.content)
    wire.check_envelope(answer)
    name = f"qm-workflows_v3_{EXAMPLE['startDate']}_{EXAMPLE['endDate']}_{finished.job_id}.csv"
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["content-length"] == str(len(finished.content))
    assert "transfer-encoding" not in answer.headers
    assert answer.headers["accept-ranges"] == "bytes"
    assert re.fullmatch(r'"[\x21\x23-\x7e]+"', answer.headers["etag"])
    digest = b64encode(sha256(finished.content).digest()).decode()
    assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"


@pytest.mark.req("CX-505", "CX-509", "CX-315")
def test_links_may_be_used_again_and_bring_the_same(finished: Finished):
    answers = [finished.get() for _ in range(3)] + [finished.fresh() for _ in range(3)]
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, finished.content)}
    assert len({answer.headers["etag"] for answer in answers}) == 1


@pytest.mark.req("CX-513")
@pytest.mark.parametrize("authorization", ["Bearer nonsense", "Basic eDp5", "", "AWS4-HMAC-SHA256 x"])
def test_authorization_is_ignored(finished: Finished, authorization: str):
    assert finished.get(("Authorization", authorization)).status_code == 200


@pytest.mark.req("CX-503", "CX-504", "CX-906")
def test_a_link_works_for_thirty_seconds(service: Service, finished: Finished):
    for age in (0, 1, 15, 28, 29):
        answer = finished.get(url=wire.link_of_age(finished.caller, finished.job_id, age))
        assert (answer.status_code, answer.content) == (200, finished.content)
    for age in (30.9, 31, 60, 86_400):
        url = wire.link_of_age(finished.caller, finished.job_id, age)
        for header in (("X", "y"), ("Range", "bytes=0-1"), ("If-None-Match", "*")):
            wire.check_refusal(service, finished.get(header, url=url), "old link")


@pytest.mark.req("CX-503")
def test_the_life_of_a_link_is_a_setting(tuned: Service):
    caller = tuned.caller()
    _, url = wire.succeeded(caller)
    assert send(tuned, "GET", url).status_code == 200
    [row] = tuned.database.execute("SELECT extract(epoch FROM now()) * 1000 AS ms")
    assert 3_000 < int(parse_qs(urlsplit(url).query)["expires"][0]) - row.ms <= 5_000


@pytest.mark.req("CX-506", "CX-705")
def test_no_link_outlives_the_retention(documented: Service):
    caller = documented.caller()
    job_id = wire.in_state(caller, "SUCCEEDED")
    until = "UPDATE jobs SET result_until = now() + make_interval(secs => %(left)s) WHERE id = %(id)s"
    documented.database.execute(until, {"left": 1, "id": job_id})
    url = caller.status(job_id)["result"]["url"]
    # Even if the result lived on, this link must not: its life was what was left then.
    documented.database.execute(until, {"left": 3600, "id": job_id})
    refused = poll(lambda: (answer := send(documented, "GET", url)).status_code != 200 and answer, deadline_seconds=5)
    wire.check_refusal(documented, refused, "old link")
    lasting = caller.status(job_id)["result"]["url"]
    assert send(documented, "GET", lasting).status_code == 200
    documented.database.execute(until, {"left": 0, "id": job_id})
    wire.check_refusal(documented, send(documented, "GET", lasting), "old link")


@pytest.mark.req("CX-507", "CX-906", "CX-905")
def test_a_changed_or_foreign_or_incomplete_link_is_refused(service: Service, finished: Finished):
    path, _, query = finished.url.removeprefix(service.url).partition("?")
    expires, signature = (parse_qs(query)[name][0] for name in ("expires", "signature"))
    tenant, job, name = path.removeprefix("/downloads/").split("/")
    foreign = sign_link(b"x" * 32, view_job(service.database, finished.caller.tenant.id, "cxone", job), 30)
    bad = [
        *(path, f"{path}?", f"{path}?expires={expires}", f"{path}?signature={signature}", foreign),
        *(f"{path}?expires=&signature={signature}", f"{path}?expires={expires}&signature="),
        *(f"{path}?expires={text}&signature={signature}" for text in (int(expires) + 1, f"0{expires}", f"{expires}0")),
        *(f"{path}?expires={text}&signature={signature}" for text in (f"%2B{expires}", f"{expires}.0", "-1", "x")),
        *(f"{path}?expires={text}&signature={signature}" for text in (f"%20{expires}", "9" * 5000, "%D9%A1", "%00")),
        *(f"{path}?expires={expires}&signature={text}" for text in _changed(signature)),
        *(f"{path.replace(old, new)}?{query}" for old, new in ((tenant, job), (job, tenant), (name, "x"), (name, ""))),
        *(f"{path}{more}?{query}" for more in ("/", ".", "x", "%00", "/..", "/../x")),
        *(f"/downloads/{more}?{query}" for more in ("", "x", "../x", "%2e%2e/x", "/etc/passwd", "..%2F..%2Fserve.log")),
    ]
    answers = [send(service, "GET", url) for url in bad]
    for url, answer in zip(bad, answers, strict=True):
        assert answer.status_code == 403, url
        wire.check_refusal(service, answer, "bad link")
        assert wire.same(answer, answers[0])
    assert finished.get().status_code == 200


def _changed(signature: str) -> list[str]:
    other = {True: "B", False: "A"}
    flipped = [
        signature[:place] + other[signature[place] == "A"] + signature[place + 1 :]
        for place in (0, 20, len(signature) - 1)
    ]
    return [*flipped, signature[:-1], signature + "=", signature + "A", signature.lower(), f"%20{signature}", "%C3%A9"]


@pytest.mark.req("CX-507", "CX-708")
def test_a_genuine_link_to_what_is_gone_tells_nothing(service: Service):
    caller = service.caller()
    job_id, url = wire.succeeded(caller)
    service.database.execute("DELETE FROM jobs WHERE id = %(id)s", {"id": job_id})
    wire.check_refusal(service, send(service, "GET", url), "old link")


@pytest.mark.req("CX-512", "CX-008", "CX-906")
@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_only_get_is_offered_on_a_link(service: Service, finished: Finished, method: str):
    answer = send(service, method, finished.url)
    wire.check_refusal(service, answer, "method", texts=method != "HEAD")
    assert answer.headers["allow"] == "GET"


# -- parts of a file ----------------------------------------------------------------------------------------------


@pytest.mark.req("CX-508", "CX-509")
@pytest.mark.parametrize(
    ("asked", "part"),
    [
        *(("bytes=0-0", (0, 1)), ("bytes=10-19", (10, 20)), ("bytes=5-", (5, None)), ("bytes=-7", (-7, None))),
        *(("bytes=0-", (0, None)), ("bytes=100-999999999", (100, None)), ("bytes=-999999999", (0, None))),
        *(("bytes=0-" + "9" * 5000, (0, None)), ("bytes=-" + "9" * 5000, (0, None))),
    ],
    ids=lambda value: str(value)[:20],
)
def test_one_range(finished: Finished, asked: str, part: tuple[int, int | None]):
    answer = finished.get(("Range", asked))
    wanted, size = finished.content[slice(*part)], len(finished.content)
    start = part[0] % size
    assert (answer.status_code, answer.content) == (206, wanted)
    assert answer.headers["content-range"] == f"bytes {start}-{start + len(wanted) - 1}/{size}"
    assert answer.headers["content-length"] == str(len(wanted))
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["etag"] == finished.get().headers["etag"]
    wire.check_envelope(answer)


@pytest.mark.req("CX-508")
@pytest.mark.parametrize(
    "first", ["{size}-", "{size}-{size}", "999999999-", "-0", "9" * 5000 + "-"], ids=lambda v: v[:9]
)
def test_a_range_outside_the_file_is_416(finished: Finished, first: str):
    size = len(finished.content)
    answer = finished.get(("Range", "bytes=" + first.format(size=size)))
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{size}"
    wire.check_envelope(answer)


@pytest.mark.req("CX-508")
@pytest.mark.parametrize(
    "asked",
    [
        *("bytes=0-1,5-6", "bytes=0-0, -1", "bytes=0-1,", "lines=0-1", "bytes=5-2", "bytes=-", "bytes=", "bytes", ""),
        *("bytes=a-b", "bytes=1", "bytes=+1-2", "bytes=0x1-2", "bytes=1.0-2", "bytes=1--2"),
    ],
)
def test_several_or_unreadable_ranges_bring_the_whole_file(finished: Finished, asked: str):
    answer = finished.get(("Range", asked))
    assert (answer.status_code, answer.content) == (200, finished.content)
    assert "content-range" not in answer.headers


@pytest.mark.req("CX-509")
def test_if_range_decides_whether_the_range_counts(finished: Finished):
    etag = finished.fresh().headers["etag"]
    answer = finished.get(("Range", "bytes=1-2"), ("If-Range", etag))
    assert (answer.status_code, answer.content) == (206, finished.content[1:3])
    for other in ('"other"', f"W/{etag}", etag.strip('"'), "Wed, 21 Oct 2099 07:28:00 GMT", ""):
        whole = finished.get(("Range", "bytes=1-2"), ("If-Range", other))
        assert (whole.status_code, whole.content) == (200, finished.content)


@pytest.mark.req("CX-509")
def test_if_none_match_spares_the_bytes(finished: Finished):
    etag = finished.fresh().headers["etag"]
    for tags in (etag, "*", f'"x", {etag}', f'{etag},W/"y"', f"W/{etag}"):
        for more in ((), (("Range", "bytes=0-1"),)):
            answer = finished.get(("If-None-Match", tags), *more)
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["etag"] == etag
    for tags in ('"other"', etag.upper().strip('"'), 'W/"other"', ""):
        assert finished.get(("If-None-Match", tags)).status_code == 200


@pytest.mark.req("CX-503", "CX-706")
def test_a_download_that_has_started_survives_expiry_and_removal(documented: Service, tmp_path: Path):
    caller = documented.caller()
    rows = [wire.row(wire.dataset(), workflow_id=f"w{n:04}", user_review_comments="é\n" * 4_000) for n in range(900)]
    wire.load(caller, tmp_path, wire.dataset(), rows)
    job_id, url = wire.succeeded(caller)
    parts = urlsplit(url)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((parts.hostname, parts.port))
        asked = f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        connection.sendall(asked.encode())
        received = connection.recv(1000)
        wire.age_job(documented, job_id, hours=24)
        [file] = (documented.data / "results").glob(f"*/{job_id}/*")
        file.unlink()
        wire.check_refusal(documented, send(documented, "GET", url), "old link")
        received = b"".join([received, *iter(lambda: connection.recv(1 << 20), b"")])
    head, _, content = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert content == wire.expected_file(wire.dataset(), rows)


@pytest.mark.req("CX-514", "CX-313", "CX-314")
def test_nothing_is_published_before_the_job_has_succeeded(service: Service):
    caller = service.caller()
    job_id, url = wire.succeeded(caller)
    wire.hold(service, job_id)
    assert not caller.status(job_id)["result"].get("url")
    wire.check_refusal(service, send(service, "GET", url), "old link")
