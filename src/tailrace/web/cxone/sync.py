"""`POST jobs/sync`: a job and the wait for it in one request; deprecated, and kept (CX-401 to CX-405)."""

import asyncio
import time
from contextlib import suppress
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from tailrace.access.tokens import Principal
from tailrace.errors import DatabaseUnavailable
from tailrace.jobs import queue, results
from tailrace.jobs.model import UNFINISHED, JobView
from tailrace.web.cxone import schema
from tailrace.web.cxone.answers import error_text, make_link
from tailrace.web.cxone.authentication import Bearer
from tailrace.web.cxone.jobs import BASE
from tailrace.web.cxone.submission import DIALECT, accept
from tailrace.web.errors import JsonAnswer, Refusal
from tailrace.web.requests import Body, State
from tailrace.web.state import WebState

router = APIRouter(tags=["Data Extraction"])

_HEADERS = {"Deprecation": "@1558483200", "Link": f'<{BASE}/jobs>; rel="successor-version"'}
_POLL_SECONDS = 0.1


@router.post(
    "/jobs/sync",
    status_code=202,
    deprecated=True,
    summary="Ask for an extraction and wait for it",
    operation_id="extract",
    responses=schema.responses(202, schema.LINK, 400, 401, 403, 404, 413, 429, 503),
    openapi_extra={**schema.SECURED, **schema.request_body(schema.EXPORT_REQUEST)},
)
async def extract(request: Request, state: State, body: Body, caller: Bearer) -> JsonAnswer:
    """Answers with the link when the file is ready; use `POST jobs` instead.

    It waits without holding a thread, as it may wait for minutes.
    """
    job_id = await run_in_threadpool(accept, request, state, body, caller)
    job = await _wait(state, caller, job_id, request)
    if job is None:
        ended = await run_in_threadpool(queue.cancel, state.runtime.database, caller.tenant_id, job_id)
        if ended != "succeeded":
            raise Refusal("sync_timeout", headers=_HEADERS)
        # It was ready in the very moment the time was over.
        job = await run_in_threadpool(results.view_job, state.runtime.database, caller.tenant_id, DIALECT, job_id)
    if job.state != "succeeded":
        raise Refusal("extraction_failed", error_text(job) or "", headers=_HEADERS)
    return JsonAnswer({"url": make_link(state, job)}, 202, _HEADERS)


async def _wait(state: WebState, caller: Principal, job_id: UUID, request: Request) -> JobView | None:
    """Wait for the job's end; None when the time is over, the client has gone away, or the service is about to.

    A database that is away for a while is waited for as well: the job is there, and nobody else knows its id.
    """
    until = time.monotonic() + state.runtime.settings.cxone.sync_timeout_s
    while time.monotonic() < min(until, request.app.state.waits_until) and not await request.is_disconnected():
        with suppress(DatabaseUnavailable):
            job = await run_in_threadpool(results.view_job, state.runtime.database, caller.tenant_id, DIALECT, job_id)
            if job.state not in UNFINISHED:
                return job
        await asyncio.sleep(_POLL_SECONDS)
    return None
