"""Makes sample rows: a dataset's generator is SQL in `NAME.sample.sql` beside its TOML files.

The same dataset, rows, seed and dates give the same rows everywhere. They are stored by the way input files are.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import duckdb

from tailrace.catalog.loader import Catalog
from tailrace.catalog.model import Column, Table
from tailrace.database.pool import Database
from tailrace.errors import LoadRefused, UnknownDataset
from tailrace.formats.base import quote_name, quote_text
from tailrace.intake.faults import Cell
from tailrace.intake.inputs import Progress
from tailrace.intake.load import LoadReport, report_on
from tailrace.intake.manifest import known_inputs
from tailrace.intake.store import MEMORY_LIMIT, PARQUET, Rows, Shipment, Tenant, open_duckdb
from tailrace.intake.values import from_typed
from tailrace.intake.versions import keys_to_fill

START, END = date(2019, 5, 1), date(2019, 6, 30)
_ENDING = ".sample.sql"
_ROW = "_row"
_PARAMETER = re.compile(r"\$(rows|seed|start|end|tenant)\b")


def load_sample(  # noqa: PLR0913 - what, for whom, and every choice by name
    database: Database,
    catalog: Catalog,
    tables: Path,
    tenant: Tenant,
    dataset_name: str,
    *,
    rows: int,
    seed: int = 1,
    start: date = START,
    end: date = END,
    folders: Sequence[Path] = (),
    progress: Progress | None = None,
    memory_limit: str = MEMORY_LIMIT,
    threads: int | None = None,
) -> LoadReport:
    """Store sample rows spread over the dates from `start` to `end` (both included); asked again, nothing changes.

    `folders` are the operator's catalogue folders; `progress` hears a name and rows stored and wanted, at the
    beginning and at the end. Raises UnknownDataset when there is no generator, and LoadRefused.
    """
    table, versions = catalog.table(dataset_name), catalog.versions(dataset_name)
    generator = _find_generator(dataset_name, folders)
    query = _fill_in(generator, tenant.name, rows, seed, start, end)
    name = f"sample of {rows} rows, seed {seed}, {start} to {end}"
    # The tenant's name is left out: a tenant has its own table, whatever it is called today.
    identity = hashlib.sha256(_fill_in(generator, "", rows, seed, start, end).encode()).hexdigest()
    if progress:
        progress(name, 0, rows)
    if known_inputs(database, tenant.id, dataset_name, [identity]):
        return LoadReport((report_on(name, None, set()),))
    with (
        Shipment(database, tables, tenant, table, memory_limit=memory_limit, threads=threads) as shipment,
        shipment.connect() as connection,
        _wording(dataset_name),
    ):
        values = dict(cell.stored() for cell in _cells(connection, table, query))
        values |= keys_to_fill(versions, table, list(values))
        stored = shipment.store(connection, Rows(f"({query})", _ROW, values, rows), name, identity)
        report = LoadReport((report_on(name, stored, shipment.publish()),))
    if progress:
        progress(name, rows, rows)
    return report


def write_sample_csv(  # noqa: PLR0913 - what, where to, and every choice by name
    catalog: Catalog,
    dataset_name: str,
    path: Path,
    *,
    tenant_name: str,
    rows: int,
    version: str,
    seed: int = 1,
    start: date = START,
    end: date = END,
    folders: Sequence[Path] = (),
    threads: int | None = None,
) -> None:
    """Write sample rows as a CSV file that `load_files` takes, with the header of that version; complete or not at all.

    Raises UnknownDataset when there is no such version or no generator, and LoadRefused when it cannot be written.
    """
    dataset = catalog.get(dataset_name, version)
    query = _fill_in(_find_generator(dataset_name, folders), tenant_name, rows, seed, start, end)
    columns = ", ".join(f"{_as_text(column)} AS {quote_name(column.name)}" for column in dataset.columns)
    unfinished = path.with_name(f".{path.name}.{uuid4()}.tmp")
    try:
        with TemporaryDirectory(dir=path.parent, prefix=".scratch-") as scratch, _wording(dataset_name):
            with open_duckdb(Path(scratch), threads=threads) as connection:
                # In two steps, as sorting and writing CSV at once need more memory than there may be.
                ordered = Path(scratch) / "rows.parquet"
                connection.execute(f"COPY (FROM ({query}) ORDER BY {_ROW}) TO {quote_text(str(ordered))} ({PARQUET})")
                connection.execute("SET threads = 1")
                with ordered.open("rb") as file:  # its path may hold pattern characters
                    connection.execute(
                        f"COPY (SELECT {columns} FROM read_parquet('/proc/self/fd/{file.fileno()}'))"
                        f" TO {quote_text(str(unfinished))}"
                        " (FORMAT csv, HEADER true, DELIMITER ',', QUOTE '\"', ESCAPE '\"', NULLSTR '')"
                    )
            unfinished.rename(path)
    except OSError as error:
        raise LoadRefused(f"{path}: {error.strerror or error}; nothing was written.") from error
    finally:
        unfinished.unlink(missing_ok=True)


def sample_datasets(folders: Sequence[Path] = ()) -> list[str]:
    """List the datasets that have a generator."""
    return sorted(_generators(folders))


def _generators(folders: Sequence[Path]) -> dict[str, str]:
    """Read all generators; a later folder's replaces an earlier one's, as with datasets."""
    found: dict[str, str] = {}
    with as_file(files("tailrace.catalog") / "entities") as own:
        for folder in (own, *folders):
            for path in folder.glob(f"*{_ENDING}"):
                found[path.name.removesuffix(_ENDING)] = path.read_text(encoding="utf-8")
    return found


def _find_generator(dataset_name: str, folders: Sequence[Path]) -> str:
    generators = _generators(folders)
    if dataset_name not in generators:
        known = ", ".join(sorted(generators))
        raise UnknownDataset(f"There are no sample rows for '{dataset_name}'; there are for: {known}.")
    return generators[dataset_name].strip().removesuffix(";")


def _fill_in(generator: str, tenant_name: str, rows: int, seed: int, start: date, end: date) -> str:
    if rows < 0 or end < start:
        raise LoadRefused(f"{rows} sample rows from {start} to {end} cannot be; nothing was loaded.")
    values = {
        "rows": str(rows),
        "seed": str(seed),
        "start": quote_text(start.isoformat()),
        "end": quote_text(end.isoformat()),
        "tenant": quote_text(tenant_name),
    }
    return _PARAMETER.sub(lambda found: values[found[1]], generator)


def _cells(connection: duckdb.DuckDBPyConnection, table: Table, query: str) -> Iterator[Cell]:
    """Match the generator's columns with the stored ones, checking values as those of an input."""
    kinds = {row[0]: row[1] for row in connection.execute(f"DESCRIBE {query}").fetchall()}
    for column in table.columns:
        if column.source in kinds:
            raw = quote_name(column.source)
            parsed = from_typed(column, raw, kinds[column.source])
            if parsed is None:
                raise LoadRefused(
                    f"{table.name}{_ENDING}: '{column.source}' is {kinds[column.source]}, not {column.type}."
                )
            yield Cell(column, raw, parsed)


def _as_text(column: Column) -> str:
    value = quote_name(column.source)
    if column.type == "boolean":
        yes, no = quote_text(column.true_text), quote_text(column.false_text)
        return f"CASE WHEN {value} THEN {yes} WHEN NOT {value} THEN {no} END"
    if column.type == "datetime":
        exact, usual = (f"strftime({value}, '%Y-%m-%dT%H:%M:%S.{part}Z')" for part in ("%f", "%g"))
        return f"CASE WHEN epoch_us({value}) % 1000 = 0 THEN {usual} ELSE {exact} END"
    return f"CAST({value} AS VARCHAR)"


@contextmanager
def _wording(dataset_name: str) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        reason = str(error).partition("\n")[0]
        raise LoadRefused(f"{dataset_name}{_ENDING} failed: {reason}; nothing was loaded.") from error
