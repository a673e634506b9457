"""Slices on their way to the result: rendered side by side, or had from a helper's object, and always in order."""

import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from queue import SimpleQueue
from typing import Any, Self

from tailrace.engines.base import Block, Engine, Scan, Slice
from tailrace.errors import StorageUnavailable
from tailrace.faults import fault_point
from tailrace.jobs.model import Rendered
from tailrace.plugins import load_plugin
from tailrace.storage.base import Storage
from tailrace.worker.sharing import Shares

# Some slices' rows, and how many slices these are.
Piece = tuple[int, Iterable[Block]]
# What may wait of one slice to be appended: all of it, but for slices of rows that cannot be told apart by the range.
_MOST_WAITING_BYTES = 32 * 2**20


class Engines:
    """As many open engines as slices are rendered at once; each is lent to one thread at a time."""

    def __init__(self, name: str, options: Mapping[str, Any], most: int) -> None:
        """Take the engine's name, its options, and how many may be open at once; the first is opened on entering."""
        self._options, self._most = options, most
        self._connect = load_plugin("tailrace.engines", name).connect
        self._stack = ExitStack()
        self._free: SimpleQueue[Engine] = SimpleQueue()
        self.all: list[Engine] = []
        self._told: dict[str, Any] | None = None

    def __enter__(self) -> Self:
        """Open the first."""
        self.open(1)
        return self

    def __exit__(self, *_: object) -> None:
        """Close all."""
        self._stack.close()

    def open(self, number: int) -> None:
        """Have so many engines; one costs as much as a small job, so there are no more than there are slices."""
        while len(self.all) < min(number, self._most):
            opened = self.all[0].another() if self.all else self._connect(self._options)
            self.all.append(self._stack.enter_context(opened))
            self._free.put(self.all[-1])

    @property
    def tellable(self) -> bool:
        """Tell whether a helper on another machine can be told what is shared."""
        return self.all[0].tellable

    def shared(self) -> dict[str, Any]:
        """Tell with what options another process sees the source as these do; asked while none of them is lent."""
        self._told = dict(self.all[0].shared()) if self._told is None else self._told
        return self._told

    @contextmanager
    def lend(self) -> Iterator[Engine]:
        """Lend one, when one is free."""
        engine = self._free.get()
        try:
            yield engine
        finally:
            self._free.put(engine)


class _Stopped(Exception):  # noqa: N818 nothing is wrong
    """Nobody wants the blocks any more."""


class _Blocks:
    """The blocks of one slice on their way from the thread that renders; few wait, however many there are."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[Block] = deque()
        self._bytes = 0
        self._ended, self._stopped = False, False
        self._fault: BaseException | None = None

    def fill(self, blocks: Iterable[Block]) -> None:
        """Take blocks until there are no more, waiting for room; what is raised meanwhile is raised where they go."""
        try:
            for block in () if self._stopped else blocks:
                self._put(block)
        except _Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - told to whoever takes the blocks
            self._fault = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _put(self, block: Block) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._bytes < _MOST_WAITING_BYTES)
            if self._stopped:
                raise _Stopped
            self._waiting.append(block)
            self._bytes += len(block.data)
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Block]:
        """Yield blocks as they come; raises what rendering has raised."""
        while (block := self._take()) is not None:
            yield block
        if self._fault is not None:
            raise self._fault

    def _take(self) -> Block | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended)
            if not self._waiting:
                return None
            block = self._waiting.popleft()
            self._bytes -= len(block.data)
            self._changed.notify_all()
            return block

    def stop(self) -> None:
        """Let the thread that renders end."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()


class Rendering:
    """The blocks of each slice in order, while later slices are being rendered; or of a helper's object.

    At most one slice more than there are engines is held, so memory does not grow with the result.
    """

    def __init__(
        self, engines: Engines, scan: Scan, shares: Shares, words: tuple[str, str | None], storage: Storage
    ) -> None:
        """Take what to render, with the expressions of a row and of its lead, and where helpers' objects are."""
        self._engines, self._scan, self._shares, self._storage = engines, scan, shares, storage
        self._row, self._lead = words
        self._ahead: deque[_Blocks] = deque()
        self.total = sum(map(len, shares.groups))

    def __iter__(self) -> Generator[Piece]:
        """Render, and yield in order; to be closed, so that nothing goes on when what takes the rows cannot."""
        with ThreadPoolExecutor(max_workers=len(self._engines.all)) as pool:
            try:
                for number, group in enumerate(self._shares.groups):
                    taken = self._shares.take(number)
                    if taken == "wait":
                        yield from self._catch_up()
                        taken = self._shares.hear()
                    if isinstance(taken, Rendered):
                        yield from self._catch_up()
                        yield len(group), self._append(number, group, taken)
                    else:
                        yield from self._render_ahead(pool, group)
                yield from self._catch_up()
            except BaseException:
                self._stop()
                raise

    def _render_ahead(self, pool: ThreadPoolExecutor, group: list[Slice]) -> Iterator[Piece]:
        for part in group:
            self._ahead.append(_Blocks())
            pool.submit(self._ahead[-1].fill, self._render(part))
            if len(self._ahead) > len(self._engines.all):
                yield from self._first()

    def _catch_up(self) -> Iterator[Piece]:
        while self._ahead:
            yield from self._first()

    def _first(self) -> Iterator[Piece]:
        """Yield the slice whose turn it is; until it is appended it counts among those that are stopped."""
        yield 1, self._ahead[0]
        self._ahead.popleft()

    def _render(self, part: Slice) -> Iterator[Block]:
        with self._engines.lend() as engine:
            yield from engine.render(self._scan, part, self._row, self._lead)

    def _append(self, number: int, group: list[Slice], share: Rendered) -> Iterator[Block]:
        """Yield what a helper has rendered; what of it cannot be had is rendered here, as the bytes are the same."""
        passed = 0
        try:
            for data in self._read(share):
                yield Block(0 if passed else share.rows, memoryview(data))
                passed += len(data)
        except StorageUnavailable:
            yield from self._render_from(group, passed)
        fault_point("share.appended")
        with suppress(StorageUnavailable):
            self._storage.delete(share.key)
            self._shares.tell_removed(number)

    def _read(self, share: Rendered) -> Iterator[bytes]:
        if self._storage.size(share.key) != share.bytes:
            raise StorageUnavailable("The store holds another number of bytes than the helper has written")
        return self._storage.read(share.key, 0, share.bytes)

    def _render_from(self, group: list[Slice], passed: int) -> Iterator[Block]:
        """Render a share but for the bytes that have been passed on; its rows are counted then already."""
        left = passed
        for part in group:
            for block in self._render(part):
                skipped = min(left, len(block.data))
                left -= skipped
                yield Block(0 if passed else block.rows, block.data[skipped:])

    def _stop(self) -> None:
        for blocks in self._ahead:
            blocks.stop()
        for engine in self._engines.all:
            engine.interrupt()
