"""The verbs of the queue. A job's row is its place in the queue; every write of a worker is fenced by the epoch."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.errors import IdleInTransactionSessionTimeout

from tailrace.database.pool import Connection, Database
from tailrace.errors import DatabaseUnavailable
from tailrace.faults import fault_point
from tailrace.jobs.model import CHANNEL, MAX_ATTEMPTS, SHOWN_STATE, Lease, Request, Result, State
from tailrace.jobs.monitoring import ATTEMPT_FAILED, RECOVERED, note_fenced

# Claims go one at a time, so that slots counted are slots there are.
_CLAIM_LOCK = 7_414_651_003
_CLAIM_PAUSE = "2s"


@dataclass(frozen=True, slots=True)
class Slots:
    """How many jobs of a dialect run at once, in all and for one tenant (CX-710)."""

    total: int
    per_tenant: int


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as operators see it."""

    id: UUID
    dialect: str
    dataset: str
    version: str
    state: State
    attempt: int
    created_at: datetime
    finished_at: datetime | None
    result_rows: int | None
    result_bytes: int | None
    error_code: str | None


def claim(database: Database, dialect: str, slots: Slots, worker: str, lease_seconds: float) -> Lease | None:
    """Take the next job: of the tenant with a free slot that was served longest ago, its oldest job.

    Returns None when there is none to take. The lease must be renewed within `lease_seconds`.
    """
    with _one_at_a_time(database) as connection:
        row = connection.execute(
            """
            WITH busy AS (
                SELECT tenant_id, count(*) AS jobs FROM jobs
                WHERE dialect = %(dialect)s AND state = 'running' GROUP BY tenant_id),
            next AS (
                SELECT waiting.id, turn.tenant_id
                FROM tenant_turns turn
                LEFT JOIN busy USING (tenant_id)
                CROSS JOIN LATERAL (
                    SELECT id FROM jobs
                    WHERE dialect = %(dialect)s AND tenant_id = turn.tenant_id
                      AND state = 'queued' AND retry_at <= now()
                    ORDER BY created_at, id LIMIT 1) waiting
                WHERE turn.dialect = %(dialect)s
                  AND coalesce(busy.jobs, 0) < %(per_tenant)s
                  AND (SELECT coalesce(sum(jobs), 0) FROM busy) < %(total)s
                ORDER BY turn.served_at, turn.tenant_id LIMIT 1
                -- A tenant whose request is being accepted just now has its turn at the next look.
                FOR UPDATE OF turn SKIP LOCKED),
            taken AS (SELECT jobs.id, jobs.tenant_id FROM jobs JOIN next USING (id) WHERE state = 'queued'
                      FOR UPDATE OF jobs SKIP LOCKED),
            turned AS (
                UPDATE tenant_turns SET served_at = clock_timestamp() FROM taken
                WHERE tenant_turns.tenant_id = taken.tenant_id AND dialect = %(dialect)s)
            UPDATE jobs SET
                state = 'running', attempt = attempt + 1, epoch = epoch + 1, worker = %(worker)s,
                lease_until = now() + make_interval(secs => %(lease)s), claimed_at = now(),
                started_at = coalesce(started_at, now()),
                deadline_at = coalesce(deadline_at, now() + make_interval(
                    secs => (request #>> '{limits,timeout_seconds}')::float8)),
                slices_done = 0, slices_total = NULL
            FROM taken WHERE jobs.id = taken.id
            RETURNING jobs.id, jobs.tenant_id, user_id, dialect, dataset, attempt, epoch, request, claimed_at,
                      extract(epoch FROM deadline_at - now())::float8 AS remaining
            """,
            {
                "dialect": dialect,
                "per_tenant": slots.per_tenant,
                "total": slots.total,
                "worker": worker,
                "lease": lease_seconds,
            },
        ).fetchone()
        if row is not None:
            fault_point("worker.claim_open")
    return None if row is None else lease_of(row)


