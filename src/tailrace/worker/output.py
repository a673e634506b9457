"""Where rendered rows go: one object, packed if asked for; or beside it its gzip form and an index of its records."""

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from typing import Self

from tailrace.engines.base import Block
from tailrace.errors import ResultTooLarge
from tailrace.formats.base import Format
from tailrace.jobs.index import IndexWriter
from tailrace.jobs.model import Request, Result
from tailrace.storage.base import Storage, Writer
from tailrace.worker.packing.base import OpenPacker, Packing
from tailrace.worker.packing.gz import compressor

# The store writes one part while the next is digested.
_PART_BYTES = 2**20


class Output:
    """Passes bytes on to the store and keeps count; refuses to grow beyond the limit.

    A context manager: objects exist, whole, when it ends well, and not at all otherwise.
    """

    def __init__(self, storage: Storage, key: str, request: Request, open_packer: OpenPacker | None = None) -> None:
        """Prepare; objects are begun when the context is entered.

        With a packer, what the object holds is what comes of it, and `bytes` counts that.
        """
        self._storage, self._key, self._request = storage, key, request
        self._open_packer = open_packer
        self._packing: Packing | None = None
        self._stack = ExitStack()
        self._sha256 = hashlib.sha256()
        self._gzip: _Gzip | None = None
        self._index: IndexWriter | None = None
        self.rows = 0
        self.bytes = 0

    def __enter__(self) -> Self:
        """Begin the objects."""
        with ExitStack() as stack:
            self._writer: Writer = stack.enter_context(self._storage.create(self._key))
            if "gz" in self._request.companions:
                self._gzip = _Gzip(stack.enter_context(self._storage.create(f"{self._key}.gz")))
                stack.push(_if_well(self._gzip.finish))
            if "index" in self._request.companions:
                self._index = IndexWriter(stack.enter_context(self._storage.create(f"{self._key}.index")).write)
                stack.push(_if_well(self._index.finish))
            if self._open_packer is not None:
                self._packing = stack.enter_context(Packing(self._open_packer(self._store), lambda: self.rows))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *about: object) -> None:
        """End the objects, the result itself last."""
        self._stack.__exit__(*about)  # type: ignore[arg-type]

    def lead_of(self, shape: Format) -> str | None:
        """Tell what stands before each row, None when nothing does and nobody wants to know where rows begin."""
        lead = shape.lead()
        return lead if self._index is not None or lead != "''" else None

    def add(self, data: memoryview | bytes) -> None:
        """Append bytes that are no rows; raises ResultTooLarge and StorageUnavailable."""
        if self._packing is not None:
            self._packing.add(data)
        else:
            self._store(data)

    def _store(self, data: memoryview | bytes) -> None:
        self.bytes += len(data)
        if self.bytes > self._request.limits.max_result_bytes:
            raise ResultTooLarge(f"The result is larger than {self._request.limits.max_result_bytes} bytes")
        for at in range(0, len(data), _PART_BYTES):
            part = data[at : at + _PART_BYTES]
            self._writer.write(part)
            self._sha256.update(part)
        if self._gzip is not None:
            self._gzip.write(data)

    def add_rows(self, block: Block) -> None:
        """Append rows."""
        if self._index is not None and block.offsets is not None and block.leads is not None:
            self._index.add(self.bytes, block.rows, block.offsets, block.leads)
        self.rows += block.rows
        self.add(block.data)

    def result(self, replaced: int) -> Result:
        """Describe what was written, once it is."""
        packed = None if self._gzip is None else self._gzip.bytes
        return Result(self._key, self.bytes, self.rows, self._sha256.hexdigest(), packed, replaced)


def _if_well(finish: Callable[[], None]) -> Callable[..., None]:
    """Make what ends a context call `finish` only when nothing went wrong in it."""

    def leave(kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            finish()

    return leave


class _Gzip:
    """Writes the gzip form of what it is given."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._packer = compressor()
        self.bytes = 0

    def write(self, data: memoryview | bytes) -> None:
        self._pass_on(self._packer.compress(data))

    def finish(self) -> None:
        self._pass_on(self._packer.flush())

    def _pass_on(self, packed: bytes) -> None:
        self.bytes += len(packed)
        if packed:
            self._writer.write(packed)
