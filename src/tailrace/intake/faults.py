"""Finds the values that cannot be stored, after DuckDB met one: place and problem of the first, number of all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import duckdb

from tailrace.catalog.model import Column
from tailrace.intake.refusal import SHOWN, describe_value
from tailrace.intake.values import checked, fault


@dataclass(frozen=True, slots=True)
class Cell:
    """One column of staged rows: where its raw value is, and the stored value made of it (NULL for a fault)."""

    column: Column
    raw: str
    parsed: str

    def stored(self) -> tuple[str, str]:
        """Give the stored column's name and the expression of its value, which stops at a fault."""
        return self.column.source, checked(self.column, self.raw, self.parsed)


@dataclass(frozen=True, slots=True)
class ValueFault:
    """A value that cannot be stored: the row (from 1), the column, and the problem in words."""

    row: int
    column: str
    problem: str


def find_faults(
    connection: duckdb.DuckDBPyConnection, relation: str, number: str, cells: Sequence[Cell]
) -> tuple[list[ValueFault], int]:
    """Look through staged rows for faults; returns the first by row and column, and the number of all."""
    conditions = [fault(cell.column, cell.raw, cell.parsed) for cell in cells]
    counts = connection.execute(
        f"SELECT {', '.join(f'count_if({condition})' for condition in conditions)} FROM {relation}"
    ).fetchone()
    found: list[tuple[int, int, ValueFault]] = []
    for place, (cell, condition, count) in enumerate(zip(cells, conditions, counts or (), strict=True)):
        if count:
            rows = connection.execute(
                f"SELECT {number}, CAST({cell.raw} AS VARCHAR) FROM {relation} WHERE {condition}"
                f" ORDER BY 1 LIMIT {SHOWN}"
            ).fetchall()
            name, column = cell.column.name, cell.column
            found += [(row, place, ValueFault(row, name, describe_value(column, value))) for row, value in rows]
    first = [fault for *_, fault in sorted(found, key=lambda item: item[:2])][:SHOWN]
    return first, sum(counts or ())


Place = Callable[[list[int]], dict[int, str]]


def word_faults(name: str, faults: Sequence[ValueFault], place: Place) -> list[str]:
    """Write faults with their places, such as `line 17`, which `place` knows for rows."""
    places = place([fault.row for fault in faults])
    return [f"{name}, {places[fault.row]}, column '{fault.column}': {fault.problem}" for fault in faults]
