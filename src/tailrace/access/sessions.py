"""Sessions: what a password login starts, known by a cookie of which only a hash is stored (SS-021 to SS-034)."""

import re
import secrets
import socket
import string
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tailrace.access.guessing import Attempt, note_failure, refuse_guessing
from tailrace.access.hashing import hash_secret
from tailrace.access.passwords import verify
from tailrace.database.pool import Database
from tailrace.errors import NotAuthenticated
from tailrace.faults import fault_point

_LETTERS_AND_DIGITS = string.ascii_letters + string.digits
_RANDOM_CHARACTERS = 32
_FORM = re.compile(r"[A-Za-z0-9]{32}\.[A-Za-z0-9_-]{1,32}")
_MOST_PER_USER = 20  # SS-028
_GREATEST_CUSTOMER_ID = 2_147_483_647
# A use is noted when the last one noted is older than this share of the idle time, so that polling does not write.
_NOTED_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Lives:
    """How long a session lives, in seconds: after its last request, and after the login (SS-031)."""

    idle_s: int
    max_s: int


@dataclass(frozen=True, slots=True)
class Session:
    """A live session and whom it stands for."""

    id: UUID
    tenant_id: UUID
    user_id: UUID


def sign_in(database: Database, customer_id: int, user_name: str, password: str, address: str, lives: Lives) -> str:
    """Start a session and return its id, the only time it is known.

    Raises NotAuthenticated whatever is wrong, in the same time (SS-026), and TooManyAttempts after too many
    failures (SS-027).
    """
    attempt = Attempt("login", f"{customer_id} {user_name}", address)
    refuse_guessing(database, attempt)
    account = _find_account(database, customer_id, user_name)
    right = verify(account.password_hash if account else None, password)
    # Others may have guessed at the same user in the meantime: then not even the right one tells.
    refuse_guessing(database, attempt)
    session_id = _new_id()
    if not (account and right and _start(database, account, session_id, lives)):
        note_failure(database, attempt)
        raise NotAuthenticated("Unauthorized")
    fault_point("login.started")
    return session_id


def find_session(database: Database, session_id: str, lives: Lives) -> Session:
    """Find a live session by its id and note that it is used; raises NotAuthenticated.

    As uses are not noted one by one, a session may end earlier than its idle time by one per cent of it.
    """
    if not _FORM.fullmatch(session_id):
        raise NotAuthenticated("Unauthorized")
    rows = database.execute(
        """
        WITH live AS (
            SELECT s.id, s.tenant_id, s.user_id, s.last_used_at
            FROM sessions s JOIN users u ON u.id = s.user_id
            WHERE s.secret_sha256 = %(hash)s AND u.active
              AND s.last_used_at > now() - make_interval(secs => %(idle)s)
              AND s.created_at > now() - make_interval(secs => %(max)s)
        ), noted AS (
            UPDATE sessions s SET last_used_at = now() FROM live
            WHERE s.id = live.id AND live.last_used_at < now() - make_interval(secs => %(idle)s * %(share)s)
        )
        SELECT id, tenant_id, user_id FROM live
        """,
        {"hash": hash_secret(session_id), "idle": lives.idle_s, "max": lives.max_s, "share": _NOTED_SHARE},
    )
    if not rows:
        raise NotAuthenticated("Unauthorized")
    return Session(*rows[0])


def end_session(database: Database, session: Session) -> None:
    """End a session; one that has ended stays so."""
    database.execute(
        "DELETE FROM sessions WHERE tenant_id = %(tenant)s AND id = %(id)s",
        {"tenant": session.tenant_id, "id": session.id},
        tenant=session.tenant_id,
    )


def _find_account(database: Database, customer_id: int, user_name: str) -> Any:
    """Find whose password is to be compared, or None; a locked user's takes as long as any other's."""
    # Names are printable: what PostgreSQL would not even take as text is nobody's.
    known = 1 <= customer_id <= _GREATEST_CUSTOMER_ID and user_name.isprintable()
    rows = database.execute(
        """
        SELECT u.id, u.tenant_id, u.password_hash FROM users u JOIN tenants t ON t.id = u.tenant_id
        WHERE t.customer_id = %(customer)s AND u.name = %(name)s
        """,
        {"customer": customer_id if known else 0, "name": user_name if known else ""},
    )
    return rows[0] if rows else None


def _start(database: Database, account: Any, session_id: str, lives: Lives) -> bool:
    """Store a session, ending the user's oldest above the most there may be; False when the user may not sign in.

    The user's row is locked, so that neither a lock nor a new password can come between: both end sessions, and
    would miss this one.
    """
    parameters = {
        "tenant": account.tenant_id,
        "user": account.id,
        "password": account.password_hash,
        "hash": hash_secret(session_id),
        "idle": lives.idle_s,
        "max": lives.max_s,
        "most": _MOST_PER_USER,
    }
    with database.transaction() as connection:
        may = connection.execute(
            """
            SELECT 1 FROM users
            WHERE tenant_id = %(tenant)s AND id = %(user)s AND active AND password_hash = %(password)s
            FOR NO KEY UPDATE
            """,
            parameters,
        ).fetchone()
        if may is None:
            return False
        connection.execute(
            """
            INSERT INTO sessions (tenant_id, user_id, secret_sha256, created_at, last_used_at)
            VALUES (%(tenant)s, %(user)s, %(hash)s, clock_timestamp(), clock_timestamp())
            """,
            parameters,
        )
        # Those ended by time go first: they must not push a live one out.
        connection.execute(
            """
            DELETE FROM sessions WHERE user_id = %(user)s AND id NOT IN (
                SELECT id FROM sessions
                WHERE user_id = %(user)s
                  AND last_used_at > clock_timestamp() - make_interval(secs => %(idle)s)
                  AND created_at > clock_timestamp() - make_interval(secs => %(max)s)
                ORDER BY created_at DESC, id LIMIT %(most)s
            )
            """,
            parameters,
        )
    return True


def _new_id() -> str:
    characters = "".join(secrets.choice(_LETTERS_AND_DIGITS) for _ in range(_RANDOM_CHARACTERS))
    return f"{characters}.{_node_name()}"


def _node_name() -> str:
    """Name this machine in the characters an id may have (SS-024)."""
    first = socket.gethostname().partition(".")[0]
    return re.sub(r"[^A-Za-z0-9_-]+", "-", first)[:32].strip("-") or "node"
