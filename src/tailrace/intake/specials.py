"""Finds what the texts of a stored file hold that formats mind, so that no extraction looks for what is not there.

Looking whether a cell needs quotes costs a quarter of writing a CSV file. Most text columns hold names, codes and
labels without anything special, and most others one or two things; finding that out once, when a file is stored,
makes every extraction quicker.
"""

from collections.abc import Iterator, Mapping, Sequence

import duckdb

from tailrace.formats.base import CONTROL, EDGE, EMPTY, FILLED, SPECIALS, quote_name, quote_sign

_CONTROL = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x{FFFE}\x{FFFF}"
_KINDS = {
    EMPTY: "TEXT = ''",
    EDGE: "starts_with(TEXT, ' ') OR ends_with(TEXT, ' ')",
    CONTROL: f"regexp_matches(TEXT, '[{_CONTROL}]')",
}
# All of it in texts that are joined by a separator: it stands for the other control characters, and no two follow each
# other unless a text is empty.
_SEPARATOR = r"\x1f"
_EDGES = rf"{_SEPARATOR}[ {_SEPARATOR}]| {_SEPARATOR}"
_ANY = rf'[\x00-\x1e\x7f,"|\\&<>\x{{FFFE}}\x{{FFFF}}]|{_EDGES}'
# So many rows show most of it; what they do not show is looked for in all rows.
_FIRST_ROWS = 10_000

Specials = dict[str, tuple[str, ...]]


def find_specials(connection: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[str]) -> Specials:
    """Tell for each of these text columns which of SPECIALS its values hold; `relation` goes after FROM."""
    first = _look(connection, f"(FROM {relation} LIMIT {_FIRST_ROWS})", dict.fromkeys(columns, ()))
    plain = [column for column in columns if not first[column]]
    if not plain or _all_plain(connection, relation, plain):
        return first | _look(connection, relation, {name: found for name, found in first.items() if found})
    return _look(connection, relation, first)


def _look(connection: duckdb.DuckDBPyConnection, relation: str, known: Mapping[str, tuple[str, ...]]) -> Specials:
    """Look for what is not known yet."""
    asked = [(column, special) for column, found in known.items() for special in SPECIALS if special not in found]
    if not asked:
        return dict(known)
    terms = ", ".join(f"bool_or({_holds(quote_name(column), special)})" for column, special in asked)
    answers = connection.execute(f"SELECT {terms} FROM {relation}").fetchall()[0]
    new = {pair for pair, answer in zip(asked, answers, strict=True) if answer}
    return {
        column: tuple(special for special in SPECIALS if special in found or (column, special) in new)
        for column, found in known.items()
    }


def _holds(text: str, special: str) -> str:
    return _KINDS[special].replace("TEXT", text) if special in _KINDS else f"contains({text}, {quote_sign(special)})"


def _all_plain(connection: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[str]) -> bool:
    """Look at the values of each row joined into one text: one search instead of many for each column.

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
        [_ANY],
    ).fetchall()
    [(special, counted)] = found
    return bool(counted) and not special


def specials_of_all(files: Sequence[Mapping[str, Sequence[str]]]) -> Specials:
    """Put together what is known of several files; a column that one of them does not know of is left out."""
    known = set.intersection(*(set(one) for one in files)) if files else set[str]()
    return {column: tuple(_among(column, files)) for column in sorted(known)}


def _among(column: str, files: Sequence[Mapping[str, Sequence[str]]]) -> Iterator[str]:
    yield from (special for special in SPECIALS if any(special in one[column] for one in files))
    yield from (fact for fact in (FILLED,) if all(fact in one[column] for one in files))
