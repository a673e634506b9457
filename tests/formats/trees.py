"""The exporters that write trees: their formats and columns, made as a request for all fields makes them."""

import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from types import ModuleType
from typing import Any

from formats.plain_writers import AGENT_GROUP, VACATION, Column, agent_columns, opens_columns
from formats.rendering import columns_of
from tailrace.catalog.exporter import prune
from tailrace.formats.base import Field, Format

AGENT_COLUMNS = {
    "acdList": 'STRUCT("acdID" BIGINT, logon VARCHAR, "agentGroup" VARCHAR)[]',
    "availListDateRange": 'STRUCT("startDate" DATE, "endDate" DATE)',
    "agentData": 'STRUCT("groupID" BIGINT, description VARCHAR, "adgStartDate" DATE, value VARCHAR)[]',
    **dict.fromkeys(["firstName", "lastName", "nameSuffix"], "VARCHAR"),
}
OPENS_COLUMNS = {"open": 'STRUCT(time INTEGER, "openValue" DECIMAL(38,8))[]'}
GROUPED_BY = [column.source for column in AGENT_GROUP]
# Digits of a computed decimal.
_PRECISION = 38


def tree_of(exporter: str, record: str | None = None, fields: Sequence[str] | None = None) -> dict[str, Any]:
    file = resources.files("tailrace.catalog.exporters") / f"{exporter}.toml"
    return prune(tomllib.loads(file.read_text(encoding="utf-8"))["tree"], record, fields)


def as_field(column: Column) -> Field:
    return Field(
        name=column.name,
        source=column.source,
        type=column.type,
        precision=_PRECISION,
        scale=column.scale,
        pattern=column.pattern,
        label=column.label,
    )


def make_agents(
    module: ModuleType, record: str, id_type: str = "tvID", fields: Sequence[str] | None = None, **options: bool
) -> tuple[Format, dict[str, str]]:
    """agent-export: a format, and the columns it reads."""
    names = [column for column in agent_columns(record) if column.type != "group"]
    made = [Field(column.source, column.source, column.type, label=id_type * (column.name == "id")) for column in names]
    tree = {"tree": tree_of("agent-export", record, fields)}
    return module.create(made, {**tree, **options}), {**columns_of(made), **AGENT_COLUMNS}


def make_opens(module: ModuleType, **options: bool) -> tuple[Format, dict[str, str]]:
    made = [*map(as_field, opens_columns()), Field("open", "open", "group")]
    return module.create(made, {"tree": tree_of("mu-opens"), **options}), {**columns_of(made), **OPENS_COLUMNS}


def make_vacation(module: ModuleType, data: Sequence[Column]) -> tuple[Format, Mapping[str, str]]:
    simple = [column for column in [*AGENT_GROUP, *VACATION] if column.name != "agentData"]
    made = [as_field(column._replace(name=column.source)) for column in simple]
    made += [as_field(column._replace(name="agentData")) for column in data]
    if not data:
        made.append(Field("agentData", "", "group"))
    return module.create(made, {"tree": tree_of("agent-vacation-summary")}), columns_of(made)
