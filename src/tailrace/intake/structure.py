"""Checks a CSV file's structure (RFC 4180) without DuckDB, and explains what is wrong with it, by line and column.

The check looks at whole blocks of bytes, never at single rows. What is between quotes is cut out first; in the
skeleton that is left, counts of a few byte pairs decide whether the file is sound. DuckDB's reader would skip blank
lines, read a stray quote as text and drop rows after a mistaken line end; none of that gets past the counts.
"""

import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

MAX_RECORD_BYTES = 32 * 1024 * 1024
BOM = b"\xef\xbb\xbf"
_ORDINARY = bytes(set(range(256)) - set(b',"\r\n'))


@dataclass(slots=True)
class Structure:
    """Takes a CSV file's bytes in order and tells at the end what they are made of.

    `records` counts the header too, `commas` only those between cells; `longest` is at least the longest record's
    bytes, at most two blocks more; `sound` is false when any rule is broken.
    """

    records: int = 0
    commas: int = 0
    carriage_returns: int = 0
    longest: int = 0
    sound: bool = True
    _inside: bool = False
    _record_bytes: int = 0
    _cell_bytes: int = 0
    _quotes: int = 0
    _quoted: int = 0
    _pending: bytes = b""

    def feed(self, block: bytes) -> None:
        """Take the next bytes."""
        self._cell_bytes += len(block) - (len(BOM) if block.startswith(BOM) and not self._cell_bytes else 0)
        before = self.records
        self._pending += self._without_quoted(block)
        cut = self._pending.rfind(b"\n") + 1
        if cut:
            self._check(self._pending[:cut])
            self._pending = self._pending[cut:]
        self.measure(block, ends_record=self.records > before)

    def measure(self, block: bytes, *, ends_record: bool) -> None:
        """Take the next bytes for the longest record only."""
        self._record_bytes += len(block)
        self.longest = max(self.longest, self._record_bytes)
        if ends_record:
            self._record_bytes = len(block)

    def finish(self) -> None:
        """Say that there are no more bytes."""
        self.sound = self.sound and not self._inside and not self._pending
        self.sound = self.sound and self.carriage_returns in (0, self.records)

    @property
    def cell_bytes(self) -> int:
        """The bytes of all cells of a sound file, without commas, line ends and the quotes that are not text."""
        return self._cell_bytes - self.commas - self.records - self.carriage_returns - self._quotes // 2 - self._quoted

    @property
    def line_end(self) -> str:
        """What ends a record."""
        return "\r\n" if self.carriage_returns else "\n"

    def _without_quoted(self, block: bytes) -> bytes:
        """Leave one quote for each quoted stretch, and of what is between the first and the last a comma."""
        parts = block.split(b'"')
        outside = parts[1 if self._inside else 0 :: 2]
        self._quotes += len(parts) - 1
        self._inside = self._inside != (len(parts) % 2 == 0)
        between = list(filter(None, outside[1:-1]))  # nothing between two quotes: a doubled quote in a cell
        if between:
            self._check_between(between)
        opening = b'"' if self._inside and outside else b""
        return (b'","' if between else b'"' * min(len(outside) - 1, 2)).join(
            (*outside[:1], *outside[1:][-1:])
        ) + opening

    def _check_between(self, texts: list[bytes]) -> None:
        """Check texts that each have a quote before and after them."""
        first, last = bytes(map(itemgetter(0), texts)), bytes(map(itemgetter(-1), texts))
        self.sound = self.sound and not first.strip(b",\r\n") and not last.strip(b",\n")
        self._count(b'"'.join(texts))
        # One comma and two quoted cells stand for all this in the skeleton.
        self.commas -= 1
        self._quoted += len(texts) - 1

    def _check(self, skeleton: bytes) -> None:
        self._count(skeleton)
        while b'""' in skeleton:
            skeleton = skeleton.replace(b'""', b'"')
        cells = skeleton.count(b'"')
        if cells:
            opened = skeleton.count(b',"') + skeleton.count(b'\n"') + skeleton.startswith((b'"', BOM + b'"'))
            closed = skeleton.count(b'",') + skeleton.count(b'"\n') + skeleton.count(b'"\r\n')
            self.sound = self.sound and opened == cells == closed
        self.sound = self.sound and not skeleton.removeprefix(BOM).startswith((b"\n", b"\r\n"))
        self._quoted += cells

    def _count(self, text: bytes) -> None:
        marks = text.translate(None, _ORDINARY)
        lines, returns = marks.count(b"\n"), marks.count(b"\r")
        if returns:
            self.sound = self.sound and returns == text.count(b"\r\n")
        if b"\n\n" in marks or b"\n\r\n" in marks:
            self.sound = self.sound and b"\n\n" not in text and b"\n\r\n" not in text
        self.records += lines
        self.commas += marks.count(b",")
        self.carriage_returns += returns


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something wrong in a CSV file: the line its record starts in, the cell (from 1; 0: none), the problem."""

    line: int
    cell: int
    problem: str


# A sound record is one match; only a record that is not is looked at cell by cell.
_CELL = rb'(?:"[^"]*+(?:""[^"]*+)*+"|[^",\r\n]*+)'
_QUOTED = re.compile(rb'"[^"]*+(?:""[^"]*+)*+"')
_PLAIN = re.compile(rb"[^,\n]*+")

_Buffer = bytes | mmap.mmap


def first_cells(content: _Buffer) -> list[bytes] | None:
    """Read the cells of the first record; None when something is wrong with it."""
    start, cells = (len(BOM) if content[:3] == BOM else 0), []
    while True:
        end, problem = _skip_cell(content, start)
        if problem:
            return None
        cell = content[start:end].removesuffix(b"\r")
        cells.append(cell[1:-1].replace(b'""', b'"') if cell.startswith(b'"') else cell)
        if content[end : end + 1] != b",":
            return cells
        start = end + 1


def record_starts(content: _Buffer, records: list[int]) -> dict[int, int]:
    """Find the physical lines (from 1) in which these records of a sound file start; record 1 is the header."""
    wanted, found, record, inside = sorted(set(records)), dict[int, int](), 0, False
    for line, text in enumerate(iter_lines(content), 1):
        if not inside:
            record += 1
            if record == wanted[0]:
                found[wanted.pop(0)] = line
                if not wanted:
                    break
        inside ^= text.count(b'"') % 2 == 1
    return found


def iter_lines(content: _Buffer) -> Iterator[bytes]:
    """Yield physical lines with their ends."""
    start = 0
    while start < len(content):
        end = content.find(b"\n", start) + 1 or len(content)
        yield content[start:end]
        start = end


def find_flaws(path: Path, cells: int) -> Iterator[Flaw]:
    """Yield what is wrong with a CSV file whose header has so many cells, in the order of the file."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield from flaws_of(content, cells)


