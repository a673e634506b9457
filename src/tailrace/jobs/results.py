"""What callers may see of jobs and results: status, the signed link, the file behind it, retention."""

import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any, LiteralString
from uuid import UUID

from tailrace.database.pool import Database
from tailrace.database.together import Query
from tailrace.errors import UnknownJob
from tailrace.jobs.kinds import media_type
from tailrace.jobs.model import SHOWN_STATE, JobView, Request
from tailrace.storage.base import Storage

# Digits of a time in milliseconds until the year 5138.
_LONGEST_EXPIRES = 14
_VIEW = f"""
    SELECT id, user_id, dataset, version, permission_id, start_date, end_date, {SHOWN_STATE},
           error_code, slices_done, slices_total, result_key, result_bytes, result_compressed_bytes, result_rows,
           result_replaced, result_until, created_at, started_at, finished_at, request ->> 'format' AS format,
           now() AS read_at
    FROM jobs
"""
# A record past its time is gone, whether or not it has been swept (CX-708).
_SHOWN = " WHERE tenant_id = %(tenant)s AND dialect = %(dialect)s AND coalesce(record_until > now(), true)"


@dataclass(frozen=True, slots=True)
class Download:
    """The file behind a link, with what its answer's headers say."""

    key: str
    bytes: int
    sha256: str
    format: str
    dataset: str
    version: str
    start_date: date
    end_date: date
    id: UUID


def view_job(database: Database, tenant_id: UUID, dialect: str, job_id: UUID) -> JobView:
    """Show one job of the tenant; raises UnknownJob for any other id."""
    return read_job(database.execute(*job_query(tenant_id, dialect, job_id), tenant=tenant_id))


def job_query(tenant_id: UUID, dialect: str, job_id: UUID) -> Query:
    """Ask for one job of the tenant; `read_job` reads what is found."""
    statement: Any = _VIEW + _SHOWN + " AND id = %(id)s"
    return Query(statement, {"tenant": tenant_id, "dialect": dialect, "id": job_id})


def read_job(rows: list[Any]) -> JobView:
    """Read the job that `job_query` has found; raises UnknownJob when there is none."""
    if not rows:
        raise UnknownJob("Job not found")
    return JobView(*rows[0])


def view_jobs(database: Database, tenant_id: UUID, dialect: str) -> list[tuple[UUID, str]]:
    """List id and state of the tenant's jobs, newest first, ties by id (CX-303)."""
    statement: Any = f"SELECT id, {SHOWN_STATE} FROM jobs {_SHOWN} ORDER BY created_at DESC, id"
    rows = database.execute(statement, {"tenant": tenant_id, "dialect": dialect}, tenant=tenant_id)
    return [(row.id, row.state) for row in rows]


def view_own_job(database: Database, tenant_id: UUID, user_id: UUID, dialect: str, job_id: UUID) -> JobView:
    """Show one job that the user made; raises UnknownJob for any other id."""
    job = view_job(database, tenant_id, dialect, job_id)
    if job.user_id != user_id:
        raise UnknownJob("Job not found")
    return job


def view_own_jobs(database: Database, tenant_id: UUID, user_id: UUID, dialect: str) -> list[JobView]:
    """Show all jobs that the user made, newest first, ties by id."""
    statement: Any = _VIEW + _SHOWN + " AND user_id = %(user)s ORDER BY created_at DESC, id"
    rows = database.execute(statement, {"tenant": tenant_id, "user": user_id, "dialect": dialect}, tenant=tenant_id)
    return [JobView(*row) for row in rows]


def find_request(database: Database, tenant_id: UUID, job_id: UUID) -> Request:
    """Read what a job of the tenant was asked for."""
    statement: LiteralString = "SELECT request FROM jobs WHERE tenant_id = %(tenant)s AND id = %(id)s"
    [row] = database.execute(statement, {"tenant": tenant_id, "id": job_id}, tenant=tenant_id)
    return Request.from_json(row.request)


def link_to_store(storage: Storage, job: JobView, life_seconds: int) -> str | None:
    """Make a link to a succeeded job's file that leads straight to the store; None when the server sends the bytes.

    Its life, of whole seconds, begins by this machine's clock and ends by the store's (CX-503, CX-506).
    """
    if job.result_key is None or job.result_until is None:
        raise UnknownJob("Job not found")
    left = int((job.result_until - job.read_at).total_seconds())
    return storage.sign(job.result_key, max(1, min(life_seconds, left)), name_file(job), media_type(job.format))


