"""What monitoring wants to know of jobs: what there is now, and how often what should be rare has happened."""

from dataclasses import dataclass
from typing import Any

from tailrace.database.pool import Database
from tailrace.jobs.model import SHOWN_STATE, Lease

# Events are counted under these names, which the last two have a reason behind, after a colon.
RECOVERED = "recovered"
FENCED = "fenced"
ATTEMPT_FAILED = "attempt_failed"


@dataclass(frozen=True, slots=True)
class JobCounts:
    """The jobs of one dialect in one state; ages in seconds of the oldest of its kind, 0 when there is none.

    `repeated` needed more than one attempt; `overdue` is how long a lease is past its end, `unpurged` how long a
    result is past its retention with its file still there.
    """

    dialect: str
    state: str
    jobs: int
    repeated: int
    waiting: float
    overdue: float
    unpurged: float
    stored_bytes: int


def note_fenced(database: Database, lease: Lease) -> None:
    """Count a write of a holder whose lease was lost: its job was cancelled, or is another's by now."""
    database.execute(
        """
        INSERT INTO counters (name, value)
        SELECT %(event)s || CASE WHEN state = 'cancelled' THEN 'cancelled' ELSE 'taken_over' END, 1
        FROM (SELECT (SELECT state FROM jobs WHERE id = %(id)s)) AS job
        ON CONFLICT (name) DO UPDATE SET value = counters.value + excluded.value
        """,
        {"id": lease.job_id, "event": f"{FENCED}:"},
    )


def count_jobs(database: Database) -> list[JobCounts]:
    """Count the jobs that are recorded, by dialect and state as it is shown."""
    statement: Any = f"""
        SELECT dialect, {SHOWN_STATE}, count(*) AS jobs, count(*) FILTER (WHERE attempt > 1) AS repeated,
               {_age("created_at", "state = 'queued'")} AS waiting,
               {_age("lease_until", "state = 'running'")} AS overdue,
               {_age("result_until", "state = 'succeeded' AND result_purged_at IS NULL")} AS unpurged,
               coalesce(sum(result_bytes + coalesce(result_compressed_bytes, 0))
                        FILTER (WHERE state = 'succeeded' AND result_purged_at IS NULL), 0)::bigint AS stored_bytes
        FROM jobs GROUP BY 1, 2
        """
    return [JobCounts(*row) for row in database.execute(statement)]


def _age(column: str, condition: str) -> str:
    """Write how long the earliest time of some jobs is over; not at all where it is still to come."""
    earliest = f"min({column}) FILTER (WHERE {condition})"
    return f"coalesce(greatest(extract(epoch FROM now() - {earliest}), 0), 0)::float8"


def count_events(database: Database, idle_s: int, max_s: int) -> dict[str, int]:
    """Read how often events have happened, and how many sessions and tokens are good now (SS-031)."""
    rows = database.execute(
        """
        SELECT name, value FROM counters
        UNION ALL
        SELECT 'sessions', count(*) FROM sessions
        WHERE last_used_at > now() - make_interval(secs => %(idle)s)
          AND created_at > now() - make_interval(secs => %(max)s)
        UNION ALL
        SELECT 'tokens', count(*) FROM access_tokens WHERE expires_at > now() AND revoked_at IS NULL
        """,
        {"idle": idle_s, "max": max_s},
    )
    return {row.name: row.value for row in rows}
