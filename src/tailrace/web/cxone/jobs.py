"""The routes of the Data Extraction API's asynchronous part (sections 2, 3 and 4 of the specification)."""

import re
from collections.abc import Callable
from functools import partial
from uuid import UUID

from fastapi import APIRouter, Request

from tailrace.access.tokens import Principal
from tailrace.catalog.permissions import CANCEL_ANY
from tailrace.errors import NotPermitted, RequestInvalid
from tailrace.jobs import queue, results
from tailrace.jobs.model import JobView
from tailrace.web.cxone import schema
from tailrace.web.cxone.answers import STATUS, describe_job
from tailrace.web.cxone.authentication import Bearer, read_and_ask, read_as
from tailrace.web.cxone.submission import DIALECT, accept, offered
from tailrace.web.errors import JsonAnswer, Refusal
from tailrace.web.requests import Body, PlainRoute, State
from tailrace.web.state import WebState

router = APIRouter(tags=["Data Extraction"], route_class=PlainRoute)

BASE = "/data-extraction/v1"
_UUID_FORM = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@router.get(
    "/jobs",
    summary="List the tenant's jobs, newest first",
    operation_id="listJobs",
    responses=schema.responses(200, schema.JOBS, 401, 403, 429, 503),
    openapi_extra=schema.SECURED,
)
def list_jobs(request: Request, state: State) -> JsonAnswer:
    """All jobs of the tenant, whoever made them."""
    caller = read_as(request, state)
    _require_any(state, caller)
    jobs = results.view_jobs(state.runtime.database, caller.tenant_id, DIALECT)
    return JsonAnswer({"jobs": [{"id": str(job_id), "status": STATUS[job_state]} for job_id, job_state in jobs]})


@router.post(
    "/jobs",
    status_code=202,
    summary="Ask for an extraction",
    operation_id="createJob",
    responses=schema.responses(202, schema.JOB_ID, 400, 401, 403, 404, 409, 413, 422, 429, 503),
    openapi_extra={
        **schema.SECURED,
        **schema.request_body(schema.EXPORT_REQUEST),
        "parameters": [schema.IDEMPOTENCY_KEY],
    },
)
def create_job(request: Request, state: State, body: Body, caller: Bearer) -> JsonAnswer:
    """Answers with the id of the job, which is then durably stored."""
    job_id = accept(request, state, body, caller, repeatable=True)
    return JsonAnswer(str(job_id), 202, {"Location": f"{BASE}/jobs/{job_id}"})


@router.get(
    "/jobs/{job_id}",
    summary="Show a job, with a fresh link when it has succeeded",
    operation_id="getJob",
    responses=schema.responses(202, schema.JOB, 400, 401, 403, 404, 429, 503),
    openapi_extra=schema.SECURED,
)
def get_job(job_id: str, request: Request, state: State) -> JsonAnswer:
    """The link lives 30 seconds; every call gives a new one to the same bytes."""
    # What is asked most of all is done in one thread, and asks the database once.
    if not _UUID_FORM.fullmatch(job_id):
        read_as(request, state)
        raise _no_uuid()
    query = partial(results.job_query, dialect=DIALECT, job_id=UUID(job_id))
    caller, found = read_and_ask(request, state, query)
    return describe_job(state, _visible(state, caller, lambda: results.read_job(found)))


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
    return describe_job(state, results.view_job(state.runtime.database, caller.tenant_id, DIALECT, job.id))


def _require_any(state: WebState, caller: Principal) -> None:
    if not caller.permissions & {dataset.permission_id for dataset in offered(state)}:
        raise NotPermitted("User does not have permission to view job status")


def _visible_job(state: WebState, caller: Principal, job_id: str) -> JobView:
    """Find a job the caller may see."""
    if not _UUID_FORM.fullmatch(job_id):
        raise _no_uuid()
    find = partial(results.view_job, state.runtime.database, caller.tenant_id, DIALECT, UUID(job_id))
    return _visible(state, caller, find)


def _visible(state: WebState, caller: Principal, find: Callable[[], JobView]) -> JobView:
    """Give the job that is found if the caller may see it, in the documented order of checks (CX-316, CX-317)."""
    _require_any(state, caller)
    job = find()
    if job.permission_id not in caller.permissions:
        raise NotPermitted("User does not have permission to view job status")
    return job


def _no_uuid() -> RequestInvalid:
    return RequestInvalid("Invalid request", details=("jobId must be a UUID",))
