"""A DuckDB connection as every engine of Parquet files opens it, SQL's quotes, and its faults in words."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import duckdb

from tailrace.errors import EngineBroken, OutOfMemory, SourceUnavailable

_CONFIG: dict[str, Any] = {
    "threads": 1,
    "arrow_large_buffer_size": True,
    # Nothing is fetched at run time.
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


@contextmanager
def open_duckdb(options: Mapping[str, Any]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open DuckDB in memory; options `memory_mb`, `scratch` (a folder for what does not fit) and `threads` (1)."""
    Path(options["scratch"]).mkdir(parents=True, exist_ok=True)
    limits = {"memory_limit": f"{options['memory_mb']}MB", "temp_directory": spill_folder(options["scratch"])}
    connection = duckdb.connect(":memory:", config=_CONFIG | limits | {"threads": options.get("threads", 1)})
    with connection:
        _set_up(connection)
        yield connection


@contextmanager
def open_beside(first: duckdb.DuckDBPyConnection, memory_mb: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a connection for another thread to the same DuckDB, which keeps what it knows of files once.

    `memory_mb` is what the two, and others, may use together.
    """
    with first.cursor() as connection:
        _set_up(connection)
        connection.execute(f"SET memory_limit = '{memory_mb}MB'")
        yield connection


def _set_up(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("SET TimeZone = 'UTC'")
    # Files do not change while they are read, and every slice would read their metadata anew.
    connection.execute("SET parquet_metadata_cache = true")


def spill_folder(scratch: object) -> str:
    """Name a folder for DuckDB's temporary files, which it makes when it needs it, and removes.

    Its files are told apart by the process's number alone, and containers that share the scratch folder have the same.
    """
    return f"{scratch}/spill-{secrets.token_hex(8)}"


# Read once and thrown away: quick to write matters more than small.
STAGED = "FORMAT parquet, COMPRESSION lz4_raw, ROW_GROUP_SIZE 16384"
# What DuckDB says of these is about names, paths and sizes; the words of any other may quote a row's value.
_TELLABLE = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.IOException,
    duckdb.OutOfMemoryException,
    duckdb.ParserException,
)


def unavailable(error: duckdb.Error) -> SourceUnavailable:
    """Tell what went wrong, for the log: the first line at most, as the statement follows it."""
    words = f": {str(error).partition(chr(10))[0]}" if isinstance(error, _TELLABLE) else ""
    kinds: dict[type[duckdb.Error], type[SourceUnavailable]] = {
        duckdb.OutOfMemoryException: OutOfMemory,
        duckdb.InternalException: EngineBroken,
    }
    return kinds.get(type(error), SourceUnavailable)(f"DuckDB: {cast('Any', type(error)).__name__}{words}")


def write_name(name: str) -> str:
    """Write a name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def write_text(text: str) -> str:
    """Write a text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"
