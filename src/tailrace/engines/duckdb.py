"""DuckDB over Parquet files: one thread and one memory limit a connection, one connection for each slice in work.

A slice is sorted by one thread, so its memory does not grow with the result; speed comes from several slices at once.
"""

import glob
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple, cast

import duckdb
import nanoarrow

from tailrace.engines.base import Block, Program, Relation, Scan, Slice
from tailrace.errors import EngineBroken, OutOfMemory, SourceUnavailable

# A slice should render to some 20 MB: small enough to hold several, large enough that its start (planning the
# statement, about 10 ms) does not show. A few whole row groups of those intake writes, so that none is read twice.
_ROWS_PER_SLICE = 49_152
# What values are reckoned to take of a rendered row; one with much else besides is longer, and as many fewer are held.
_VALUE_BYTES = 200
_BYTES_PER_SLICE = 32 * 2**20

_CONFIG: dict[str, Any] = {
    "threads": 1,
    "arrow_large_buffer_size": True,
    # Nothing is fetched at run time.
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


@contextmanager
def connect(options: Mapping[str, Any]) -> Iterator["DuckDBEngine"]:
    """Open DuckDB in memory; options `memory_mb`, `scratch` (a folder for what does not fit) and `threads` (1)."""
    limits = {"memory_limit": f"{options['memory_mb']}MB", "temp_directory": str(options["scratch"])}
    connection = duckdb.connect(":memory:", config=_CONFIG | limits | {"threads": options.get("threads", 1)})
    try:
        connection.execute("SET TimeZone = 'UTC'")
        # Stored files never change, and every slice would read their metadata anew.
        connection.execute("SET parquet_metadata_cache = true")
        yield DuckDBEngine(connection)
    finally:
        connection.close()


class DuckDBEngine:
    """One DuckDB connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Take an open connection."""
        self._connection = connection

    def examine(self, scan: Scan) -> list[str]:  # noqa: ARG002 the protocol's argument; intake has checked the files
        """Find nothing: stored files are Tailrace's own."""
        return []

    def shared(self) -> Mapping[str, Any]:
        """Nothing is needed: stored files never change."""
        return {}

    def plan(self, scan: Scan) -> list[Slice]:
        """Cut the range along the row groups of the files, by the statistics written with them."""
        if not scan.source:
            return []
        paths = _literally(scan.source)
        kind = "BIGINT" if isinstance(scan.start, int) else "TIMESTAMP"
        rows = self._fetch(_ROW_GROUPS.replace("BOUND", kind), [paths, scan.range_column, scan.start, scan.end])
        groups = [_RowGroup(*row) for row in rows]
        cuts = [scan.start, *_cuts(scan, groups), scan.end]
        slices = [Slice(start, end, _files_of(groups, start, end)) for start, end in pairwise(cuts)] if groups else []
        known = self._columns_of(paths)
        return [replace(part, missing=_missing(scan, part, known)) for part in slices]

    def count(self, scan: Scan) -> int:
        """Count the rows of the range; reads the range column only."""
        return self._total(scan, "count(*)")

    def sum(self, scan: Scan, expression: str) -> int:
        """Add up an expression over the rows of the range."""
        return self._total(scan, f"coalesce(sum({expression}), 0)")

    def _total(self, scan: Scan, expression: str) -> int:
        if not scan.source:
            return 0
        statement = f"SELECT {expression} {_from(scan)}"
        return int(self._fetch(statement, [_literally(scan.source), scan.start, scan.end])[0][0])

    def prepare(self, program: Program, target: str, row_key: str, opens: str) -> int:
        """Compute a program's rows and store them, in order, as one Parquet file."""
        try:
            for relation in program.relations:
                self._connection.execute(_make_relation(relation))
            for step in program.steps:
                self._connection.execute(_MAKE[step.kind].format(step.head, step.sql))
            self._connection.execute(f"COPY ({_ordered(program, row_key, opens)}) TO {_text(target)} ({_STAGED})")
            return int(self._fetch("SELECT count(*) FROM read_parquet($1)", [glob.escape(target)])[0][0])
        except duckdb.Error as error:
            raise _unavailable(error) from error

    def render(self, scan: Scan, part: Slice, row: str, lead: str | None = None) -> Iterator[Block]:
        """Render one slice; the bytes are DuckDB's own buffers, not copied.

        Rows of one file that is in order need no sorting: one thread reads them as they are stored.
        """
        files = part.source or scan.source
        order = "" if len(files) == 1 and files[0] in scan.in_order else f"ORDER BY {', '.join(scan.order)}"
        line = row if lead in (None, _NOTHING) else f"concat({lead}, {row})"
        size = "" if lead is None else f", CAST(strlen({lead}) AS INTEGER) AS lead"
        statement = f"SELECT {line} AS line{size} {_from(scan, part.missing)} {order}"
        try:
            relation = self._connection.sql(statement, params=[_literally(files), part.start, part.end])
            for array in nanoarrow.ArrayStream(relation):
                yield _block(array, with_leads=lead is not None)
        except duckdb.Error as error:
            raise _unavailable(error) from error

    def _columns_of(self, paths: list[str]) -> dict[str, set[str]]:
        """Tell which columns each file has."""
        found: dict[str, set[str]] = {}
        for file, name in self._fetch("SELECT file_name, name FROM parquet_schema($1)", [paths]):
            found.setdefault(file, set()).add(name)
        return found

    def interrupt(self) -> None:
        """Stop the running statement."""
        self._connection.interrupt()

    def _fetch(self, statement: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(statement, parameters).fetchall()
        except duckdb.Error as error:
            raise _unavailable(error) from error


class _RowGroup(NamedTuple):
    """A row group of a file: the least and greatest value of the range column, if known, rows, uncompressed bytes."""

    file: str
    least: Any
    greatest: Any
    rows: int
    bytes: int


# Every row group that may hold rows of the range: its least and greatest value (null when the file has no
# statistics), rows, and bytes before compression.
_ROW_GROUPS = """
    SELECT file_name,
           TRY_CAST(min(stats_min_value) FILTER (path_in_schema = $2) AS BOUND) AS least,
           TRY_CAST(max(stats_max_value) FILTER (path_in_schema = $2) AS BOUND) AS greatest,
           any_value(row_group_num_rows) AS rows,
           sum(total_uncompressed_size) AS bytes
    FROM parquet_metadata($1)
    GROUP BY file_name, row_group_id
    HAVING any_value(row_group_num_rows) > 0 AND coalesce(least < $4 AND greatest >= $3, true)
    ORDER BY least NULLS FIRST, greatest
"""


def _from(scan: Scan, missing: Sequence[tuple[str, str]] = ()) -> str:
    name = _name(scan.range_column)
    nulls = "".join(f", CAST(NULL AS {kind}) AS {_name(column)}" for column, kind in missing)
    files = "read_parquet($1, union_by_name = true)"
    rows = f"(SELECT *{nulls} FROM {files})" if nulls else files
    return f"FROM {rows} WHERE {name} >= $2 AND {name} < $3"


def _missing(scan: Scan, part: Slice, known: Mapping[str, set[str]]) -> tuple[tuple[str, str], ...]:
    """Name the columns that no file of a slice has."""
    there = set[str]().union(*(known.get(file, set()) for file in part.source or scan.source))
    return tuple((name, kind) for name, kind in scan.columns if name not in there)


def _cuts(scan: Scan, groups: list[_RowGroup]) -> Iterator[Any]:
    """Yield the instants between slices, rising: a new slice where the last has rows enough.

    Any cut is right, as slices are ranges of values; these are only chosen to make them of a size.
    """
    last, rows, size = scan.start, 0, 0
    enough = max(1, _ROWS_PER_SLICE * _VALUE_BYTES // (_VALUE_BYTES + scan.row_bytes))
    for group in groups:
        pieces = max(1, math.ceil(group.bytes / _BYTES_PER_SLICE), math.ceil(group.rows / (2 * enough)))
        for piece in range(pieces):
            at = _between(group.least, group.greatest, piece, pieces)
            full = rows >= enough or size >= _BYTES_PER_SLICE
            if full and at is not None and last < at < scan.end:
                yield at
                last, rows, size = at, 0, 0
            rows += group.rows // pieces
            size += group.bytes // pieces


def _files_of(groups: list[_RowGroup], start: Any, end: Any) -> tuple[str, ...]:
    """Name the files with a row group that may hold rows of a slice."""
    return tuple(
        dict.fromkeys(
            group.file
            for group in groups
            if group.least is None or group.greatest is None or (group.least < end and group.greatest >= start)
        )
    )


def _literally(files: Sequence[str]) -> list[str]:
    """Keep DuckDB from taking a sign in a path for a pattern."""
    return [glob.escape(file) for file in files]


def _between(least: Any, greatest: Any, piece: int, pieces: int) -> Any:
    """The instant or place where a piece of a row group begins, if its rows lie evenly."""
    if isinstance(least, datetime) and isinstance(greatest, datetime):
        return least + (greatest - least) * (piece / pieces)
    if isinstance(least, int) and isinstance(greatest, int):
        return least + (greatest - least) * piece // pieces
    return None


# -- rows that are computed first ---------------------------------------------------------------------------------

_MAKE = {
    "table": "CREATE TABLE {} AS {}",
    "view": "CREATE VIEW {} AS {}",
    "macro": "CREATE MACRO {} AS ({})",
}
# Read once and thrown away: quick to write matters more than small.
_STAGED = "FORMAT parquet, COMPRESSION lz4_raw, ROW_GROUP_SIZE 16384"
_NOTHING = "''"


def _make_relation(relation: Relation) -> str:
    """Write the statement that makes a table's rows readable under its name."""
    names = ", ".join(_name(name) for name, _ in relation.columns)
    constants = "".join(f", {value} AS {_name(name)}" for name, value in relation.constants)
    if relation.parts:
        files = ", ".join(_text(glob.escape(part)) for part in relation.parts)
        return f"CREATE VIEW {_name(relation.name)} AS SELECT {names}{constants} FROM read_parquet([{files}])"
    rows = relation.rows or ((None,) * len(relation.columns),)
    values = ", ".join(f"({', '.join(map(_literal, row))})" for row in rows)
    typed = ", ".join(f"CAST({_name(name)} AS {kind}) AS {_name(name)}" for name, kind in relation.columns)
    given = f"FROM (VALUES {values}) AS given({names}){'' if relation.rows else ' WHERE false'}"
    return f"CREATE TABLE {_name(relation.name)} AS SELECT {typed}{constants} {given}"


def _literal(value: Any) -> str:
    if value is None or isinstance(value, bool | int):
        return "NULL" if value is None else str(value)
    return _text(str(value))


def _ordered(program: Program, row_key: str, opens: str) -> str:
    """Write the statement for a program's rows: the columns kept, in order, counted, with the beginnings of groups."""
    kept = ", ".join(f"{sql} AS {_name(name)}" for name, sql in program.columns)
    groups = ", ".join(_name(group) for group in program.groups)
    first = ", ".join(f"{_name(group)} IS DISTINCT FROM lag({_name(group)}) OVER ()" for group in program.groups)
    opened = f", row_number() OVER () = 1 OR {first.replace(', ', ' OR ')} AS {_name(opens)}" if groups else ""
    rows = f"SELECT {kept} FROM ({program.sql}) ORDER BY {', '.join(program.order)}"
    return f"SELECT *, row_number() OVER () - 1 AS {_name(row_key)}{opened} FROM ({rows})"


def _block(array: Any, *, with_leads: bool) -> Block:
    lines = array.child(0)
    data = memoryview(lines.buffer(2))
    if not with_leads:
        return Block(len(lines), data)
    return Block(len(lines), data, memoryview(lines.buffer(1)), memoryview(array.child(1).buffer(1)))


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# What DuckDB says of these is about names, paths and sizes; the words of any other may quote a row's value.
_TELLABLE = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.IOException,
    duckdb.OutOfMemoryException,
    duckdb.ParserException,
)


def _unavailable(error: duckdb.Error) -> SourceUnavailable:
    """Tell what went wrong, for the log: the first line at most, as the statement follows it."""
    words = f": {str(error).partition(chr(10))[0]}" if isinstance(error, _TELLABLE) else ""
    kinds: dict[type[duckdb.Error], type[SourceUnavailable]] = {
        duckdb.OutOfMemoryException: OutOfMemory,
        duckdb.InternalException: EngineBroken,
    }
    return kinds.get(type(error), SourceUnavailable)(f"DuckDB: {cast('Any', type(error)).__name__}{words}")
