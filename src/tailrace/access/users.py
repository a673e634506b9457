"""Users: the accounts of a tenant, and what each may extract."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg.errors import UniqueViolation

from tailrace.access.names import check_name
from tailrace.access.tenants import Tenant
from tailrace.database.pool import Database
from tailrace.errors import AlreadyExists, UnknownUser


@dataclass(frozen=True, slots=True)
class User:
    """One user of a tenant with the permission ids granted to it."""

    id: UUID
    tenant_id: UUID
    name: str
    active: bool
    permissions: tuple[str, ...] = ()


def create_user(database: Database, tenant: Tenant, name: str) -> User:
    """Make a user without any permission; raises AlreadyExists and NameInvalid."""
    check_name(name)
    try:
        [row] = database.execute(
            "INSERT INTO users (tenant_id, name) VALUES (%(tenant)s, %(name)s) RETURNING id, tenant_id, name, active",
            {"tenant": tenant.id, "name": name},
            tenant=tenant.id,
        )
    except UniqueViolation:
        raise AlreadyExists(f"Tenant '{tenant.name}' has a user '{name}' already.") from None
    return User(*row)


def find_user(database: Database, tenant: Tenant, name: str) -> User:
    """Find a user of the tenant by name; raises UnknownUser."""
    for user in list_users(database, tenant):
        if user.name == name:
            return user
    raise UnknownUser(f"Tenant '{tenant.name}' has no user '{name}'.")


def list_users(database: Database, tenant: Tenant) -> list[User]:
    """List the tenant's users by name."""
    rows = database.execute(
        """
        SELECT u.id, u.tenant_id, u.name, u.active,
               array(SELECT p.permission_id FROM user_permissions p WHERE p.user_id = u.id ORDER BY 1) AS permissions
        FROM users u WHERE u.tenant_id = %(tenant)s ORDER BY u.name
        """,
        {"tenant": tenant.id},
        tenant=tenant.id,
    )
    return [User(row.id, row.tenant_id, row.name, row.active, tuple(row.permissions)) for row in rows]


def set_active(database: Database, user: User, *, active: bool) -> None:
    """Lock a user or undo that; a locked one's keys and tokens are refused, and its sessions end (SS-031)."""
    parameters = {"tenant": user.tenant_id, "user": user.id, "active": active}
    with database.transaction(tenant=user.tenant_id) as connection:
        connection.execute(
            "UPDATE users SET active = %(active)s WHERE tenant_id = %(tenant)s AND id = %(user)s", parameters
        )
        if not active:
            connection.execute("DELETE FROM sessions WHERE tenant_id = %(tenant)s AND user_id = %(user)s", parameters)


def allow(database: Database, user: User, permission_ids: Sequence[str]) -> None:
    """Grant permissions to a user; those it has already stay."""
    database.execute(
        """
        INSERT INTO user_permissions (tenant_id, user_id, permission_id)
        SELECT %(tenant)s, %(user)s, unnest(%(ids)s::text[]) ON CONFLICT DO NOTHING
        """,
        {"tenant": user.tenant_id, "user": user.id, "ids": list(permission_ids)},
        tenant=user.tenant_id,
    )


def deny(database: Database, user: User, permission_ids: Sequence[str]) -> None:
    """Withdraw permissions from a user; accepted jobs go on, but no link is given out any more (CX-823)."""
    database.execute(
        """
        DELETE FROM user_permissions
        WHERE tenant_id = %(tenant)s AND user_id = %(user)s AND permission_id = ANY(%(ids)s)
        """,
        {"tenant": user.tenant_id, "user": user.id, "ids": list(permission_ids)},
        tenant=user.tenant_id,
    )