def flaws_of(content: _Buffer, cells: int) -> Iterator[Flaw]:
    """Yield the flaws of a CSV file's bytes."""
    sound = re.compile(_CELL + rb"(?:," + _CELL + rb"){%d}(\r?\n)" % (cells - 1))
    position, line = (len(BOM) if content[:3] == BOM else 0), 1
    usual_end = b""
    while position < len(content):
        match = sound.match(content, position)
        blank = content[position : position + 1] == b"\n" or content[position : position + 2] == b"\r\n"
        if match and not blank and match.end() - position <= MAX_RECORD_BYTES:
            end = match.end()
            usual_end = usual_end or match[1]
            yield from _flaws_of_text(content[position:end], line)
            if match[1] != usual_end:
                yield Flaw(line, 0, f"ends with {_NAMES[match[1]]}, but the lines before it with {_NAMES[usual_end]}")
        else:
            flaw, end = _explain(content, position, line, cells)
            yield from [flaw] if flaw else []
        line += content[position:end].count(b"\n")
        position = end


_NAMES = {b"\n": "LF", b"\r\n": "CR LF"}


def _flaws_of_text(record: bytes, line: int) -> Iterator[Flaw]:
    try:
        record.decode()
    except UnicodeDecodeError as error:
        before = _QUOTED.sub(b"", record[: error.start])
        before = before[: before.find(b'"')] if b'"' in before else before
        yield Flaw(line, before.count(b",") + 1, f"is not UTF-8 (byte 0x{record[error.start]:02X})")


def _explain(content: _Buffer, start: int, line: int, cells: int) -> tuple[Flaw | None, int]:
    """Name the flaw of the record at `start`, and where to go on."""
    position, cell, problem = _walk(content, start)
    end = content.find(b"\n", position) + 1 or len(content)
    if problem == _OPEN:
        return Flaw(line, cell, problem), len(content)
    if content[start:end] in (b"\n", b"\r\n"):
        # Also with one column: there, a record without a value is written `""` (CX-606).
        cell, problem = 0, "the line is blank"
    elif not problem and position >= len(content):
        cell, problem = 0, "the last line has no line break, so the file is probably cut off"
    elif not problem and end - start > MAX_RECORD_BYTES:
        cell, problem = 0, "the record is longer than 32 MiB"
    elif not problem and cell != cells:
        cell, problem = 0, f"has {cell} cell{'s' * (cell != 1)}, but the header has {cells}"
    return (Flaw(line, cell, problem) if problem else None), end


def _walk(content: _Buffer, position: int) -> tuple[int, int, str]:
    """Go through a record's cells to its end or first problem; returns where that is, the cell, and the problem."""
    cell = 0
    while True:
        cell += 1
        position, problem = _skip_cell(content, position)
        if problem or content[position : position + 1] != b",":
            return position, cell, problem
        position += 1


_OPEN = "a double quote opens here that is never closed"


def _skip_cell(content: _Buffer, position: int) -> tuple[int, str]:
    """Go to the end of a cell, or to its problem."""
    if content[position : position + 1] == b'"':
        quoted = _QUOTED.match(content, position)
        if quoted is None:
            return position, _OPEN
        position = quoted.end()
        if content[position : position + 1] in (b",", b"\n", b"") or content[position : position + 2] == b"\r\n":
            return position + (content[position : position + 1] == b"\r"), ""
        return position, "something follows the closing double quote; a double quote inside a cell must be doubled"
    plain = _PLAIN.match(content, position)
    end = plain.end() if plain else position
    text = content[position:end]
    if b'"' in text:
        return position, "a double quote is in a cell that is not quoted"
    text = text.removesuffix(b"\r") if content[end : end + 1] == b"\n" else text
    if b"\r" in text:
        return position, "a carriage return without a line feed is in a cell that is not quoted"
    return end, ""
