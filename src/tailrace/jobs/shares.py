"""The verbs of shares: slices of a running job that other workers may render while the job's own goes on.

A share is a row, and nothing rests on it: whatever becomes of it, the job's own worker can render its slices. Every
write names the job's epoch; a helper's also names the key of its object, which no other claim has.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from tailrace.database.pool import Database
from tailrace.jobs.model import CHANNEL, Lease, Rendered, Taken
from tailrace.jobs.queue import lease_of

_FENCE = "job_id = %(job)s AND epoch = %(epoch)s AND number = %(number)s"
_RUNNING = "EXISTS (SELECT FROM jobs WHERE id = %(job)s AND epoch = %(epoch)s AND state = 'running')"


@dataclass(frozen=True, slots=True)
class ShareLease:
    """A helper's claim on a share: whose job it is of, where its object goes, and what to render.

    `job` is what the job's own worker holds; a helper writes nothing under that name.
    """

    job: Lease
    number: int
    key: str
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Leaving:
    """A share whose job has ended or is another's by now, with the object that there may be."""

    job_id: UUID
    epoch: int
    number: int
    key: str | None


# -- the job's own worker -----------------------------------------------------------------------------------------


def offer(database: Database, lease: Lease, contents: Mapping[int, Mapping[str, Any]]) -> int:
    """Offer shares, by their number, and wake other workers; returns how many, none when the lease is lost."""
    statement: Any = f"""
        WITH offered AS (
            INSERT INTO job_shares (job_id, tenant_id, epoch, number, content)
            SELECT %(job)s, %(tenant)s, %(epoch)s, number::int, content
            FROM jsonb_each(%(contents)s) AS share (number, content) WHERE {_RUNNING}
            ON CONFLICT DO NOTHING RETURNING number)
        SELECT number, pg_notify(%(channel)s, '') FROM offered
        """
    given = {"job": lease.job_id, "tenant": lease.tenant_id, "epoch": lease.epoch, "channel": CHANNEL}
    return len(database.execute(statement, given | {"contents": Jsonb(dict(contents))}))


def take(database: Database, lease: Lease, number: int) -> Taken:
    """Take a share's slices, whoever had them, unless a helper is at work on them: from now on no helper may.

    A share that nobody knows of is to be rendered as well.
    """
    statement: Any = f"""
        WITH taken AS (
            UPDATE job_shares SET state = 'left', lease_until = NULL
            WHERE {_FENCE} AND (state <> 'taken' OR lease_until < now()) AND {_RUNNING}
            RETURNING key, bytes, rows)
        SELECT key, bytes, rows, false AS busy FROM taken
        UNION ALL
        SELECT NULL, NULL, NULL, true FROM job_shares
        WHERE {_FENCE} AND state = 'taken' AND lease_until >= now() AND NOT EXISTS (SELECT FROM taken) AND {_RUNNING}
        """
    rows = database.execute(statement, {"job": lease.job_id, "epoch": lease.epoch, "number": number})
    if not rows:
        return "render"
    [row] = rows
    if row.busy:
        return "wait"
    return "render" if row.bytes is None else Rendered(row.key, row.bytes, row.rows)


def forget_unused(database: Database, lease: Lease) -> None:
    """Remove what is left of an attempt's shares, but those that may have an object: housekeeping removes both."""
    database.execute(
        "DELETE FROM job_shares WHERE job_id = %(job)s AND epoch = %(epoch)s AND key IS NULL",
        {"job": lease.job_id, "epoch": lease.epoch},
    )


# -- a helper -----------------------------------------------------------------------------------------------------


