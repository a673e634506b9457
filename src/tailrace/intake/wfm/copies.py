"""Copies to PostgreSQL what requests are checked against, so that no request reads stored files."""

import json
from collections.abc import Mapping
from typing import Any, LiteralString
from uuid import UUID

import duckdb
from psycopg.types.json import Json

from tailrace.catalog.wfm import VIEW_TABLE
from tailrace.database.pool import Connection
from tailrace.formats.base import quote_text
from tailrace.intake.wfm.checks import ENTITIES
from tailrace.intake.wfm.state import State

_ROWS_AT_ONCE = 10_000
_IN_ZONE = ("management_unit", "contact_type")


def rewrite_copies(
    connection: Connection, rows: duckdb.DuckDBPyConnection, tenant_id: UUID, state: State, tables: Mapping[str, object]
) -> None:
    """Rewrite the copies of these tables, inside the caller's transaction; `rows` has the tables as they will be.

    Raises psycopg's ForeignKeyViolation when a user is not there any more.
    """
    for kind, (table, key) in ENTITIES.items():
        if table in tables:
            _entities(connection, rows, tenant_id, kind, table, key)
    if "data_group" in tables:
        connection.execute("DELETE FROM wfm_data_groups WHERE tenant_id = %s", [tenant_id])
        found = rows.execute("SELECT group_id, name FROM data_group").fetchall()
        _copy(connection, "wfm_data_groups", "group_id, name", tenant_id, found)
    if "code_attribute" in tables:
        connection.execute("DELETE FROM wfm_code_attributes WHERE tenant_id = %s", [tenant_id])
        found = rows.execute("SELECT name FROM code_attribute").fetchall()
        _copy(connection, "wfm_code_attributes", "name", tenant_id, found)
    if "time_off_rule" in tables:
        connection.execute("DELETE FROM wfm_time_off_rules WHERE tenant_id = %s", [tenant_id])
        found = rows.execute("SELECT group_id, rule, from_date, last_date, unit FROM time_off_rule").fetchall()
        _copy(connection, "wfm_time_off_rules", "group_id, rule, from_date, last_date, unit", tenant_id, found)
    if VIEW_TABLE in tables:
        _views(connection, rows, tenant_id, state.users)


def _entities(
    connection: Connection, rows: duckdb.DuckDBPyConnection, tenant_id: UUID, kind: str, table: str, key: str
) -> None:
    connection.execute("DELETE FROM wfm_entities WHERE tenant_id = %s AND entity_type = %s", [tenant_id, kind])
    unit = "bu_id" if table in _IN_ZONE else "NULL"
    times = "NULL, NULL, NULL" if table == "time_off_group" else "created_at, changed_at, deleted_at"
    found = rows.execute(f"SELECT {quote_text(kind)}, {key}, name, {unit}, {times} FROM {table}").fetchall()
    columns: LiteralString = "entity_type, entity_id, name, bu_id, created_at, changed_at, deleted_at"
    _copy(connection, "wfm_entities", columns, tenant_id, found)


def _views(connection: Connection, rows: duckdb.DuckDBPyConnection, tenant_id: UUID, users: Mapping[str, UUID]) -> None:
    connection.execute("DELETE FROM entity_views WHERE tenant_id = %s", [tenant_id])
    found = rows.execute(f"SELECT user_id, entity_type, entity_id FROM {VIEW_TABLE}").fetchall()
    views = [(users[name], kind, entity) for name, kind, entity in found]
    _copy(connection, "entity_views", "user_id, entity_type, entity_id", tenant_id, views)


def _copy(
    connection: Connection, table: LiteralString, columns: LiteralString, tenant_id: UUID, rows: list[tuple[Any, ...]]
) -> None:
    """Insert rows, some thousands at once; PostgreSQL has no COPY into a table under row-level security."""
    statement: LiteralString = f"""
        INSERT INTO {table} (tenant_id, {columns})
        SELECT %s, {columns} FROM json_populate_recordset(NULL::{table}, %s)
    """
    names = columns.split(", ")
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        some = [dict(zip(names, row, strict=True)) for row in rows[first : first + _ROWS_AT_ONCE]]
        connection.execute(statement, [tenant_id, Json(some, dumps=_as_json)])


def _as_json(rows: Any) -> str:
    # Ids and dates as text; so are times, which are in UTC, as the session is.
    return json.dumps(rows, default=str)
