"""From a request to extract to an accepted job: form, permission and rules, in the documented order (CX-209)."""

import json
import re
from hashlib import sha256
from uuid import UUID

from fastapi import Request

from tailrace.access.tokens import Principal
from tailrace.catalog.model import Dataset
from tailrace.errors import RequestInvalid, UnknownDataset
from tailrace.jobs.idempotency import Repeatable
from tailrace.jobs.model import Limits
from tailrace.jobs.ranges import resolve_range
from tailrace.jobs.submit import Caller, Order, Rules, submit
from tailrace.settings import Cxone, Settings
from tailrace.web.cxone.body import CSV, ExportRequest, read_export_request
from tailrace.web.state import WebState

DIALECT = "cxone"
_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,128}")


def accept(request: Request, state: WebState, body: bytes, caller: Principal, *, repeatable: bool = False) -> UUID:
    """Accept a job or raise what is wrong; with `repeatable` the request's Idempotency-Key counts."""
    settings = state.runtime.settings.cxone
    wanted = _read(request, body, state.runtime.settings)
    repeated = _read_key(request, wanted) if repeatable and settings.extension_idempotency else None
    dataset = next((one for one in offered(state) if (one.name, one.version) == (wanted.entity, wanted.version)), None)
    if dataset is None:
        raise UnknownDataset("Entity or version not found")
    return submit(
        state.runtime.database,
        Caller(caller.tenant_id, caller.user_id, caller.permissions),
        _order(dataset, wanted, settings),
        Rules(settings.min_interval_s, settings.one_user_per_tenant, settings.max_unfinished_jobs),
        repeated,
    )


def offered(state: WebState) -> list[Dataset]:
    """List the datasets that may be asked for (CX-825)."""
    hide = state.runtime.settings.cxone.partial_entities == "hide"
    return [dataset for dataset in state.runtime.catalog if not (hide and dataset.partial)]


def _read(request: Request, body: bytes, settings: Settings) -> ExportRequest:
    media_type = request.headers.get("content-type")
    if media_type is not None and media_type.partition(";")[0].strip().lower() != "application/json":
        raise RequestInvalid("Invalid request", details=("Content-Type must be application/json",))

    def formats(entity: str) -> tuple[str, ...]:
        return settings.datasets[entity].formats if entity in settings.datasets else ()

    strict, days = settings.cxone.profile == "documented", settings.cxone.max_range_days
    return read_export_request(body, max_range_days=days, strict=strict, formats=formats)


def _read_key(request: Request, wanted: ExportRequest) -> Repeatable | None:
    """Read the Idempotency-Key; bodies are equal when they ask for the same (CX-431)."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise RequestInvalid("Invalid request", details=("Idempotency-Key is not valid",))
    asked = [wanted.entity, wanted.version, wanted.start_date.isoformat(), wanted.end_date.isoformat()]
    if wanted.format != CSV:
        asked.append(wanted.format)
    return Repeatable(key, sha256(json.dumps(asked).encode()).digest())


def _order(dataset: Dataset, wanted: ExportRequest, settings: Cxone) -> Order:
    limits = Limits(
        timeout_seconds=settings.job_timeout_s,
        max_result_bytes=settings.max_result_bytes,
        retention_hours=settings.result_retention_h,
        record_hours=settings.job_record_days * 24,
    )
    request = resolve_range(
        dataset,
        wanted.start_date,
        wanted.end_date,
        format_name=wanted.format,
        limits=limits,
        # CX-613: the backslash is the live service's; the column's mark counts in that profile alone.
        options={"spreadsheet_safe": settings.spreadsheet_safe, "backslash_plus": settings.profile == "live"},
        leave_out_seconds=settings.simulated_latency_s,
    )
    return Order(
        dialect=DIALECT,
        dataset=dataset.name,
        version=dataset.version,
        permission_id=dataset.permission_id,
        start_date=wanted.start_date,
        end_date=wanted.end_date,
        request=request,
    )
