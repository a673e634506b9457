"""One extraction: slices are rendered side by side, appended in order, and become one object.

Or a share of one: some slices of another worker's job become an object that it appends to its own.
"""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from tempfile import TemporaryDirectory
from typing import Any

from tailrace import __version__
from tailrace.engines.base import Block, Prepared, Program, Scan, Selection, Slice
from tailrace.errors import EngineBroken, ExtractionFailed, OutOfMemory, ResultTooLarge, StorageUnavailable
from tailrace.faults import fault_point
from tailrace.formats.base import (
    EMPTY,
    FILLED,
    OPENS,
    ROW_KEY,
    SPECIALS,
    Format,
    quote_name,
    sql_type,
    write_order,
)
from tailrace.jobs.model import Limits, RangeRows, Rendered, Request, Result
from tailrace.plugins import load_plugin
from tailrace.storage.base import Storage
from tailrace.worker.output import Output
from tailrace.worker.packing.base import OpenPacker
from tailrace.worker.rendering import Engines, Rendering
from tailrace.worker.shape import choose_shape
from tailrace.worker.sharing import Shares, Talk, parts_of

Report = Callable[[int, int], None]

# What computing rows may use at first: with it a million of them come with less than 300 MB in all.
_PREPARE_MB = 160


@dataclass(frozen=True, slots=True)
class Task:
    """One attempt: the request, what to read, where to write, and with what means.

    `in_order` are the parts of the source whose rows are in the request's order, `specials` what is known of stored
    values, by column, as a field has it. With a `program` the rows are computed first, and the source is what comes of
    it; with a `selection` the source is the operator's own.

    `share_slices` of the slices make a share for helpers, 0 none. A helper's task has the `slices` to render, and the
    `likeness` that what it would render must have.
    """

    request: Request
    source: tuple[str, ...]
    in_order: tuple[str, ...]
    specials: Mapping[str, Sequence[str]]
    program: Program | None
    key: str
    engine: str
    engine_options: Mapping[str, Any]
    storage: str
    storage_options: Mapping[str, Any]
    threads: int
    selection: Selection | None = None
    share_slices: int = 0
    slices: tuple[Slice, ...] = ()
    likeness: str = ""


def extract(task: Task, report: Report, talk: Talk | None = None) -> Result:
    """Run one attempt to its end: when this returns, the object is stored whole and has been checked.

    `report(done, total)` is told of every finished slice; with `talk`, slices may be shared with helpers. Raises
    ExtractionFailed and its kinds; nothing is left in the store then.
    """
    # Converting makes do with little memory, which very long rows may need more than. Shares are offered once.
    with suppress(OutOfMemory) if task.request.format == "parquet" else nullcontext():
        return _extract(task, report, talk, 0)
    return _extract(task, report, None, int(task.engine_options["memory_mb"]))


def _extract(task: Task, report: Report, talk: Talk | None, packing_mb: int) -> Result:
    if task.request.format == "parquet":
        # The conversion keeps a core busy, and needs memory.
        task = replace(task, threads=max(1, task.threads - 1))
    storage = _store(task)
    with _scanned(task) as (task, rows), _engines(task) as engines:
        shape, open_packer = _shape(task, packing_mb)
        scan = replace(rows, row_bytes=shape.row_bytes)
        with engines.lend() as engine:
            slices, expected = engine.plan(scan), engine.count(scan)
            replaced = 0 if shape.replaced() == "0" else engine.sum(scan, shape.replaced())
        _check_rows(expected, task.request.limits)
        fault_point("child.source_open")
        engines.open(len(slices))
        with Output(storage, task.key, task.request, open_packer) as output:
            lead = output.lead_of(shape)
            can_share = engines.tellable and _can_share(task, lead)
            shares = Shares(slices, task.share_slices if can_share else 0, talk)
            shares.offer(lambda group: _describe(task, scan, engines, shape, group))
            _write(output, shape, Rendering(engines, scan, shares, (shape.row(), lead), storage), report)
            if output.rows != expected:
                raise ExtractionFailed(f"rendered {output.rows} rows where the source has {expected}")
            fault_point("child.before_complete")
        fault_point("child.complete")
    if storage.size(task.key) != output.bytes:
        raise StorageUnavailable("The store holds another number of bytes than were written")
    return output.result(replaced)


def render_share(task: Task, report: Report) -> Rendered:
    """Render the slices of a share into an object of its own; raises as `extract` does, and leaves nothing then."""
    storage, (shape, _) = _store(task), _shape(task, 0)
    scan = _range(task, task.request.rows) if isinstance(task.request.rows, RangeRows) else None
    if scan is None or _likeness(task, scan, shape) != task.likeness:
        raise ExtractionFailed("this worker would not render what the job's own does: other settings, another version")
    size, rows, done = 0, 0, 0
    with _engines(task) as engines, storage.create(task.key) as writer:
        engines.open(len(task.slices))
        slices = Shares(list(task.slices), 0, None)
        with closing(iter(Rendering(engines, scan, slices, (shape.row(), None), storage))) as pieces:
            for count, blocks in pieces:
                for block in blocks:
                    rows, size = rows + block.rows, size + len(block.data)
                    if size > task.request.limits.max_result_bytes:
                        raise ResultTooLarge("A share is larger than the result may be")
                    writer.write(block.data)
                done += count
                fault_point("share.slice")
                report(done, len(task.slices))
    if storage.size(task.key) != size:
        raise StorageUnavailable("The store holds another number of bytes than were written")
    fault_point("share.complete")
    return Rendered(task.key, size, rows)


