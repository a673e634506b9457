"""Makes up a contact centre: the WFM tables, as tables of a DuckDB or as files that can be loaded.

The generator is SQL beside the tables' description, `sample-1-….sql` and so on. The same wish gives the same rows
everywhere, and with the same version of DuckDB the same bytes (WM-116).
"""

import re
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal
from uuid import uuid4

import duckdb

from tailrace.catalog.model import Column
from tailrace.catalog.wfm import VIEW_TABLE, WfmTable, load_wfm_tables
from tailrace.database.pool import Database
from tailrace.errors import LoadRefused
from tailrace.formats.base import quote_name, quote_text
from tailrace.intake.store import PARQUET, Tenant, open_duckdb, stored_type
from tailrace.intake.wfm.load import WfmReport, load_wfm

_PARAMETER = re.compile(r"\$(agents|seed|start|end|present|name)\b")
# Without a value there is nothing between two commas; a sample has no empty texts.
_CSV = "FORMAT csv, HEADER true, DELIMITER ',', QUOTE '\"', ESCAPE '\"', NULLSTR ''"


def make_sample(
    connection: duckdb.DuckDBPyConnection,
    *,
    agents: int,
    seed: int,
    start: date,
    end: date,
    present: datetime,
    name: str,
) -> None:
    """Make the WFM tables but for `entity_view` in an open DuckDB, with the types they are stored as.

    Schedules, forecasts and time off are for the dates from `start` to `end` (both included), what happened lies before
    `present` (UTC when it has no zone); `name` is the customer's. All invariants of the data model hold (WM-101 to
    WM-116). Raises LoadRefused for a wish that cannot be, and duckdb.Error when there is such a table already.
    """
    if agents < 1 or end < start:
        raise LoadRefused(f"{agents} sample agents from {start} to {end} cannot be; nothing was made.")
    instant = present.astimezone(UTC) if present.tzinfo else present
    values = {
        "agents": str(agents),
        "seed": str(seed),
        "start": quote_text(start.isoformat()),
        "end": quote_text(end.isoformat()),
        "present": quote_text(instant.strftime("%Y-%m-%d %H:%M:%S")),
        "name": quote_text(name),
    }
    for part in _read_parts():
        connection.execute(_fill_in(part, values))


def write_sample(  # noqa: PLR0913 - where to, how, and every choice by name
    folder: Path,
    *,
    kind: Literal["parquet", "csv"] = "parquet",
    agents: int,
    seed: int,
    start: date,
    end: date,
    present: datetime,
    name: str,
    threads: int | None = None,
) -> dict[str, int]:
    """Write a sample into a folder, one file per table such as `agent.parquet`, and tell the rows of each.

    The wish is that of `make_sample`. Rows are in the tables' order. Files of those names are replaced, each as a whole
    and not before all are complete. Raises LoadRefused when they cannot be written or the wish cannot be.
    """
    tables = [table for table in load_wfm_tables().values() if table.name != VIEW_TABLE]
    mark = uuid4()
    unfinished = {table.name: folder / f".{table.name}.{mark}.tmp" for table in tables}
    try:
        with ExitStack() as stack:
            folder.mkdir(parents=True, exist_ok=True)
            for path in unfinished.values():
                stack.callback(path.unlink, missing_ok=True)
            scratch = Path(stack.enter_context(TemporaryDirectory(dir=folder, prefix=".scratch-")))
            connection = stack.enter_context(open_duckdb(scratch, threads=threads))
            connection.execute("SET TimeZone = 'UTC'")
            make_sample(connection, agents=agents, seed=seed, start=start, end=end, present=present, name=name)
            # Several threads may divide a file's rows otherwise each time.
            connection.execute("SET threads = 1")
            rows = {table.name: _write_table(connection, table, unfinished[table.name], kind) for table in tables}
            for table_name, path in unfinished.items():
                path.rename(folder / f"{table_name}.{kind}")
            return rows
    except OSError as error:
        raise LoadRefused(f"{folder}: {error.strerror or error}; the sample is not complete.") from error
    except duckdb.Error as error:
        reason = str(error).partition("\n")[0]
        raise LoadRefused(f"{folder}: the sample cannot be made: {reason}; nothing was written.") from error


def load_wfm_sample(
    database: Database,
    tables: Path,
    tenant: Tenant,
    *,
    agents: int,
    seed: int,
    start: date,
    end: date,
    present: datetime,
) -> WfmReport:
    """Replace a tenant's WFM tables by a sample, checked as an operator's own; asked again, nothing changes.

    Raises LoadRefused and what `load_wfm` raises.
    """
    tables.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=tables, prefix=".scratch-") as folder:
        write_sample(Path(folder), agents=agents, seed=seed, start=start, end=end, present=present, name=tenant.name)
        return load_wfm(database, tables, tenant, Path(folder))


def _read_parts() -> list[str]:
    parts = [part for part in files("tailrace.catalog.wfm").iterdir() if re.fullmatch(r"sample-.*\.sql", part.name)]
    return [part.read_text(encoding="utf-8") for part in sorted(parts, key=lambda part: part.name)]


def _fill_in(part: str, values: Mapping[str, str]) -> str:
    return _PARAMETER.sub(lambda found: values[found[1]], part)


def _write_table(connection: duckdb.DuckDBPyConnection, table: WfmTable, path: Path, kind: str) -> int:
    as_value, options = (_as_text, _CSV) if kind == "csv" else (_as_stored, PARQUET)
    columns = ", ".join(f"{as_value(column)} AS {quote_name(column.source)}" for column in table.columns)
    # The key ends every order, so that no two rows are alike in it.
    terms = dict.fromkeys([*table.order, *table.key])
    order = f" ORDER BY {', '.join(f'rows.{quote_name(term)}' for term in terms)}" if terms else ""
    query = f"SELECT {columns} FROM {quote_name(table.name)} AS rows{order}"
    return int(connection.execute(f"COPY ({query}) TO {quote_text(str(path))} ({options})").fetchall()[0][0])


def _as_stored(column: Column) -> str:
    return f"CAST({quote_name(column.source)} AS {stored_type(column)})"


def _as_text(column: Column) -> str:
    """Write the text of a value in a CSV file: instants to the second, which is what a sample has."""
    value = quote_name(column.source)
    if column.type == "datetime":
        return f"strftime({value}, '%Y-%m-%dT%H:%M:%SZ')"
    if column.type == "decimal":
        value = f"CAST({value} AS DECIMAL({column.precision}, {column.scale}))"
    return f"CAST({value} AS VARCHAR)"
