"""Pages of a result: which records are asked for, and the document that holds them (SS-521 to SS-525)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from isal import isal_zlib
from starlette.datastructures import QueryParams

from tailrace.jobs.index import Index
from tailrace.jobs.model import Request
from tailrace.plugins import load_plugin
from tailrace.storage.base import Storage
from tailrace.web.smartsync.body import invalid

_START, _NUMBER = "startRecord", "numRecords"
_DIGITS = re.compile(r"[0-9]+")
# A number of more digits is as good as this one: it lies beyond any result.
_LONGEST, _BEYOND = 18, 10**18
_GZIP_LEVEL = 1
_GZIP_FORM = 16 + isal_zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Page:
    """Records from `start`, counted from 1, of `total`; `count` are really there."""

    start: int
    count: int
    total: int

    @property
    def headers(self) -> Mapping[str, str]:
        """What an answer with this page says of it; what follows only where something does (SS-523)."""
        following = self.start + self.count
        described = {"X-Start-Record": self.start, "X-Count-Records": self.count}
        if following <= self.total:
            described |= {"X-Next-Record": following, "X-Remaining-Records": self.total - following + 1}
        return {name: str(number) for name, number in described.items()}


def read_page(query: QueryParams, total: int) -> Page | None:
    """Read which page is asked for, None for the whole; raises RequestInvalid with every fault (SS-522)."""
    asked = {name: _read_number(query[name]) for name in (_START, _NUMBER) if name in query}
    start, number = asked.get(_START, 1), asked.get(_NUMBER, 1)
    faults = []
    if (start is None or not 1 <= start <= total) and _START in asked:
        faults.append(f"'{_START}' query parameter must be an integer from 1 to {total}")
    if number is None or number < 1:
        faults.append(f"'{_NUMBER}' query parameter must be an integer greater than 0")
    if len(asked) == 1:
        [given] = asked
        faults.append(f"'{given}' query parameter requires '{_NUMBER if given == _START else _START}'")
    if faults:
        raise invalid(*faults)
    if not asked or start is None or number is None:
        return None
    return Page(start, min(number, total - start + 1), total)


def _read_number(text: str) -> int | None:
    """Read plain digits; None for anything else."""
    if not _DIGITS.fullmatch(text):
        return None
    digits = text.lstrip("0") or "0"
    return int(digits) if len(digits) <= _LONGEST else _BEYOND


@dataclass(frozen=True, slots=True)
class PageBody:
    """The bytes of a page: its size, and the blocks it is read in."""

    size: int
    blocks: Iterator[bytes]


def open_page(storage: Storage, key: str, request: Request, page: Page) -> PageBody:
    """Find the bytes of a page, a whole document of the format (SS-524); raises StorageUnavailable."""
    shape = load_plugin("tailrace.formats", request.format).create(request.fields, request.options)
    index = Index.open(storage, f"{key}.index")
    first = page.start - 1
    begin, end = index.span(first, first + page.count)
    lead = b"".join(storage.read(key, *index.group_lead(first))) if shape.grouped else b""
    head, tail = shape.open_page(lead), shape.tail()
    return PageBody(len(head) + end - begin + len(tail), _join(head, storage.read(key, begin, end), tail))


def _join(head: bytes, records: Iterator[bytes], tail: bytes) -> Iterator[bytes]:
    yield head
    yield from records
    yield tail


def compress(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Pack bytes as gzip while they are sent."""
    packer = isal_zlib.compressobj(_GZIP_LEVEL, isal_zlib.DEFLATED, _GZIP_FORM)
    for block in blocks:
        if packed := packer.compress(block):
            yield packed
    yield packer.flush()