def _engines(task: Task) -> Engines:
    return Engines(task.engine, task.engine_options, task.threads)


def _store(task: Task) -> Storage:
    store: Storage = load_plugin("tailrace.storage", task.storage).open_store(task.storage_options)
    return store


def _shape(task: Task, packing_mb: int) -> tuple[Format, OpenPacker | None]:
    return choose_shape(task.request, task.specials, str(task.engine_options["scratch"]), packing_mb)


def _check_rows(rows: int, limits: Limits) -> None:
    if limits.max_rows is not None and rows > limits.max_rows:
        raise ResultTooLarge(f"The result has more than {limits.max_rows} rows")


def _write(output: Output, shape: Format, slices: Rendering, report: Report) -> None:
    """Write the document, slice by slice."""
    done = 0
    with closing(iter(slices)) as pieces:
        for count, blocks in pieces:
            _write_rows(output, shape, blocks)
            fault_point("child.slice")
            done += count
            report(done, slices.total)
    output.add(shape.tail() if output.rows else shape.empty())


def _write_rows(output: Output, shape: Format, blocks: Iterable[Block]) -> None:
    for block in blocks:
        first = not output.rows
        if first:
            output.add(shape.head())
        output.add_rows(block)
        if first:
            fault_point("child.first_block")


# -- what is read -------------------------------------------------------------------------------------------------


@contextmanager
def _scanned(task: Task) -> Iterator[tuple[Task, Scan]]:
    """Say what to read; rows that are to be computed are, and their file is removed in the end.

    The task is given back with what has become known of its columns.
    """
    rows = task.request.rows
    if isinstance(rows, RangeRows):
        yield task, _range(task, rows)
    elif task.program is None:
        raise ExtractionFailed("rows are to be computed, but no program says how")
    else:
        with TemporaryDirectory(dir=task.engine_options["scratch"], prefix="rows-") as folder:
            target = f"{folder}/rows.parquet"
            made = _computed(task, task.program, target)
            scan = Scan((target,), ROW_KEY, 0, made.rows, (quote_name(ROW_KEY),), frozenset([target]))
            yield replace(task, specials=_known(made)), scan


def _range(task: Task, rows: RangeRows) -> Scan:
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
    )


def _computed(task: Task, program: Program, target: str) -> Prepared:
    """Compute the rows; the engine is closed before rendering begins, for its memory.

    Little memory is enough for most, as engines use temporary files; what needs more gets all there is. DuckDB 2.0's
    planner may fail within itself with several threads, never with one.
    """
    allowed = int(task.engine_options["memory_mb"])
    means = deque([(min(_PREPARE_MB, allowed), task.threads), (allowed, task.threads), (allowed, 1)])
    while True:
        memory_mb, threads = means.popleft()
        try:
            return _prepare(task, program, target, memory_mb, threads)
        except (OutOfMemory, EngineBroken):
            if not means:
                raise


def _known(made: Prepared) -> dict[str, tuple[str, ...]]:
    """Write what is known of computed columns as a field has it; nothing of the characters in their texts."""
    without_empty = tuple(special for special in SPECIALS if special != EMPTY)
    return {name: (*(without_empty if name in made.nonempty else SPECIALS), FILLED) for name in made.filled}


def _prepare(task: Task, program: Program, target: str, memory_mb: int, threads: int) -> Prepared:
    connect = load_plugin("tailrace.engines", task.engine).connect
    with connect({**task.engine_options, "threads": threads, "memory_mb": memory_mb}) as engine:
        made: Prepared = engine.prepare(program, target, ROW_KEY, OPENS)
    fault_point("child.rows_prepared")
    return made


def _without_zone(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None)


# -- what is shared -----------------------------------------------------------------------------------------------


def _can_share(task: Task, lead: str | None) -> bool:
    """Tell whether any worker can render slices of a task: stored rows, each of which stands for itself."""
    return isinstance(task.request.rows, RangeRows) and lead is None and not task.request.companions


def _describe(task: Task, scan: Scan, engines: Engines, shape: Format, slices: Sequence[Slice]) -> dict[str, Any]:
    """Tell a helper what it cannot know by itself of a share; no secrets, as this is stored."""
    source = parts_of(slices, scan.source)
    return {
        "source": source,
        "in_order": [part for part in source if part in scan.in_order],
        "specials": dict(task.specials),
        "shared": engines.shared(),
        "likeness": _likeness(task, scan, shape),
        "slices": [asdict(part) for part in slices],
    }


def _likeness(task: Task, scan: Scan, shape: Format) -> str:
    """Digest what decides on the bytes besides the rows themselves; only a worker with the same may help."""
    selection = None if scan.selection is None else asdict(scan.selection)
    facts = [__version__, task.engine, shape.row(), scan.range_column, scan.order, scan.columns, selection]
    return hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()
