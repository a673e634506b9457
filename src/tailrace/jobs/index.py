"""An index of a result's records, so that a page of it is served without reading the whole.

For each block of records as it was rendered: where each line (its lead included) begins, eight bytes each, and how
long each lead is, four bytes each, both as the machine writes numbers. At the end a directory of the blocks as JSON,
and its length in 16 digits. Nothing is computed row by row when it is written.
"""

import json
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Self

from tailrace.storage.base import Storage

_OFFSET_BYTES, _LEAD_BYTES = 8, 4
_TRAILER_BYTES = 16
# Leads looked at in one go when searching back for the one that opened a group.
_LEADS_AT_ONCE = 65_536


@dataclass(frozen=True, slots=True)
class _Place:
    """One block: its first record (from 0), where its bytes begin in the result, its place here, and its size."""

    first: int
    base: int
    at: int
    records: int


class IndexWriter:
    """Writes the index of a result while the result is written."""

    def __init__(self, write: Callable[[memoryview | bytes], None]) -> None:
        """Take what appends to the index's object."""
        self._write = write
        self._places: list[_Place] = []
        self._records = 0
        self._bytes = 0

    def add(self, base: int, records: int, offsets: memoryview, leads: memoryview) -> None:
        """Note a block of records whose bytes begin at `base` in the result."""
        self._places.append(_Place(self._records, base, self._bytes, records))
        for numbers, size in ((offsets, (records + 1) * _OFFSET_BYTES), (leads, records * _LEAD_BYTES)):
            self._write(numbers.cast("B")[:size])
            self._bytes += size
        self._records += records

    def finish(self) -> None:
        """Write the directory, after the last block."""
        directory = json.dumps([asdict(place) for place in self._places]).encode()
        self._write(directory)
        self._write(f"{len(directory):0{_TRAILER_BYTES}}".encode())


class Index:
    """The index of one stored result."""

    def __init__(self, storage: Storage, key: str, places: list[_Place]) -> None:
        """Take what `open` has read."""
        self._storage, self._key, self._places = storage, key, places
        self._firsts = [place.first for place in places]

    @classmethod
    def open(cls, storage: Storage, key: str) -> Self:
        """Read the directory of an index; raises StorageUnavailable when there is none."""
        size = storage.size(key)
        length = int(_read(storage, key, size - _TRAILER_BYTES, size))
        directory = json.loads(_read(storage, key, size - _TRAILER_BYTES - length, size - _TRAILER_BYTES))
        return cls(storage, key, [_Place(**place) for place in directory])

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Tell where the bytes of the records from `start` up to `end` (from 0) lie, without the first one's lead."""
        first, last = self._place(start), self._place(end - 1)
        return (
            first.base + self._offset(first, start - first.first) + self._lead(start),
            last.base + self._offset(last, end - last.first),
        )

    def group_lead(self, record: int) -> tuple[int, int]:
        """Tell where the last lead up to a record lies that is not empty; two equal places when there is none."""
        for number in self._backwards(record):
            if size := self._lead(number):
                place = self._place(number)
                begin = place.base + self._offset(place, number - place.first)
                return begin, begin + size
        return 0, 0

    def _backwards(self, record: int) -> Iterator[int]:
        """Yield the records up to `record` whose leads are not empty, last first, reading many leads at once."""
        while record >= 0:
            place = self._place(record)
            first = max(place.first, record - _LEADS_AT_ONCE + 1)
            leads = self._leads(place, first - place.first, record + 1 - place.first)
            yield from (first + number for number in range(len(leads) - 1, -1, -1) if leads[number])
            record = first - 1

    def _place(self, record: int) -> _Place:
        return self._places[bisect_right(self._firsts, record) - 1]

    def _offset(self, place: _Place, number: int) -> int:
        at = place.at + number * _OFFSET_BYTES
        return int(memoryview(_read(self._storage, self._key, at, at + _OFFSET_BYTES)).cast("q")[0])

    def _lead(self, record: int) -> int:
        place = self._place(record)
        return int(self._leads(place, record - place.first, record - place.first + 1)[0])

    def _leads(self, place: _Place, start: int, end: int) -> memoryview:
        begin = place.at + (place.records + 1) * _OFFSET_BYTES
        data = _read(self._storage, self._key, begin + start * _LEAD_BYTES, begin + end * _LEAD_BYTES)
        return memoryview(data).cast("i")


def _read(storage: Storage, key: str, start: int, end: int) -> bytes:
    return b"".join(storage.read(key, start, end))
