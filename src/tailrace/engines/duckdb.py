"""DuckDB over Parquet files: one thread and one memory limit a connection, one connection for each slice in work.

A slice is sorted by one thread, so its memory does not grow with the result; speed comes from several slices at once.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from typing import Any, cast

import duckdb
import nanoarrow

from tailrace.engines.base import Block, Scan, Slice
from tailrace.errors import SourceUnavailable

# A slice should render to some 10 MB: small enough to hold several, large enough not to feel its start. As many rows
# as intake puts into a row group, so that a slice reads one group and no group is read twice.
_ROWS_PER_SLICE = 16_384
_BYTES_PER_SLICE = 16 * 2**20

_CONFIG: dict[str, Any] = {
    "threads": 1,
    "arrow_large_buffer_size": True,
    # Nothing is fetched at run time.
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


@contextmanager
def connect(options: Mapping[str, Any]) -> Iterator["DuckDBEngine"]:
    """Open DuckDB in memory; options `memory_mb` and `scratch` (a folder for what does not fit)."""
    config = _CONFIG | {"memory_limit": f"{options['memory_mb']}MB", "temp_directory": str(options["scratch"])}
    connection = duckdb.connect(":memory:", config=config)
    try:
        yield DuckDBEngine(connection)
    finally:
        connection.close()


class DuckDBEngine:
    """One DuckDB connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Take an open connection."""
        self._connection = connection

    def plan(self, scan: Scan) -> list[Slice]:
        """Cut the range along the row groups of the files, by the statistics written with them."""
        if not scan.source:
            return []
        groups = self._fetch(_ROW_GROUPS, [list(scan.source), scan.range_column, scan.start, scan.end])
        cuts = [scan.start, *_cuts(scan, groups), scan.end]
        return [Slice(start, end) for start, end in pairwise(cuts)] if groups else []

    def count(self, scan: Scan) -> int:
        """Count the rows of the range; reads the range column only."""
        if not scan.source:
            return 0
        return int(self._fetch(f"SELECT count(*) {_from(scan)}", [list(scan.source), scan.start, scan.end])[0][0])

    def render(self, scan: Scan, part: Slice, row: str) -> Iterator[Block]:
        """Render one slice; the bytes are DuckDB's own buffers, not copied."""
        order = ", ".join([_name(scan.range_column), *(f"{key} NULLS FIRST" for key in scan.order)])
        statement = f"SELECT {row} AS line {_from(scan)} ORDER BY {order}"
        try:
            relation = self._connection.sql(statement, params=[list(scan.source), part.start, part.end])
            for array in nanoarrow.ArrayStream(relation):
                lines = array.child(0)
                yield Block(len(lines), memoryview(lines.buffer(2)))
        except duckdb.Error as error:
            raise _unavailable(error) from error

    def interrupt(self) -> None:
        """Stop the running statement."""
        self._connection.interrupt()

    def _fetch(self, statement: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(statement, parameters).fetchall()
        except duckdb.Error as error:
            raise _unavailable(error) from error


# Every row group that may hold rows of the range: its least and greatest value (null when the file has no
# statistics), rows, and bytes before compression.
_ROW_GROUPS = """
    WITH ranged AS (
        SELECT file_name, row_group_id, row_group_num_rows AS rows,
               TRY_CAST(stats_min_value AS TIMESTAMP) AS least, TRY_CAST(stats_max_value AS TIMESTAMP) AS greatest
        FROM parquet_metadata($1) WHERE path_in_schema = $2),
    sized AS (
        SELECT file_name, row_group_id, sum(total_uncompressed_size) AS bytes
        FROM parquet_metadata($1) GROUP BY ALL)
    SELECT least, greatest, rows, bytes FROM ranged JOIN sized USING (file_name, row_group_id)
    WHERE rows > 0 AND coalesce(least < $4 AND greatest >= $3, true)
    ORDER BY least NULLS FIRST, greatest
"""


def _from(scan: Scan) -> str:
    name = _name(scan.range_column)
    return f"FROM read_parquet($1, union_by_name = true) WHERE {name} >= $2 AND {name} < $3"


def _cuts(scan: Scan, groups: list[tuple[datetime | None, datetime | None, int, int]]) -> Iterator[datetime]:
    """Yield the instants between slices, rising: a new slice where the last has rows enough.

    Any cut is right, as slices are ranges of values; these are only chosen to make them of a size.
    """
    last, rows, size = scan.start, 0, 0
    for least, greatest, group_rows, group_bytes in groups:
        pieces = max(1, math.ceil(group_bytes / _BYTES_PER_SLICE), math.ceil(group_rows / (2 * _ROWS_PER_SLICE)))
        for piece in range(pieces):
            at = _between(least, greatest, piece, pieces)
            full = rows >= _ROWS_PER_SLICE or size >= _BYTES_PER_SLICE
            if full and at is not None and last < at < scan.end:
                yield at
                last, rows, size = at, 0, 0
            rows += group_rows // pieces
            size += group_bytes // pieces


def _between(least: datetime | None, greatest: datetime | None, piece: int, pieces: int) -> datetime | None:
    """The instant where a piece of a row group begins, if its rows lie evenly."""
    if least is None or greatest is None:
        return None
    return least + (greatest - least) * (piece / pieces)


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _unavailable(error: duckdb.Error) -> SourceUnavailable:
    # DuckDB's words may hold paths and values: they go to the log, not to the caller.
    return SourceUnavailable(f"DuckDB: {cast('Any', type(error)).__name__}: {error}")