def lease_of(row: Any) -> Lease:
    """Read a claim from what it returned."""
    return Lease(
        job_id=row.id,
        tenant_id=row.tenant_id,
        user_id=row.user_id,
        dialect=row.dialect,
        dataset=row.dataset,
        attempt=row.attempt,
        epoch=row.epoch,
        claimed_at=row.claimed_at,
        remaining_seconds=row.remaining,
        request=Request.from_json(row.request),
    )


@contextmanager
def _one_at_a_time(database: Database) -> Iterator[Connection]:
    """Lend a transaction under the claim lock; a process frozen in it loses it soon, so that others can claim."""
    try:
        with database.transaction() as connection:
            connection.execute(
                "SELECT set_config('idle_in_transaction_session_timeout', %s, true), pg_advisory_xact_lock(%s)",
                [_CLAIM_PAUSE, _CLAIM_LOCK],
            )
            yield connection
    except IdleInTransactionSessionTimeout as error:
        raise DatabaseUnavailable("PostgreSQL ended a claim that stood still") from error


def renew(database: Database, lease: Lease, lease_seconds: float, slices_done: int, slices_total: int | None) -> bool:
    """Prolong a lease and note progress; False means the lease is lost: stop at once."""
    return _fenced(
        database,
        lease,
        """
        UPDATE jobs SET lease_until = now() + make_interval(secs => %(lease)s),
                        slices_done = %(done)s, slices_total = %(total)s
        WHERE id = %(id)s AND epoch = %(epoch)s AND state = 'running' RETURNING id
        """,
        {"lease": lease_seconds, "done": slices_done, "total": slices_total},
    )


def finish(database: Database, lease: Lease, result: Result) -> bool:
    """Publish the result by pointer and end the job, in one statement; False means the lease is lost."""
    return _fenced(
        database,
        lease,
        """
        UPDATE jobs SET
            state = 'succeeded', lease_until = NULL, finished_at = now(), slices_done = coalesce(slices_total, 0),
            result_key = %(key)s, result_bytes = %(bytes)s, result_rows = %(rows)s, result_sha256 = %(sha256)s,
            result_compressed_bytes = %(compressed)s, result_replaced = %(replaced)s,
            result_until = now() + make_interval(hours => %(hours)s),
            record_until = now() + make_interval(hours => %(kept)s)
        WHERE id = %(id)s AND epoch = %(epoch)s AND state = 'running' RETURNING id
        """,
        {
            "key": result.key,
            "bytes": result.bytes,
            "rows": result.rows,
            "sha256": result.sha256,
            "compressed": result.compressed_bytes,
            "replaced": result.replaced,
            "hours": lease.request.limits.retention_hours,
            "kept": lease.request.limits.record_hours,
        },
    )


def give_up(database: Database, lease: Lease, error_code: str, *, final: bool) -> bool:
    """End an attempt without a result: the job waits for its next attempt, or fails if `final` or out of attempts.

    Returns False when the lease is lost.
    """
    return _fenced(
        database,
        lease,
        """
        WITH ended AS (UPDATE jobs SET
            lease_until = NULL, retry_at = now() + make_interval(secs => power(2, attempt - 1)),
            state       = CASE WHEN %(final)s OR attempt >= %(most)s THEN 'failed' ELSE 'queued' END::job_state,
            error_code  = CASE WHEN %(final)s OR attempt >= %(most)s THEN %(code)s END,
            finished_at = CASE WHEN %(final)s OR attempt >= %(most)s THEN now() END,
            record_until = CASE WHEN %(final)s OR attempt >= %(most)s THEN now() + make_interval(hours => %(kept)s) END
            WHERE id = %(id)s AND epoch = %(epoch)s AND state = 'running' RETURNING id),
        counted AS (
            INSERT INTO counters (name, value) SELECT %(event)s, 1 FROM ended
            ON CONFLICT (name) DO UPDATE SET value = counters.value + excluded.value)
        SELECT id FROM ended
        """,
        {
            "final": final,
            "most": MAX_ATTEMPTS,
            "code": error_code,
            "kept": lease.request.limits.record_hours,
            "event": f"{ATTEMPT_FAILED}:{error_code}",
        },
    )


