"""PostgreSQL of the operator's own: rows are rendered by the server, and come in pieces of many rows each.

A format's SQL is translated. One session renders one slice at a time; all sessions of a job see one moment.
"""

import struct
import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import accumulate, pairwise
from operator import itemgetter
from typing import Any, Never

from tailrace.engines.base import Block, Program, Scan, Slice
from tailrace.engines.pgsql.csv_cells import find_csv_cells
from tailrace.engines.pgsql.csv_copy import CsvCopy
from tailrace.engines.pgsql.order import Order
from tailrace.engines.pgsql.session import Connection, cancel, export_snapshot, fetch, fetch_every, open_session, told
from tailrace.engines.pgsql.source import Source, as_bound, examine_source, find_source, is_strange
from tailrace.engines.pgsql.translate import Cells, find_cells, translate, translate_plain
from tailrace.errors import EngineBroken, SourceUnavailable

_ROWS_PER_SLICE = 32_768
_BYTES_PER_SLICE = 24 * 2**20
# Rows that PostgreSQL joins into one piece: some hundred kilobytes.
_ROWS_PER_PIECE = 1_000
# How many rows tell how large rows are.
_SAMPLE = 1_000
_NOTHING = "''"
# The share of rows that may be looked through twice, so that most are looked through once.
_SELDOM = 0.05
# PostgreSQL gives no function more than 100.
_MOST_ARGUMENTS = 90
# COPY in binary form begins with a header; then each row has a number of columns, and each column its length.
_HEADER, _HEADER_BYTES, _END = b"PGCOPY\n\xff\r\n\0", 19, b"\xff\xff"
_LENGTH = struct.Struct(">i")
_NO = bytes(4)
_WITHOUT_LEADS = 2


@contextmanager
def connect(options: Mapping[str, Any]) -> Iterator["PostgresqlEngine"]:
    """Open a read-only session.

    Options are `url`, `connect_timeout_s`, `statement_timeout_s`, and what `shared` tells; others are not for it.
    """
    with open_session(options) as connection:
        yield PostgresqlEngine(connection, options)