def claim(database: Database, dialect: str, worker: str, lease_seconds: float) -> ShareLease | None:
    """Take a share of another worker's job: the last one offered, so that both meet; None when there is none.

    Of several jobs, one whose tenant is helped least.
    """
    rows = database.execute(
        """
        WITH helped AS (SELECT tenant_id, count(*) AS shares FROM job_shares WHERE state = 'taken' GROUP BY tenant_id),
        next AS (
            SELECT share.job_id, share.epoch, share.number
            FROM job_shares share
            JOIN jobs ON jobs.id = share.job_id AND jobs.epoch = share.epoch
            LEFT JOIN helped ON helped.tenant_id = share.tenant_id
            WHERE share.state = 'offered' AND jobs.state = 'running' AND jobs.lease_until > now()
              AND jobs.dialect = %(dialect)s AND jobs.worker <> %(worker)s
            ORDER BY coalesce(helped.shares, 0), jobs.claimed_at, share.job_id, share.number DESC LIMIT 1
            FOR UPDATE OF share SKIP LOCKED)
        UPDATE job_shares share SET
            state = 'taken', worker = %(worker)s, lease_until = now() + make_interval(secs => %(lease)s),
            key = format('%%s/%%s/%%s-%%s.share-%%s',
                         share.tenant_id, share.job_id, jobs.attempt, %(random)s::text, share.number)
        FROM next JOIN jobs ON jobs.id = next.job_id
        WHERE share.job_id = next.job_id AND share.epoch = next.epoch AND share.number = next.number
        RETURNING share.number, share.key, share.content,
                  jobs.id, jobs.tenant_id, user_id, dialect, dataset, attempt, share.epoch, request, claimed_at,
                  extract(epoch FROM deadline_at - now())::float8 AS remaining
        """,
        {"dialect": dialect, "worker": worker, "lease": lease_seconds, "random": secrets.token_hex(8)},
    )
    return ShareLease(lease_of(rows[0]), rows[0].number, rows[0].key, rows[0].content) if rows else None


def renew(database: Database, share: ShareLease, lease_seconds: float) -> bool:
    """Prolong a claim; False means that nobody wants the share any more: stop at once."""
    statement: Any = f"""
        UPDATE job_shares SET lease_until = now() + make_interval(secs => %(lease)s)
        WHERE {_FENCE} AND state = 'taken' AND key = %(key)s AND {_RUNNING} RETURNING number
        """
    return bool(database.execute(statement, _names(share) | {"lease": lease_seconds}))


def finish(database: Database, share: ShareLease, size: int, rows: int) -> bool:
    """Hand over a share's object, which is complete; False means that nobody wants it any more."""
    statement: Any = f"""
        WITH done AS (
            UPDATE job_shares SET state = 'done', lease_until = NULL, bytes = %(bytes)s, rows = %(rows)s
            WHERE {_FENCE} AND state = 'taken' AND key = %(key)s AND {_RUNNING} RETURNING number)
        SELECT number, pg_notify(%(channel)s, '') FROM done
        """
    return bool(database.execute(statement, _names(share) | {"bytes": size, "rows": rows, "channel": CHANNEL}))


def leave(database: Database, share: ShareLease) -> bool:
    """Give up a share: the job's own worker renders it, and no other helper tries; False when it was lost already."""
    statement: Any = f"""
        WITH gone AS (
            UPDATE job_shares SET state = 'left', lease_until = NULL
            WHERE {_FENCE} AND state = 'taken' AND key = %(key)s RETURNING number)
        SELECT number, pg_notify(%(channel)s, '') FROM gone
        """
    return bool(database.execute(statement, _names(share) | {"channel": CHANNEL}))


def _names(share: ShareLease) -> dict[str, Any]:
    return {"job": share.job.job_id, "epoch": share.job.epoch, "number": share.number, "key": share.key}


# -- what is left -------------------------------------------------------------------------------------------------


def leavings(database: Database) -> list[Leaving]:
    """List the shares of attempts that are over."""
    rows = database.execute(
        """
        SELECT job_id, epoch, number, key FROM job_shares share
        WHERE NOT EXISTS (SELECT FROM jobs WHERE id = share.job_id AND epoch = share.epoch AND state = 'running')
        """
    )
    return [Leaving(*row) for row in rows]


def forget(database: Database, job_id: UUID, epoch: int, number: int) -> None:
    """Remove a share whose object, if it had one, is removed."""
    statement: Any = f"DELETE FROM job_shares WHERE {_FENCE}"
    database.execute(statement, {"job": job_id, "epoch": epoch, "number": number})
