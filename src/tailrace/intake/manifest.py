"""Which stored files a tenant's table has: the rows of `stored_files`. A file without such a row is garbage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from tailrace.catalog.wfm import PREFIX
from tailrace.database.pool import Connection, Database
from tailrace.errors import UnknownTenant


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One published file, its `path` relative to the tables folder.

    `first_at` and `last_at` span the range column (UTC); both are None when no row has a value there.
    `specials` are, by column, what of SPECIALS its texts hold, and FILLED where no row lacks a value;
    `sorted_by` are the SQL terms of the rows' order.
    """

    path: str
    rows: int
    bytes: int
    first_at: datetime | None
    last_at: datetime | None
    specials: Mapping[str, Sequence[str]]
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
    specials: Mapping[str, Sequence[str]]
    sorted_by: tuple[str, ...]


def stored_files(
    database: Database, tenant_id: UUID, dataset: str, start: datetime | None = None, end: datetime | None = None
) -> list[StoredFile]:
    """List a table's files, oldest first; with `start` and `end` (UTC, half-open) only those that may hold such rows.

    Files published together come in an arbitrary order that never changes. Raises DatabaseUnavailable.
    """
    rows = database.execute(
        """
        SELECT path, rows, bytes, first_at, last_at, specials, sorted_by FROM stored_files
        WHERE tenant_id = %(tenant_id)s AND dataset = %(dataset)s AND replaced_at IS NULL
          AND (%(start)s::timestamptz IS NULL OR last_at >= %(start)s)
          AND (%(end)s::timestamptz IS NULL OR first_at < %(end)s)
        ORDER BY loaded_at, id
        """,
        {"tenant_id": tenant_id, "dataset": dataset, "start": start, "end": end},
        tenant=tenant_id,
    )
    return [
        StoredFile(row.path, row.rows, row.bytes, row.first_at, row.last_at, row.specials, tuple(row.sorted_by))
        for row in rows
    ]


def known_inputs(database: Database, tenant_id: UUID, dataset: str, sha256s: Sequence[str]) -> dict[str, str]:
    """Tell which of these contents the table holds already, with the name each was loaded under."""
    rows = database.execute(
        """
        SELECT input_sha256, input_name FROM stored_files
        WHERE tenant_id = %(tenant_id)s AND dataset = %(dataset)s AND input_sha256 = ANY(%(sha256s)s)
          AND replaced_at IS NULL
        """,
        {"tenant_id": tenant_id, "dataset": dataset, "sha256s": list(sha256s)},
        tenant=tenant_id,
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
                 specials, sorted_by)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (tenant_id, dataset, input_sha256) WHERE replaced_at IS NULL DO NOTHING
            """,
            [
                *(tenant_id, dataset, new.input_sha256, new.input_name),
                *(
                    new.path,
                    new.rows,
                    new.bytes,
                    new.first_at,
                    new.last_at,
                    Jsonb(new.specials),
                    list(new.sorted_by),
                ),
            ],
        )
    paths = [new.path for new in new_files]
    return {row.path for row in connection.execute("SELECT path FROM stored_files WHERE path = ANY(%s)", [paths])}


def wfm_files(database: Database, tenant_id: UUID) -> dict[str, list[str]]:
    """List the files of a tenant's WFM tables by table name, as of one moment; a table never loaded is not there."""
    rows = database.execute(
        """
        SELECT dataset, array_agg(path ORDER BY loaded_at, id) AS paths FROM stored_files
        WHERE tenant_id = %(tenant_id)s AND starts_with(dataset, %(prefix)s) AND replaced_at IS NULL GROUP BY dataset
        """,
        {"tenant_id": tenant_id, "prefix": PREFIX},
        tenant=tenant_id,
    )
    return {row.dataset.removeprefix(PREFIX): list(row.paths) for row in rows}


def replace_files(connection: Connection, tenant_id: UUID, dataset: str) -> None:
    """Take all files out of a table, inside the caller's transaction; jobs at work may still read them."""
    connection.execute(
        "UPDATE stored_files SET replaced_at = now() WHERE tenant_id = %s AND dataset = %s AND replaced_at IS NULL",
        [tenant_id, dataset],
    )


def forget_replaced(database: Database) -> list[str]:
    """Forget files replaced long ago that no job reads, and return their paths, to be removed.

    A job claimed before a file was replaced may read it until it ends. One claimed in the minute after may too: the
    transaction that replaces takes its time from its beginning, and what it did shows at its end.
    """
    rows = database.execute(
        """
        DELETE FROM stored_files f WHERE replaced_at < now() - interval '1 hour' AND NOT EXISTS (
            SELECT FROM jobs j WHERE j.tenant_id = f.tenant_id AND j.state = 'running'
              AND j.claimed_at <= f.replaced_at + interval '1 minute')
        RETURNING path
        """
    )
    return [row.path for row in rows]


def published_paths(database: Database, paths: Sequence[str]) -> set[str]:
    """Tell which of these paths, relative to the tables folder, are published, or were and may still be read."""
    rows = database.execute("SELECT path FROM stored_files WHERE path = ANY(%(paths)s)", {"paths": list(paths)})
    return {row.path for row in rows}
