"""Loads input files into a tenant's table: read once, checked, stored as Parquet, published together or not at all."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from tailrace.catalog.loader import Catalog
from tailrace.catalog.model import Dataset, Table
from tailrace.database.pool import Database
from tailrace.errors import LoadRefused
from tailrace.intake.faults import find_faults, word_faults
from tailrace.intake.inputs import Input, Progress, inspect, reopened
from tailrace.intake.kinds import Staged, stage
from tailrace.intake.manifest import NewFile, known_inputs
from tailrace.intake.refusal import refuse
from tailrace.intake.store import MEMORY_LIMIT, Rows, Shipment, Tenant
from tailrace.intake.versions import OneOf, keys_to_fill

_MOST_FILES = 10_000


@dataclass(frozen=True, slots=True)
class FileReport:
    """What became of one input: rows and bytes stored, both 0 when its content was loaded before."""

    name: str
    rows: int
    bytes: int
    already_loaded: bool


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of the inputs of a call, in their order."""

    files: tuple[FileReport, ...]

    @property
    def rows(self) -> int:
        """Rows stored by this call."""
        return sum(file.rows for file in self.files)

    @property
    def bytes(self) -> int:
        """Bytes stored by this call."""
        return sum(file.bytes for file in self.files)


def load_files(  # noqa: PLR0913 - what, for whom, and every choice by name
    database: Database,
    catalog: Catalog,
    tables: Path,
    tenant: Tenant,
    dataset_name: str,
    paths: Sequence[Path],
    *,
    progress: Progress | None = None,
    memory_limit: str = MEMORY_LIMIT,
    threads: int | None = None,
) -> LoadReport:
    """Load CSV, Parquet and NDJSON files into a tenant's dataset: all of them, or none.

    A content that is loaded already changes nothing. `progress` hears a file's name, the bytes checked and its bytes;
    storing, which takes about three times as long as checking, begins after the last file's last byte.
    `memory_limit` bounds DuckDB, as in `1GB`. Raises LoadRefused with each fault's place, UnknownDataset,
    UnknownTenant and DatabaseUnavailable.
    """
    table, versions = catalog.table(dataset_name), catalog.versions(dataset_name)
    if len(paths) > _MOST_FILES:
        raise LoadRefused(f"{len(paths)} files are more than the {_MOST_FILES} of one call; nothing was loaded.")
    inputs = [inspect(path, progress) for path in paths]
    _refuse_twins(inputs)
    known = known_inputs(database, tenant.id, dataset_name, [source.sha256 for source in inputs])
    fresh = [source for source in inputs if source.sha256 not in known]
    with Shipment(database, tables, tenant, table, memory_limit=memory_limit, threads=threads) as shipment:
        stored = {source.sha256: _store(shipment, source, versions, table) for source in fresh}
        published = shipment.publish()
    return LoadReport(tuple(report_on(source.name, stored.get(source.sha256), published) for source in inputs))


def report_on(name: str, stored: NewFile | None, published: set[str]) -> FileReport:
    """Tell what became of one input: a file that was not published had been loaded by somebody else."""
    if stored is None or stored.path not in published:
        return FileReport(name, 0, 0, already_loaded=True)
    return FileReport(name, stored.rows, stored.bytes, already_loaded=False)


def _refuse_twins(inputs: Sequence[Input]) -> None:
    seen: dict[str, Input] = {}
    for source in inputs:
        twin = seen.setdefault(source.sha256, source)
        if twin is not source:
            raise LoadRefused(f"{twin.path} and {source.path} have the same content; nothing was loaded.")


def _store(shipment: Shipment, source: Input, versions: Sequence[Dataset], table: Table) -> NewFile:
    """Stage one file's rows and store them; explains a refusal."""
    with (
        worded(source.name),
        reopened(source, shipment.scratch) as path,
        shipment.connect() as connection,
    ):
        staged = stage(connection, source, path, OneOf(versions))
        values = dict(cell.stored() for cell in staged.cells)
        values |= keys_to_fill(versions, table, list(values))
        rows = Rows(staged.relation, staged.number, values, staged.total)
        with explained(connection, source, staged):
            return shipment.store(connection, rows, source.name, source.sha256)


@contextmanager
def worded(name: str) -> Iterator[None]:
    """Turn DuckDB's and the system's errors into LoadRefused; `name` is what could not be stored."""
    try:
        yield
    except duckdb.Error as error:
        told = isinstance(error, duckdb.IOException | duckdb.OutOfMemoryException)  # others may repeat a value
        reason = str(error).partition("\n")[0] if told else type(error).__name__
        raise LoadRefused(f"{name}: could not be stored ({reason}); nothing was loaded.") from error
    except OSError as error:
        raise LoadRefused(f"{name}: {error.strerror or error}; nothing was loaded.") from error


@contextmanager
def explained(connection: duckdb.DuckDBPyConnection, source: Input, staged: Staged) -> Iterator[None]:
    """Turn the error of a query over staged rows that met a fault into LoadRefused with the place of each."""
    try:
        yield
    except (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.OutOfRangeException) as error:
        raise _explain(connection, source, staged) from error


def _explain(connection: duckdb.DuckDBPyConnection, source: Input, staged: Staged) -> LoadRefused:
    faults, total = find_faults(connection, staged.relation, staged.number, staged.cells)
    if not faults:
        return refuse(source.name, [f"{source.name}: DuckDB could not store a value that passed every check"])
    return refuse(source.name, word_faults(source.name, faults, staged.place), total)
