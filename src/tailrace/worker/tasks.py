"""From a claimed job to what its child process is told: which rows there are now, and how they are computed."""

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

from tailrace.access.entities import refused, viewable
from tailrace.catalog.wfm import VIEW_TABLE, Derivation, WfmTable, load_derivations, load_wfm_tables
from tailrace.engines.base import Program, Relation, Step
from tailrace.errors import ExtractionFailed, PermissionWithdrawn
from tailrace.formats.base import sql_type, write_order
from tailrace.intake.manifest import stored_files, wfm_files
from tailrace.intake.specials import specials_of_all
from tailrace.jobs.model import ExporterRows, Lease, RangeRows
from tailrace.jobs.shares import ShareLease
from tailrace.runtime import Runtime
from tailrace.settings import DatasetSettings, Source
from tailrace.worker.extract import Task
from tailrace.worker.protocol import read_slices
from tailrace.worker.sources import places, selection, source_options, who

_WORD = re.compile(r"\w+")
# What an exporter's SQL may read of a request, besides the lists of ids: one row.
_REQUEST = (
    ("customer_id", "BIGINT"),
    ("start_date", "DATE"),
    ("end_date", "DATE"),
    ("run_at", "TIMESTAMP"),
    ("attribute", "VARCHAR"),
    ("last_modified_at", "TIMESTAMP"),
    ("midnight_cut_off", "BOOLEAN"),
    ("record_type", "VARCHAR"),
)
_TIME_OFF = (("group_id", "BIGINT"), ("rule", "VARCHAR"), ("covering", "BOOLEAN"))
# What stands in a share for the folder of stored rows, as another machine may have it elsewhere.
_TABLES = "tables:"


def make_task(runtime: Runtime, lease: Lease) -> Task:
    """Fix what an attempt reads, one moment of the source, and a key that was never used (CX-615).

    Raises PermissionWithdrawn when the user may no longer view what the export is about (SS-322), and UnknownDataset.
    """
    rows = lease.request.rows
    task = _computed(runtime, lease, rows) if isinstance(rows, ExporterRows) else _ranged(runtime, lease, rows)
    runtime.scratch.mkdir(parents=True, exist_ok=True)
    return task


def make_share_task(runtime: Runtime, share: ShareLease) -> Task:
    """Say how a share of another worker's job is rendered: by our settings, but from what its own child has planned.

    Raises SourceUnavailable and UnknownDataset.
    """
    rows, told = share.job.request.rows, share.content
    if not isinstance(rows, RangeRows):
        raise ExtractionFailed("rows that are computed are not shared")
    task = _bound(runtime, share.job, _without_the_latest(share.job, rows))
    slices = [{**one, "source": _here(runtime, one["source"])} for one in told["slices"]]
    runtime.scratch.mkdir(parents=True, exist_ok=True)
    return replace(
        task,
        source=tuple(_here(runtime, told["source"])),
        in_order=tuple(_here(runtime, told["in_order"])),
        # A worker of an earlier version tells of none; the likeness, which names versions, has the share refused then.
        specials=told.get("specials", {}),
        key=share.key,
        engine_options={**task.engine_options, **told["shared"]},
        slices=read_slices(slices),
        likeness=told["likeness"],
        share_slices=0,
    )


