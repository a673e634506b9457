"""Where a range is cut into slices, by the statistics written with each row group."""

import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from tailrace.engines.base import Scan, Slice

# A slice should render to some 15 MB: small enough to hold several, large enough that its start (planning the
# statement, some 3 ms) does not show. A few whole row groups of those intake writes, so that none is read twice.
_ROWS_PER_SLICE = 32_768
_BYTES_PER_SLICE = 32 * 2**20
# What values are reckoned to take of a rendered row; one with much else besides is longer, and as many fewer are held.
_VALUE_BYTES = 300
# Towards the end slices get smaller, so that all who render end at about the same time: each has at most this part of
# what is left.
_LAST_SLICES = 4
_MOST_READS = 3


class RowGroup(NamedTuple):
    """A row group of a file: the least and greatest value of the range column, if known, rows, uncompressed bytes."""

    file: str
    least: Any
    greatest: Any
    rows: int
    bytes: int


def read_row_groups(scan: Scan) -> str:
    """Write the statement that gives every row group that may hold rows of the range.

    Parameters: the files, the name of the column with the statistics, and the range. Least and greatest are null when
    the file has no statistics.
    """
    return _ROW_GROUPS.replace("BOUND", "BIGINT" if isinstance(scan.start, int) else "TIMESTAMP")


_ROW_GROUPS = """
    SELECT file_name,
           TRY_CAST(min(stats_min_value) FILTER (lower(path_in_schema) = lower($2)) AS BOUND) AS least,
           TRY_CAST(max(stats_max_value) FILTER (lower(path_in_schema) = lower($2)) AS BOUND) AS greatest,
           any_value(row_group_num_rows) AS rows,
           sum(total_uncompressed_size) AS bytes
    FROM parquet_metadata($1)
    GROUP BY file_name, row_group_id
    HAVING any_value(row_group_num_rows) > 0 AND coalesce(least < $4 AND greatest >= $3, true)
    ORDER BY least NULLS FIRST, greatest
"""


def cut(scan: Scan, groups: Sequence[RowGroup]) -> list[Slice]:
    """Cut the range along row groups, in their order; each slice has the files that may hold its rows."""
    ends = [scan.start, *_cuts(scan, groups), scan.end]
    return [Slice(start, end, _files_of(groups, start, end)) for start, end in pairwise(ends)] if groups else []


def reads_once(slices: Sequence[Slice], groups: Sequence[RowGroup]) -> bool:
    """Tell whether rendering the slices reads hardly a row twice: the row groups lie in order."""
    read = sum(group.rows for part in slices for group in groups if _may_hold(group, part.start, part.end))
    return read <= _MOST_READS * sum(group.rows for group in groups) + _ROWS_PER_SLICE


def are_small(groups: Sequence[RowGroup]) -> bool:
    """Tell whether no row group holds more than a slice should."""
    return all(group.rows <= _ROWS_PER_SLICE and group.bytes <= _BYTES_PER_SLICE for group in groups)


def _cuts(scan: Scan, groups: Sequence[RowGroup]) -> Iterator[Any]:
    """Yield the instants between slices, rising: a new slice where the last has rows enough.

    Any cut is right, as slices are ranges of values; these are only chosen to make them of a size.
    """
    last, rows, size = scan.start, 0, 0
    left, most = sum(group.rows for group in groups), _enough(scan)
    for group in groups:
        pieces = max(1, math.ceil(group.bytes / _BYTES_PER_SLICE), math.ceil(group.rows / (2 * most)))
        for piece in range(pieces):
            at = _between(group.least, group.greatest, piece, pieces)
            full = rows >= _wanted(left, most) or size >= _BYTES_PER_SLICE
            if full and at is not None and last < at < scan.end:
                yield at
                last, rows, size = at, 0, 0
            rows += group.rows // pieces
            size += group.bytes // pieces
            left -= group.rows // pieces


def _wanted(left: int, most: int) -> int:
    """Say how many rows a slice should have, by how many are left."""
    return min(most, max(left, most, _LAST_SLICES) // _LAST_SLICES)


def _between(least: Any, greatest: Any, piece: int, pieces: int) -> Any:
    """The instant or place where a piece of a row group begins, if its rows lie evenly."""
    if isinstance(least, datetime) and isinstance(greatest, datetime):
        return least + (greatest - least) * (piece / pieces)
    if isinstance(least, int) and isinstance(greatest, int):
        return least + (greatest - least) * piece // pieces
    return None


def _files_of(groups: Sequence[RowGroup], start: Any, end: Any) -> tuple[str, ...]:
    """Name the files with a row group that may hold rows of a slice."""
    return tuple(dict.fromkeys(group.file for group in groups if _may_hold(group, start, end)))


def _may_hold(group: RowGroup, start: Any, end: Any) -> bool:
    return group.least is None or group.greatest is None or (group.least < end and group.greatest >= start)


def _enough(scan: Scan) -> int:
    return max(1, _ROWS_PER_SLICE * _VALUE_BYTES // (_VALUE_BYTES + scan.row_bytes))
