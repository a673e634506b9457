"""CSV by PostgreSQL's own `COPY`, whose quotes cost next to nothing: one message a row, joined here.

COPY quotes as CSV after the specification does, but for cells with a blank or a tab at an edge, and ends lines with LF.
The lines are joined with CR LF. Such cells are looked for in what came, since that costs much less than asking
PostgreSQL about each text; a slice that has some is read again, and their columns are marked from then on: a marked cell
has a line feed and a mark behind it, for which COPY puts it in quotes, and which is taken out here.
"""

import ctypes
import secrets
from collections.abc import Callable, Generator, Sequence
from typing import Any

import psycopg
from psycopg.generators import fetch_many
from psycopg.pq import ExecStatus
from psycopg.waiting import Wait

from tailrace.engines.base import Block
from tailrace.engines.pgsql.csv_cells import Cell, write_edged, write_marked
from tailrace.engines.pgsql.session import Connection, fetch, told

# Rows that are joined while the processor's cache still holds them, and about as many bytes as make a block.
_ROWS_AT_ONCE = 64
_BLOCK_BYTES = 2**20
_LINE_END, _QUOTE = b"\r\n", b'"'
# A blank at the edge of a cell, outside of quotes; the same for tabs.
_BLANK_EDGES = (b", ", b" ,", b"\n ", b" \r")
_TAB_EDGES = tuple(edge.replace(b" ", b"\t") for edge in _BLANK_EDGES)
# Python looks for two bytes twenty times as slowly as this. No text of PostgreSQL's has a NUL, at which it would end.
_find = ctypes.PyDLL(None).strstr
_find.argtypes, _find.restype = [ctypes.c_char_p, ctypes.c_char_p], ctypes.c_void_p


class CsvCopy:
    """The rows of one source in CSV, as one session reads them; it learns which columns have to be marked."""

    def __init__(self, connection: Connection, cells: Sequence[Cell], strange: str, sample: str) -> None:
        """Take the cells, SQL for whether a row holds what cannot be written, and a SELECT of some rows to learn by."""
        self._connection, self._cells, self._strange = connection, cells, strange
        # No value holds what is made up here.
        self._mark = secrets.token_hex(16)
        self._marked: set[Cell] = set()
        self._learn(sample)

    def read(self, rows: str, order: Sequence[str]) -> list[Block] | None:
        """Read the rows of a SELECT in order; nothing if one of them holds what cannot be written."""
        lines = self._read(rows, order)
        if lines.edged:
            self._learn(rows)
            # From now on only what is never in quotes, such as a number, could look like an edge.
            lines = self._read(rows, order)
        return None if lines.strange else lines.blocks

    def _learn(self, rows: str) -> None:
        """Mark the columns with blanks or tabs at an edge among some rows."""
        texts = [cell for cell in self._cells if cell.is_text and cell not in self._marked]
        if texts:
            asked = ", ".join(f"bool_or({write_edged([cell])})" for cell in texts)
            [found] = fetch(self._connection, f"SELECT {asked} FROM ({rows}) AS rows")
            self._marked.update(cell for cell, has_edges in zip(texts, found, strict=True) if has_edges)

    def _read(self, rows: str, order: Sequence[str]) -> "_Lines":
        lines = _Lines(self._mark.encode())
        statement = f"COPY (SELECT {self._select()} FROM ({rows}) AS rows ORDER BY {', '.join(order)})"
        with told(), self._connection.cursor() as cursor:
            with cursor.copy(f"{statement} TO STDOUT (FORMAT csv)".encode()):
                self._connection.wait(_receive(self._connection.pgconn, lines.put))
        return lines

    def _select(self) -> str:
        """Write the cells; where a row holds what cannot be written, the mark alone stands for the first."""
        first, *others = [write_marked(cell, self._mark) if cell in self._marked else cell.sql for cell in self._cells]
        strange = f"CASE WHEN {self._strange} THEN '{self._mark}' ELSE CAST({first} AS text) END"
        return ", ".join([first if self._strange == "false" else strange, *others])


class _Lines:
    """What came of a slice: its lines in blocks, and whether something in it must not stay so."""

    def __init__(self, mark: bytes) -> None:
        self.blocks: list[Block] = []
        self.edged = self.strange = False
        self._mark, self._marked_end = mark, b"\n" + mark + _QUOTE
        self._data, self._rows = bytearray(), 0

    def put(self, rows: Sequence[memoryview]) -> None:
        """Join rows to lines; no rows are the end."""
        text = _LINE_END.join([*rows, b""])
        if _find(text, self._mark):
            text = text.replace(self._marked_end, _QUOTE)
            self.strange = self.strange or self._mark in text
        self.edged = self.edged or _has_edges(text)
        self._data += text
        self._rows += len(rows)
        if len(self._data) >= _BLOCK_BYTES or not rows:
            self.blocks.append(Block(self._rows, memoryview(self._data)))
            self._data, self._rows = bytearray(), 0


def _has_edges(lines: bytes) -> bool:
    """Whether a cell that is not in quotes begins or ends with a blank or a tab."""
    bare = _QUOTE.join(lines.split(_QUOTE)[::2])
    edges = _BLANK_EDGES + _TAB_EDGES if b"\t" in bare else _BLANK_EDGES
    return bare.startswith((b" ", b"\t")) or any(_find(bare, edge) for edge in edges)


def _receive(
    connection: psycopg.pq.abc.PGconn, put: Callable[[Sequence[memoryview]], None]
) -> Generator[Wait, Any, None]:
    """Take the rows of a COPY as they come, without the line feed behind each; psycopg waits where this yields."""
    take, rows = connection.get_copy_data, list[memoryview]()
    while True:
        size, row = take(1)
        if size > 0:
            rows.append(row[:-1])
            if len(rows) == _ROWS_AT_ONCE:
                put(rows)
                rows.clear()
        elif size == 0:
            while not (yield Wait.R):
                pass
            connection.consume_input()
        else:
            break
    if rows:
        put(rows)
    put([])
    yield from _end(connection)


def _end(connection: psycopg.pq.abc.PGconn) -> Generator[Wait, Any, None]:
    """Take the result of a COPY that has ended, for better or worse."""
    for result in (yield from fetch_many(connection)):
        if result.status != ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(result)