def write_contents(runtime: Runtime, contents: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """Write what a child tells of its shares so that other machines can read it."""
    return {
        int(number): {
            **told,
            **{name: _anywhere(runtime, told[name]) for name in ("source", "in_order")},
            "slices": [{**one, "source": _anywhere(runtime, one["source"])} for one in told["slices"]],
        }
        for number, told in contents.items()
    }


def _anywhere(runtime: Runtime, parts: Sequence[str]) -> list[str]:
    folder = f"{runtime.tables}/"
    return [_TABLES + part.removeprefix(folder) if part.startswith(folder) else part for part in parts]


def _here(runtime: Runtime, parts: Sequence[str]) -> list[str]:
    return [str(runtime.tables / part.removeprefix(_TABLES)) if part.startswith(_TABLES) else part for part in parts]


def _ranged(runtime: Runtime, lease: Lease, asked: RangeRows) -> Task:
    rows = _without_the_latest(lease, asked)
    task = _bound(runtime, lease, rows)
    if task.selection is not None:
        return task
    files = stored_files(runtime.database, lease.tenant_id, rows.table, rows.start, rows.end)
    order = write_order(rows.column, rows.order)
    return replace(
        task,
        source=tuple(str(runtime.tables / file.path) for file in files),
        in_order=tuple(str(runtime.tables / file.path) for file in files if file.sorted_by == order),
        specials=specials_of_all([file.specials for file in files]),
    )


def _bound(runtime: Runtime, lease: Lease, rows: RangeRows) -> Task:
    """Begin a task about a range of rows, with a source where the operator has them."""
    bound = runtime.settings.datasets.get(rows.table)
    if bound is not None and bound.source is not None:
        return _outside(runtime, lease, rows, bound, runtime.settings.sources[bound.source])
    return replace(_task(runtime, lease), request=replace(lease.request, rows=rows))


def _outside(runtime: Runtime, lease: Lease, rows: RangeRows, bound: DatasetSettings, source: Source) -> Task:
    """Read rows where the operator has them."""
    tenant = who(runtime, lease.tenant_id, bound)
    return replace(
        _task(runtime, lease),
        request=replace(lease.request, rows=rows),
        source=places(bound, tenant),
        selection=selection(bound, tenant),
        engine=source.kind,
        engine_options=source_options(runtime, source),
    )


def _task(runtime: Runtime, lease: Lease) -> Task:
    """Say with what means a job is run."""
    options = runtime.settings.worker
    attempt = f"{lease.attempt}-{secrets.token_hex(8)}.{lease.request.format}"
    return Task(
        request=lease.request,
        source=(),
        in_order=(),
        specials={},
        program=None,
        key=f"{lease.tenant_id}/{lease.job_id}/{attempt}",
        engine="duckdb",
        engine_options={"memory_mb": options.memory_mb, "scratch": str(runtime.scratch)},
        storage=runtime.settings.storage.kind,
        storage_options=runtime.storage_options,
        threads=options.threads,
        share_slices=options.share_slices,
    )


def _without_the_latest(lease: Lease, rows: RangeRows) -> RangeRows:
    """End the range where rows are too young to be given out (CX-815)."""
    if not rows.leave_out_seconds:
        return rows
    latest = lease.claimed_at - timedelta(seconds=rows.leave_out_seconds)
    return replace(rows, end=max(rows.start, min(rows.end, latest)))


# -- exporters ----------------------------------------------------------------------------------------------------


def _computed(runtime: Runtime, lease: Lease, rows: ExporterRows) -> Task:
    database, tenant, user = runtime.database, lease.tenant_id, lease.user_id
    if refused(database, tenant, user, rows.entities):
        raise PermissionWithdrawn("the user may no longer view what was asked for")
    exporter = runtime.catalog.exporter(rows.exporter)
    steps = _needed(exporter.sql, load_derivations())
    words = _words(exporter.sql, *(step.sql for step in steps))
    given = {**rows.asked, "viewable_mu": viewable(database, tenant, user, "mu") if "viewable_mu" in words else []}
    program = Program(
        relations=tuple(one for one in _relations(runtime, lease, given) if one.name in words),
        steps=tuple(Step(step.kind, step.head, step.sql) for step in steps),
        sql=exporter.sql,
        columns=rows.columns,
        order=exporter.order_by,
        groups=rows.groups,
    )
    return replace(_task(runtime, lease), program=program)


def _needed(sql: str, derivations: Sequence[Derivation]) -> list[Derivation]:
    """Leave the derivations that a statement names, or that one of these names."""
    needed: list[Derivation] = []
    words = _words(sql)
    for derivation in reversed(derivations):
        if derivation.name in words:
            needed.insert(0, derivation)
            words |= _words(derivation.sql)
    return needed


def _words(*texts: str) -> set[str]:
    return {word for text in texts for word in _WORD.findall(text)}


def _relations(runtime: Runtime, lease: Lease, given: Mapping[str, Any]) -> Iterator[Relation]:
    """Yield all a program may read: the WFM tables, and the tables of what was asked for."""
    files = wfm_files(runtime.database, lease.tenant_id)
    customer = _customer_id(runtime, lease)
    for table in load_wfm_tables().values():
        if table.name != VIEW_TABLE:
            parts = tuple(str(runtime.tables / path) for path in files.get(table.name, ()))
            constants = (("customer_id", customer),) if table.name == "customer" else ()
            yield Relation(table.name, _columns(table), parts=parts, constants=constants)
    run_at = lease.claimed_at.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")
    values = {**given, "customer_id": customer, "run_at": run_at}
    yield Relation("request", _REQUEST, rows=(tuple(values[name] for name, _ in _REQUEST),))
    for kind in ("mu", "bu", "ct"):
        yield Relation(f"request_{kind}", ((f"{kind}_id", "BIGINT"),), rows=tuple((one,) for one in given[kind]))
    yield Relation("request_time_off", _TIME_OFF, rows=tuple(map(tuple, given["time_off"])))
    yield Relation("viewable_mu", (("mu_id", "BIGINT"),), rows=tuple((one,) for one in given["viewable_mu"]))


def _columns(table: WfmTable) -> tuple[tuple[str, str], ...]:
    return tuple((one.source, sql_type(one.type, one.precision, one.stored_scale)) for one in table.columns)


def _customer_id(runtime: Runtime, lease: Lease) -> int:
    [row] = runtime.database.execute(
        "SELECT customer_id FROM tenants WHERE id = %(tenant)s", {"tenant": lease.tenant_id}, tenant=lease.tenant_id
    )
    return int(row.customer_id)
