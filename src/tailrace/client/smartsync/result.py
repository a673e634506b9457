"""Brings a result or a page of it: compressed on the way, checked, brought anew when the connection is lost."""

import zlib
from collections.abc import Iterator, Mapping
from typing import Protocol

import httpx2

from tailrace.client.connection import describe_fault
from tailrace.client.download import TryEndedError
from tailrace.client.progress import Progress, ProgressCallback
from tailrace.client.smartsync import paths
from tailrace.client.smartsync.answers import check_result
from tailrace.client.smartsync.refusals import JobNotFound
from tailrace.client.smartsync.session import SessionConnection
from tailrace.errors import ClientError, DownloadDamaged

_PIECE_BYTES = 1_048_576


class Sink(Protocol):
    """Where the bytes go."""

    size: int

    def restart(self) -> None:
        """Forget everything written so far."""

    def write(self, chunk: bytes) -> None:
        """Append bytes."""


class Memory:
    """Keeps the bytes in memory."""

    def __init__(self) -> None:
        """Begin empty."""
        self.restart()

    def restart(self) -> None:
        """Forget everything written so far."""
        self._chunks: list[bytes] = []
        self.size = 0

    def write(self, chunk: bytes) -> None:
        """Append bytes."""
        self._chunks.append(chunk)
        self.size += len(chunk)

    def content(self) -> bytes:
        """Join what was written."""
        return b"".join(self._chunks)


class ResultTransfer:
    """The state of one download across its tries; the server gives no part of a result, so each begins anew."""

    def __init__(
        self,
        connection: SessionConnection,
        job_id: str,
        sink: Sink,
        *,
        query: Mapping[str, str] | None = None,
        total_bytes: int | None = None,
        progress: ProgressCallback | None = None,
    ) -> None:
        """Take where the result goes and, for a whole one, how many bytes the server announced, uncompressed."""
        self._connection = connection
        self._path = f"{paths.RESULT}/{job_id}"
        self._sink = sink
        self._query = query
        self._total = total_bytes
        self._progress = progress
        self._headers = httpx2.Headers()
        self.reached = 0

    @property
    def rows(self) -> int:
        """Records of the page, as the server counts them; 0 for a whole result."""
        return self.position("X-Count-Records") or 0

    def position(self, header: str) -> int | None:
        """Read one of the numbers that come with a page (SS-523)."""
        text = self._headers.get(header, "")
        return int(text) if text.isascii() and text.isdigit() else None

    def run(self) -> None:
        """Try once; raises TryEndedError, NotFinished, DownloadDamaged, OSError, and what a refusal means."""
        self._sink.restart()
        response = self._connection.open("GET", self._path, query=self._query, headers={"Accept-Encoding": "gzip"})
        try:
            self._take(response)
        except httpx2.RequestError as error:
            raise TryEndedError(describe_fault(error)) from None
        finally:
            response.close()

    def check(self) -> None:
        """Compare with what the server announced; raises DownloadDamaged."""
        if self._total is not None and self._sink.size != self._total:
            raise DownloadDamaged(f"{self._sink.size} bytes came instead of {self._total}. Nothing was kept.")

    def _take(self, response: httpx2.Response) -> None:
        if response.status_code != httpx2.codes.OK:
            response.read()
            check_result(response, JobNotFound)
            raise ClientError(f"The result was answered with status {response.status_code}.")
        self._headers = response.headers
        body = _Body(response.headers.get("Content-Encoding", ""))
        for chunk in response.iter_raw():
            for piece in body.decode(chunk):
                self._keep(piece)
        # A server that says nothing of the length may end anywhere.
        if not body.complete or (self._total is not None and not body.checked and self._sink.size < self._total):
            raise TryEndedError("the connection was lost")

    def _keep(self, piece: bytes) -> None:
        self._sink.write(piece)
        self.reached = max(self.reached, self._sink.size)
        if self._total is not None and self._sink.size > self._total:
            raise DownloadDamaged(f"More bytes came than the {self._total} announced. Nothing was kept.")
        if self._progress:
            self._progress(Progress("downloading", self._sink.size, self._total))


class _Body:
    """Decodes a body chunk by chunk; a gzip body knows its own end and checksum."""

    def __init__(self, coding: str) -> None:
        # Profile `live` writes it in capitals (SS-504).
        if coding.lower() not in ("gzip", "identity", ""):
            raise ClientError(f"The result came in a coding that was not asked for: {coding[:50]!r}.")
        self.checked = coding.lower() == "gzip"
        self._inflate = _new_inflate()

    @property
    def complete(self) -> bool:
        """Whether the body may end here, as far as it knows itself."""
        return not self.checked or self._inflate.eof

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what the next bytes stand for, in pieces of limited size; raises DownloadDamaged."""
        if not self.checked:
            yield chunk
            return
        try:
            yield from self._decompress(chunk)
        except zlib.error:
            raise DownloadDamaged("The compressed result is damaged. Nothing was kept.") from None

    def _decompress(self, data: bytes) -> Iterator[bytes]:
        while True:
            # A gzip file may hold several members, one after another (RFC 1952).
            if self._inflate.eof and data:
                self._inflate = _new_inflate()
            piece = self._inflate.decompress(data, _PIECE_BYTES)
            if piece:
                yield piece
            data = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
            # A full piece without input left over may still have output pending.
            if not data and (self._inflate.eof or len(piece) < _PIECE_BYTES):
                return


def _new_inflate() -> "zlib._Decompress":
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
