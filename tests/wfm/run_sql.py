"""Runs an exporter's SQL over a few rows given by hand, with nothing between the SQL and DuckDB."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from importlib.resources import files
from typing import Any

import duckdb

from tailrace.catalog.wfm import Derivation, load_derivations, load_wfm_tables

Rows = Mapping[str, Sequence[Mapping[str, Any]]]

_TYPES = {"integer": "BIGINT", "text": "VARCHAR", "date": "DATE", "boolean": "BOOLEAN", "datetime": "TIMESTAMP"}
_REQUEST = {
    "request": "customer_id BIGINT, start_date DATE, end_date DATE, run_at TIMESTAMP, attribute VARCHAR, "
    "last_modified_at TIMESTAMP, midnight_cut_off BOOLEAN, record_type VARCHAR",
    "request_mu": "mu_id BIGINT",
    "request_bu": "bu_id BIGINT",
    "request_ct": "ct_id BIGINT",
    "request_time_off": "group_id BIGINT, rule VARCHAR, covering BOOLEAN",
    "viewable_mu": "mu_id BIGINT",
}
_MAKE = {"table": "CREATE TABLE {} AS {}", "view": "CREATE VIEW {} AS {}", "macro": "CREATE MACRO {} AS ({})"}


def request(
    start: str,
    end: str,
    *,
    run_at: str = "2024-07-01 12:00",
    mus: Sequence[int] = (),
    bus: Sequence[int] = (),
    cts: Sequence[int] = (),
    time_off: Sequence[tuple[int, str | None, bool]] = (),
    viewable: Sequence[int] = (),
    **other: Any,
) -> Rows:
    """Say what is asked for; `other` are further columns of `request`, such as `attribute` and `record_type`."""
    row = {"customer_id": 7, "attribute": "EXC_EXPORT", "midnight_cut_off": True, **other}
    row |= {"start_date": date.fromisoformat(start), "end_date": date.fromisoformat(end)}
    row |= {"run_at": datetime.fromisoformat(run_at)}
    return {
        "request": [row],
        "request_mu": [{"mu_id": mu} for mu in mus],
        "request_bu": [{"bu_id": bu} for bu in bus],
        "request_ct": [{"ct_id": ct} for ct in cts],
        "request_time_off": [{"group_id": group, "rule": rule, "covering": cover} for group, rule, cover in time_off],
        "viewable_mu": [{"mu_id": mu} for mu in viewable],
    }


def run(exporter: str, rows: Rows, asked: Rows) -> list[dict[str, Any]]:
    """Run an exporter over tables' rows (a table that is not named is empty); its rows in order, all columns."""
    spec = tomllib.loads((files("tailrace.catalog.exporters") / f"{exporter}.toml").read_text(encoding="utf-8"))
    with duckdb.connect(config={"threads": 2}) as connection:
        open_tables(connection, rows, asked)
        for step in needed(spec["sql"]):
            connection.execute(_MAKE[step.kind].format(step.head, step.sql))
        return fetch(connection, f"SELECT * FROM ({spec['sql']}) ORDER BY {', '.join(spec['order_by'])}")


def derive(select: str, rows: Rows, asked: Rows) -> list[dict[str, Any]]:
    """Run a SELECT over derivations."""
    with duckdb.connect(config={"threads": 2}) as connection:
        open_tables(connection, rows, asked)
        for step in needed(select):
            connection.execute(_MAKE[step.kind].format(step.head, step.sql))
        return fetch(connection, select)


def needed(sql: str) -> list[Derivation]:
    """Find the derivations a statement names, and those they name, in the order of the file."""
    known = {step.name: step for step in load_derivations()}
    names, new = set[str](), _names(sql) & known.keys()
    while new:
        names |= new
        new = {name for found in new for name in _names(known[found].sql) & known.keys()} - names
    return [step for step in load_derivations() if step.name in names]


def open_tables(connection: duckdb.DuckDBPyConnection, rows: Rows, asked: Rows) -> None:
    connection.execute("SET TimeZone = 'UTC'")
    for name, table in load_wfm_tables().items():
        types = {column.name: _sql_type(column.type, column.scale) for column in table.columns}
        if name == "customer":
            types["customer_id"] = "BIGINT"
        _make(connection, name, types, rows.get(name, ()))
    for name, columns in _REQUEST.items():
        types = dict(column.split(" ") for column in columns.split(", "))
        _make(connection, name, types, asked.get(name, ()))


def fetch(connection: duckdb.DuckDBPyConnection, select: str) -> list[dict[str, Any]]:
    result = connection.execute(select)
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _make(
    connection: duckdb.DuckDBPyConnection, name: str, types: Mapping[str, str], rows: Sequence[Mapping[str, Any]]
) -> None:
    connection.execute(f"CREATE TABLE {name} ({', '.join(f'{column} {kind}' for column, kind in types.items())})")
    for row in rows:
        unknown = row.keys() - types.keys()
        assert not unknown, f"{name} has no {unknown}"
        names = ", ".join(row)
        connection.execute(f"INSERT INTO {name} ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))


def _sql_type(kind: str, scale: int | None) -> str:
    return f"DECIMAL(18, {(scale or 0) + 4})" if kind == "decimal" else _TYPES[kind]


def _names(sql: str) -> set[str]:
    return set(_words(sql))


def _words(sql: str) -> Iterator[str]:
    for found in re.finditer(r"\w+", sql):
        yield found.group()
