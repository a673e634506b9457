"""What the tests of this folder share: an empty queue, and a house that fills it by its door."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest

from tailrace.catalog.loader import Catalog, load_catalog
from tailrace.database.pool import Database
from tailrace.jobs import queue
from tailrace.jobs.model import Lease, Limits, Result
from tailrace.jobs.queue import Slots
from tailrace.jobs.ranges import resolve_range
from tailrace.jobs.submit import Caller, Order, Rules, submit

DIALECT = "cxone"
LIMITS = Limits(timeout_seconds=3600, max_result_bytes=10**9, retention_hours=24, record_hours=168)
NO_RULES = Rules(min_interval_seconds=0, one_user_per_tenant=False, max_unfinished_jobs=1_000_000)


@dataclass
class House:
    """The queue with short ways to use it; claims go to worker `w` with a lease of 30 seconds unless told otherwise."""

    database: Database
    catalog: Catalog
    users: dict[UUID, list[UUID]] = field(default_factory=dict)

    def tenant(self, users: int = 1) -> UUID:
        [row] = self.database.execute(
            """
            INSERT INTO tenants (name, customer_id)
            SELECT %(name)s, coalesce(max(customer_id), 0) + 1 FROM tenants RETURNING id
            """,
            {"name": f"tenant-{uuid4().hex}"},
        )
        self.users[row.id] = [self.user(row.id) for _ in range(users)]
        return row.id

    def user(self, tenant: UUID) -> UUID:
        [row] = self.database.execute(
            "INSERT INTO users (tenant_id, name) VALUES (%(tenant)s, %(name)s) RETURNING id",
            {"tenant": tenant, "name": f"user-{uuid4().hex}"},
        )
        return row.id

    def caller(self, tenant: UUID, user: int = 0) -> Caller:
        return Caller(tenant, self.users[tenant][user], frozenset({"qm-workflow"}))

    def order(self, dialect: str = DIALECT, dataset: str = "qm-workflows", version: str = "3", **changes: Any) -> Order:
        told = {
            "start_date": date(2019, 5, 22),
            "end_date": date(2019, 5, 29),
            "format_name": "csv",
            "limits": LIMITS,
            "options": {},
        }
        known, dates = self.catalog.get(dataset, version), told | changes
        return Order(
            dialect=dialect,
            dataset=known.name,
            version=known.version,
            permission_id=known.permission_id,
            start_date=dates["start_date"],
            end_date=dates["end_date"],
            request=resolve_range(known, **dates),
        )

    def submit(self, tenant: UUID, rules: Rules = NO_RULES, user: int = 0, **changes: Any) -> UUID:
        return submit(self.database, self.caller(tenant, user), self.order(**changes), rules)

    def claim(self, total: int = 100, per_tenant: int = 100, lease_seconds: float = 30.0) -> Lease | None:
        return queue.claim(self.database, DIALECT, Slots(total, per_tenant), "w", lease_seconds)

    def running(self) -> Lease:
        """Make a job of a new tenant and claim it."""
        self.submit(self.tenant())
        lease = self.claim()
        assert lease is not None
        return lease

    def row(self, job: UUID) -> Any:
        [row] = self.database.execute("SELECT * FROM jobs WHERE id = %(id)s", {"id": job})
        return row

    def set(self, job: UUID, assignment: str) -> None:
        self.database.execute(f"UPDATE jobs SET {assignment} WHERE id = %(id)s", {"id": job})

    def end_lease(self, job: UUID) -> None:
        self.set(job, "lease_until = now() - interval '1 second'")

    def result(self, lease: Lease) -> Result:
        return Result(f"{lease.tenant_id}/{lease.job_id}/{lease.attempt}-{lease.epoch}.csv", 10, 1, "0" * 64)


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return load_catalog()


@pytest.fixture(scope="session")
def database_url(new_database: Any) -> str:
    """One database for all tests of this folder, emptied after each: quicker than one each."""
    return str(new_database())


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, size=12)
    yield database
    database.execute("TRUNCATE tenants CASCADE")
    database.close()


@pytest.fixture
def house(database: Database, catalog: Catalog) -> House:
    return House(database, catalog)


@pytest.fixture
def rules() -> Any:
    """The rules as they come, with changes."""

    def make(**changes: Any) -> Rules:
        return Rules(**{"min_interval_seconds": 0, "one_user_per_tenant": False, "max_unfinished_jobs": 100, **changes})

    return make
