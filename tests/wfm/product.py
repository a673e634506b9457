"""The product, from the loader to the finished object, asked the same as the oracle: no HTTP, everything else real."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import duckdb

from tailrace.access.choices import find_choices
from tailrace.access.entities import View, grant_views, viewable
from tailrace.access.tenants import create_tenant
from tailrace.access.users import create_user
from tailrace.catalog.loader import load_catalog
from tailrace.database.pool import Database
from tailrace.intake.manifest import wfm_files
from tailrace.intake.wfm.load import load_wfm
from tailrace.jobs.exports import Chosen, ExportOrder, TimeOff, resolve_export
from tailrace.jobs.index import Index
from tailrace.jobs.model import Lease, Limits, Request
from tailrace.plugins import load_plugin
from tailrace.runtime import Runtime
from tailrace.settings import Settings
from tailrace.storage.local import open_store
from tailrace.worker.extract import extract
from tailrace.worker.tasks import make_task
from wfm.oracle import Wanted

SAMPLE_START, SAMPLE_END = date(2026, 1, 1), date(2027, 1, 31)
SAMPLE_PRESENT = datetime(2026, 11, 22, 10)
LIMITS = Limits(600, 2**31, retention_hours=24, record_hours=48, max_rows=5_000_000)


@dataclass
class Centre:
    """One tenant with WFM tables loaded, and a user who may view all of it."""

    runtime: Runtime
    tenant_id: UUID
    user_id: UUID
    customer_id: int

    def run(self, request: Request, run_at: datetime) -> "Made":
        lease = Lease(
            job_id=uuid4(),
            tenant_id=self.tenant_id,
            user_id=self.user_id,
            dialect="smartsync",
            dataset="",
            attempt=1,
            epoch=1,
            claimed_at=run_at.replace(tzinfo=UTC),
            remaining_seconds=60,
            request=request,
        )
        task = make_task(self.runtime, lease)
        result = extract(task, lambda _done, _total: None)
        return Made(self.runtime.storage_options, task.key, request, result)

    def stored(self, table: str) -> list[dict[str, Any]]:
        """Read the rows of a stored table."""
        paths = [str(self.runtime.tables / path) for path in wfm_files(self.runtime.database, self.tenant_id)[table]]
        found = duckdb.read_parquet(paths)
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]

    def order(self, wanted: Wanted, output_format: str, **more: Any) -> ExportOrder:
        """Ask for the same as the oracle is asked for."""
        groups = viewable(self.runtime.database, self.tenant_id, self.user_id, "tog")
        time_off = [TimeOff(group, rule) for group, rule in wanted.time_off]
        if wanted.include_all is not None:
            time_off = [TimeOff(group, None, covering=not wanted.include_all) for group in groups]
        ids = {"muIds": wanted.mu_ids, "buIds": wanted.bu_ids, "ctIds": wanted.ct_ids}
        return ExportOrder(
            start_date=wanted.start_date,
            end_date=wanted.end_date,
            output_format=output_format,
            ids={name: tuple(found) for name, found in ids.items()},
            time_off=time_off,
            attribute=wanted.attribute,
            last_modified_at=wanted.last_modified_at,
            midnight_cut_off=not wanted.disable_midnight_cut_off,
            record_type=wanted.record_type or None,
            **more,
        )

    def export(self, exporter: str, wanted: Wanted, output_format: str, **more: Any) -> "Made":
        choices = find_choices(self.runtime.database, self.tenant_id)
        order = self.order(wanted, output_format, **more)
        request = resolve_export(self.runtime.catalog.exporter(exporter), choices, order, LIMITS)
        return self.run(request, wanted.run_at)


@dataclass
class Made:
    """A finished object with what is kept beside it."""

    storage_options: dict[str, Any]
    key: str
    request: Request
    result: Any

    @property
    def data(self) -> bytes:
        return Path(self.storage_options["folder"], self.key).read_bytes()

    @property
    def records(self) -> Any:
        """A JSON document, numbers exact."""
        return json.loads(self.data, parse_float=Decimal)

    def page(self, start: int, count: int) -> bytes:
        """Cut out a page as the server does; positions from 1."""
        store = open_store(self.storage_options)
        index = Index.open(store, f"{self.key}.index")
        shape = load_plugin("tailrace.formats", self.request.format).create(self.request.fields, self.request.options)
        end = min(start - 1 + count, self.result.rows)
        lead = b"".join(store.read(self.key, *index.group_lead(start - 1))) if shape.grouped else b""
        body = b"".join(store.read(self.key, *index.span(start - 1, end)))
        return bytes(shape.open_page(lead) + body + shape.tail())


def open_centre(database: Database, data: Path, folder: Path) -> Centre:
    """Load a folder of WFM tables for a new tenant."""
    tenant = create_tenant(database, f"tenant-{uuid4().hex[:12]}")
    user = create_user(database, tenant, "zoe")
    runtime = Runtime(data, Settings(), database, load_catalog(), (), lambda: None)
    load_wfm(database, runtime.tables, tenant, folder)
    grant_views(database, user, [View(kind, 0) for kind in ("mu", "bu", "ct", "eg", "tog")])
    return Centre(runtime, tenant.id, user.id, tenant.customer_id)


def chosen(fields: list[dict[str, Any]] | None, groups: list[tuple[int, str]]) -> list[Chosen] | None:
    """Write `fields` of a request as the product resolves them."""
    if fields is None:
        return None
    by_name = {name.lower(): group for group, name in groups}
    made = []
    for field in fields:
        choice: Any = next(iter(field.get("attributes", {}).values()), None)
        if field["name"] == "id":
            choice = choice or "tvID"
        if "value" in field:
            choice = by_name[field["value"].lower()]
        made.append(Chosen(field["name"], choice))
    return made


def for_customer(wanted: Wanted, centre: Centre) -> Wanted:
    return replace(wanted, customer_id=centre.customer_id)
