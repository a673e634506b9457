"""Finds the text columns of a stored file whose values no format has to escape, so that none has to look again.

Looking whether a cell needs quotes costs about half of writing a CSV file. Most text columns hold names, codes and
labels without anything special; finding that out once, when a file is stored, makes every extraction quicker.
"""

from collections.abc import Sequence

import duckdb

from tailrace.formats.base import quote_name

# Control characters, what one of the formats escapes, and what XML does not allow. A separator joins the values.
_SEPARATOR = r"\x1f"
_SPECIAL = r'[\x00-\x1e\x7f,"|\\&<>\x{FFFE}\x{FFFF}]'
# Between separators: nothing (an empty text), or a blank at an end.
_EDGES = rf"{_SEPARATOR}[ {_SEPARATOR}]| {_SEPARATOR}"
_PATTERN = f"{_SPECIAL}|{_EDGES}"
# So many rows tell most columns with special values; all rows are read for the others only.
_FIRST_ROWS = 10_000


def find_plain_columns(connection: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[str]) -> tuple[str, ...]:
    """Tell which of these text columns hold no value that is empty, begins or ends with a blank, or needs an escape.

    `relation` goes after FROM. A column may be left out wrongly, which costs time only, but never named wrongly.
    """
    first = f"(FROM {relation} LIMIT {_FIRST_ROWS})"
    likely = [column for column in columns if _all_plain(connection, first, [column])]
    if not likely or _all_plain(connection, relation, likely):
        return tuple(likely)
    return tuple(column for column in likely if _all_plain(connection, relation, [column]))


def _all_plain(connection: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[str]) -> bool:
    """Look at the values of each row joined into one text: one search instead of one for each column.

    A value that holds the separator itself shows by the number of separators.
    """
    names = [quote_name(column) for column in columns]
    joined = f"concat(chr(31), concat_ws(chr(31), {', '.join(names)}), chr(31))"
    # A row without any value is two separators and nothing else.
    some = " OR ".join(f"{name} IS NOT NULL" for name in names)
    values = " + ".join(f"count({name})" for name in names)
    found = connection.execute(
        f"""
        SELECT coalesce(bool_or(regexp_matches(joined, $1)), false),
               coalesce(sum(strlen(joined) - strlen(replace(joined, chr(31), ''))), 0) = {values} + count(*)
        FROM (SELECT *, {joined} AS joined FROM {relation} WHERE {some})
        """,
        [_PATTERN],
    ).fetchall()
    [(special, counted)] = found
    return bool(counted) and not special
