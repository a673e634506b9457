"""Slices, counts and rendered rows from Parquet files; each engine of them says which files, and how rows are read.

A slice is sorted by one thread, so its memory does not grow with the result; speed comes from several slices at once.
"""

import glob
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import duckdb
import nanoarrow

from tailrace.engines.base import Block, Scan, Slice
from tailrace.engines.parquet.connection import unavailable, write_name
from tailrace.engines.parquet.slices import RowGroup, cut, read_row_groups
from tailrace.errors import SourceUnavailable

_NOTHING = "''"
_VARIABLES = ("slice_start", "slice_end")
_RANGE = ("getvariable('slice_start')", "getvariable('slice_end')")


class ParquetEngine(ABC):
    """One DuckDB connection that reads files."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Take an open connection."""
        self._connection = connection
        self._viewed = ""
        self._lines: duckdb.DuckDBPyRelation | None = None

    # -- what an engine says of its files -------------------------------------------------------------------------

    @abstractmethod
    def _rows_of(self, scan: Scan, files: Sequence[str], missing: Sequence[tuple[str, str]]) -> str:
        """Write what goes after FROM to read files; `missing` as in Slice."""

    def _complete(self, scan: Scan, slices: Sequence[Slice]) -> list[Slice]:  # noqa: ARG002 others need the scan
        """Say of each slice which columns it lacks."""
        return list(slices)

    def _files(self, scan: Scan) -> Sequence[str]:
        """Name the files with the rows of a scan."""
        return scan.source

    def _paths(self, files: Sequence[str]) -> list[str]:
        """Write files as DuckDB finds them; a sign in a path is none of a pattern."""
        return [glob.escape(file) for file in files]

    def _explain(self, error: duckdb.Error) -> SourceUnavailable:
        return unavailable(error)

    # -- what follows from it -------------------------------------------------------------------------------------

    def plan(self, scan: Scan) -> list[Slice]:
        """Cut the range along the row groups of the files, by the statistics written with them."""
        files = self._files(scan)
        return self._complete(scan, cut(scan, self._row_groups(scan, files, scan.range_column))) if files else []

    def _row_groups(self, scan: Scan, files: Sequence[str], column: str) -> list[RowGroup]:
        """Read the row groups that may hold rows of the range, by the statistics of a column."""
        rows = self._fetch(read_row_groups(scan), [self._paths(files), column, scan.start, scan.end])
        return [RowGroup(*row) for row in rows]

    def count(self, scan: Scan) -> int:
        """Count the rows of the range; reads the range column only."""
        return self._total(scan, "count(*)")

    def sum(self, scan: Scan, expression: str) -> int:
        """Add up an expression over the rows of the range."""
        return self._total(scan, f"coalesce(sum({expression}), 0)")

    def _total(self, scan: Scan, expression: str) -> int:
        files = self._files(scan)
        if not files:
            return 0
        statement = f"SELECT {expression} {self._from(scan, files, ('$1', '$2'))}"
        return int(self._fetch(statement, [scan.start, scan.end])[0][0])

    def render(self, scan: Scan, part: Slice, row: str, lead: str | None = None) -> Iterator[Block]:
        """Render one slice; the bytes are DuckDB's own buffers, not copied.

        Rows of one file that is in order need no sorting: one thread reads them as they are stored.
        """
        files = part.source or self._files(scan)
        order = "" if len(files) == 1 and files[0] in scan.in_order else f"ORDER BY {', '.join(scan.order)}"
        line = row if lead in (None, _NOTHING) else f"concat({lead}, {row})"
        size = "" if lead is None else f", CAST(strlen({lead}) AS INTEGER) AS lead"
        rows = self._from(scan, files, _RANGE, part.missing)
        try:
            for array in nanoarrow.ArrayStream(self._view(f"SELECT {line} AS line{size} {rows} {order}", part)):
                yield _block(array, with_leads=lead is not None)
        except duckdb.Error as error:
            raise self._explain(error) from error

    def _view(self, statement: str, part: Slice) -> duckdb.DuckDBPyRelation:
        """Make a statement's rows of a slice readable, through a view where all but the range is as it was.

        Parsing thousands of characters takes longer than planning what they say, and a view is parsed once.
        """
        for variable, value in zip(_VARIABLES, (part.start, part.end), strict=True):
            self._connection.execute(f"SET VARIABLE {variable} = $1", [value])
        if self._lines is None or statement != self._viewed:
            self._lines = None
            self._connection.execute(f"CREATE OR REPLACE TEMP VIEW rendered AS {statement}")
            self._viewed, self._lines = statement, self._connection.sql("FROM rendered")
        return self._lines

    def _from(
        self, scan: Scan, files: Sequence[str], bounds: tuple[str, str], missing: Sequence[tuple[str, str]] = ()
    ) -> str:
        name, (start, end) = write_name(scan.range_column), bounds
        return f"FROM {self._rows_of(scan, files, missing)} WHERE {name} >= {start} AND {name} < {end}"

    def interrupt(self) -> None:
        """Stop the running statement."""
        self._connection.interrupt()

    def _fetch(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(statement, list(parameters)).fetchall()
        except duckdb.Error as error:
            raise self._explain(error) from error


def _block(array: Any, *, with_leads: bool) -> Block:
    lines = array.child(0)
    data = memoryview(lines.buffer(2))
    if not with_leads:
        return Block(len(lines), data)
    return Block(len(lines), data, memoryview(lines.buffer(1)), memoryview(array.child(1).buffer(1)))
