"""Writes rows as stored Parquet files and publishes them: all files of a call, or none.

Whatever brings rows in (an input file, a sample) describes them as `Rows`; from there on there is one way.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path
from typing import Protocol, Self
from uuid import UUID, uuid4

import duckdb

from tailrace.catalog.model import Column, Table
from tailrace.database.pool import Connection, Database
from tailrace.engines.parquet.filled import find_filled
from tailrace.errors import DatabaseUnavailable, LoadRefused
from tailrace.formats.base import FILLED, ROW_KEY, quote_name, quote_text, sql_type, write_order
from tailrace.intake.manifest import NewFile, publish
from tailrace.intake.specials import find_specials

MEMORY_LIMIT = "1GB"
# A row group is what a reader can skip or take as a whole; small, as a slice of a few minutes is common, and as a
# writer keeps some of them in memory.
PARQUET = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 16384"


class Tenant(Protocol):
    """Whom the rows belong to."""

    @property
    def id(self) -> UUID:
        """The tenant's id, which names its folder."""

    @property
    def name(self) -> str:
        """The tenant's name, for people."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows ready to be stored, as SQL: `relation` goes after FROM, `number` counts them from 1 in input order.

    `values` has an expression of the stored type for each stored column that the rows have; `total` is how many
    rows there must be.
    """

    relation: str
    number: str
    values: Mapping[str, str]
    total: int


def stored_type(column: Column) -> str:
    """Name the SQL type a column is stored as."""
    return sql_type(column.type, column.precision, column.stored_scale)


@contextmanager
def open_duckdb(
    scratch: Path, memory_limit: str = MEMORY_LIMIT, threads: int | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Lend a DuckDB that keeps within `memory_limit` by spilling into `scratch`, and never fetches an extension."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit,
        "temp_directory": str(scratch),
        "preserve_insertion_order": True,  # row numbers of staged rows are the input's order
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if threads is not None:
        config["threads"] = threads
    with duckdb.connect(config=config) as connection:
        connection.execute("SET enable_progress_bar = false")
        yield connection


class Written:
    """The files one call writes for a tenant: published together, or removed together.

    Used as a context manager; what is not published when it ends is removed. After a kill, leftovers have no row
    in `stored_files` and so belong to nothing.
    """

    def __init__(
        self,
        database: Database,
        tables: Path,
        tenant: Tenant,
        *,
        memory_limit: str = MEMORY_LIMIT,
        threads: int | None = None,
    ) -> None:
        """Prepare; the scratch folder is made when it is entered."""
        self._database, self._tables, self._tenant = database, tables, tenant
        self._memory_limit, self._threads = memory_limit, threads
        self._waiting: list[NewFile] = []
        self._unfinished: set[Path] = set()
        self.scratch = tables / f".scratch-{uuid4()}"

    def __enter__(self) -> Self:
        """Make the scratch folder."""
        _make(self.scratch)
        return self

    def __exit__(self, *_: object) -> None:
        """Remove whatever was not published."""
        for path in self._unfinished:
            path.unlink(missing_ok=True)
        shutil.rmtree(self.scratch, ignore_errors=True)

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Lend a DuckDB of its own, so that nothing of one file stays for the next."""
        with open_duckdb(self.scratch, self._memory_limit, self._threads) as connection:
            yield connection

    def write(
        self,
        connection: duckdb.DuckDBPyConnection,
        query: str,
        new: NewFile,
        measure: Callable[[str], NewFile],
    ) -> NewFile:
        """Write a query's rows as the file `new.path`, complete and on the disk, but not published yet.

        `new.rows` is how many there must be; `measure` tells what else to keep of the file, whose path for reading
        it is given. Raises duckdb.Error when a value cannot be stored and LoadRefused when rows went astray.
        """
        path = self._tables / new.path
        unfinished = path.with_name(f".{path.name}.tmp")
        _make(path.parent)
        self._unfinished |= {path, unfinished}
        connection.execute(f"COPY ({query}) TO {quote_text(str(unfinished))} ({PARQUET})")
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
            stored = f"/proc/self/fd/{file.fileno()}"  # its path may hold pattern characters
            [(rows,)] = connection.execute("SELECT count(*) FROM read_parquet($1)", [stored]).fetchall()
            if rows != new.rows:
                raise LoadRefused(
                    f"{new.input_name}: {new.rows} rows were read, but {rows} stored; nothing was loaded."
                )
            new = replace(measure(stored), bytes=file.seek(0, os.SEEK_END))
        unfinished.rename(path)
        for folder in (path.parent, path.parent.parent, self._tables):
            _sync(folder)
        self._waiting.append(new)
        return new

    def new_path(self, table: str) -> str:
        """Name a file of a table that is not there yet, relative to the tables folder."""
        return f"{self._tenant.id}/{table}/{uuid4()}.parquet"

    def publish_by(self, publish: Callable[[Connection], set[str]]) -> set[str]:
        """Let `publish` do it in a transaction and return the paths that it says are published.

        The other files are removed at the end. Raises DatabaseUnavailable and what `publish` raises.
        """
        self._touch()
        sent = False
        for last_try in (False, True):
            try:
                with self._database.transaction(tenant=self._tenant.id) as connection:
                    published = publish(connection)
                    sent = True
                break
            except DatabaseUnavailable:
                # Without an answer to COMMIT nobody knows whether the files are published: ask by doing it again,
                # and rather leave garbage than remove a published file.
                if last_try or not sent:
                    self._unfinished = set() if sent else self._unfinished
                    raise
        self._unfinished -= {self._tables / path for path in published}
        return published

    def _touch(self) -> None:
        """Make the files young again, as old ones without a row are swept; raises LoadRefused when one is gone."""
        try:
            for new in self._waiting:
                os.utime(self._tables / new.path)
        except OSError as error:
            raise LoadRefused(f"A stored file is not there any more ({error.strerror}); nothing was loaded.") from error


class Shipment(Written):
    """The files one call adds to one table."""

    def __init__(
        self,
        database: Database,
        tables: Path,
        tenant: Tenant,
        table: Table,
        *,
        memory_limit: str = MEMORY_LIMIT,
        threads: int | None = None,
    ) -> None:
        """Prepare; folders are made when the shipment is entered."""
        super().__init__(database, tables, tenant, memory_limit=memory_limit, threads=threads)
        self._table = table
        self._load_id = ""

    def __enter__(self) -> Self:
        """Make the scratch folder and the load's id, which grows with time (the database's)."""
        now = self._database.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us")[0].us
        self._load_id = f"{now:014x}{secrets.token_hex(3)}"
        return super().__enter__()

    def store(self, connection: duckdb.DuckDBPyConnection, rows: Rows, input_name: str, input_sha256: str) -> NewFile:
        """Write the rows as one file, complete and on the disk, but not published yet.

        Raises duckdb.Error when a value cannot be stored and LoadRefused when rows went astray.
        """
        query = stored_query(self._table, rows, f"{self._load_id}-{len(self._waiting) + 1:05d}-")
        path = self.new_path(self._table.name)
        new = NewFile(path, rows.total, 0, None, None, input_name, input_sha256, {}, ())
        return self.write(connection, query, new, lambda stored: _measure(connection, stored, self._table, new))

    def publish(self) -> set[str]:
        """Publish the files in one transaction and return the paths that are part of the table now.

        A path is not among them when somebody else published the same input first; its file is removed at the end.
        Raises DatabaseUnavailable and UnknownTenant.
        """
        if not self._waiting:
            return set()
        return self.publish_by(lambda connection: publish(connection, self._tenant.id, self._table.name, self._waiting))


def stored_query(table: Table, rows: Rows, key: str) -> str:
    """Write the query for a stored file: every stored column in the table's order, then the row key, sorted."""
    row_key = f"printf({quote_text(key.replace('%', '%%') + '%010d')}, {rows.number})"
    columns = [(column.source, stored_type(column)) for column in table.columns]
    columns += [(hidden, "VARCHAR") for hidden in table.hidden_keys]
    parts = [f"{_value(rows, source, kind, row_key)} AS {quote_name(source)}" for source, kind in columns]
    parts.append(f"{row_key} AS {quote_name(ROW_KEY)}")
    order = ", ".join([*stored_order(table), quote_name(ROW_KEY)])
    return f"FROM (SELECT {', '.join(parts)} FROM {rows.relation}) ORDER BY {order}"


