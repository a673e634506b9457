"""What an engine is: it cuts a range into slices and renders each slice's rows as blocks of UTF-8 bytes.

Rows that are to be computed first are prepared: stored in order, so that from there on they are like any others.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

# A value of a range column: an instant (UTC, without zone), or a row's place.
Bound = datetime | int


@dataclass(frozen=True, slots=True)
class Selection:
    """How a tenant's stored columns come of an operator's own rows.

    `columns` is the SQL, in the engine's own dialect, for each stored column that is not just a column of the same
    name. Rows are the tenant's whose `tenant_column` equals `tenant`, written as a SQL literal of no certain type;
    without such a column all of the source is the tenant's.
    """

    columns: tuple[tuple[str, str], ...]
    tenant_column: str | None
    tenant: str


@dataclass(frozen=True, slots=True)
class Scan:
    """What to read: the source's parts, the range on one column, and what orders rows within an instant.

    `source` is the engine's own (files for DuckDB); `start` and `end` are half-open;
    `order` are SQL terms; `in_order` are the parts of the source known to hold their rows in just this order.
    `columns` are name and SQL type of what is read: a part that was made before a column was known has none of it.
    With a `selection` the source is not Tailrace's own: a table or `(SELECT …)` in SQL, or patterns of files.
    There `{tenant}` stands for the selection's tenant.
    `row_bytes` are what every rendered row has besides its values: where they are many, a slice should hold fewer rows.
    """

    source: tuple[str, ...]
    range_column: str
    start: Bound
    end: Bound
    order: tuple[str, ...]
    in_order: frozenset[str] = frozenset()
    columns: tuple[tuple[str, str], ...] = ()
    selection: Selection | None = None
    row_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Slice:
    """A sub-range of the range column, half-open; slices in order, end to end, are the whole range.

    `source` are the parts of the source that may hold its rows, empty stands for all; `missing` are the columns, with
    their SQL types, that none of them has.
    """

    start: Bound
    end: Bound
    source: tuple[str, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """Rendered rows: how many, and their bytes, which stay valid as long as the block is held.

    `offsets` say where each line, its lead included, begins in `data`, and where the last one ends: one number more
    than there are rows, of eight bytes each; `leads` the bytes of each lead, of four. Both only where asked for.
    """

    rows: int
    data: memoryview
    offsets: memoryview | None = None
    leads: memoryview | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """A table a program may read: its columns with their SQL types, and the parts of the source that hold its rows.

    `rows` are a small table's own rows, as JSON values, instead of parts; `constants` are columns with one value.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    parts: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    constants: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """Something a program makes from its tables for later steps: a `table`, computed once, a `view` or a `macro`."""

    kind: str
    head: str
    sql: str


@dataclass(frozen=True, slots=True)
class Program:
    """How rows are computed: tables, steps, and the one SELECT over them.

    `columns` are what is kept, each with its SQL over the SELECT's columns; `order` are the terms that order rows;
    `groups` the columns a change in which opens a new group.
    """

    relations: tuple[Relation, ...]
    steps: tuple[Step, ...]
    sql: str
    columns: tuple[tuple[str, str], ...]
    order: tuple[str, ...]
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """What has come of a program: how many rows, and what is known of their columns.

    In columns that are `filled` every row has a value; in those of them that are `nonempty` none is an empty text.
    """

    rows: int
    filled: frozenset[str]
    nonempty: frozenset[str]


class Engine(Protocol):
    """One open connection to a source; used by one thread at a time.

    What is `shared` is `tellable` where it is plain JSON that another machine understands as well.
    """

    tellable: bool

    def examine(self, scan: Scan) -> list[str]:
        """Say, a sentence each, what does not fit between a source and the columns read from it; nothing if all does.

        Raises SourceUnavailable.
        """

    def another(self) -> "AbstractContextManager[Engine]":
        """Open one more for another thread, which sees the source at the same moment; it is closed before this one."""

    def shared(self) -> Mapping[str, Any]:
        """Tell the options with which another process sees the source at the same moment as this one."""

    def plan(self, scan: Scan) -> list[Slice]:
        """Cut the range into slices small enough to be held in memory; none when there is nothing to read."""

    def count(self, scan: Scan) -> int:
        """Count the rows of the whole range, independently of rendering."""

    def sum(self, scan: Scan, expression: str) -> int:
        """Add up an expression over the rows of the whole range."""

    def prepare(self, program: Program, target: str, row_key: str, opens: str) -> Prepared:
        """Compute a program's rows and store them, in order, as the one part of a source.

        `row_key` names the column that counts the rows from 0, `opens` the one that says whether a row opens a new
        group. Raises SourceUnavailable.
        """

    def render(self, scan: Scan, part: Slice, row: str, lead: str | None = None) -> Iterator[Block]:
        """Run the row expression over one slice, in order; raises SourceUnavailable.

        With a `lead`, the expression of what stands before each row, blocks have offsets and leads.
        """

    def interrupt(self) -> None:
        """Stop what runs in another thread."""


class OpenEngine(Protocol):
    """What an engine's module offers as `connect`."""

    def __call__(self, options: Mapping[str, Any]) -> AbstractContextManager[Engine]:
        """Open a connection; it is closed at the end of the context."""
