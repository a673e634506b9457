"""The queue through its own functions, for tests without a server: orders of both dialects, tenants, emptying."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from tailrace.database.pool import Database
from tailrace.jobs.model import ExporterRows, Lease, Limits, RangeRows, Request, Result
from tailrace.jobs.queue import Slots
from tailrace.jobs.submit import Order

DIALECTS = ("cxone", "smartsync")
HOURS = {"cxone": (24, 168), "smartsync": (24, 48)}  # of a result, of a record
DAY = date(2019, 5, 22)
_START, _END = datetime(2019, 5, 22, tzinfo=UTC), datetime(2019, 5, 23, tzinfo=UTC)
_ROWS: Mapping[str, Any] = {
    "cxone": RangeRows("qm-workflows", "submitted_at", _START, _END, ()),
    "smartsync": ExporterRows("agent-info", {"start_date": "2019-05-22"}, (("id", "id"),)),
}


def order_of(dialect: str, timeout_seconds: int = 3600) -> Order:
    """A resolved order; no worker will run it, so its rows need not be there."""
    retention, record = HOURS[dialect]
    limits = Limits(timeout_seconds, 10**9, retention_hours=retention, record_hours=record)
    request = Request(_ROWS[dialect], (), "csv" if dialect == "cxone" else "json", limits)
    return Order(dialect, request.rows.__class__.__name__, "1", "", DAY, DAY, request)


def slots_of(slots: Mapping[str, tuple[int, int]]) -> dict[str, Slots]:
    return {dialect: Slots(*numbers) for dialect, numbers in slots.items()}


def result_of(lease: Lease, number: int = 0) -> Result:
    """What an attempt publishes; its key is its own, as the worker's are."""
    key = f"{lease.tenant_id}/{lease.job_id}/{lease.attempt}-{lease.epoch}-{number}.csv"
    return Result(key, 10 + lease.epoch, lease.attempt, f"{lease.epoch:064x}")


def make_tenant(database: Database, tenant: UUID, users: list[UUID]) -> None:
    database.execute(
        "INSERT INTO tenants (id, name, customer_id)"
        " SELECT %(id)s, %(name)s, coalesce(max(customer_id), 0) + 1 FROM tenants",
        {"id": tenant, "name": str(tenant)},
    )
    database.execute(
        "INSERT INTO users (id, tenant_id, name) SELECT id, %(tenant)s, id FROM unnest(%(users)s::uuid[]) id",
        {"tenant": tenant, "users": users},
    )


def empty(database: Database) -> None:
    """Forget all tenants, their jobs, their history and what was counted; DELETE is quicker here than TRUNCATE."""
    database.execute("DELETE FROM tenants")
    database.execute("DELETE FROM history")
    database.execute("DELETE FROM counters")
