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
    customer_id: int


def create_tenant(database: Database, name: str, customer_id: int | None = None) -> Tenant:
    """Make a tenant that is signed in to under a number, 1 to 2,147,483,647 (SS-033): the lowest free unless given.

    Raises AlreadyExists and NameInvalid.
    """
    check_name(name)
    try:
        with database.transaction() as connection:
            # Two at once would take the same free number.
            connection.execute("LOCK TABLE tenants IN SHARE ROW EXCLUSIVE MODE")
            [row] = connection.execute(
                """
                INSERT INTO tenants (name, customer_id)
                VALUES (%(name)s, coalesce(%(customer)s, (
                    SELECT min(free) FROM (SELECT 1::bigint UNION ALL SELECT customer_id + 1 FROM tenants) f (free)
                    WHERE NOT EXISTS (SELECT FROM tenants WHERE customer_id = free)
                )))
                RETURNING id, name, created_at, customer_id
                """,
                {"name": name, "customer": customer_id},
            ).fetchall()
    except UniqueViolation as error:
        if error.diag.constraint_name == "tenants_customer_id_key":
            raise AlreadyExists(f"There is a tenant with customer id {customer_id} already.") from None
        raise AlreadyExists(f"There is a tenant '{name}' already.") from None
    return Tenant(*row)


def find_tenant(database: Database, name: str) -> Tenant:
    """Find a tenant by name; raises UnknownTenant."""
    rows = database.execute(
        "SELECT id, name, created_at, customer_id FROM tenants WHERE name = %(name)s", {"name": name}
    )
    if not rows:
        raise UnknownTenant(f"There is no tenant '{name}'.")
    return Tenant(*rows[0])


def list_tenants(database: Database) -> list[Tenant]:
    """List all tenants by name."""
    rows = database.execute("SELECT id, name, created_at, customer_id FROM tenants ORDER BY name")
    return [Tenant(*row) for row in rows]
