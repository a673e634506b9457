"""The same request sent again under one key makes one job (CX-431, CX-432)."""

from dataclasses import dataclass
from uuid import UUID

from tailrace.database.pool import Connection
from tailrace.errors import IdempotencyInProgress, IdempotencyMismatch

_LIFE_HOURS = 24


@dataclass(frozen=True, slots=True)
class Repeatable:
    """The key a caller gave to a request, and the SHA-256 of what it asked for."""

    key: str
    body_sha256: bytes


def find_earlier(connection: Connection, user_id: UUID, request: Repeatable) -> UUID | None:
    """Find the job an equal request made before; holds the key until the end of the transaction.

    Raises IdempotencyInProgress while another request with the key is being handled, IdempotencyMismatch when it was
    used for something else.
    """
    held = connection.execute(
        "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0)) AS mine", [f"{user_id} {request.key}"]
    ).fetchall()
    if not held[0].mine:
        raise IdempotencyInProgress("A request with this Idempotency-Key is being handled")
    rows = connection.execute(
        """
        SELECT body_sha256, job_id FROM idempotency_keys
        WHERE user_id = %s AND key = %s AND created_at > now() - make_interval(hours => %s)
        """,
        [user_id, request.key, _LIFE_HOURS],
    ).fetchall()
    if not rows:
        return None
    if rows[0].body_sha256 != request.body_sha256:
        raise IdempotencyMismatch("Idempotency-Key was used with another request")
    return UUID(str(rows[0].job_id))


def remember(connection: Connection, tenant_id: UUID, user_id: UUID, request: Repeatable, job_id: UUID) -> None:
    """Note which job a request made; a refused one leaves no note, so its key can be used again."""
    connection.execute(
        """
        INSERT INTO idempotency_keys (tenant_id, user_id, key, body_sha256, job_id) VALUES (%s, %s, %s, %s, %s)
        ON CONFLICT (user_id, key) DO UPDATE
        SET body_sha256 = excluded.body_sha256, job_id = excluded.job_id, created_at = now()
        """,
        [tenant_id, user_id, request.key, request.body_sha256, job_id],
    )
