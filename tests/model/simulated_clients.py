"""The clients of a simulated service: they submit, look, fetch and cancel through the product's own functions."""

from random import Random
from typing import Any
from uuid import UUID

from model.clock import advance
from model.history import FINAL
from model.queue_of import DIALECTS, make_tenant, order_of
from tailrace.database.pool import Database
from tailrace.errors import TooManyJobs, UnknownJob
from tailrace.jobs import queue, results
from tailrace.jobs.model import Result
from tailrace.jobs.submit import Caller, Rules, submit
from tailrace.web.smartsync.answers import describe_export

TENANTS = 4
TIMEOUT_SECONDS = 7200
MOST_WAITING = 6
SECOND, HOUR = 1000, 3_600_000
# How far a job is as its client sees it; what is not here is an end.
END = 2
ORDER = {"WAITING": 0, "RUNNING": 1, "queued": 0, "running": 0, "succeeded": 1}


class Clients:
    """All that one run holds but the workers; `log` says what happened, a line an event."""

    def __init__(self, database: Database, seed: int) -> None:
        self.database, self.chance = database, Random(seed)
        self.tenants = [self._uuid() for _ in range(TENANTS)]
        self.users = {tenant: self._uuid() for tenant in self.tenants}
        for tenant, user in self.users.items():
            make_tenant(database, tenant, [user])
        self.accepted: dict[UUID, tuple[UUID, str]] = {}
        self.objects: dict[str, tuple[Result, int]] = {}  # what lies in the store, and since when
        self.seen: dict[UUID, tuple[int, str]] = {}
        self.clock = 0
        self.log: list[str] = []

    def _uuid(self) -> UUID:
        return UUID(int=self.chance.getrandbits(128), version=4)

    def note(self, *facts: object) -> None:
        self.log.append(f"{self.clock / SECOND:12.3f} " + " ".join(map(str, facts)))

    def pass_time(self, milliseconds: int) -> None:
        self.clock += milliseconds
        advance(self.database, milliseconds)

    def submit(self) -> None:
        tenant, dialect = self.chance.choice(self.tenants[: self.chance.randrange(1, TENANTS + 1)]), self._dialect()
        waiting = self._count("tenant_id = %(tenant)s AND dialect = %(dialect)s AND state = 'queued'", tenant, dialect)
        caller = Caller(tenant, self.users[tenant])
        try:
            job = submit(
                self.database, caller, order_of(dialect, TIMEOUT_SECONDS), Rules(max_waiting_jobs=MOST_WAITING)
            )
        except TooManyJobs:
            assert waiting >= MOST_WAITING
            self.note("refused", dialect, tenant)
        else:
            assert waiting < MOST_WAITING
            self.accepted[job] = (tenant, dialect)
            self.note("accepted", self._short(job), dialect, tenant)

    def _dialect(self) -> str:
        return self.chance.choice(DIALECTS)

    def _count(self, condition: str, tenant: UUID, dialect: str) -> int:
        statement: Any = f"SELECT count(*) AS jobs FROM jobs WHERE {condition}"
        return int(self.database.execute(statement, {"tenant": tenant, "dialect": dialect})[0].jobs)

    def _short(self, job: UUID) -> str:
        """Name a job by its number: its id is the product's choice, and another in each run."""
        return f"job{list(self.accepted).index(job)}" if job in self.accepted else "job-new"

    def look(self) -> None:
        for job in self._some_jobs(3):
            self.see(job)

    def see(self, job: UUID) -> None:
        """A client's view never goes back, and it is offered just what is published and in its time."""
        tenant, dialect = self.accepted[job]
        try:
            view = results.view_job(self.database, tenant, dialect, job)
        except UnknownJob:
            row = self._row(job)
            assert row is None or row.record_over
            return
        shown = describe_export(view, "documented")["status"] if dialect == "smartsync" else view.state
        rank = ORDER.get(shown, END)
        last_rank, last = self.seen.get(job, (-1, shown))
        assert rank >= last_rank, (last, shown)
        assert rank > last_rank or rank < END or shown == last, (last, shown)
        self.seen[job] = rank, shown
        if view.result_key:
            self._download(job, view.result_key, view.state)

    def _download(self, job: UUID, key: str, state: str) -> None:
        found = results.find_download(self.database, key, "99999999999999")
        assert (found is not None) == (state == "succeeded")
        if found:
            result, _ = self.objects[key]  # what is offered is there, and whole
            assert (found.id, found.bytes, found.sha256) == (job, result.bytes, result.sha256)

    def _some_jobs(self, number: int) -> list[UUID]:
        return self.chance.sample(list(self.accepted), min(number, len(self.accepted)))

    def cancel(self) -> None:
        for job in self._some_jobs(1):
            tenant, _ = self.accepted[job]
            before = self._row(job)
            state = queue.cancel(self.database, tenant, job)
            self.note("cancel", self._short(job), state)
            if before is None:
                assert state is None
            else:
                assert state == (before.state if before.state in FINAL else "cancelled")

    def _row(self, job: UUID) -> Any:
        rows = self.database.execute(
            "SELECT *, coalesce(record_until <= now(), false) AS record_over FROM jobs WHERE id = %(id)s",
            {"id": job},
        )
        return rows[0] if rows else None
