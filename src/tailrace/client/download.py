"""Downloads a result: resumes when the connection is lost, checks every byte, leaves a whole file or none."""

import base64
import binascii
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tailrace.client.connection import describe_fault
from tailrace.client.links import hidden_from_logs
from tailrace.client.partfile import PartFile
from tailrace.client.progress import Progress, ProgressCallback
from tailrace.errors import ClientError, ComeBackLater, DownloadDamaged, ServerUnreachable

# So many tries in a row that bring no new byte end the download; and so many in all, whatever they bring.
_FRUITLESS_TRIES, _MOST_TRIES = 5, 50
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 5.0
_DIGEST = re.compile(r"(?:^|[\s,])sha-256=:([A-Za-z0-9+/]+=*):")
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Download:
    """A saved result; `rows` does not count the header, `sha256` is in hexadecimal."""

    path: Path
    rows: int
    bytes: int
    sha256: str


class _TryEndedError(Exception):
    """A try ended before the end of the file; the message says how, without the link."""


def check_target(target: Path) -> None:
    """Refuse a place no file can be saved at, before anything is asked of the server; raises ClientError."""
    if target.is_dir():
        raise ClientError(f"'{target}' is a folder; name a file to save the result as.")
    if not target.parent.is_dir():
        raise ClientError(f"There is no folder '{target.parent}' to save the result in.")


def fetch_file(
    http: httpx2.Client, new_link: Callable[[], str], target: Path, progress: ProgressCallback | None
) -> Download:
    """Save what is behind the link as `target`; every try gets a link of its own from `new_link`.

    Raises ClientError when the file cannot be written, DownloadDamaged when the bytes are not those announced,
    ServerUnreachable after too many tries, and what `new_link` raises.
    """
    check_target(target)
    try:
        with PartFile(target) as part:
            transfer = _Transfer(http, part, progress)
            _try_often(transfer, new_link)
            transfer.check()
            part.publish()
            return Download(target, part.rows, part.size, part.sha256().hex())
    except OSError as error:
        raise ClientError(f"'{target}' cannot be written: {error.strerror or 'input/output error'}.") from error


def _try_often(transfer: "_Transfer", new_link: Callable[[], str]) -> None:
    fruitless, pause, reached = 0, _FIRST_PAUSE_SECONDS, 0
    for _ in range(_MOST_TRIES):
        try:
            return transfer.run(new_link())
        except (_TryEndedError, ServerUnreachable, ComeBackLater) as error:
            fault = str(error)
        if transfer.reached > reached:
            fruitless, pause, reached = 0, _FIRST_PAUSE_SECONDS, transfer.reached
        fruitless += 1
        if fruitless >= _FRUITLESS_TRIES:
            break
        time.sleep(pause)
        pause = min(pause * 4, _LONGEST_PAUSE_SECONDS)
    raise ServerUnreachable(f"The download could not be finished: {fault}. Nothing was kept.")


class _Transfer:
    """The state of one download across its tries."""

    def __init__(self, http: httpx2.Client, part: PartFile, progress: ProgressCallback | None) -> None:
        self._http = http
        self._part = part
        self._progress = progress
        self._etag = ""
        self._digest: bytes | None = None
        self._total: int | None = None
        self.reached = 0

    def run(self, link: str) -> None:
        """Go on where the last try ended, or start anew; raises _TryEndedError and OSError."""
        try:
            with hidden_from_logs(), self._http.stream("GET", link, headers=self._headers()) as response:
                self._begin(response)
                for chunk in response.iter_raw():
                    self._keep(chunk)
        except httpx2.RequestError as error:
            raise _TryEndedError(describe_fault(error)) from None
        except httpx2.InvalidURL:
            raise ClientError("The server gave a link that is no web address.") from None
        if self._total is not None and self._part.size < self._total:
            raise _TryEndedError("the connection was lost")

    def check(self) -> None:
        """Compare with what the server announced; raises DownloadDamaged."""
        if self._total is not None and self._part.size != self._total:
            raise DownloadDamaged(f"{self._part.size} bytes came instead of {self._total}. Nothing was kept.")
        if self._digest is not None and self._part.sha256() != self._digest:
            raise DownloadDamaged("The SHA-256 of the bytes is not the one announced. Nothing was kept.")

    def _headers(self) -> dict[str, str]:
        # The bytes are counted and compared as they are stored: no compression on the way.
        headers = {"Accept-Encoding": "identity"}
        if self._part.size and self._etag:
            headers |= {"Range": f"bytes={self._part.size}-", "If-Range": self._etag}
        return headers

    def _begin(self, response: httpx2.Response) -> None:
        """Make ready for the bytes of this answer; raises _TryEndedError when it brings none that can be used."""
        etag = _strong_etag(response)
        if response.status_code == httpx2.codes.PARTIAL_CONTENT:
            self._begin_part(response, etag)
        elif response.status_code == httpx2.codes.OK:
            self._part.restart()
            length = response.headers.get("Content-Length", "")
            self._total = int(length) if length.isascii() and length.isdigit() else None
            self._digest = None
        else:
            # 403: the link is too old, a fresh one helps. 416: the file is not the one we began with.
            if response.status_code == httpx2.codes.RANGE_NOT_SATISFIABLE:
                self._start_anew()
            raise _TryEndedError(f"the link was answered with status {response.status_code}")
        self._etag = etag
        self._digest = _announced_digest(response) or self._digest

    def _begin_part(self, response: httpx2.Response, etag: str) -> None:
        """Accept a part only if it begins where we stand and is of the file we began with."""
        place = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not place or int(place[1]) != self._part.size or int(place[2]) != self._total or etag != self._etag:
            self._start_anew()
            raise _TryEndedError("the server sent another part than asked for")

    def _start_anew(self) -> None:
        self._part.restart()
        self._etag = ""

    def _keep(self, chunk: bytes) -> None:
        self._part.write(chunk)
        self.reached = max(self.reached, self._part.size)
        if self._progress:
            self._progress(Progress("downloading", self._part.size, self._total))


def _strong_etag(response: httpx2.Response) -> str:
    """Take the ETag if it may be used to resume; a weak one may not."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else ""


def _announced_digest(response: httpx2.Response) -> bytes | None:
    """Take the SHA-256 from `Repr-Digest` (RFC 9530), if there is one that can be read."""
    found = _DIGEST.search(response.headers.get("Repr-Digest", ""))
    if not found:
        return None
    try:
        return base64.b64decode(found[1], validate=True)
    except binascii.Error:
        return None
