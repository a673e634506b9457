"""Access keys: what a program signs in with. The secret is shown once and kept only as a hash."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tailrace.access.guessing import Attempt, note_failure, refuse_guessing
from tailrace.access.hashing import hash_secret, is_secret
from tailrace.access.tenants import Tenant
from tailrace.access.users import User
from tailrace.database.pool import Database
from tailrace.errors import NotAuthenticated, UnknownKey


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made, the only time its secret is known."""

    access_key_id: str
    access_key_secret: str


@dataclass(frozen=True, slots=True)
class Key:
    """An access key as it is listed."""

    id: str
    user_name: str
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """Whom a key stands for."""

    access_key_id: str
    tenant_id: UUID
    tenant_name: str
    user_id: UUID
    user_name: str


def create_key(database: Database, user: User) -> NewKey:
    """Make an access key for a user."""
    new = NewKey(secrets.token_hex(16).upper(), secrets.token_urlsafe(32))
    database.execute(
        """
        INSERT INTO access_keys (id, tenant_id, user_id, secret_sha256)
        VALUES (%(id)s, %(tenant)s, %(user)s, %(hash)s)
        """,
        {
            "id": new.access_key_id,
            "tenant": user.tenant_id,
            "user": user.id,
            "hash": hash_secret(new.access_key_secret),
        },
        tenant=user.tenant_id,
    )
    return new


def list_keys(database: Database, tenant: Tenant) -> list[Key]:
    """List the tenant's keys, oldest first."""
    rows = database.execute(
        """
        SELECT k.id, u.name, k.created_at, k.revoked_at
        FROM access_keys k JOIN users u ON u.id = k.user_id
        WHERE k.tenant_id = %(tenant)s ORDER BY k.created_at, k.id
        """,
        {"tenant": tenant.id},
        tenant=tenant.id,
    )
    return [Key(*row) for row in rows]


def revoke_key(database: Database, tenant: Tenant, access_key_id: str) -> None:
    """Revoke a key and with it all its tokens, from the next request on; raises UnknownKey."""
    rows = database.execute(
        """
        UPDATE access_keys SET revoked_at = coalesce(revoked_at, now())
        WHERE tenant_id = %(tenant)s AND id = %(id)s RETURNING id
        """,
        {"tenant": tenant.id, "id": access_key_id},
        tenant=tenant.id,
    )
    if not rows:
        raise UnknownKey(f"Tenant '{tenant.name}' has no access key of that id.")


def authenticate(database: Database, access_key_id: str, access_key_secret: str, address: str) -> KeyOwner:
    """Find whom an access key stands for.

    Raises NotAuthenticated whatever is wrong with the key, TooManyAttempts after too many failures (CX-117).
    """
    attempt = Attempt("key", access_key_id, address)
    refuse_guessing(database, attempt)
    # No key has a NUL in its id, and PostgreSQL takes none.
    rows = database.execute(
        """
        SELECT k.id, k.secret_sha256, k.tenant_id, t.name AS tenant_name, k.user_id, u.name AS user_name
        FROM access_keys k JOIN users u ON u.id = k.user_id JOIN tenants t ON t.id = k.tenant_id
        WHERE k.id = %(id)s AND k.revoked_at IS NULL AND u.active
        """,
        {"id": access_key_id.replace("\0", " ")},
    )
    if not is_secret(access_key_secret, rows[0].secret_sha256 if rows else None):
        note_failure(database, attempt)
        raise NotAuthenticated("Unauthorized")
    row = rows[0]
    return KeyOwner(row.id, row.tenant_id, row.tenant_name, row.user_id, row.user_name)
