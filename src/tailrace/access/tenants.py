"""Tenants: those whose data is kept apart."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.errors import UniqueViolation

from tailrace.access.names import check_name
from tailrace.database.pool import Database
from tailrace.errors import AlreadyExists, UnknownTenant


@dataclass(frozen=True, slots=True)
class Tenant:
    """One tenant."""

    id: UUID
    name: str
    created_at: datetime


def create_tenant(database: Database, name: str) -> Tenant:
    """Make a tenant; raises AlreadyExists and NameInvalid."""
    check_name(name)
    try:
        [row] = database.execute(
            "INSERT INTO tenants (name) VALUES (%(name)s) RETURNING id, name, created_at", {"name": name}
        )
    except UniqueViolation:
        raise AlreadyExists(f"There is a tenant '{name}' already.") from None
    return Tenant(*row)


def find_tenant(database: Database, name: str) -> Tenant:
    """Find a tenant by name; raises UnknownTenant."""
    rows = database.execute("SELECT id, name, created_at FROM tenants WHERE name = %(name)s", {"name": name})
    if not rows:
        raise UnknownTenant(f"There is no tenant '{name}'.")
    return Tenant(*rows[0])


def list_tenants(database: Database) -> list[Tenant]:
    """List all tenants by name."""
    return [Tenant(*row) for row in database.execute("SELECT id, name, created_at FROM tenants ORDER BY name")]
