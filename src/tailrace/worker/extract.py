"""One extraction: slices are rendered side by side, appended in order, and become one object."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any, Self

from tailrace.catalog.model import OPENS, ROW_KEY
from tailrace.engines.base import Block, Engine, Program, Scan, Selection, Slice
from tailrace.errors import EngineBroken, ExtractionFailed, OutOfMemory, ResultTooLarge, StorageUnavailable
from tailrace.faults import fault_point
from tailrace.formats.base import Format, quote_name, sql_type, write_order
from tailrace.jobs.kinds import split_kind
from tailrace.jobs.model import Limits, RangeRows, Request, Result
from tailrace.plugins import load_plugin
from tailrace.storage.base import Storage
from tailrace.worker.output import Output
from tailrace.worker.shape import choose_shape

Report = Callable[[int, int], None]

# What computing rows may use at first: with it a million of them come with less than 300 MB in all.
_PREPARE_MB = 160


@dataclass(frozen=True, slots=True)
class Task:
    """One attempt: the request, what to read, where to write, and with what means.

    `in_order` are the parts of the source whose rows are in the request's order, `plain` the stored columns known to
    need no escaping. With a `program` the rows are computed first, and the source is what comes of it; with a
    `selection` the source is the operator's own.
    """

    request: Request
    source: tuple[str, ...]
    in_order: tuple[str, ...]
    plain: tuple[str, ...]
    program: Program | None
    key: str
    engine: str
    engine_options: Mapping[str, Any]
    storage: str
    storage_options: Mapping[str, Any]
    threads: int
    selection: Selection | None = None


def extract(task: Task, report: Report) -> Result:
    """Run one attempt to its end: when this returns, the object is stored whole and has been checked.

    `report(done, total)` is told of every finished slice. Raises ExtractionFailed and its kinds; nothing is left
    in the store then.
    """
    try:
        return _extract(task, report, 0)
    except OutOfMemory:
        if not split_kind(task.request.format)[1]:
            raise
        # Packing makes do with little memory, which very long rows may need more than.
        return _extract(task, report, int(task.engine_options["memory_mb"]))


def _extract(task: Task, report: Report, packing_mb: int) -> Result:
    if task.request.format == "parquet":
        # The conversion keeps a core busy, and needs memory.
        task = replace(task, threads=max(1, task.threads - 1))
    storage: Storage = load_plugin("tailrace.storage", task.storage).open_store(task.storage_options)
    shape, open_packer = choose_shape(task.request, task.plain, str(task.engine_options["scratch"]), packing_mb)
    with _scanned(task, shape) as scan, _Engines(task) as engines:
        with engines.lend() as engine:
            slices, expected = engine.plan(scan), engine.count(scan)
            replaced = 0 if shape.replaced() == "0" else engine.sum(scan, shape.replaced())
        _check_rows(expected, task.request.limits)
        fault_point("child.source_open")
        engines.open(len(slices))
        with Output(storage, task.key, task.request, open_packer) as output:
            _write(output, shape, _Rendered(engines, scan, slices, shape, output.lead_of(shape)), report)
            if output.rows != expected:
                raise ExtractionFailed(f"rendered {output.rows} rows where the source has {expected}")
            fault_point("child.before_complete")
        fault_point("child.complete")
    if storage.size(task.key) != output.bytes:
        raise StorageUnavailable("The store holds another number of bytes than were written")
    return output.result(replaced)


def _check_rows(rows: int, limits: Limits) -> None:
    if limits.max_rows is not None and rows > limits.max_rows:
        raise ResultTooLarge(f"The result has more than {limits.max_rows} rows")


def _write(output: Output, shape: Format, slices: "_Rendered", report: Report) -> None:
    """Write the document, slice by slice."""
    total = slices.total
    for number, blocks in enumerate(slices):
        for block in blocks:
            first = not output.rows
            if first:
                output.add(shape.head())
            output.add_rows(block)
            if first:
                fault_point("child.first_block")
        fault_point("child.slice")
        report(number + 1, total)
    output.add(shape.tail() if output.rows else shape.empty())


# -- what is read -------------------------------------------------------------------------------------------------


@contextmanager
def _scanned(task: Task, shape: Format) -> Iterator[Scan]:
    """Say what to read; rows that are to be computed are, and their file is removed in the end."""
    rows = task.request.rows
    if isinstance(rows, RangeRows):
        yield _range(task, rows, shape)
    elif task.program is None:
        raise ExtractionFailed("rows are to be computed, but no program says how")
    else:
        with TemporaryDirectory(dir=task.engine_options["scratch"], prefix="rows-") as folder:
            yield _computed(task, task.program, f"{folder}/rows.parquet")


def _range(task: Task, rows: RangeRows, shape: Format) -> Scan:
    # Rows that are the same in all that is written may change places; Tailrace's own have a key instead.
    last = (quote_name(ROW_KEY),) if task.selection is None else write_order(rows.column, task.request.fields)[1:]
    return Scan(
        source=task.source,
        range_column=rows.column,
        start=_without_zone(rows.start),
        end=_without_zone(rows.end),
        order=(*write_order(rows.column, rows.order), *last),
        in_order=frozenset(task.in_order),
        columns=tuple(
            (field.source, sql_type(field.type, field.precision, field.scale))
            for field in {field.source: field for field in (*task.request.fields, *rows.order)}.values()
        ),
        selection=task.selection,
        row_bytes=shape.row_bytes,
    )


def _computed(task: Task, program: Program, target: str) -> Scan:
    """Compute the rows; the engine is closed before rendering begins, for its memory.

    Little memory is enough for most, as engines use temporary files; what needs more gets all there is. DuckDB 2.0's
    planner may fail within itself with several threads, never with one.
    """
    allowed = int(task.engine_options["memory_mb"])
    means = deque([(min(_PREPARE_MB, allowed), task.threads), (allowed, task.threads), (allowed, 1)])
    while True:
        memory_mb, threads = means.popleft()
        try:
            rows = _prepare(task, program, target, memory_mb, threads)
        except (OutOfMemory, EngineBroken):
            if not means:
                raise
        else:
            return Scan((target,), ROW_KEY, 0, rows, (quote_name(ROW_KEY),), frozenset([target]))


def _prepare(task: Task, program: Program, target: str, memory_mb: int, threads: int) -> int:
    connect = load_plugin("tailrace.engines", task.engine).connect
    with connect({**task.engine_options, "threads": threads, "memory_mb": memory_mb}) as engine:
        rows = int(engine.prepare(program, target, ROW_KEY, OPENS))
    fault_point("child.rows_prepared")
    return rows


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
            shared = self.all[0].shared() if self.all else {}
            self.all.append(self._stack.enter_context(self._connect({**self._task.engine_options, **shared})))
            self._free.put(self.all[-1])

    @contextmanager
    def lend(self) -> Iterator[Engine]:
        engine = self._free.get()
        try:
            yield engine
        finally:
            self._free.put(engine)


class _Rendered:
    """The blocks of each slice in order, while later slices are being rendered.

    At most one slice more than there are engines is held, so memory does not grow with the result.
    """

    def __init__(self, engines: _Engines, scan: Scan, slices: list[Slice], shape: Format, lead: str | None) -> None:
        self._engines, self._scan, self._slices = engines, scan, slices
        self._row, self._lead = shape.row(), lead
        self.total = len(slices)

    def __iter__(self) -> Iterator[list[Block]]:
        with ThreadPoolExecutor(max_workers=len(self._engines.all)) as pool:
            ahead: deque[Future[list[Block]]] = deque()
            try:
                for part in self._slices:
                    ahead.append(pool.submit(self._render, part))
                    if len(ahead) > len(self._engines.all):
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            except BaseException:
                self._stop(ahead)
                raise

    def _render(self, part: Slice) -> list[Block]:
        with self._engines.lend() as engine:
            return list(engine.render(self._scan, part, self._row, self._lead))

    def _stop(self, ahead: "deque[Future[list[Block]]]") -> None:
        for future in ahead:
            future.cancel()
        for engine in self._engines.all:
            engine.interrupt()