def stored_order(table: Table) -> tuple[str, ...]:
    """Tell the SQL terms of the order in which rows are stored; the row key decides between what is alike in them."""
    return write_order(table.range_column, [column.as_field() for column in table.order])


# Stands for "the row key" among the values of `Rows`, which do not know it.
ROW_KEY_VALUE = "row key"


def _value(rows: Rows, source: str, kind: str, row_key: str) -> str:
    value = rows.values.get(source, "NULL")
    return f"CAST({row_key if value == ROW_KEY_VALUE else value} AS {kind})"


def _measure(connection: duckdb.DuckDBPyConnection, path: str, table: Table, new: NewFile) -> NewFile:
    """Read back what a file's row in `stored_files` tells of it."""
    stored = f"read_parquet({quote_text(path)})"
    time = f"CAST({quote_name(table.range_column)} AS TIMESTAMP)"
    [(first, last)] = connection.execute(f"SELECT min({time}), max({time}) FROM {stored}").fetchall()
    texts = [column.source for column in table.columns if column.type == "text"]
    found = find_specials(connection, stored, texts)
    filled = find_filled(connection, path).filled
    known = {column.source: found.get(column.source, ()) for column in table.columns}
    return replace(
        new,
        first_at=first and first.replace(tzinfo=UTC),
        last_at=last and last.replace(tzinfo=UTC),
        specials={name: (*held, FILLED) if name in filled else held for name, held in known.items()},
        sorted_by=stored_order(table),
    )


def _make(folder: Path) -> None:
    """Make a folder with those above it; raises LoadRefused."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LoadRefused(f"{error.filename}: {error.strerror}; nothing was loaded.") from error


def _sync(folder: Path) -> None:
    """Bring a folder's entries to the disk, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
