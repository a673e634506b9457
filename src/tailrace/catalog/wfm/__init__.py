"""The WFM tables behind the SmartSync exporters: what they hold, and what is derived from them."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from tailrace.catalog.model import Column
from tailrace.formats.base import ColumnType

# The dataset a table's stored files are published under.
PREFIX = "wfm."
# Kept with the other permissions, not with the data.
VIEW_TABLE = "entity_view"
_TYPE = re.compile(r"(text|integer|date|boolean|instant|decimal)(?:\((\d+)\))?(\?)?")


@dataclass(frozen=True, slots=True)
class Reference:
    """Columns whose values, where there are any, are the key of a row of another table."""

    columns: tuple[str, ...]
    table: str
    key: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WfmTable:
    """One table: `key` names a row within the tenant, `order` is how rows are stored."""

    name: str
    key: tuple[str, ...]
    order: tuple[str, ...]
    columns: tuple[Column, ...]
    references: tuple[Reference, ...]

    def column(self, name: str) -> Column:
        """Find a column by name."""
        return next(column for column in self.columns if column.name == name)


@dataclass(frozen=True, slots=True)
class Derivation:
    """Something made from the tables that exporters share (section 4 of the data model).

    `kind` says how: a `table` is computed once, a `view` where it is used, a `macro` is an expression of its `head`.
    """

    kind: Literal["table", "view", "macro"]
    name: str
    head: str
    sql: str


@cache
def load_wfm_tables() -> dict[str, WfmTable]:
    """Read the tables by name."""
    text = (files("tailrace.catalog.wfm") / "tables.toml").read_text(encoding="utf-8")
    return {name: _read_table(name, table) for name, table in tomllib.loads(text).items()}


@cache
def load_derivations() -> tuple[Derivation, ...]:
    """Read the derivations in the order in which they may use each other."""
    text = (files("tailrace.catalog.wfm") / "derivations.sql").read_text(encoding="utf-8")
    return read_derivations(text)


def read_derivations(text: str) -> tuple[Derivation, ...]:
    """Split a text into its blocks, each headed by `-- view NAME: …`, `-- table NAME: …` or `-- macro NAME(…): …`."""
    parts = re.split(r"^-- (view|table|macro) (\w+)(\([^)]*\))?:.*$", text, flags=re.MULTILINE)[1:]
    blocks = zip(parts[0::4], parts[1::4], parts[2::4], parts[3::4], strict=True)
    return tuple(
        Derivation(kind, name, name + (arguments or ""), sql.strip().removesuffix(";"))  # type: ignore[arg-type]
        for kind, name, arguments, sql in blocks
    )


def _read_table(name: str, table: dict[str, Any]) -> WfmTable:
    values, pii = table.get("values", {}), table.get("pii", ())
    columns = tuple(
        _read_column(column, kind, tuple(map(str, values.get(column, ()))), personal=column in pii)
        for column, kind in table["columns"].items()
    )
    key = tuple(table["key"])
    references = tuple(Reference(tuple(own), other, tuple(its)) for own, other, its in table.get("references", ()))
    return WfmTable(name, key, tuple(table.get("order", key)), columns, references)


def _read_column(name: str, kind: str, values: tuple[str, ...], *, personal: bool) -> Column:
    found = _TYPE.fullmatch(kind)
    if found is None:
        raise ValueError(f"column '{name}': '{kind}' is no type")
    plain, digits, optional = found.groups()
    kinds: dict[str, ColumnType] = {
        "text": "text",
        "integer": "integer",
        "date": "date",
        "boolean": "boolean",
        "instant": "datetime",
        "decimal": "decimal",
    }
    return Column(
        name=name,
        type=kinds[plain],
        source=name,
        scale=None if digits is None else int(digits),
        nullable=bool(optional),
        enum=values,
        enum_closed=bool(values),
        pii=personal,
    )
