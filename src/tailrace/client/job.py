"""One extraction as the client sees it: asks for its status, waits, downloads, cancels."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import httpx2

from tailrace.client.answers import check_answer, read_json
from tailrace.client.download import Download
from tailrace.client.file_transfer import fetch_file
from tailrace.client.progress import Progress, ProgressCallback
from tailrace.client.tokens import TokenConnection
from tailrace.client.waiting import Pauses, wait_for_end
from tailrace.errors import ClientError, UnknownJob

CSV = "csv"
JOBS_PATH = "/data-extraction/v1/jobs"
_PAUSES = Pauses(0.05, 1.0)
_SUCCEEDED, _RUNNING = "SUCCEEDED", "RUNNING"


class Job:
    """One extraction; `status` is what the last call told.

    `status` is `RUNNING`, `SUCCEEDED`, `FAILED`, `CANCELLED` or `EXPIRED`; `error_message` says why there is no result;
    `slices_done` and `slices_total` are known while it runs, if the server tells them; `format` is what the result is.
    """

    def __init__(self, connection: TokenConnection, job_id: str, status: str = _RUNNING) -> None:
        """Take a job's id; nothing is asked yet."""
        self._connection = connection
        self.id = job_id
        self.status = status
        self.error_message = ""
        self.slices_done = 0
        self.slices_total: int | None = None
        self.format = CSV
        self._expected: str | None = None
        self._rows = 0

    def __repr__(self) -> str:
        """Show id and status."""
        return f"Job(id={self.id!r}, status={self.status!r})"

    def expect(self, name: str) -> None:
        """Note what was asked for: a server that knows no formats may have made CSV all the same."""
        self._expected = name

    def refresh(self) -> Self:
        """Ask for the status once; raises UnknownJob, NotPermitted, NotAuthenticated, ServerUnreachable."""
        self._read("GET")
        return self

    def cancel(self) -> Self:
        """Cancel the job; raises ClientError when it has ended already, NotPermitted when it is another user's."""
        self._read("DELETE")
        return self

    def wait(self, timeout_seconds: float | None = None, progress: ProgressCallback | None = None) -> Self:
        """Wait until the job has succeeded, for `timeout_seconds` at most (None: for as long as it takes).

        A server that does not answer is asked again for a minute. Raises ClientError with the server's reason when the
        job ended without a result, and when the time is over; the job runs on then.
        """
        wait_for_end(self._ask, lambda answer: self._look(answer, progress), _PAUSES, timeout_seconds, self.id)
        return self._ended()

    def download(self, path: Path | str, progress: ProgressCallback | None = None) -> Download:
        """Save the result as `path`, complete or not at all.

        A lost connection is resumed. Raises ClientError when the job has no result or the file cannot be written,
        DownloadDamaged when the bytes are not those announced, ServerUnreachable when the server stays away.
        """
        saved = fetch_file(self._connection.http, self._link, Path(path), progress)
        # Only the records of CSV can be counted as they come.
        return saved if self.format == CSV else replace(saved, rows=self._rows)

    def _ask(self) -> httpx2.Response:
        return self._connection.send("GET", f"{JOBS_PATH}/{self.id}")

    def _look(self, response: httpx2.Response, progress: ProgressCallback | None) -> bool:
        """Keep what an answer tells, tell the progress, and say whether the job has ended."""
        self._take(response)
        if self.status == _RUNNING and progress:
            progress(Progress("waiting", self.slices_done, self.slices_total))
        return self.status != _RUNNING

    def _link(self) -> str:
        """Get a fresh link to the result; raises ClientError when there is none."""
        link = self._read("GET")
        self._ended()
        if not link.startswith(("http://", "https://")):
            raise ClientError(f"The server gave no link to the result of job {self.id}.")
        return link

    def _read(self, method: str) -> str:
        return self._take(self._connection.send(method, f"{JOBS_PATH}/{self.id}"))

    def _take(self, response: httpx2.Response) -> str:
        """Keep what an answer tells and return the link, which is kept nowhere."""
        check_answer(response, UnknownJob)
        status, result = _read_status(read_json(response))
        self.status = status
        self.error_message = str(result.get("errorMessage") or result.get("messageError") or "")
        self.format = response.headers.get("Tailrace-Format", CSV)
        self._rows = _number(response.headers.get("Tailrace-Rows", ""))
        self.slices_done, self.slices_total = _slices(response.headers.get("Tailrace-Progress", ""))
        return str(result.get("url") or "")

    def _ended(self) -> Self:
        """Return a job that has succeeded; raises ClientError for any other."""
        if self.status == _SUCCEEDED:
            if self._expected not in (None, self.format):
                raise ClientError(f"The result of job {self.id} is {self.format}; the server knows no other formats.")
            return self
        if self.status == _RUNNING:
            raise ClientError(f"Job {self.id} is still running; wait for it first.")
        reason = f": {self.error_message}" if self.error_message else ""
        raise ClientError(f"Job {self.id} ended as {self.status}{reason}.")


def _read_status(answer: Any) -> tuple[str, dict[str, Any]]:
    job = answer.get("jobStatus") if isinstance(answer, dict) else None
    if not isinstance(job, dict) or not isinstance(job.get("status"), str):
        raise ClientError("The server's answer holds no job status; is this a Tailrace server?")
    result = job.get("result")
    return job["status"], result if isinstance(result, dict) else {}


def _slices(text: str) -> tuple[int, int | None]:
    """Read `3/8`; anything else counts as not told."""
    done, _, total = text.partition("/")
    if not (done.isascii() and done.isdigit() and total.isascii() and total.isdigit()):
        return 0, None
    return min(int(done), int(total)), int(total)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
