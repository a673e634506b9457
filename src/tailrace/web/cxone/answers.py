"""How a job looks on the wire: status, result, link and error text of each profile (sections 3, 5 and 7)."""

from tailrace.jobs import results
from tailrace.jobs.model import JobView
from tailrace.web.errors import JsonAnswer
from tailrace.web.state import WebState

STATUS = {
    "queued": "RUNNING",
    "running": "RUNNING",
    "succeeded": "SUCCEEDED",
    "failed": "FAILED",
    "cancelled": "CANCELLED",
    "expired": "EXPIRED",
}
# CX-707; what went wrong inside stays in the log.
_ERROR_TEXT = {
    "source_unavailable": "The data source is not available",
    "took_too_long": "The extraction took too long",
    "result_too_large": "The result is too large",
    "storage_unavailable": "Storage is not available",
}
_NEXT_POLL_SECONDS = "1"


def describe_job(state: WebState, job: JobView) -> JsonAnswer:
    """Answer with a job; one that has succeeded gets a fresh link (CX-311 to CX-318)."""
    profile = state.runtime.settings.cxone.profile
    url = make_link(state, job) if job.state == "succeeded" else None
    body = {"jobStatus": {"id": str(job.id), "status": STATUS[job.state], "result": _result(job, url, profile)}}
    headers = _describe_format(job)
    if STATUS[job.state] == "RUNNING":
        headers["Retry-After"] = _NEXT_POLL_SECONDS
        if job.slices_total:
            headers["Tailrace-Progress"] = f"{job.slices_done}/{job.slices_total}"
    return JsonAnswer(body, 200 if profile == "live" else 202, headers)


def _describe_format(job: JobView) -> dict[str, str]:
    """Tell what was asked for if it is not CSV, and how many rows there are, as others cannot just be counted."""
    if job.format == "csv":
        return {}
    rows = {} if job.result_rows is None else {"Tailrace-Rows": str(job.result_rows)}
    return {"Tailrace-Format": job.format, **rows}


def make_link(state: WebState, job: JobView) -> str:
    """Make a fresh link to the file of a succeeded job: to the store if that signs links, otherwise to the server."""
    life_seconds = state.runtime.settings.cxone.link_life_s
    to_store = results.link_to_store(state.storage, job, life_seconds)
    return to_store or state.public_url + results.sign_link(state.link_key, job, life_seconds)


def error_text(job: JobView) -> str | None:
    """Tell why a job has no file, in the words of CX-707."""
    match job.state:
        case "failed":
            return _ERROR_TEXT.get(job.error_code or "", "Internal error while extracting data")
        case "cancelled":
            return "The job was cancelled"
        case "expired":
            return "The result has expired"
        case _:
            return None


def _result(job: JobView, url: str | None, profile: str) -> dict[str, str | None]:
    """The `result` member of each profile (CX-313, CX-314)."""
    text = error_text(job)
    if profile == "live":
        return {"url": url or "", "errorMessage": text, "messageError": text}
    if url:
        return {"url": url}
    return {"errorMessage": text} if text else {}
