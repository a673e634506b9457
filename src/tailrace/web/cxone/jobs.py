"""The routes of the Data Extraction API (sections 2, 3, 4 and 5 of the specification)."""

import re
from uuid import UUID

from fastapi import APIRouter, Request

from tailrace.access.tokens import Principal
from tailrace.catalog.model import Dataset
from tailrace.catalog.permissions import CANCEL_ANY
from tailrace.errors import NotPermitted, RequestInvalid, UnknownDataset
from tailrace.jobs import queue, results
from tailrace.jobs.model import JobView, Limits
from tailrace.jobs.submit import Caller, Order, Rules, submit
from tailrace.settings import Cxone
from tailrace.web.cxone import schema
from tailrace.web.cxone.authentication import Bearer
from tailrace.web.cxone.body import ExportRequest, read_export_request
from tailrace.web.errors import JsonAnswer, Refusal
from tailrace.web.requests import Body, State
from tailrace.web.state import WebState

DIALECT = "cxone"
router = APIRouter(tags=["Data Extraction"])

_BASE = "/data-extraction/v1"
_UUID_FORM = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_STATUS = {
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


def job_id_of(job_id: str) -> UUID:
    """Read a job id; raises RequestInvalid when it is no UUID (CX-316)."""
    if not _UUID_FORM.fullmatch(job_id):
        raise RequestInvalid("Invalid request", details=("jobId must be a UUID",))
    return UUID(job_id)


@router.get(
    "/jobs",
    summary="List the tenant's jobs, newest first",
    operation_id="listJobs",
    responses=schema.responses(200, schema.JOBS, 401, 403, 429, 503),
    openapi_extra=schema.SECURED,
)
def list_jobs(state: State, caller: Bearer) -> JsonAnswer:
    """All jobs of the tenant, whoever made them."""
    _require_any(state, caller)
    jobs = results.view_jobs(state.runtime.database, caller.tenant_id, DIALECT)
    return JsonAnswer({"jobs": [{"id": str(job_id), "status": _STATUS[job_state]} for job_id, job_state in jobs]})


@router.post(
    "/jobs",
    status_code=202,
    summary="Ask for an extraction",
    operation_id="createJob",
    responses=schema.responses(202, schema.JOB_ID, 400, 401, 403, 404, 413, 429, 503),
    openapi_extra={**schema.SECURED, **schema.request_body(schema.EXPORT_REQUEST)},
)
def create_job(request: Request, state: State, body: Body, caller: Bearer) -> JsonAnswer:
    """Answers with the id of the job, which is then durably stored."""
    settings = state.runtime.settings.cxone
    wanted = _read(request, body, settings)
    _refuse_hidden(state, wanted)
    job_id = submit(
        state.runtime.database,
        state.runtime.catalog,
        Caller(caller.tenant_id, caller.user_id, caller.permissions),
        _order(wanted, settings),
        Rules(settings.min_interval_s, settings.one_user_per_tenant, settings.max_unfinished_jobs),
    )
    return JsonAnswer(str(job_id), 202, {"Location": f"{_BASE}/jobs/{job_id}"})


@router.get(
    "/jobs/{job_id}",
    summary="Show a job, with a fresh link when it has succeeded",
    operation_id="getJob",
    responses=schema.responses(202, schema.JOB, 400, 401, 403, 404, 429, 503),
    openapi_extra=schema.SECURED,
)
def get_job(job_id: str, state: State, caller: Bearer) -> JsonAnswer:
    """The link lives 30 seconds; every call gives a new one to the same bytes."""
    return _job_answer(state, _visible_job(state, caller, job_id))


@router.delete(
    "/jobs/{job_id}",
    summary="Cancel a running job (an extension of Tailrace)",
    operation_id="cancelJob",
    responses=schema.responses(202, schema.JOB, 400, 401, 403, 404, 405, 409, 503),
    openapi_extra=schema.SECURED,
)
def cancel_job(job_id: str, state: State, caller: Bearer) -> JsonAnswer:
    """The job is cancelled at once and never publishes a file."""
    if not state.runtime.settings.cxone.extension_cancel:
        raise Refusal("method_not_allowed", headers={"Allow": "GET"})
    job = _visible_job(state, caller, job_id)
    if job.user_id != caller.user_id and CANCEL_ANY not in caller.permissions:
        raise NotPermitted("User does not have permission to cancel this job")
    if queue.cancel(state.runtime.database, caller.tenant_id, job.id) != "cancelled":
        raise Refusal("job_not_running")
    return _job_answer(state, results.view_job(state.runtime.database, caller.tenant_id, DIALECT, job.id))


def _read(request: Request, body: bytes, settings: Cxone) -> ExportRequest:
    media_type = request.headers.get("content-type")
    if media_type is not None and media_type.partition(";")[0].strip().lower() != "application/json":
        raise RequestInvalid("Invalid request", details=("Content-Type must be application/json",))
    strict = settings.profile == "documented"
    return read_export_request(body, max_range_days=settings.max_range_days, strict=strict)


def _order(wanted: ExportRequest, settings: Cxone) -> Order:
    return Order(
        dialect=DIALECT,
        dataset=wanted.entity,
        version=wanted.version,
        start_date=wanted.start_date,
        end_date=wanted.end_date,
        format="csv",
        limits=Limits(
            timeout_seconds=settings.job_timeout_s,
            max_result_bytes=settings.max_result_bytes,
            retention_hours=settings.result_retention_h,
            record_days=settings.job_record_days,
        ),
        # CX-613: the backslash is the live service's; the column's mark counts in that profile alone.
        options={"spreadsheet_safe": settings.spreadsheet_safe, "backslash_plus": settings.profile == "live"},
        leave_out_seconds=settings.simulated_latency_s,
    )


def _offered(state: WebState) -> list[Dataset]:
    hide = state.runtime.settings.cxone.partial_entities == "hide"
    return [dataset for dataset in state.runtime.catalog if not (hide and dataset.partial)]


def _refuse_hidden(state: WebState, wanted: ExportRequest) -> None:
    if (wanted.entity, wanted.version) not in {(dataset.name, dataset.version) for dataset in _offered(state)}:
        raise UnknownDataset("Entity or version not found")


def _require_any(state: WebState, caller: Principal) -> None:
    if not caller.permissions & {dataset.permission_id for dataset in _offered(state)}:
        raise NotPermitted("User does not have permission to view job status")


def _visible_job(state: WebState, caller: Principal, job_id: str) -> JobView:
    """Find a job the caller may see, in the documented order of checks (CX-317)."""
    wanted = job_id_of(job_id)
    _require_any(state, caller)
    job = results.view_job(state.runtime.database, caller.tenant_id, DIALECT, wanted)
    if job.permission_id not in caller.permissions:
        raise NotPermitted("User does not have permission to view job status")
    return job


def _job_answer(state: WebState, job: JobView) -> JsonAnswer:
    profile = state.runtime.settings.cxone.profile
    url = _link(state, job) if job.state == "succeeded" else None
    body = {"jobStatus": {"id": str(job.id), "status": _STATUS[job.state], "result": _result(job, url, profile)}}
    headers = {}
    if _STATUS[job.state] == "RUNNING":
        headers = {"Retry-After": _NEXT_POLL_SECONDS}
        if job.slices_total:
            headers["Tailrace-Progress"] = f"{job.slices_done}/{job.slices_total}"
    return JsonAnswer(body, 200 if profile == "live" else 202, headers)


def _link(state: WebState, job: JobView) -> str:
    return state.public_url + results.sign_link(state.link_key, job, state.runtime.settings.cxone.link_life_s)


def _result(job: JobView, url: str | None, profile: str) -> dict[str, str | None]:
    """The `result` member of each profile (CX-313, CX-314)."""
    text = _error_text(job)
    if profile == "live":
        return {"url": url or "", "errorMessage": text, "messageError": text}
    if url:
        return {"url": url}
    return {"errorMessage": text} if text else {}


def _error_text(job: JobView) -> str | None:
    match job.state:
        case "failed":
            return _ERROR_TEXT.get(job.error_code or "", "Internal error while extracting data")
        case "cancelled":
            return "The job was cancelled"
        case "expired":
            return "The result has expired"
        case _:
            return None
