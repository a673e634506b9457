"""One export as the client sees it: asks for its status, waits, downloads, reads pages and records, cancels."""

import builtins
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tailrace.client.answers import read_json
from tailrace.client.download import Download, check_target, save_file, try_often
from tailrace.client.progress import Progress, ProgressCallback
from tailrace.client.smartsync import paths
from tailrace.client.smartsync.answers import check_answer
from tailrace.client.smartsync.records import read_records
from tailrace.client.smartsync.refusals import ExportFailed, JobNotFound, NotFinished
from tailrace.client.smartsync.result import Memory, ResultTransfer
from tailrace.client.smartsync.session import SessionConnection
from tailrace.client.smartsync.status import RUNNING, ExportStatus, read_status
from tailrace.client.waiting import Pauses, wait_for_end
from tailrace.errors import DownloadDamaged, TailraceError

_PAUSES = Pauses(0.1, 2.0)
_PAGE_RECORDS = 10_000


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a result that is a complete document of its own; `start` counts from 1."""

    content: bytes
    start: int
    records: int
    next: int | None
    remaining: int


class ExportJob:
    """One export; `last_status` is what the last call told, None before the first."""

    def __init__(self, connection: SessionConnection, job_id: str, last_status: ExportStatus | None = None) -> None:
        """Take a job's id; nothing is asked yet."""
        self._connection = connection
        self.id = job_id
        self.last_status = last_status

    def __repr__(self) -> str:
        """Show id and state."""
        state = self.last_status.state if self.last_status else None
        return f"ExportJob(id={self.id!r}, state={state!r})"

    def status(self) -> ExportStatus:
        """Ask for the status once; raises JobNotFound, NotSignedIn, TryLater, ServerUnreachable."""
        return self._read(self._ask())

    def cancel(self) -> ExportStatus:
        """Cancel the job; raises JobHasEnded when it has completed or failed, JobNotFound when it is not yours."""
        return self._read(self._connection.send("POST", f"{paths.CANCEL}/{self.id}"))

    def wait(self, timeout: float | None = None, progress: ProgressCallback | None = None) -> ExportStatus:
        """Wait until the export has completed, for `timeout` seconds at most (None: for as long as it takes).

        A server that does not answer is asked again for a minute. Raises ExportFailed with the server's reason when
        the job ended without a result, and ClientError when the time is over; the job runs on then.
        """
        wait_for_end(self._ask, lambda answer: self._look(answer, progress), _PAUSES, timeout, self.id)
        return self._completed(self.last_status)

    def download(
        self,
        path: Path | str,
        progress: ProgressCallback | None = None,
        *,
        start_record: int | None = None,
        num_records: int | None = None,
    ) -> Download:
        """Save the result, or the records asked for, as `path`, complete or not at all.

        A lost connection begins the download anew. Raises NotFinished, ExportFailed, ResultExpired, ClientError when
        the file cannot be written, DownloadDamaged when the bytes are not those announced, RequestRefused when there
        are no such records, ServerUnreachable when the server stays away.
        """
        target = Path(path)
        check_target(target)
        status = self._completed(self.status())
        query = _page_query(start_record, num_records)
        total = None if query else status.uncompressed_bytes
        saved = save_file(
            target,
            lambda part: ResultTransfer(
                self._connection, self.id, part, query=query, total_bytes=total, progress=progress
            ),
        )
        return saved if query else Download(saved.path, status.total_records or 0, saved.bytes, saved.sha256)

    def save(
        self, path: Path | str, timeout: float | None = None, progress: ProgressCallback | None = None
    ) -> Download:
        """Wait, then download; Ctrl-C while waiting cancels the job. Raises what `wait` and `download` raise."""
        check_target(Path(path))
        try:
            self.wait(timeout, progress)
        except KeyboardInterrupt:
            _cancel_quietly(self)
            raise
        return self.download(path, progress)

    def page(self, start: int, size: int) -> Page:
        """Bring up to `size` records from position `start` on, the first being 1; raises what `download` raises."""
        memory = Memory()
        transfer = ResultTransfer(self._connection, self.id, memory, query=_page_query(start, size))
        try_often(transfer)
        follows = transfer.position("X-Next-Record")
        return Page(memory.content(), start, transfer.rows, follows, transfer.position("X-Remaining-Records") or 0)

    def pages(self, size: int = _PAGE_RECORDS) -> Iterator[Page]:
        """Bring the result page by page, every record once and in order; a result without records has no page.

        Raises DownloadDamaged when the pages do not add up to the result, and what `download` raises.
        """
        status = self._completed(self.status())
        start: int | None = 1 if status.total_records != 0 else None
        records = 0
        while start is not None:
            page = self.page(start, size)
            records += page.records
            if page.next is not None and page.next <= start:
                raise DownloadDamaged(f"The page after record {start} begins at {page.next}.")
            yield page
            start = page.next
        if status.total_records not in (None, records):
            raise DownloadDamaged(f"{records} records came instead of {status.total_records}.")

    def records(self, page_size: int = _PAGE_RECORDS) -> Iterator[dict[str, Any]]:
        """Read the result record by record, `page_size` of them in memory at a time.

        PIPE gives texts; JSON gives what it holds, decimals as `Decimal`. Raises ClientError for XML and for PIPE
        without header lines, and what `pages` raises.
        """
        for page in self.pages(page_size):
            yield from read_records(page.content, self.last_status.output_format if self.last_status else "")

    def bytes(self) -> builtins.bytes:
        """Bring the whole result into memory; raises what `download` raises."""
        status = self._completed(self.status())
        memory = Memory()
        transfer = ResultTransfer(self._connection, self.id, memory, total_bytes=status.uncompressed_bytes)
        try_often(transfer)
        transfer.check()
        return memory.content()

    def _ask(self) -> httpx2.Response:
        self._connection.status_pace.take_turn()
        return self._connection.send("GET", f"{paths.STATUS}/{self.id}")

    def _look(self, response: httpx2.Response, progress: ProgressCallback | None) -> bool:
        """Keep what an answer tells, tell the progress, and say whether the job has ended."""
        status = self._read(response)
        if progress and not status.ended:
            progress(Progress("running" if status.state == RUNNING else "waiting", 0, None))
        return status.ended

    def _read(self, response: httpx2.Response) -> ExportStatus:
        check_answer(response, JobNotFound)
        self.last_status = read_status(read_json(response))
        return self.last_status

    def _completed(self, status: ExportStatus | None) -> ExportStatus:
        """Return the status of a job that has a result; raises NotFinished and ExportFailed for any other."""
        if status is not None and status.completed:
            return status
        if status is None or not status.ended:
            message = f"Job {self.id} is still running; wait for it first."
            raise NotFinished(message, status=206, retry_after_seconds=1)
        reason = f": {status.error_details}" if status.error_details else ""
        raise ExportFailed(f"Job {self.id} ended as {status.state}{reason}.")


def _page_query(start: int | None, size: int | None) -> dict[str, str]:
    """Write which records are asked for; whether the two go together, the server says."""
    given = {"startRecord": start, "numRecords": size}
    return {name: str(number) for name, number in given.items() if number is not None}


def _cancel_quietly(job: ExportJob) -> None:
    try:
        job.cancel()
    except TailraceError:
        # Ended meanwhile, or not offered: nothing is left to be done about it.
        return
