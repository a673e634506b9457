"""What a packing is: something between the rendered text and the store, which works in threads of its own.

A module in this folder offers `as_rendered(fields, options)`, which says how the format is to be made, and
`open_packer(sink, means)`.

What it is given is cut into pieces of one size first, so that its bytes depend on the text alone, never on slices.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from queue import Queue
from types import TracebackType
from typing import Any, Protocol, Self

from tailrace.formats.base import Field

PIECE_BYTES = 2**20
# Pieces that a packer may hold, and those of them that may wait for its thread.
_MOST_HELD = 5
_MOST_WAITING = _MOST_HELD - 1

# Takes packed bytes.
Sink = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Means:
    """What a packing may need to know and use: the columns, memory, and a folder for what does not fit into it."""

    fields: tuple[Field, ...]
    scratch: str
    memory_mb: int


class Packer(Protocol):
    """The packing of one object."""

    def write(self, piece: memoryview) -> None:
        """Take the next piece of text; raises what packing or storing an earlier one has raised.

        Its memory is used again with the sixth piece from here: a packer may hold five, be they waiting or worked on.
        """

    def finish(self, rows: int) -> None:
        """Pack what is left, and return when all is stored; `rows` is how many records there were."""

    def close(self) -> None:
        """Stop, if it has not finished; nothing is stored any more when this returns."""


# Makes a packer whose bytes go into the sink, which is called from another thread.
OpenPacker = Callable[[Sink], Packer]


# What a format is made of: columns and options.
Rendered = tuple[tuple[Field, ...], Mapping[str, Any]]


class Compressor(Protocol):
    """What gzip and zstd have in common."""

    def compress(self, data: memoryview | bytes | bytearray, /) -> bytes:
        """Take bytes, give what is ready."""

    def flush(self) -> bytes:
        """Give the rest."""


class Packing:
    """Cuts a stream of blocks into pieces of one size for a packer; the blocks themselves are not kept.

    A context manager: the packer finishes when it ends well, and is stopped otherwise.
    """

    def __init__(self, packer: Packer, count_rows: Callable[[], int]) -> None:
        """Take the packer, and what tells in the end how many records there were."""
        self._packer, self._count_rows = packer, count_rows
        # Memory taken anew for each would cost as much as filling it.
        self._pieces = cycle([memoryview(bytearray(PIECE_BYTES)) for _ in range(_MOST_HELD + 1)])
        self._piece, self._begun = next(self._pieces), 0

    def __enter__(self) -> Self:
        """Return the packing itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the packer; raises what it raises."""
        try:
            if kind is None:
                self._hand_on()
                self._packer.finish(self._count_rows())
        finally:
            self._packer.close()

    def add(self, data: memoryview | bytes) -> None:
        """Append a block."""
        rest = memoryview(data).cast("B")
        while rest:
            part = rest[: PIECE_BYTES - self._begun]
            self._piece[self._begun : self._begun + len(part)] = part
            self._begun += len(part)
            rest = rest[len(part) :]
            if self._begun == PIECE_BYTES:
                self._hand_on()

    def _hand_on(self) -> None:
        if self._begun:
            self._packer.write(self._piece[: self._begun])
            self._piece, self._begun = next(self._pieces), 0


class ThreadedPacker:
    """Compresses in a thread of its own, while the next rows are rendered."""

    def __init__(self, compressor: Compressor, sink: Sink) -> None:
        """Start the thread."""
        self._compressor, self._sink = compressor, sink
        self._pieces: Queue[memoryview | None] = Queue(_MOST_WAITING)
        self._fault: BaseException | None = None
        self._finished = False
        self._thread = threading.Thread(target=self._run, name="packing", daemon=True)
        self._thread.start()

    def write(self, piece: memoryview) -> None:
        """Hand a piece to the thread; waits while it has enough to do."""
        self._check()
        self._pieces.put(piece)

    def finish(self, rows: int) -> None:  # noqa: ARG002 the protocol's argument; bytes are not counted as rows
        """Wait until all is compressed and stored."""
        self._finished = True
        self.close()
        self._check()

    def close(self) -> None:
        """End the thread."""
        if self._thread.is_alive():
            self._pieces.put(None)
            self._thread.join()

    def _check(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _run(self) -> None:
        """Take pieces until told to end, also after a fault, so that nobody waits for room in the queue."""
        for piece in iter(self._pieces.get, None):
            if self._fault is None:
                self._pack(partial(self._compressor.compress, piece))
        if self._finished and self._fault is None:
            self._pack(self._compressor.flush)

    def _pack(self, work: Callable[[], bytes]) -> None:
        try:
            if packed := work():
                self._sink(packed)
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is written
            self._fault = error


def leave_as_it_is(fields: Sequence[Field], options: Mapping[str, Any]) -> Rendered:
    """Tell the format to render just what it does without packing."""
    return tuple(fields), options