class PostgresqlEngine:
    """One session with PostgreSQL."""

    tellable = True

    def __init__(self, connection: Connection, options: Mapping[str, Any]) -> None:
        """Take an open session, and what it was opened with."""
        self._connection, self._options = connection, options
        self._sources: dict[Scan, Source] = {}
        self._lines: dict[tuple[Scan, str], str] = {}
        self._copies: dict[tuple[Scan, str], CsvCopy | None] = {}

    def examine(self, scan: Scan) -> list[str]:
        """Say what is missing, cannot be read or has another type."""
        return list(examine_source(self._connection, scan)) if scan.source else ["no table or query is named"]

    def another(self) -> AbstractContextManager["PostgresqlEngine"]:
        """Open a session that reads the same snapshot."""
        return connect({**self._options, **self.shared()})

    def shared(self) -> Mapping[str, Any]:
        """Export the snapshot this session reads."""
        with told():
            return {"snapshot": export_snapshot(self._connection)}

    def plan(self, scan: Scan) -> list[Slice]:
        """Cut the range where rows lie: at every so many rows, in the order of the range column."""
        if not scan.source:
            return []
        source = self._source(scan)
        instants = f"{source.rows(scan.start, scan.end, [scan.range_column])} ORDER BY 1"
        found = list(dict.fromkeys(fetch_every(self._connection, instants, self._rows_per_slice(scan, source))))
        inner = [as_bound(value) for (value,) in found[1:]]
        return [Slice(start, end) for start, end in pairwise([scan.start, *inner, scan.end])] if found else []

    def count(self, scan: Scan) -> int:
        """Count the rows of the range."""
        return self._total(scan, "count(*)")

    def sum(self, scan: Scan, expression: str) -> int:
        """Add up an expression over the rows of the range."""
        return self._total(scan, f"coalesce(sum({translate(expression)}), 0)")

    def prepare(self, program: Program, target: str, row_key: str, opens: str) -> Never:  # noqa: ARG002 the protocol's
        """Refuse: what is computed is computed from Tailrace's own tables."""
        raise SourceUnavailable("PostgreSQL: rows that are computed cannot be read from an operator's own tables")

    def render(self, scan: Scan, part: Slice, row: str, lead: str | None = None) -> Iterator[Block]:
        """Render one slice: CSV by PostgreSQL's COPY, all else in pieces of many rows, which PostgreSQL joins."""
        source = self._source(scan)
        copy = self._csv(scan, source, row) if lead is None else None
        blocks = copy.read(part) if copy else self._render(Order(scan, source), part, row, lead)
        if blocks is None:
            raise SourceUnavailable(f"PostgreSQL: {self._strange(source, part)}")
        yield from blocks

    def _csv(self, scan: Scan, source: Source, row: str) -> CsvCopy | None:
        """Prepare to read rows as CSV, if that is what they are to be."""
        if (scan, row) not in self._copies:
            cells = find_csv_cells(row, source.not_texts)
            self._copies[scan, row] = CsvCopy(self._connection, Order(scan, source), cells, _SAMPLE) if cells else None
        return self._copies[scan, row]

    def _render(self, order: Order, part: Slice, row: str, lead: str | None) -> Iterator[Block] | None:
        """Let PostgreSQL join the rows of a piece; nothing if one of them holds what cannot be written."""
        line, before = self._line(order.scan, order.source, row), None if lead is None else translate(lead)
        pieces = self._copy(_pieces(order.source, part, order.terms(part), line, before))
        if any(piece[0] != _NO for piece in pieces):
            return None
        return map(_block, _in_order([piece[1:] for piece in pieces]))

    def _line(self, scan: Scan, source: Source, row: str) -> str:
        """Translate a row; texts that are seldom escaped in a sample are looked through all at once."""
        if (scan, row) not in self._lines:
            line = translate(row)
            cells = find_cells(row)
            plain = self._plain(cells, f"{source.rows(scan.start, scan.end)} LIMIT {_SAMPLE}") if cells.texts else []
            if len(plain) > 1:
                quick = translate_plain(row, frozenset(plain))
                line = f"CASE WHEN {cells.any_escaped(plain)} THEN {line} ELSE {quick} END"
            self._lines[scan, row] = line
        return self._lines[scan, row]

    def _plain(self, cells: Cells, rows: str) -> list[str]:
        """Choose texts so that few rows of a sample have one among them that is escaped."""
        counts = ", ".join(f"count(*) FILTER (WHERE {cells.escaped(text)})" for text in cells.texts)
        [(most, *found)] = fetch(self._connection, f"SELECT count(*) * {_SELDOM}, {counts} FROM ({rows}) AS rows")
        seldom = sorted(zip(found, cells.texts, strict=True), key=itemgetter(0))
        totals = accumulate(number for number, _ in seldom)
        return [text for total, (_, text) in zip(totals, seldom, strict=True) if total <= most][:_MOST_ARGUMENTS]

    def _copy(self, statement: str) -> list[list[memoryview]]:
        with told(), self._connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            return [piece for message in copy if (piece := _read(memoryview(message)))]

    def interrupt(self) -> None:
        """Stop the running statement."""
        cancel(self._connection)

    def _source(self, scan: Scan) -> Source:
        if scan not in self._sources:
            self._sources[scan] = find_source(self._connection, scan)
        return self._sources[scan]

    def _total(self, scan: Scan, expression: str) -> int:
        if not scan.source:
            return 0
        rows = self._source(scan).rows(scan.start, scan.end)
        return int(fetch(self._connection, f"SELECT {expression} FROM ({rows}) AS rows")[0][0])

    def _rows_per_slice(self, scan: Scan, source: Source) -> int:
        """Tell how many rows are about as large as a slice should be, by the first of the range."""
        rows = f"{source.rows(scan.start, scan.end)} LIMIT {_SAMPLE}"
        [(size,)] = fetch(self._connection, f"SELECT avg(octet_length(CAST(rows AS text))) FROM ({rows}) AS rows")
        return min(_ROWS_PER_SLICE, max(_BYTES_PER_SLICE // int(size or 1), 2))

    def _strange(self, source: Source, part: Slice) -> str:
        """Say which columns of a slice hold what no stored column can."""
        found = ", ".join(f"bool_or({is_strange([column])})" for column in source.doubtful)
        [answers] = fetch(self._connection, f"SELECT {found} FROM ({source.rows(part.start, part.end)}) AS rows")
        names = ", ".join(f"'{column.name}'" for column, yes in zip(source.doubtful, answers, strict=True) if yes)
        return f"column {names} holds a date or time outside the years 1 to 9999, or what is not a number"


def _pieces(source: Source, part: Slice, order: list[str], row: str, lead: str | None) -> str:
    """Write the COPY of a slice: a piece a row, with the number of its lines, and the lines joined."""
    line = row if lead in {None, _NOTHING} else f"concat({lead}, {row})"
    columns = ["string_agg(int4send(number), '')", "string_agg(line, '')"]
    if lead is not None:
        columns += [f"string_agg(int4send(octet_length({text})), '')" for text in ("line", "lead")]
    lines = f"""
        SELECT {line} AS line, {lead or _NOTHING} AS lead, {is_strange(source.doubtful)} AS strange,
               CAST(row_number() OVER (ORDER BY {", ".join(order)}) AS integer) - 1 AS number
        FROM ({source.placed(part.start, part.end)}) AS rows
    """
    return f"""
        COPY (
            SELECT CAST(coalesce(bool_or(strange), false) AS integer), {", ".join(columns)}
            FROM ({lines}) AS lines GROUP BY number / {_ROWS_PER_PIECE}
        ) TO STDOUT (FORMAT binary)
    """


def _read(message: memoryview) -> list[memoryview]:
    """Read the columns of a row of COPY in binary form; there are none at its end."""
    at = _HEADER_BYTES if message[: len(_HEADER)] == _HEADER else 0
    if message[at : at + 2] == _END or at == len(message):
        return []
    fields, at = [], at + 2
    while at < len(message):
        [size] = _LENGTH.unpack_from(message, at)
        at += _LENGTH.size
        fields.append(message[at : at + size])
        at += size
    return fields


def _block(piece: Sequence[memoryview]) -> Block:
    """Take a piece for a block: its rows' numbers, its lines, and the sizes of these and of leads where asked for."""
    rows = len(piece[0]) // _LENGTH.size
    if len(piece) == _WITHOUT_LEADS:
        return Block(rows, piece[1])
    offsets = array("q", accumulate(_numbers(piece[2]), initial=0))
    return Block(rows, piece[1], memoryview(offsets), memoryview(_numbers(piece[3])))


def _in_order(pieces: list[list[memoryview]]) -> list[list[memoryview]]:
    """Put pieces in order, and make sure that PostgreSQL joined rows in the order in which it counted them."""
    pieces.sort(key=lambda piece: bytes(piece[0][: _LENGTH.size]))
    numbers = _numbers(b"".join(piece[0] for piece in pieces))
    if numbers != array("i", range(len(numbers))):
        raise EngineBroken("PostgreSQL: rows were not joined in the order asked for")
    return pieces


def _numbers(data: memoryview | bytes) -> "array[int]":
    """Take numbers of four bytes, the highest first."""
    numbers = array("i")
    numbers.frombytes(data)
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers
