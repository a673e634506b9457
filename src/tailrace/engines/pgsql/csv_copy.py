"""CSV by PostgreSQL's own `COPY`, whose quotes cost next to nothing.

COPY quotes as CSV after the specification does, but for cells with a blank or a tab at an edge. These are looked for in
what came, since that costs much less than asking PostgreSQL about each text. A slice that has some is read again, and
their columns are marked from then on: a line feed and a mark are put behind such a text, so that COPY has to quote it.
"""

import secrets
from collections.abc import Sequence
from typing import Any

from tailrace.engines.base import Block, Slice
from tailrace.engines.pgsql.csv_cells import Cell, write_edged, write_marked
from tailrace.engines.pgsql.csv_lines import Lines, Marks, Take, make_room, receive
from tailrace.engines.pgsql.order import Order
from tailrace.engines.pgsql.session import Connection, fetch, told
from tailrace.engines.pgsql.source import AT, is_strange, quote_text
from tailrace.errors import EngineBroken

# Up to so many instants that rows share, these rows are read by themselves, and nothing else is sorted.
_MOST_SHARED = 1_000


class CsvCopy:
    """The rows of one source in CSV, as one session reads them; it learns which columns have to be marked."""

    def __init__(self, connection: Connection, order: Order, cells: Sequence[Cell], sample: int) -> None:
        """Take what to read, in what order and cells, and from how many rows to learn beforehand."""
        self._connection, self._order, self._cells = connection, order, cells
        self._strange = is_strange(order.source.doubtful)
        # No value holds what is made up here.
        self._marks = Marks(secrets.token_hex(16))
        self._marked: set[Cell] = set()
        make_room(connection)
        self._learn(f"{order.source.rows(order.scan.start, order.scan.end)} LIMIT {sample}")

    def read(self, part: Slice) -> list[Block] | None:
        """Read a slice in order; nothing if one of its rows holds what cannot be written."""
        rows = self._order.source.placed(part.start, part.end)
        lines = self._read(part, rows)
        if lines.edged:
            lines.blocks.clear()
            self._learn(rows)
            # What still looks like an edge is none of a text's, and is written as it is.
            lines = self._read(part, rows)
        return None if lines.strange else lines.blocks

    def _learn(self, rows: str) -> None:
        """Mark the columns that have blanks or tabs at an edge among some rows."""
        texts = [cell for cell in self._cells if cell.is_text and cell not in self._marked]
        if texts:
            asked = ", ".join(f"bool_or({write_edged(cell)})" for cell in texts)
            [found] = fetch(self._connection, f"SELECT {asked} FROM ({rows}) AS rows")
            self._marked.update(cell for cell, has_edges in zip(texts, found, strict=True) if has_edges)

    def _read(self, part: Slice, rows: str) -> Lines:
        """Read by instant alone, as an index has it; rows that share one are read by themselves, if they are few."""
        shared = fetch(self._connection, f"{self._order.shared(part)} LIMIT {_MOST_SHARED + 1}")
        if not shared or len(shared) > _MOST_SHARED:
            lines = Lines(self._marks, [])
            self._copy(self._select(), rows, self._order.terms(part) if shared else [AT], lines.put)
            return lines
        tied: list[memoryview] = []
        among = _among(shared)
        self._copy(
            self._select(), f"SELECT * FROM ({rows}) AS rows WHERE {among}", self._order.tied_terms(), tied.extend
        )
        lines = Lines(self._marks, tied)
        self._copy(self._select(among), rows, [AT], lines.put)
        if lines.rooms != len(tied):
            raise EngineBroken("PostgreSQL: rows that share an instant were not found a second time")
        return lines

    def _select(self, among: str = "false") -> str:
        """Write the cells; in a row that is read by itself, or that cannot be written, a mark stands for the first."""
        cells = [write_marked(cell, self._marks.mark) if cell in self._marked else cell.sql for cell in self._cells]
        if (among, self._strange) != ("false", "false"):
            marks = f"WHEN {among} THEN '{self._marks.room}' WHEN {self._strange} THEN '{self._marks.strange}'"
            cells[0] = f"CASE {marks} ELSE CAST({cells[0]} AS text) END"
        return ", ".join(cells)

    def _copy(self, cells: str, rows: str, order: Sequence[str], take: Take) -> None:
        select = f"SELECT {cells} FROM ({rows}) AS rows ORDER BY {', '.join(order)}"
        statement = f"COPY ({select}) TO STDOUT (FORMAT csv)".encode()
        with told(), self._connection.cursor() as cursor, cursor.copy(statement):
            self._connection.wait(receive(self._connection.pgconn, take))


def _among(instants: Sequence[Sequence[Any]]) -> str:
    """Write whether a row is of one of some instants."""
    return f"{AT} IN ({', '.join(quote_text(str(instant)) for (instant,) in instants)})"
