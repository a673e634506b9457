"""The door of the client: submit extractions, list jobs, or do all of it in one call."""

from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tailrace.client.answers import check_answer, read_json
from tailrace.client.download import Download, check_target
from tailrace.client.job import CSV, JOBS_PATH, Job
from tailrace.client.progress import ProgressCallback
from tailrace.client.tokens import TokenConnection
from tailrace.client.waiting import submit_patiently
from tailrace.errors import ClientError, TailraceError, UnknownDataset, UnknownJob


class DataExtraction:
    """The Data Extraction API of one server, used with one access key.

    A context manager; `timeout_seconds` bounds each step of the network, not an extraction. The key is exchanged for a
    token at the first call, and again before the token ends.
    """

    def __init__(self, url: str, access_key_id: str, access_key_secret: str, *, timeout_seconds: float = 30) -> None:
        """Prepare; nothing is sent yet. Raises ServerUnreachable when `url` is no web address."""
        self._connection = TokenConnection(url, access_key_id, access_key_secret, timeout_seconds=timeout_seconds)

    def __repr__(self) -> str:
        """Show the server, never the key."""
        return f"DataExtraction({self._connection.origin!r})"

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections to the server."""
        self._connection.close()

    def submit(
        self,
        dataset: str,
        version: str | int,
        start: date | str,
        end: date | str,
        *,
        format: str = CSV,  # noqa: A002 - the wire's own name
        patient: bool = False,
        progress: ProgressCallback | None = None,
    ) -> Job:
        """Ask for the rows from `start` (inclusive) to `end` (exclusive), UTC days, and return the running job.

        `format` is what the result shall be, such as `parquet`, where the server offers it (RequestInvalid if not).
        With `patient`, a rule that refuses for now is waited out, ten minutes at most. Raises RequestInvalid with
        `details`, UnknownDataset, NotPermitted, NotAuthenticated, ComeBackLater, ServerUnreachable.
        """
        body = {"entityName": dataset, "version": str(version), "startDate": _day(start), "endDate": _day(end)}
        if format != CSV:
            body["format"] = format
        job = submit_patiently(lambda: self._submit(body), progress) if patient else self._submit(body)
        job.expect(format)
        return job

    def jobs(self) -> list[Job]:
        """List the tenant's jobs, newest first; raises NotPermitted, NotAuthenticated, ServerUnreachable."""
        response = self._connection.send("GET", JOBS_PATH)
        check_answer(response, ClientError)
        return [Job(self._connection, entry["id"], entry["status"]) for entry in _entries(read_json(response))]

    def job(self, job_id: str) -> Job:
        """Find a job by its id and ask for its status; raises UnknownJob, RequestInvalid and as `Job.refresh`."""
        if not job_id or not set(job_id) <= set("0123456789abcdefABCDEF-"):
            raise UnknownJob("A job id is a UUID, such as 20873a3f-b951-4481-b83b-f6fa1ebe0759.")
        return Job(self._connection, job_id).refresh()

    def extract(
        self,
        dataset: str,
        version: str | int,
        start: date | str,
        end: date | str,
        to: Path | str,
        *,
        format: str = CSV,  # noqa: A002 - the wire's own name
        progress: ProgressCallback | None = None,
        wait_seconds: float | None = None,
    ) -> Download:
        """Extract a range into the file `to`: submit, wait for `wait_seconds` at most (None: without end), download.

        The file is CSV, or of the `format` asked for if the server offers it; its name is yours to choose.
        A rule that refuses for now is waited out. Ctrl-C while waiting cancels the job, for an unfinished job keeps
        other users of the tenant waiting. Raises what `submit`, `Job.wait` and `Job.download` raise.
        """
        check_target(Path(to))
        job = self.submit(dataset, version, start, end, format=format, patient=True, progress=progress)
        try:
            job.wait(wait_seconds, progress)
        except KeyboardInterrupt:
            _cancel_quietly(job)
            raise
        return job.download(to, progress)

    def _submit(self, body: dict[str, str]) -> Job:
        response = self._connection.send("POST", JOBS_PATH, body)
        check_answer(response, UnknownDataset)
        job_id = read_json(response)
        if not isinstance(job_id, str):
            raise ClientError("The server's answer holds no job id; is this a Tailrace server?")
        return Job(self._connection, job_id)


def _day(day: date | str) -> str:
    """Write a day as the wire does; text goes as it is, and the server says what is wrong with it."""
    return day if isinstance(day, str) else f"{day:%Y-%m-%d}"


def _entries(answer: Any) -> list[dict[str, str]]:
    jobs = answer.get("jobs") if isinstance(answer, dict) else None
    if not isinstance(jobs, list) or not all(isinstance(job, dict) and {"id", "status"} <= job.keys() for job in jobs):
        raise ClientError("The server's answer holds no list of jobs; is this a Tailrace server?")
    return jobs


def _cancel_quietly(job: Job) -> None:
    try:
        job.cancel()
    except TailraceError:
        # Ended meanwhile, or not offered: nothing is left to be done about it.
        return
