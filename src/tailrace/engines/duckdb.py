"""DuckDB over Tailrace's own Parquet files, and over rows computed from them."""

import glob
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import duckdb

from tailrace.engines.base import Prepared, Program, Relation, Scan, Slice
from tailrace.engines.parquet.connection import STAGED, open_beside, open_duckdb, unavailable, write_name, write_text
from tailrace.engines.parquet.engine import ParquetEngine
from tailrace.engines.parquet.filled import find_filled


@contextmanager
def connect(options: Mapping[str, Any]) -> Iterator["DuckDBEngine"]:
    """Open DuckDB; options `memory_mb`, `scratch` (a folder for what does not fit) and `threads` (1)."""
    with open_duckdb(options) as connection:
        yield DuckDBEngine(connection, int(options["memory_mb"]))


class DuckDBEngine(ParquetEngine):
    """One connection to a DuckDB."""

    tellable = True

    def __init__(self, connection: duckdb.DuckDBPyConnection, memory_mb: int) -> None:
        """Take an open connection, and the memory that it and each beside it may use."""
        super().__init__(connection)
        self._memory_mb, self._open = memory_mb, 1

    @contextmanager
    def another(self) -> Iterator["DuckDBEngine"]:
        """Open a connection beside this one; large files would otherwise be described in memory once for each."""
        self._open += 1
        with open_beside(self._connection, self._open * self._memory_mb) as connection:
            yield DuckDBEngine(connection, self._memory_mb)

    def examine(self, scan: Scan) -> list[str]:  # noqa: ARG002 the protocol's argument; intake has checked the files
        """Find nothing: stored files are Tailrace's own."""
        return []

    def shared(self) -> Mapping[str, Any]:
        """Nothing is needed: stored files never change."""
        return {}

    def prepare(self, program: Program, target: str, row_key: str, opens: str) -> Prepared:
        """Compute a program's rows and store them, in order, as one Parquet file."""
        try:
            for relation in program.relations:
                self._connection.execute(_make_relation(relation))
            for step in program.steps:
                self._connection.execute(_MAKE[step.kind].format(step.head, step.sql))
            self._connection.execute(f"COPY ({_ordered(program, row_key, opens)}) TO {write_text(target)} ({STAGED})")
            path = glob.escape(target)
            [(rows,)] = self._fetch("SELECT count(*) FROM read_parquet($1)", [path])
            return Prepared(rows, *find_filled(self._connection, path))
        except duckdb.Error as error:
            raise unavailable(error) from error

    def _rows_of(self, scan: Scan, files: Sequence[str], missing: Sequence[tuple[str, str]]) -> str:  # noqa: ARG002
        paths = ", ".join(map(write_text, self._paths(files)))
        nulls = "".join(f", CAST(NULL AS {kind}) AS {write_name(column)}" for column, kind in missing)
        rows = f"read_parquet([{paths}], union_by_name = true)"
        return f"(SELECT *{nulls} FROM {rows})" if nulls else rows

    def _complete(self, scan: Scan, slices: Sequence[Slice]) -> list[Slice]:
        """Name the columns that no file of a slice has."""
        known: dict[str, set[str]] = {}
        for file, name in self._fetch("SELECT file_name, name FROM parquet_schema($1)", [self._paths(scan.source)]):
            known.setdefault(file, set()).add(name)
        return [replace(part, missing=_missing(scan, part, known)) for part in slices]


def _missing(scan: Scan, part: Slice, known: Mapping[str, set[str]]) -> tuple[tuple[str, str], ...]:
    there = set[str]().union(*(known.get(file, set()) for file in part.source or scan.source))
    return tuple((name, kind) for name, kind in scan.columns if name not in there)


# -- rows that are computed first ---------------------------------------------------------------------------------

_MAKE = {
    "table": "CREATE TABLE {} AS {}",
    "view": "CREATE VIEW {} AS {}",
    "macro": "CREATE MACRO {} AS ({})",
}


def _make_relation(relation: Relation) -> str:
    """Write the statement that makes a table's rows readable under its name."""
    names = ", ".join(write_name(name) for name, _ in relation.columns)
    constants = "".join(f", {value} AS {write_name(name)}" for name, value in relation.constants)
    if relation.parts:
        files = ", ".join(write_text(glob.escape(part)) for part in relation.parts)
        return f"CREATE VIEW {write_name(relation.name)} AS SELECT {names}{constants} FROM read_parquet([{files}])"
    rows = relation.rows or ((None,) * len(relation.columns),)
    values = ", ".join(f"({', '.join(map(_literal, row))})" for row in rows)
    typed = ", ".join(f"CAST({write_name(name)} AS {kind}) AS {write_name(name)}" for name, kind in relation.columns)
    given = f"FROM (VALUES {values}) AS given({names}){'' if relation.rows else ' WHERE false'}"
    return f"CREATE TABLE {write_name(relation.name)} AS SELECT {typed}{constants} {given}"


def _literal(value: Any) -> str:
    if value is None or isinstance(value, bool | int):
        return "NULL" if value is None else str(value)
    return write_text(str(value))


def _ordered(program: Program, row_key: str, opens: str) -> str:
    """Write the statement for a program's rows: the columns kept, in order, counted, with the beginnings of groups."""
    kept = ", ".join(f"{sql} AS {write_name(name)}" for name, sql in program.columns)
    groups = ", ".join(write_name(group) for group in program.groups)
    first = ", ".join(
        f"{write_name(group)} IS DISTINCT FROM lag({write_name(group)}) OVER ()" for group in program.groups
    )
    opened = f", row_number() OVER () = 1 OR {first.replace(', ', ' OR ')} AS {write_name(opens)}" if groups else ""
    rows = f"SELECT {kept} FROM ({program.sql}) ORDER BY {', '.join(program.order)}"
    return f"SELECT *, row_number() OVER () - 1 AS {write_name(row_key)}{opened} FROM ({rows})"
