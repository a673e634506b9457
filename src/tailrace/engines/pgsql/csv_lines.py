"""What comes of a `COPY` in CSV: one message a row, joined to lines, without the marks that were put into them."""

import ctypes
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.generators import fetch_many
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn
from psycopg.waiting import Wait

from tailrace.engines.base import Block
from tailrace.engines.pgsql.session import Connection, fetch

Take = Callable[[Sequence[memoryview]], None]
"""What takes rows, each without its line's end; no rows are the end of them. It shall not keep the sequence itself."""

# How long rows are left to gather when there are none: to wake for every few costs both sides as much as to join them.
_GATHER_SECONDS = 0.001
_GATHER_BYTES = 2**20
# Rows that are joined at once, while the processor's cache still holds them; bytes that make a block.
_ROWS_AT_ONCE = 64
_BLOCK_BYTES = 2**20
_LINE_END, _QUOTE, _TAB = b"\r\n", b'"', b"\t"
# How a blank at the edge of a cell looks, outside of quotes; and a tab.
_BLANK_EDGES = (b", ", b" ,", b"\n ", b" \r")
_TAB_EDGES = tuple(edge.replace(b" ", _TAB) for edge in _BLANK_EDGES)
# Python takes twenty times as long to find two bytes. No text of PostgreSQL's holds a NUL, at which this would end.
_find = ctypes.PyDLL(None).strstr
_find.argtypes, _find.restype = [ctypes.c_char_p, ctypes.c_char_p], ctypes.c_void_p


@dataclass(frozen=True, slots=True)
class Marks:
    """What is put into cells: a mark that is in no value; one that leaves room for a row; one for a strange row."""

    mark: str

    @property
    def room(self) -> str:
        """The first cell of a row that is read by itself."""
        return f"{self.mark}="

    @property
    def strange(self) -> str:
        """The first cell of a row that cannot be written."""
        return f"{self.mark}?"


class Lines:
    """The lines of a slice, in blocks; and whether cells have blanks at edges, or a row cannot be written."""

    def __init__(self, marks: Marks, tied: Sequence[memoryview]) -> None:
        """Take what marks look like, and the rows for which room is left."""
        self.blocks: list[Block] = []
        self.edged = self.strange = False
        self.rooms = 0
        self._mark, self._room = marks.mark.encode(), marks.room.encode()
        self._end = b"\n" + self._mark + _QUOTE
        self._tied = iter(tied)
        self._data, self._rows = bytearray(), 0

    def put(self, rows: Sequence[memoryview]) -> None:
        """Join rows to lines."""
        text = _LINE_END.join([*rows, b""])
        if _find(text, self._mark):
            text = self._without_marks(text, rows)
        self.edged = self.edged or _has_edges(text)
        self._data += text
        self._rows += len(rows)
        if self._data and (len(self._data) >= _BLOCK_BYTES or not rows):
            self.blocks.append(Block(self._rows, memoryview(self._data)))
            self._data, self._rows = bytearray(), 0

    def _without_marks(self, text: bytes, rows: Sequence[memoryview]) -> bytes:
        """Put rows where room is left for them, and take the marks behind quoted cells out."""
        if _find(text, self._room):
            text = _LINE_END.join([*map(self._placed, rows), b""])
        text = text.replace(self._end, _QUOTE)
        self.strange = self.strange or self._mark in text
        return text

    def _placed(self, row: memoryview) -> memoryview | bytes:
        if row[: len(self._room)] != self._room:
            return row
        self.rooms += 1
        return next(self._tied, b"")


def _has_edges(lines: bytes) -> bool:
    """Whether a cell that is not in quotes begins or ends with a blank or a tab."""
    bare = _QUOTE.join(lines.split(_QUOTE)[::2])
    edges = _BLANK_EDGES + _TAB_EDGES if _TAB in bare else _BLANK_EDGES
    return bare.startswith((b" ", _TAB)) or any(_find(bare, edge) for edge in edges)


def make_room(connection: Connection) -> None:
    """Let libpq take much at once: it makes room for a long message when one comes, and keeps it from then on."""
    fetch(connection, f"SELECT repeat(' ', {_GATHER_BYTES})")


def receive(connection: PGconn, take: Take) -> Generator[Wait, Any, None]:
    """Receive the rows of a COPY that has begun; psycopg waits for the server where this yields."""
    get, rows = connection.get_copy_data, list[memoryview]()
    while (size := (message := get(1))[0]) >= 0:
        if size:
            rows.append(message[1][:-1])
            if len(rows) == _ROWS_AT_ONCE:
                take(rows)
                rows.clear()
            continue
        time.sleep(_GATHER_SECONDS)
        while not (yield Wait.R):
            pass
        connection.consume_input()
    take(rows)
    take([])
    yield from _end(connection)


def _end(connection: PGconn) -> Generator[Wait, Any, None]:
    """Take the result of a COPY that has ended, for better or worse."""
    for result in (yield from fetch_many(connection)):
        if result.status != ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(result)
