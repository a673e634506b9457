"""How an export looks on the wire: its status, and what stands in for a result that is not there (sections 4, 5)."""

from datetime import UTC, datetime
from typing import Any

from tailrace.jobs.model import JobView
from tailrace.web.errors import JsonAnswer

_COMPLETED = {"documented": "COMPLETED_SUCCESSFULLY", "live": "COMPLETED_SUCCESFULLY"}
_STATUS = {"running": "RUNNING", "failed": "FAILED", "cancelled": "CANCELED"}
_ENDED_WITHOUT_RESULT = ("failed", "cancelled")
_CANCELED = "Job was canceled by a user"
_TOO_LARGE = "Result set is too large, reduce date range and/or number of entities"
_NOT_YET = "Your Job isn't completed yet. Try again later"
_FAILED = "Your job has failed. Call the status endpoint to get more details about the failure"
_LONGEST_WAIT_SECONDS = 30
_UNKNOWN = "-"


def describe_export(job: JobView, profile: str) -> dict[str, Any]:
    """Write the status object (SS-402); a result that has expired does not change it."""
    described: dict[str, Any] = {
        "jobId": job.id.hex,
        "status": _status(job, profile),
        "exporterType": job.dataset,
        "lastStatusChange": _instant(job.finished_at or job.started_at or job.created_at),
        "outputFormat": job.format.upper(),
    }
    if job.state in _ENDED_WITHOUT_RESULT:
        described["errorDetails"] = _error_details(job)
    if job.state in ("succeeded", "expired"):
        described["totalRecords"] = job.result_rows
        described["resultsSizeBytes"] = {"compressed": job.result_compressed_bytes, "uncompressed": job.result_bytes}
    if job.finished_at is not None:
        described["additionalDetails"] = _report(job)
    return described


def describe_missing(job: JobView) -> JsonAnswer:
    """Answer for the result of a job that has none: 206, which here means no byte range (SS-506 to SS-508)."""
    message = {"failed": _FAILED, "cancelled": _CANCELED}.get(job.state, _NOT_YET)
    headers = {} if job.state in _ENDED_WITHOUT_RESULT else {"Retry-After": str(_wait_seconds(job))}
    return JsonAnswer({"message": message, "status": 206}, 206, headers)


def _wait_seconds(job: JobView) -> int:
    """Choose a tenth of the time waited so far, as nobody knows what is left."""
    waited = (job.read_at - job.created_at).total_seconds()
    return max(1, min(_LONGEST_WAIT_SECONDS, int(waited / 10)))


def _status(job: JobView, profile: str) -> str:
    """Name the state; a job that waits for another attempt has been running (SS-403, SS-405)."""
    if job.state == "queued":
        return "WAITING" if job.started_at is None else "RUNNING"
    return _STATUS.get(job.state) or _COMPLETED[profile]


def _error_details(job: JobView) -> str:
    """Choose the text of SS-404; what went wrong inside stays in the log."""
    if job.state == "cancelled":
        return _CANCELED
    return _TOO_LARGE if job.error_code == "result_too_large" else "Internal server error"


def _report(job: JobView) -> str:
    """Write the run's report; what there is none of, such as the start of a job never run, is a dash."""
    facts = {
        "Exporter": job.dataset,
        "Submitted": _instant(job.created_at),
        "Started": _instant(job.started_at),
        "Finished": _instant(job.finished_at),
        "Records": job.result_rows,
        "Replaced characters": job.result_replaced,
    }
    return "".join(f"{name}: {_UNKNOWN if fact is None else fact}\n" for name, fact in facts.items())


def _instant(moment: datetime | None) -> str | None:
    """Write an instant as `yyyy-MM-ddTHH:mm:ss.SSSZ`."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
