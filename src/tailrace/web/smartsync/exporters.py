"""The routes of the exporters (sections 2, 4, 5 and 6 of the specification)."""

import re
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from tailrace.catalog.exporter import Exporter
from tailrace.errors import UnknownDataset, UnknownJob
from tailrace.jobs import queue, results
from tailrace.jobs.model import JobView
from tailrace.web.errors import JsonAnswer, Refusal
from tailrace.web.requests import Body, State
from tailrace.web.smartsync import schema, schema_exports
from tailrace.web.smartsync.answers import describe_export
from tailrace.web.smartsync.authentication import Signed
from tailrace.web.smartsync.body import JsonBody, SameSite
from tailrace.web.smartsync.result import send_result
from tailrace.web.smartsync.submission import DIALECT, accept
from tailrace.web.state import WebState

router = APIRouter(tags=["SmartSync exports"])

_BASE = "/exporters/v1"
_JOB_ID = re.compile(r"[0-9a-f]{32}")


class _ExporterRoute(APIRoute):
    """A path for each exporter in the catalogue, and none for any other name, whatever the method (SS-007, SS-201)."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match a path only if it names an exporter."""
        match, child_scope = super().matches(scope)
        if match != Match.NONE:
            state: WebState = scope["app"].state.web
            try:
                state.runtime.catalog.exporter(child_scope["path_params"]["exporter"])
            except UnknownDataset:
                return Match.NONE, {}
        return match, child_scope


def exporter_named(
    state: State,
    exporter: Annotated[
        str, Path(description="An exporter of the catalogue.", json_schema_extra={"enum": schema_exports.EXPORTERS})
    ],
) -> Exporter:
    """Find the exporter that a path names."""
    return state.runtime.catalog.exporter(exporter)


def own_job(state: State, signed: Signed, job_id: Annotated[str, Path(alias="jobId")]) -> JobView:
    """Find a job of the signed-in user; any other id is unknown, whatever is wrong with it (SS-406)."""
    if not _JOB_ID.fullmatch(job_id):
        raise UnknownJob("Job not found")
    return _view(state, signed, UUID(job_id))


def _view(state: WebState, signed: Signed, job_id: UUID) -> JobView:
    return results.view_own_job(state.runtime.database, signed.tenant_id, signed.user_id, DIALECT, job_id)


def _count_poll(state: State, signed: Signed) -> None:
    """Refuse a session that asks for the status too often (SS-408)."""
    state.polls.count(signed.id)


def _described(state: WebState, job: JobView) -> dict[str, Any]:
    return describe_export(job, state.runtime.settings.smartsync.profile)


OwnJob = Annotated[JobView, Depends(own_job)]


@router.get(
    f"{_BASE}/status",
    summary="Show all exports of the signed-in user, newest first",
    operation_id="listExports",
    dependencies=[Depends(_count_poll)],
    responses=schema.responses(200, schema_exports.STATUSES, 401, 429, 503),
    openapi_extra=schema.SECURED,
)
def list_exports(state: State, signed: Signed) -> JsonAnswer:
    """Until 48 hours after their end."""
    jobs = results.view_own_jobs(state.runtime.database, signed.tenant_id, signed.user_id, DIALECT)
    return JsonAnswer([_described(state, job) for job in jobs])


@router.get(
    f"{_BASE}/status/{{jobId}}",
    summary="Show an export",
    operation_id="getExport",
    dependencies=[Depends(_count_poll)],
    responses=schema.responses(200, schema_exports.STATUS, 401, 404, 429, 503),
    openapi_extra=schema.SECURED,
)
def get_export(state: State, job: OwnJob) -> JsonAnswer:
    """Until 48 hours after its end."""
    return JsonAnswer(_described(state, job))


@router.get(
    f"{_BASE}/result/{{jobId}}",
    summary="Fetch the output of an export, whole or a page of it",
    operation_id="getResult",
    response_class=Response,
    responses=schema_exports.result_responses(400, 401, 404, 406, 503),
    openapi_extra={**schema.SECURED, "parameters": schema_exports.PAGE},
)
def get_result(request: Request, state: State, signed: Signed, job: OwnJob) -> Response:
    """Any number of times until 24 hours after completion."""
    return send_result(request, state, signed.tenant_id, job)


@router.post(
    f"{_BASE}/cancel/{{jobId}}",
    summary="Cancel an export (an extension of Tailrace)",
    operation_id="cancelExport",
    dependencies=[SameSite],
    responses=schema.responses(200, schema_exports.STATUS, 401, 403, 404, 409, 413, 415, 503),
    openapi_extra=schema.SECURED,
)
def cancel_export(state: State, _within_size: Body, signed: Signed, _json: JsonBody, job: OwnJob) -> JsonAnswer:
    """The export is cancelled at once and never publishes a result."""
    if queue.cancel(state.runtime.database, signed.tenant_id, job.id) != "cancelled":
        raise Refusal("job_has_ended")
    return JsonAnswer(_described(state, _view(state, signed, job.id)))


def create_export(
    state: State,
    exporter: Annotated[Exporter, Depends(exporter_named)],
    _within_size: Body,
    signed: Signed,
    body: JsonBody,
) -> JsonAnswer:
    """Answers with the id of the job, which is then durably stored; never waits for the export."""
    return JsonAnswer({"jobId": accept(state, signed, exporter, body).hex})


router.add_api_route(
    f"{_BASE}/{{exporter}}",
    create_export,
    methods=["POST"],
    route_class_override=_ExporterRoute,
    summary="Submit an export",
    operation_id="createExport",
    dependencies=[SameSite],
    responses=schema.responses(200, schema_exports.ACCEPTED, 400, 401, 403, 404, 413, 415, 429, 503),
    openapi_extra={**schema.SECURED, **schema.request_body(schema_exports.EXPORT_REQUEST)},
)
