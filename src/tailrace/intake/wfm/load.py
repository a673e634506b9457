"""Loads a folder of WFM tables for a tenant: each file replaces its table, all in one moment or nothing at all.

Files are read and their values checked one by one; then the tables are checked together, as they would be: those
with a file as in the file, the others as loaded before. Only what passed is stored, and published in one transaction.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import duckdb
from psycopg.errors import ForeignKeyViolation

from tailrace.catalog.wfm import PREFIX, VIEW_TABLE, load_wfm_tables
from tailrace.database.pool import Connection, Database
from tailrace.errors import LoadRefused
from tailrace.formats.base import quote_name
from tailrace.intake.inputs import Input, Progress, inspect
from tailrace.intake.load import worded
from tailrace.intake.manifest import NewFile, publish, replace_files
from tailrace.intake.store import MEMORY_LIMIT, Tenant, Written
from tailrace.intake.wfm.copies import rewrite_copies
from tailrace.intake.wfm.examine import Problems, examine, make_tables, word_findings
from tailrace.intake.wfm.folder import find_files
from tailrace.intake.wfm.staging import stage_table
from tailrace.intake.wfm.state import read_state, read_stored

_TRIES = 5


@dataclass(frozen=True, slots=True)
class TableReport:
    """What became of a table's file: the rows stored, 0 when its content was loaded before."""

    table: str
    file: str
    rows: int
    already_loaded: bool


@dataclass(frozen=True, slots=True)
class WfmReport:
    """What became of a folder, in the order of the tables."""

    tables: tuple[TableReport, ...]

    @property
    def rows(self) -> int:
        """Rows stored by this call."""
        return sum(table.rows for table in self.tables)


class _OvertakenError(Exception):
    """Another load published, or a user was removed, after this one had read what it checks against."""


def load_wfm(
    database: Database,
    tables: Path,
    tenant: Tenant,
    folder: Path,
    *,
    progress: Progress | None = None,
    memory_limit: str = MEMORY_LIMIT,
    threads: int | None = None,
) -> WfmReport:
    """Replace a tenant's WFM tables by the files of a folder that are named after them: all of them, or none.

    A table whose file has the content it was loaded from stays as it is; `entity_view` becomes the users' views.
    `progress` and `memory_limit` are as for `load_files`. Raises LoadRefused with each fault's place, UnknownTenant
    and DatabaseUnavailable.
    """
    problems, inputs = Problems(), dict[str, Input]()
    for name, path in find_files(folder).items():
        try:
            inputs[name] = inspect(path, progress)
        except LoadRefused as refusal:
            problems.take(name, refusal)
    for _ in range(_TRIES):
        with Written(database, tables, tenant, memory_limit=memory_limit, threads=threads) as written:
            try:
                return _Load(database, tables, tenant, written, inputs).run(str(folder), problems)
            except _OvertakenError:
                problems = Problems()
    raise LoadRefused(f"{folder}: {_TRIES} other loads were quicker; nothing was loaded.")


class _Load:
    """One try at a folder, against one state of the tenant."""

    def __init__(
        self, database: Database, tables: Path, tenant: Tenant, written: Written, inputs: Mapping[str, Input]
    ) -> None:
        with database.transaction(tenant=tenant.id) as connection:
            self._state = read_state(connection, tenant.id)
        self._tables, self._tenant, self._written, self._inputs = tables, tenant, written, inputs
        self._fresh = {name: source for name, source in inputs.items() if self._is_new(name, source)}
        self._staged: dict[str, tuple[Path, int]] = {}

    def _is_new(self, table: str, source: Input) -> bool:
        stored = self._state.stored.get(table)
        return stored is None or stored.input_sha256 != source.sha256

    def run(self, name: str, problems: Problems) -> WfmReport:
        """Check, store and publish; `problems` are those of files that could not even be read."""
        unread = frozenset(problems.shown)
        for table, source in self._fresh.items():
            try:
                self._staged[table] = stage_table(self._written, load_wfm_tables()[table], source)
            except LoadRefused as refusal:
                problems.take(table, refusal)
        with worded(name), ExitStack() as opened, self._written.connect() as connection:
            stored = {table: self._tables / file.path for table, file in self._state.stored.items()}
            staged = {table: path for table, (path, _) in self._staged.items()}
            make_tables(connection, opened, self._state, stored, staged)
            findings = examine(connection, frozenset(self._fresh), unread | (self._fresh.keys() - staged.keys()))
            word_findings(problems, findings, self._fresh, self._written.scratch)
            if problems.total:
                raise problems.refusal(name)
            self._store_all(connection)
        return WfmReport(tuple(self._report(table) for table in self._inputs))

    def _store_all(self, connection: duckdb.DuckDBPyConnection) -> None:
        if not self._fresh:
            return
        files = {table: self._store(connection, table) for table in self._fresh if table != VIEW_TABLE}
        self._written.publish_by(lambda transaction: self._publish(transaction, connection, files))

    def _store(self, connection: duckdb.DuckDBPyConnection, name: str) -> NewFile:
        """Write a table's file, in its order."""
        table, source = load_wfm_tables()[name], self._fresh[name]
        order = tuple(quote_name(column) for column in table.order)
        columns = ", ".join(quote_name(column.name) for column in table.columns)
        query = f"SELECT {columns} FROM {quote_name(name)}" + (f" ORDER BY {', '.join(order)}" if order else "")
        path, rows = self._written.new_path(PREFIX + name), self._staged[name][1]
        new = NewFile(path, rows, 0, None, None, source.name, source.sha256, {}, order)
        return self._written.write(connection, query, new, lambda _: new)

    def _publish(
        self, transaction: Connection, rows: duckdb.DuckDBPyConnection, files: Mapping[str, NewFile]
    ) -> set[str]:
        """Put the files in the place of those before, unless what they were checked against is not so any more."""
        paths = {new.path for new in files.values()}
        transaction.execute("SET LOCAL statement_timeout = '5min'")  # the copies of one's own or of who is before
        # Loads of one tenant queue here. Nobody else waits: this lock lets rows that refer to the tenant be made.
        transaction.execute("SELECT FROM tenants WHERE id = %s FOR NO KEY UPDATE", [self._tenant.id])
        if paths and _known(transaction, paths):  # an earlier try was committed, but its answer was lost
            return paths
        if read_stored(transaction, self._tenant.id) != self._state.stored:
            raise _OvertakenError
        for table, new in files.items():
            replace_files(transaction, self._tenant.id, PREFIX + table)
            publish(transaction, self._tenant.id, PREFIX + table, [new])
        try:
            rewrite_copies(transaction, rows, self._tenant.id, self._state, self._fresh)
        except ForeignKeyViolation as error:
            raise _OvertakenError from error
        return paths

    def _report(self, table: str) -> TableReport:
        is_new = table in self._fresh
        return TableReport(table, self._inputs[table].name, self._staged[table][1] if is_new else 0, not is_new)


def _known(transaction: Connection, paths: set[str]) -> bool:
    found = transaction.execute("SELECT count(*) AS files FROM stored_files WHERE path = ANY(%s)", [list(paths)])
    return bool(found.fetchone().files)  # type: ignore[union-attr]  # a count is one row