def hand_back(database: Database, lease: Lease) -> bool:
    """Put a job back as if it had not been claimed, for a worker that is told to stop; False: the lease is lost."""
    return _fenced(
        database,
        lease,
        """
        UPDATE jobs SET state = 'queued', lease_until = NULL, attempt = attempt - 1, retry_at = now()
        WHERE id = %(id)s AND epoch = %(epoch)s AND state = 'running' RETURNING id
        """,
        {},
    )


def recover(database: Database) -> list[tuple[UUID, State]]:
    """Take jobs back from workers that gave no sign of life, and end those past their deadline or attempts.

    Returns the jobs touched with their new state.
    """
    rows = database.execute(
        """
        WITH late AS (
            SELECT id, state = 'running' AS lost, deadline_at <= now() AS too_long, attempt >= %(most)s AS out FROM jobs
            WHERE (state = 'running' AND lease_until < now()) OR (state = 'queued' AND deadline_at <= now())
            FOR UPDATE SKIP LOCKED),
        counted AS (
            INSERT INTO counters (name, value)
            SELECT %(recovered)s, count(*) FROM late WHERE lost HAVING count(*) > 0
            ON CONFLICT (name) DO UPDATE SET value = counters.value + excluded.value)
        UPDATE jobs SET
            lease_until = NULL, retry_at = now(),
            state       = CASE WHEN too_long OR out THEN 'failed' ELSE 'queued' END::job_state,
            error_code  = CASE WHEN too_long THEN 'took_too_long' WHEN out THEN 'internal' END,
            finished_at = CASE WHEN too_long OR out THEN now() END,
            record_until = CASE WHEN too_long OR out
                                THEN now() + make_interval(hours => (request #>> '{limits,record_hours}')::int) END
        FROM late WHERE jobs.id = late.id RETURNING jobs.id, jobs.state
        """,
        {"most": MAX_ATTEMPTS, "recovered": RECOVERED},
    )
    if any(row.state == "queued" for row in rows):
        database.execute("NOTIFY " + CHANNEL)
    return [(row.id, row.state) for row in rows]


def cancel(database: Database, tenant_id: UUID, job_id: UUID) -> State | None:
    """Cancel an unfinished job at once and tell the state it is in then; None when there is no such job.

    The epoch moves on, so a worker that was about to publish changes nothing (CX-423).
    """
    at = {"tenant": tenant_id, "id": job_id}
    fault_point("cancel.begun")
    stopped = database.execute(
        """
        UPDATE jobs SET state = 'cancelled', error_code = 'cancelled', lease_until = NULL, epoch = epoch + 1,
                        finished_at = now(),
                        record_until = now() + make_interval(hours => (request #>> '{limits,record_hours}')::int)
        WHERE tenant_id = %(tenant)s AND id = %(id)s AND state IN ('queued', 'running') RETURNING id
        """,
        at,
        tenant=tenant_id,
    )
    if stopped:
        fault_point("cancel.committed")
        database.execute("NOTIFY " + CHANNEL)
        return "cancelled"
    # A statement of its own: the one above may have waited for a worker to finish, and its snapshot is older than that.
    rows = database.execute("SELECT state FROM jobs WHERE tenant_id = %(tenant)s AND id = %(id)s", at, tenant=tenant_id)
    return rows[0].state if rows else None


def list_jobs(database: Database, tenant_id: UUID) -> list[JobRow]:
    """List a tenant's jobs of all dialects, newest first."""
    statement: Any = f"""
        SELECT id, dialect, dataset, version, {SHOWN_STATE}, attempt, created_at, finished_at,
               result_rows, result_bytes, error_code
        FROM jobs WHERE tenant_id = %(tenant)s ORDER BY created_at DESC, id
        """
    rows = database.execute(statement, {"tenant": tenant_id}, tenant=tenant_id)
    return [JobRow(*row) for row in rows]


def _fenced(database: Database, lease: Lease, statement: Any, parameters: dict[str, Any]) -> bool:
    """Run a write of a lease's holder; it changes nothing, and this is False, when the lease is no longer its."""
    held = bool(database.execute(statement, parameters | {"id": lease.job_id, "epoch": lease.epoch}))
    if not held:
        note_fenced(database, lease)
    return held
