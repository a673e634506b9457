"""Several at once: requests that leave together, slots that are taken, rows that pass time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any, TypeVar

from conformance.wire import _CLAIM_LOCK
from service import Service, poll

_T = TypeVar("_T")

# Total and for a tenant, as they come.
SLOTS = {"cxone": (4, 2), "smartsync": (4, 2)}
QUICK = {
    "TAILRACE_CXONE__MIN_INTERVAL_S": "0",
    "TAILRACE_CXONE__ONE_USER_PER_TENANT": "off",
    "TAILRACE_CXONE__READ_LIMIT_PER_S": "10000",
    "TAILRACE_CXONE__MAX_UNFINISHED_JOBS": "5000",
    "TAILRACE_WORKER__POLL_S": "0.2",
}
_BLOCK = """
    INSERT INTO jobs (id, tenant_id, user_id, dialect, dataset, version, permission_id, start_date, end_date, request,
                      state, lease_until, worker, attempt, epoch, started_at, claimed_at)
    SELECT gen_random_uuid(), u.tenant_id, u.id, dialect, 'none', '1', '', '2019-05-22', '2019-05-23', '{}',
           'running', 'infinity', 'blocker', 1, 1, now(), now()
    FROM users u, unnest(%(dialects)s::text[]) dialect, generate_series(1, 4) WHERE u.tenant_id = %(tenant)s
"""


def slots_in(environment: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    """Tell how many jobs of each dialect a server with these settings runs at once, in all and of a tenant."""
    found = {}
    for dialect, (total, per_tenant) in SLOTS.items():
        name = f"TAILRACE_{dialect.upper()}__MAX_CONCURRENT"
        found[dialect] = (
            int(environment.get(name, total)),
            int(environment.get(f"{name}_PER_TENANT", per_tenant)),
        )
    return found


def together(*acts: Callable[[], _T]) -> list[_T]:
    """Do all at the same moment, each in a thread of its own."""
    barrier = Barrier(len(acts))

    def act(one: Callable[[], _T]) -> _T:
        barrier.wait(60)
        return one()

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(act, acts))


@contextmanager
def block(service: Service, *dialects: str) -> Iterator[None]:
    """Take all slots of the dialects, or of both, for jobs that nobody runs."""
    blocker = service.caller()
    with service.database.transaction() as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_CLAIM_LOCK])  # not while a worker takes one
        connection.execute(_BLOCK, {"dialects": list(dialects or SLOTS), "tenant": blocker.tenant.id})
    try:
        poll(lambda: running(service) == 0)
        yield
    finally:
        service.database.execute("DELETE FROM jobs WHERE worker = 'blocker' AND state = 'running'")
        service.database.execute("NOTIFY tailrace_jobs")


def running(service: Service) -> int:
    """Count the jobs that run, those of blockers left out."""
    [row] = service.database.execute(
        "SELECT count(*) AS jobs FROM jobs WHERE state = 'running' AND worker <> 'blocker'"
    )
    return int(row.jobs)


def wait_for_all(service: Service, job_ids: Sequence[str], deadline_seconds: float = 300) -> None:
    """Wait until all these jobs have ended, looking into the database."""
    left = "SELECT count(*) AS jobs FROM jobs WHERE id = ANY(%(ids)s::uuid[]) AND state IN ('queued', 'running')"
    poll(
        lambda: service.database.execute(left, {"ids": list(job_ids)})[0].jobs == 0,
        deadline_seconds,
        pause_seconds=0.02,
    )


def row_of(service: Service, job_id: str) -> Any:
    [row] = service.database.execute("SELECT * FROM jobs WHERE id = %(id)s", {"id": job_id})
    return row
