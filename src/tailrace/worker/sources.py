"""Rows that stay where the operator has them: how a dataset's settings become what an engine reads."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import structlog
from pydantic import SecretStr

from tailrace.catalog.model import Column, Table
from tailrace.engines.base import Engine, Scan, Selection
from tailrace.errors import SettingsInvalid, SourceMismatch, SourceUnavailable, UnknownDataset
from tailrace.formats.base import sql_type
from tailrace.plugins import load_plugin
from tailrace.runtime import Runtime
from tailrace.settings import DatasetSettings, Settings, Source

_TENANT = "{tenant}"
# A value of the kind that rows are compared with; whether there is such a tenant does not matter to who looks at types.
_ANYBODY = {"name": "", "id": str(UUID(int=0)), "customer_id": "1"}
# Signs that Hive and Spark write as `%3A` and the like in a folder `column=value`, and what they write for no value.
_ESCAPED = re.compile(r"""[\x00-\x1f\x7f"#%'*/:=?\\{}\[\]^]""")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def engines_of(settings: Settings) -> list[str]:
    """Name the engines that jobs may need: Tailrace's own, and those of the sources that datasets are bound to."""
    bound = {settings.sources[one.source].kind for one in settings.datasets.values() if one.source}
    return ["duckdb", *sorted(bound)]


def source_options(runtime: Runtime, source: Source) -> dict[str, Any]:
    """Tell an engine how to reach a source and what it may use; holds secrets, so it is never logged."""
    reach = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in source.model_dump(exclude={"kind"}).items()
    }
    return {**reach, "memory_mb": runtime.settings.worker.memory_mb, "scratch": str(runtime.scratch)}


def places(bound: DatasetSettings, tenant: str) -> tuple[str, ...]:
    """Tell where in its source a dataset's rows are: SQL of a table, or patterns that may hold `{tenant}`.

    Raises SourceUnavailable when the tenant's name cannot stand there.
    """
    if bound.table is not None:
        return (bound.table,)
    if bound.query is not None:
        return (f"({bound.query.rstrip().rstrip(';')}\n)",)
    in_path = any(_TENANT in pattern for pattern in bound.files)
    if in_path and ("/" in tenant or tenant in {".", ".."}):
        raise SourceUnavailable("the tenant's name cannot be part of a file's path")
    as_value = any(f"={_TENANT}" in pattern for pattern in bound.files)
    if as_value and (tenant == _NO_VALUE or _ESCAPED.search(tenant)):
        raise SourceUnavailable("the tenant's name is written otherwise in a folder's name: use tenant_column")
    return bound.files


def selection(bound: DatasetSettings, tenant: str) -> Selection:
    """Tell how a tenant's stored columns come of the rows there."""
    return Selection(tuple(bound.columns.items()), bound.tenant_column, tenant)


def who(runtime: Runtime, tenant_id: UUID, bound: DatasetSettings) -> str:
    """Tell what stands for a tenant among the rows of a dataset."""
    [row] = runtime.database.execute(
        "SELECT name, id::text, customer_id::text FROM tenants WHERE id = %(tenant)s",
        {"tenant": tenant_id},
        tenant=tenant_id,
    )
    return str(getattr(row, bound.tenant_is))


# -- looking at the start -----------------------------------------------------------------------------------------


def check_sources(runtime: Runtime) -> None:
    """Compare every dataset that has a source with what is there.

    A source that does not answer is only logged, as it may come back. Raises SourceMismatch with all that does not
    fit, and SettingsInvalid when settings are about a dataset that there is not.
    """
    check_names(runtime)
    faults: list[str] = []
    for name, bound, source in bound_datasets(runtime.settings):
        try:
            faults += examine(runtime, name, bound, source)
        except SourceUnavailable as error:
            structlog.get_logger().warning("source_unavailable", dataset=name, source=bound.source, reason=str(error))
    if faults:
        listing = "".join(f"\n  {fault}" for fault in faults)
        raise SourceMismatch(
            f"{len(faults)} thing(s) do not fit what the settings say:{listing}", details=tuple(faults)
        )


def check_names(runtime: Runtime) -> None:
    """Refuse settings of a dataset, or of a column, that there is not; raises SettingsInvalid."""
    for name, bound in runtime.settings.datasets.items():
        try:
            known = {column.source for column in _columns(runtime.catalog.table(name))}
        except UnknownDataset as error:
            raise SettingsInvalid(f"datasets.{name}: {error}") from error
        for column in sorted(bound.columns.keys() - known):
            raise SettingsInvalid(f"datasets.{name}.columns: there is no stored column '{column}'")


def bound_datasets(settings: Settings) -> Iterator[tuple[str, DatasetSettings, Source]]:
    """Yield name, settings and source of every dataset that has a source."""
    for name, bound in settings.datasets.items():
        if bound.source is not None:
            yield name, bound, settings.sources[bound.source]


def examine(runtime: Runtime, name: str, bound: DatasetSettings, source: Source) -> list[str]:
    """Say, a sentence each, what does not fit between a dataset and its source; raises SourceUnavailable."""
    runtime.scratch.mkdir(parents=True, exist_ok=True)
    connect = load_plugin("tailrace.engines", source.kind).connect
    with connect(source_options(runtime, source)) as opened:
        engine: Engine = opened
        return [f"dataset {name}: {fault}" for fault in engine.examine(_scan(runtime.catalog.table(name), bound))]


def _scan(table: Table, bound: DatasetSettings) -> Scan:
    """Look at all columns of all versions; of no tenant, or of any where files say whose rows they have."""
    patterns = tuple(pattern.replace(_TENANT, "*") for pattern in bound.files)
    return Scan(
        source=patterns or places(bound, ""),
        range_column=table.range_column,
        start=0,
        end=0,
        order=(),
        columns=tuple((one.source, sql_type(one.type, one.precision, one.scale or 0)) for one in _columns(table)),
        selection=selection(bound, _ANYBODY[bound.tenant_is]),
    )


def _columns(table: Table) -> tuple[Column, ...]:
    hidden = tuple(Column(name=name, type="text", source=name) for name in table.hidden_keys)
    return (*table.columns, *hidden)
