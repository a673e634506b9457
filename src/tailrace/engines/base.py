"""What an engine is: it cuts a range into slices and renders each slice's rows as blocks of UTF-8 bytes."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Scan:
    """What to read: the source's parts, the range on one column, and what orders rows within an instant.

    `source` is the engine's own (files for DuckDB); `start` and `end` are UTC instants, half-open, without zone;
    `order` are SQL terms; `in_order` are the parts of the source known to hold their rows in just this order.
    `columns` are name and SQL type of what is read: a part that was made before a column was known has none of it.
    """

    source: tuple[str, ...]
    range_column: str
    start: datetime
    end: datetime
    order: tuple[str, ...]
    in_order: frozenset[str] = frozenset()
    columns: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Slice:
    """A sub-range of the range column, half-open; slices in order, end to end, are the whole range.

    `source` are the parts of the source that may hold its rows, empty stands for all; `missing` are the columns, with
    their SQL types, that none of them has.
    """

    start: datetime
    end: datetime
    source: tuple[str, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """Rendered rows: how many, and their bytes, which stay valid as long as the block is held."""

    rows: int
    data: memoryview


class Engine(Protocol):
    """One open connection to a source; used by one thread at a time."""

    def plan(self, scan: Scan) -> list[Slice]:
        """Cut the range into slices small enough to be held in memory; none when there is nothing to read."""

    def count(self, scan: Scan) -> int:
        """Count the rows of the whole range, independently of rendering."""

    def render(self, scan: Scan, part: Slice, row: str) -> Iterator[Block]:
        """Run the row expression over one slice, in order; raises SourceUnavailable."""

    def interrupt(self) -> None:
        """Stop what runs in another thread."""


class OpenEngine(Protocol):
    """What an engine's module offers as `connect`."""

    def __call__(self, options: Mapping[str, Any]) -> AbstractContextManager[Engine]:
        """Open a connection; it is closed at the end of the context."""
