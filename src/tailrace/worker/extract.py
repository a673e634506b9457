"""One extraction: slices are rendered side by side, appended in order, and become one object."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Any, Self

from tailrace.catalog.model import ROW_KEY
from tailrace.engines.base import Block, Engine, Scan, Slice
from tailrace.errors import ExtractionFailed, ResultTooLarge, StorageUnavailable
from tailrace.formats.base import Format, quote_name, sql_type, write_order
from tailrace.jobs.model import Request, Result
from tailrace.plugins import load_plugin
from tailrace.storage.base import Storage, Writer

Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Task:
    """One attempt: the request, what to read, where to write, and with what means.

    `in_order` are the parts of the source whose rows are in the request's order, `plain` the stored columns known to
    need no escaping.
    """

    request: Request
    source: tuple[str, ...]
    in_order: tuple[str, ...]
    plain: tuple[str, ...]
    key: str
    engine: str
    engine_options: Mapping[str, Any]
    storage: str
    storage_options: Mapping[str, Any]
    threads: int


def extract(task: Task, report: Report) -> Result:
    """Run one attempt to its end: when this returns, the object is stored whole and has been checked.

    `report(done, total)` is told of every finished slice. Raises ExtractionFailed and its kinds; nothing is left
    in the store then.
    """
    storage: Storage = load_plugin("tailrace.storage", task.storage).open_store(task.storage_options)
    fields = tuple(replace(field, plain=field.source in task.plain) for field in task.request.fields)
    shape: Format = load_plugin("tailrace.formats", task.request.format).create(fields, task.request.options)
    scan = _scan(task)
    with _Engines(task) as engines:
        with engines.lend() as engine:
            slices, expected = engine.plan(scan), engine.count(scan)
        engines.open(len(slices))
        with storage.create(task.key) as writer:
            tally = _Tally(writer, task.request.limits.max_result_bytes)
            tally.add(0, shape.head())
            for number, blocks in enumerate(_render_in_order(engines, scan, slices, shape.row())):
                for block in blocks:
                    tally.add(block.rows, block.data)
                report(number + 1, len(slices))
            tally.add(0, shape.tail())
            if tally.rows != expected:
                raise ExtractionFailed(f"rendered {tally.rows} rows where the source has {expected}")
    if storage.size(task.key) != tally.bytes:
        raise StorageUnavailable("The store holds another number of bytes than were written")
    return Result(task.key, tally.bytes, tally.rows, tally.sha256.hexdigest())


class _Tally:
    """Passes bytes on to the store and keeps count; refuses to grow beyond the limit."""

    def __init__(self, writer: Writer, most_bytes: int) -> None:
        self._writer = writer
        self._most_bytes = most_bytes
        self.rows = 0
        self.bytes = 0
        self.sha256 = hashlib.sha256()

    def add(self, rows: int, data: memoryview | bytes) -> None:
        self.rows += rows
        self.bytes += len(data)
        if self.bytes > self._most_bytes:
            raise ResultTooLarge(f"The result is larger than {self._most_bytes} bytes")
        self._writer.write(data)
        self.sha256.update(data)


def _scan(task: Task) -> Scan:
    request = task.request
    return Scan(
        source=task.source,
        range_column=request.range_source,
        start=_without_zone(request.start),
        end=_without_zone(request.end),
        order=(*write_order(request.range_source, request.order), quote_name(ROW_KEY)),
        in_order=frozenset(task.in_order),
        columns=tuple((field.source, sql_type(field.type, field.precision, field.scale)) for field in request.fields),
    )


def _without_zone(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None)


class _Engines:
    """As many open engines as slices are rendered at once; each is lent to one thread at a time."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._connect = load_plugin("tailrace.engines", task.engine).connect
        self._stack = ExitStack()
        self._free: SimpleQueue[Engine] = SimpleQueue()
        self.all: list[Engine] = []

    def __enter__(self) -> Self:
        self.open(1)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def open(self, number: int) -> None:
        """Have so many engines; one costs as much as a small job, so there are no more than there are slices."""
        while len(self.all) < min(number, self._task.threads):
            self.all.append(self._stack.enter_context(self._connect(self._task.engine_options)))
            self._free.put(self.all[-1])

    @contextmanager
    def lend(self) -> Iterator[Engine]:
        engine = self._free.get()
        try:
            yield engine
        finally:
            self._free.put(engine)


def _render_in_order(engines: _Engines, scan: Scan, slices: list[Slice], row: str) -> Iterator[list[Block]]:
    """Yield the blocks of each slice in order while later slices are being rendered.

    At most one slice more than there are engines is held, so memory does not grow with the result.
    """

    def render(part: Slice) -> list[Block]:
        with engines.lend() as engine:
            return list(engine.render(scan, part, row))

    with ThreadPoolExecutor(max_workers=len(engines.all)) as pool:
        ahead: deque[Future[list[Block]]] = deque()
        try:
            for part in slices:
                ahead.append(pool.submit(render, part))
                if len(ahead) > len(engines.all):
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        except BaseException:
            _stop(engines, ahead)
            raise


def _stop(engines: _Engines, ahead: "deque[Future[list[Block]]]") -> None:
    for future in ahead:
        future.cancel()
    for engine in engines.all:
        engine.interrupt()
