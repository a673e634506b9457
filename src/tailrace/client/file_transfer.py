"""Brings a file from behind a signed link: resumes when the connection is lost, and checks every byte."""

import base64
import binascii
import re
from collections.abc import Callable
from pathlib import Path

import httpx2

from tailrace.client.connection import describe_fault
from tailrace.client.download import Download, TryEndedError, save_file
from tailrace.client.links import hidden_from_logs
from tailrace.client.partfile import PartFile
from tailrace.client.progress import Progress, ProgressCallback
from tailrace.client.rows import RecordCounter
from tailrace.errors import ClientError, DownloadDamaged

_DIGEST = re.compile(r"(?:^|[\s,])sha-256=:([A-Za-z0-9+/]+=*):")
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)", re.ASCII)


def fetch_file(
    http: httpx2.Client, new_link: Callable[[], str], target: Path, progress: ProgressCallback | None
) -> Download:
    """Save what is behind the link as `target`; every try gets a link of its own from `new_link`.

    Raises what `save_file` raises, and what `new_link` raises.
    """
    return save_file(target, lambda part: _LinkTransfer(http, new_link, part, progress))


class _LinkTransfer:
    """The state of one download across its tries."""

    def __init__(
        self, http: httpx2.Client, new_link: Callable[[], str], part: PartFile, progress: ProgressCallback | None
    ) -> None:
        self._http = http
        self._new_link = new_link
        self._part = part
        self._progress = progress
        self._counter = RecordCounter()
        self._etag = ""
        self._digest: bytes | None = None
        self._total: int | None = None
        self.reached = 0

    @property
    def rows(self) -> int:
        """Rows written so far, without the header."""
        return self._counter.rows

    def run(self) -> None:
        """Go on where the last try ended, or start anew; raises TryEndedError and OSError."""
        link = self._new_link()
        try:
            with hidden_from_logs(), self._http.stream("GET", link, headers=self._headers()) as response:
                self._begin(response)
                for chunk in response.iter_raw():
                    self._keep(chunk)
        except httpx2.RequestError as error:
            raise TryEndedError(describe_fault(error)) from None
        except httpx2.InvalidURL:
            raise ClientError("The server gave a link that is no web address.") from None
        if self._total is not None and self._part.size < self._total:
            raise TryEndedError("the connection was lost")

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
        """Make ready for the bytes of this answer; raises TryEndedError when it brings none that can be used."""
        etag = _strong_etag(response)
        if response.status_code == httpx2.codes.PARTIAL_CONTENT:
            self._begin_part(response, etag)
        elif response.status_code == httpx2.codes.OK:
            self._restart()
            length = response.headers.get("Content-Length", "")
            self._total = int(length) if length.isascii() and length.isdigit() else None
            self._digest = None
        else:
            # 403: the link is too old, a fresh one helps. 416: the file is not the one we began with.
            if response.status_code == httpx2.codes.RANGE_NOT_SATISFIABLE:
                self._start_anew()
            raise TryEndedError(f"the link was answered with status {response.status_code}")
        self._etag = etag
        self._digest = _announced_digest(response) or self._digest

    def _begin_part(self, response: httpx2.Response, etag: str) -> None:
        """Accept a part only if it begins where we stand and is of the file we began with."""
        place = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not place or int(place[1]) != self._part.size or int(place[2]) != self._total or etag != self._etag:
            self._start_anew()
            raise TryEndedError("the server sent another part than asked for")

    def _restart(self) -> None:
        self._part.restart()
        self._counter = RecordCounter()

    def _start_anew(self) -> None:
        self._restart()
        self._etag = ""

    def _keep(self, chunk: bytes) -> None:
        self._part.write(chunk)
        self._counter.add(chunk)
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
