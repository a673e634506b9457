"""Which stored files a tenant's table has: the rows of `stored_files`. A file without such a row is garbage."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tailrace.database.pool import Connection, Database
from tailrace.errors import UnknownTenant


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One published file, its `path` relative to the tables folder.

    `first_at` and `last_at` span the range column (UTC); both are None when no row has a value there.
    `plain_columns` hold only text that no format escapes; `sorted_by` are the SQL terms of the order its rows are in.
    """

    path: str
    rows: int
    bytes: int
    first_at: datetime | None
    last_at: datetime | None
    plain_columns: tuple[str, ...]
    sorted_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NewFile:
    """A written file that waits to be published, and the input it was made from."""

    path: str
    rows: int
    bytes: int
    first_at: datetime | None
    last_at: datetime | None
    input_name: str
    input_sha256: str
    plain_columns: tuple[str, ...]
    sorted_by: tuple[str, ...]


def stored_files(
    database: Database, tenant_id: UUID, dataset: str, start: datetime | None = None, end: datetime | None = None
) -> list[StoredFile]:
    """List a table's files, oldest first; with `start` and `end` (UTC, half-open) only those that may hold such rows.

    Files published together come in an arbitrary order that never changes. Raises DatabaseUnavailable.
    """
    rows = database.execute(
        """
        SELECT path, rows, bytes, first_at, last_at, plain_columns, sorted_by FROM stored_files
        WHERE tenant_id = %(tenant_id)s AND dataset = %(dataset)s
          AND (%(start)s::timestamptz IS NULL OR last_at >= %(start)s)
          AND (%(end)s::timestamptz IS NULL OR first_at < %(end)s)
        ORDER BY loaded_at, id
        """,
        {"tenant_id": tenant_id, "dataset": dataset, "start": start, "end": end},
    )
    return [
        StoredFile(
            row.path, row.rows, row.bytes, row.first_at, row.last_at, tuple(row.plain_columns), tuple(row.sorted_by)
        )
        for row in rows
    ]


def known_inputs(database: Database, tenant_id: UUID, dataset: str, sha256s: Sequence[str]) -> dict[str, str]:
    """Tell which of these contents the table holds already, with the name each was loaded under."""
    rows = database.execute(
        """
        SELECT input_sha256, input_name FROM stored_files
        WHERE tenant_id = %(tenant_id)s AND dataset = %(dataset)s AND input_sha256 = ANY(%(sha256s)s)
        """,
        {"tenant_id": tenant_id, "dataset": dataset, "sha256s": list(sha256s)},
    )
    return {row.input_sha256: row.input_name for row in rows}


def publish(connection: Connection, tenant_id: UUID, dataset: str, new_files: Sequence[NewFile]) -> set[str]:
    """Make the files part of the table and return the paths that now are, all inside the caller's transaction.

    A content that somebody else published first keeps his file: its path here is not returned. Publishing the same
    files again changes nothing and returns the same. Raises UnknownTenant.
    """
    found = connection.execute("SELECT 1 FROM tenants WHERE id = %s FOR KEY SHARE", [tenant_id])
    if found.fetchone() is None:
        raise UnknownTenant("The tenant was deleted in the meantime.")
    # One order for all callers, so that two who load the same files wait for each other instead of deadlocking.
    for new in sorted(new_files, key=lambda file: file.input_sha256):
        connection.execute(
            """
            INSERT INTO stored_files
                (tenant_id, dataset, input_sha256, input_name, path, rows, bytes, first_at, last_at,
                 plain_columns, sorted_by)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (tenant_id, dataset, input_sha256) DO NOTHING
            """,
            [
                *(tenant_id, dataset, new.input_sha256, new.input_name),
                *(
                    new.path,
                    new.rows,
                    new.bytes,
                    new.first_at,
                    new.last_at,
                    list(new.plain_columns),
                    list(new.sorted_by),
                ),
            ],
        )
    paths = [new.path for new in new_files]
    return {row.path for row in connection.execute("SELECT path FROM stored_files WHERE path = ANY(%s)", [paths])}


def published_paths(database: Database, paths: Sequence[str]) -> set[str]:
    """Tell which of these paths, relative to the tables folder, are published."""
    rows = database.execute("SELECT path FROM stored_files WHERE path = ANY(%(paths)s)", {"paths": list(paths)})
    return {row.path for row in rows}
