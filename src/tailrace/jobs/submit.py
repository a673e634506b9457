"""The one door in: whether a job may exist is decided here, for every dialect alike."""

import math
from dataclasses import dataclass
from datetime import date
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from tailrace.database.pool import Connection, Database
from tailrace.errors import NotPermitted, TenantBusy, TooManyJobs, TooSoon
from tailrace.faults import fault_point
from tailrace.jobs.idempotency import Repeatable, find_earlier, remember
from tailrace.jobs.model import CHANNEL, Request

# What a caller is told to wait when nobody knows how long the other jobs will take (CX-809, CX-810).
_BUSY_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules under which a dialect accepts jobs; without a number a rule is off, as is an interval of 0.

    Unfinished jobs are those waiting and running.
    """

    min_interval_seconds: int = 0
    one_user_per_tenant: bool = False
    max_unfinished_jobs: int | None = None
    max_waiting_jobs: int | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What a caller asks for, resolved: the dates as they were asked for, and all that a worker needs.

    `permission_id` is what the caller must hold; empty where the dialect has checked View permissions instead.
    """

    dialect: str
    dataset: str
    version: str
    permission_id: str
    start_date: date
    end_date: date
    request: Request


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a user of a tenant with the permission ids it has now."""

    tenant_id: UUID
    user_id: UUID
    permissions: frozenset[str] = frozenset()


def submit(
    database: Database, caller: Caller, order: Order, rules: Rules, repeatable: Repeatable | None = None
) -> UUID:
    """Accept a job or say why not; when this returns, the job is durably stored.

    A `repeatable` request sent again gets the job it made before. Raises NotPermitted, IdempotencyInProgress or
    IdempotencyMismatch, TenantBusy, TooSoon or TooManyJobs, in this order (CX-209).
    """
    if order.permission_id and order.permission_id not in caller.permissions:
        raise NotPermitted("User does not have permission to extract this entity")
    with database.transaction(tenant=caller.tenant_id) as connection:
        if repeatable and (earlier := find_earlier(connection, caller.user_id, repeatable)):
            return earlier
        _check_rules(connection, caller, order.dialect, rules)
        fault_point("submit.before_insert")
        job_id = _insert(connection, caller, order)
        if repeatable:
            remember(connection, caller.tenant_id, caller.user_id, repeatable, job_id)
        fault_point("submit.inserted")
    fault_point("submit.committed")
    return job_id


def _check_rules(connection: Connection, caller: Caller, dialect: str, rules: Rules) -> None:
    """Apply the rules of a tenant under its lock, which is held until the job is stored (CX-212)."""
    at = {"tenant": caller.tenant_id, "dialect": dialect, "user": caller.user_id}
    connection.execute(
        "INSERT INTO tenant_turns (tenant_id, dialect) VALUES (%(tenant)s, %(dialect)s) ON CONFLICT DO NOTHING", at
    )
    connection.execute("SELECT FROM tenant_turns WHERE tenant_id = %(tenant)s AND dialect = %(dialect)s FOR UPDATE", at)
    [row] = connection.execute(
        """
        SELECT count(*) AS unfinished,
               count(*) FILTER (WHERE state = 'queued') AS waiting,
               count(*) FILTER (WHERE user_id <> %(user)s) AS of_others,
               (SELECT extract(epoch FROM clock_timestamp() - accepted_at) FROM tenant_turns
                WHERE tenant_id = %(tenant)s AND dialect = %(dialect)s) AS since_last
        FROM jobs
        WHERE tenant_id = %(tenant)s AND dialect = %(dialect)s AND state IN ('queued', 'running')
        """,
        at,
    ).fetchall()
    if rules.one_user_per_tenant and row.of_others:
        raise TenantBusy(
            "Another user of this tenant is extracting data. Wait and try again", retry_after_seconds=_BUSY_SECONDS
        )
    _check_interval(None if row.since_last is None else float(row.since_last), rules.min_interval_seconds)
    if _reached(row.unfinished, rules.max_unfinished_jobs):
        raise TooManyJobs(
            "Too many jobs of this tenant are running. Wait and try again", retry_after_seconds=_BUSY_SECONDS
        )
    if _reached(row.waiting, rules.max_waiting_jobs):
        raise TooManyJobs("Too many jobs waiting", retry_after_seconds=_BUSY_SECONDS)


def _reached(jobs: int, most: int | None) -> bool:
    return most is not None and jobs >= most


def _check_interval(since_last: float | None, interval: int) -> None:
    """Refuse a request within the interval after the last accepted one (CX-801, CX-803)."""
    if since_last is None or since_last >= interval:
        return
    left = min(interval, max(1, math.ceil(interval - since_last)))
    raise TooSoon(
        f"Only one request to extract data is allowed in {interval} seconds. Wait and try again",
        retry_after_seconds=left,
    )


def _insert(connection: Connection, caller: Caller, order: Order) -> UUID:
    job_id = uuid4()
    connection.execute(
        """
        WITH turn AS (
            UPDATE tenant_turns SET accepted_at = clock_timestamp()
            WHERE tenant_id = %(tenant)s AND dialect = %(dialect)s)
        INSERT INTO jobs (id, tenant_id, user_id, dialect, dataset, version, permission_id,
                          start_date, end_date, request)
        VALUES (%(id)s, %(tenant)s, %(user)s, %(dialect)s, %(dataset)s, %(version)s, %(permission)s,
                %(start)s, %(end)s, %(request)s)
        """,
        {
            "id": job_id,
            "tenant": caller.tenant_id,
            "user": caller.user_id,
            "dialect": order.dialect,
            "dataset": order.dataset,
            "version": order.version,
            "permission": order.permission_id,
            "start": order.start_date,
            "end": order.end_date,
            "request": Jsonb(order.request.as_json()),
        },
    )
    connection.execute("NOTIFY " + CHANNEL)
    return job_id
