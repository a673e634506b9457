"""Renders rows through DuckDB just as a worker does: head, lead and row for each record, tail."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import duckdb

from tailrace.formats.base import Field, Format, quote_name

TYPES = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "decimal": "DECIMAL(38,{scale})",
    "datetime": "TIMESTAMP",
    "date": "DATE",
    "boolean": "BOOLEAN",
    "time": "TIMESTAMP",
    "elapsed": "INTEGER",
}


class Rendered(NamedTuple):
    document: bytes
    leads: list[str]
    rows: list[str]
    replaced: int


def columns_of(fields: Sequence[Field]) -> dict[str, str]:
    """The stored columns of fields that hold values, with their SQL types."""
    return {field.source: TYPES[field.type].format(scale=field.scale) for field in fields if field.type in TYPES}


def render(
    made: Format, columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]], groups: Sequence[str] = ()
) -> Rendered:
    """Render a document; rows are by column, those left out being null; a change in `groups` opens a group."""
    connection = _connection()
    _store(connection, columns, rows, groups)
    lines = connection.execute(f"SELECT {made.lead()}, {made.row()} FROM rows ORDER BY _row_key").fetchall()
    replaced = connection.execute(f"SELECT coalesce(sum({made.replaced()}), 0) FROM rows").fetchall()[0][0]
    body = "".join(lead + row for lead, row in lines).encode()
    document = made.head() + body + made.tail() if lines else made.empty()
    return Rendered(document, [lead for lead, _ in lines], [row for _, row in lines], int(replaced))


def page(made: Format, rendered: Rendered, start: int, count: int) -> bytes:
    """A page of records, from the 0-based place `start` on (SS-524)."""
    opened = [lead for lead in rendered.leads[: start + 1] if lead] if made.grouped else []
    rows = rendered.rows[start : start + count]
    leads = ["", *rendered.leads[start + 1 : start + count]]
    body = "".join(lead + row for lead, row in zip(leads, rows, strict=True))
    return made.open_page(opened[-1].encode() if opened else b"") + body.encode() + made.tail()


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    """One for all tests: opening it takes longer than what is done with it."""
    return duckdb.connect(config={"threads": 1})


def _store(
    connection: duckdb.DuckDBPyConnection,
    columns: Mapping[str, str],
    rows: Sequence[Mapping[str, Any]],
    groups: Sequence[str],
) -> None:
    opens = [
        number == 0 or any(row.get(group) != rows[number - 1].get(group) for group in groups)
        for number, row in enumerate(rows)
    ]
    typed = {"_row_key": "BIGINT", "_opens": "BOOLEAN", **columns}
    values = [list(range(len(rows))), opens, *([row.get(column) for row in rows] for column in columns)]
    lists = ", ".join(
        f"unnest(${number}::{kind}[]) AS {quote_name(column)}" for number, (column, kind) in enumerate(typed.items(), 1)
    )
    connection.execute(f"CREATE OR REPLACE TABLE rows AS SELECT {lists}", values)