def name_file(result: Download | JobView) -> str:
    """Name the file a result is saved as (CX-510)."""
    dates = f"{result.start_date}_{result.end_date}"
    return f"{result.dataset}_v{result.version}_{dates}_{result.id}.{result.format}"


def sign_link(link_key: bytes, job: JobView, life_seconds: int) -> str:
    """Make the path and query of a fresh link to a succeeded job's file.

    It lives `life_seconds` from the time the job was read, and never beyond the retention (CX-503, CX-506).
    """
    if job.result_key is None or job.result_until is None:
        raise UnknownJob("Job not found")
    until = min(job.read_at + timedelta(seconds=life_seconds), job.result_until)
    expires = str(int(until.timestamp() * 1000))
    return f"/downloads/{job.result_key}?expires={expires}&signature={_sign(link_key, job.result_key, expires)}"


def is_signed(link_key: bytes, key: str, expires: str, signature: str) -> bool:
    """Tell whether a link is one of ours, unchanged; its age is checked by find_download."""
    if not (expires.isascii() and expires.isdigit() and len(expires) <= _LONGEST_EXPIRES and signature.isascii()):
        return False
    return hmac.compare_digest(_sign(link_key, key, expires), signature)


def _sign(link_key: bytes, key: str, expires: str) -> str:
    digest = hmac.new(link_key, f"{key}\n{expires}".encode(), sha256).digest()
    return urlsafe_b64encode(digest).decode().rstrip("=")


def find_download(database: Database, key: str, expires: str) -> Download | None:
    """Find the file of a genuine link, or None when the link or the result is too old, by the database's clock."""
    rows = database.execute(
        """
        SELECT result_key, result_bytes, result_sha256, request ->> 'format' AS format,
               dataset, version, start_date, end_date, id
        FROM jobs
        WHERE result_key = %(key)s AND state = 'succeeded' AND result_until > now()
          AND %(expires)s::numeric / 1000 > extract(epoch FROM now())
        """,
        {"key": key, "expires": expires},
    )
    return Download(*rows[0]) if rows else None


@dataclass(frozen=True, slots=True)
class Overdue:
    """A result past its retention whose file is still to be removed."""

    job_id: UUID
    key: str
    until: datetime


def overdue_results(
    database: Database, most: int, grace: timedelta = timedelta(), after: Overdue | None = None
) -> list[Overdue]:
    """List results past their retention and the grace that have not been purged, oldest first; those `after` one."""
    rows = database.execute(
        """
        SELECT id, result_key, result_until FROM jobs
        WHERE state = 'succeeded' AND result_until <= now() - %(grace)s AND result_purged_at IS NULL
          AND (%(until)s::timestamptz IS NULL OR (result_until, id) > (%(until)s, %(id)s))
        ORDER BY result_until, id LIMIT %(most)s
        """,
        {"most": most, "grace": grace, "until": after and after.until, "id": after and after.job_id},
    )
    return [Overdue(*row) for row in rows]


def note_purged(database: Database, job_id: UUID) -> None:
    """Note that a result's file has been removed."""
    database.execute("UPDATE jobs SET result_purged_at = now() WHERE id = %(id)s", {"id": job_id})


def remove_old_records(database: Database) -> int:
    """Remove the records of finished jobs past their time whose file is gone; returns how many."""
    rows = database.execute(
        """
        DELETE FROM jobs WHERE record_until <= now() AND (state <> 'succeeded' OR result_purged_at IS NOT NULL)
        RETURNING id
        """
    )
    return len(rows)


def published_keys(database: Database, keys: list[str]) -> set[str]:
    """Tell which of these objects a job points to."""
    rows = database.execute("SELECT result_key FROM jobs WHERE result_key = ANY(%(keys)s)", {"keys": keys})
    return {row.result_key for row in rows}


def unfinished_jobs(database: Database, ids: list[UUID]) -> set[UUID]:
    """Tell which of these jobs are still queued or running."""
    rows = database.execute(
        "SELECT id FROM jobs WHERE id = ANY(%(ids)s) AND state IN ('queued', 'running')", {"ids": ids}
    )
    return {row.id for row in rows}
