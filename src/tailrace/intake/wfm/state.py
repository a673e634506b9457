"""What a tenant has before a load: its number, its users and the stored files of its WFM tables."""

from dataclasses import dataclass
from uuid import UUID

from tailrace.catalog.wfm import PREFIX
from tailrace.database.pool import Connection
from tailrace.errors import UnknownTenant


@dataclass(frozen=True, slots=True)
class StoredTable:
    """The file of a table: its path relative to the tables folder, and the content it was made from."""

    path: str
    input_sha256: str


@dataclass(frozen=True, slots=True)
class State:
    """What a load is checked against; `users` are ids by name."""

    customer_id: int
    users: dict[str, UUID]
    stored: dict[str, StoredTable]


def read_state(connection: Connection, tenant_id: UUID) -> State:
    """Read a tenant's state; raises UnknownTenant."""
    tenant = connection.execute("SELECT customer_id FROM tenants WHERE id = %s", [tenant_id]).fetchone()
    if tenant is None:
        raise UnknownTenant("The tenant was deleted in the meantime.")
    users = connection.execute("SELECT name, id FROM users WHERE tenant_id = %s", [tenant_id]).fetchall()
    return State(tenant.customer_id, {row.name: row.id for row in users}, read_stored(connection, tenant_id))


def read_stored(connection: Connection, tenant_id: UUID) -> dict[str, StoredTable]:
    """Read which file each WFM table of a tenant has."""
    rows = connection.execute(
        """
        SELECT dataset, path, input_sha256 FROM stored_files
        WHERE tenant_id = %s AND starts_with(dataset, %s) AND replaced_at IS NULL
        """,
        [tenant_id, PREFIX],
    )
    return {row.dataset.removeprefix(PREFIX): StoredTable(row.path, row.input_sha256) for row in rows}
