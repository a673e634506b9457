"""Which columns of a file are never without a value, by the statistics that DuckDB writes with each row group."""

from typing import NamedTuple

import duckdb


class Filled(NamedTuple):
    """Columns in which every row has a value, and those of them in which none is an empty text."""

    filled: frozenset[str]
    nonempty: frozenset[str]


def find_filled(connection: duckdb.DuckDBPyConnection, path: str) -> Filled:
    """Read the statistics of a file, whose path is a pattern; a column without them may lack values."""
    found = connection.execute(_COLUMNS, [path]).fetchall()
    return Filled(frozenset(name for name, _ in found), frozenset(name for name, nonempty in found if nonempty))


# A least value may have been cut short, but never to nothing.
_COLUMNS = """
    SELECT path_in_schema, bool_and(coalesce(stats_min_value <> '', false))
    FROM parquet_metadata($1)
    GROUP BY path_in_schema
    HAVING bool_and(coalesce(stats_null_count = 0, false))
"""
