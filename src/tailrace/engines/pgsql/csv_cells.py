"""The cells of a CSV row, found in the row's expression, so that PostgreSQL's own `COPY` can put them in quotes."""

import threading
from dataclasses import dataclass
from functools import lru_cache

import sqlglot
from sqlglot import exp

from tailrace.engines.pgsql.translate import text_of, translate_tree, unquoted

# What CSV puts in quotes, as the translation looks for it. COPY does so for all but blanks and tabs at the edges.
_RULE = r"""^$|[,"\u000a\u000d]|^[ \u0009]|[ \u0009]$"""
_SPECIAL = set(',"\r\n')
_EDGES = " \t"
_LINE_END = ["\r", "\n"]
# COPY treats the only column of a row in its own way, and a SELECT has no more than 1,664.
_FEWEST, _MOST = 2, 1_600
# It takes a tenth of a second, and all sessions of a job begin with it: the others wait for what the first has found.
_ONE_AT_A_TIME = threading.Lock()
# What values of other types than text are written with.
_TAME = (
    *(exp.Column, exp.Identifier, exp.Literal, exp.Cast, exp.DataType, exp.DataTypeParam, exp.TimeToStr),
    *(exp.Case, exp.If, exp.Not, exp.DPipe, exp.Pad, exp.IntDiv, exp.Mod, exp.Substring, exp.Replace),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its bare value in PostgreSQL's SQL, and whether it is a text that may have to be put in quotes."""

    sql: str
    is_text: bool


def find_csv_cells(row: str, not_texts: frozenset[str]) -> tuple[Cell, ...]:
    """Find the cells of a row's expression; none if it is anything but CSV after the specification.

    `not_texts` are the columns whose values are of another type.
    """
    with _ONE_AT_A_TIME:
        return _find_cells(row, not_texts)


@lru_cache(maxsize=64)
def _find_cells(row: str, not_texts: frozenset[str]) -> tuple[Cell, ...]:
    try:
        parts = _parts(sqlglot.parse_one(row, read="duckdb"))
    except (sqlglot.ParseError, RecursionError):
        return ()
    cells = [_cell(part, not_texts) for part in parts[:-2:2]] if _is_line(parts) else []
    found = tuple(cell for cell in cells if cell)
    return found if len(found) == len(cells) and _FEWEST <= len(found) <= _MOST else ()


def _parts(tree: exp.Expr) -> list[exp.Expr]:
    """List what a record is joined of; NUL, which CSV writes otherwise, is in no text of PostgreSQL's."""
    minds_nul = isinstance(tree, exp.Replace) and text_of(tree.expression) == "\0"
    line = tree.this if minds_nul else tree
    return list(line.expressions) if isinstance(line, exp.Concat) else []


def _is_line(parts: list[exp.Expr]) -> bool:
    """Whether a comma stands between each two cells, and the end of the line after the last."""
    ends = [text_of(part) for part in parts[-2:]]
    return ends == _LINE_END and len(parts) % 2 == 1 and all(text_of(part) == "," for part in parts[1:-2:2])


def _cell(node: exp.Expr, not_texts: frozenset[str]) -> Cell | None:
    tame = _is_tame(node, not_texts)
    value = translate_tree(node.copy())
    if tame:
        return Cell(_bare(value).sql("postgres"), is_text=False)
    text = unquoted(value, _RULE)
    return None if text is None else Cell(text.sql("postgres"), is_text=True)


def _is_tame(node: exp.Expr, not_texts: frozenset[str]) -> bool:
    """Whether a cell is made of values that are no texts, and of nothing that would need quotes."""
    return all(isinstance(one, _TAME) for one in node.walk()) and all(
        one.name in not_texts if isinstance(one, exp.Column) else _is_tame_text(one)
        for one in node.find_all(exp.Column, exp.Literal)
    )


def _is_tame_text(literal: exp.Expr) -> bool:
    text = literal.name if literal.is_string else "0"
    if not text:
        return isinstance(literal.parent, exp.Replace)
    return not _SPECIAL & set(text) and text.strip(_EDGES) == text


def _bare(value: exp.Expr) -> exp.Expr:
    """Leave a decimal as it is: COPY writes it as a cast to text would."""
    is_cast = isinstance(value, exp.Cast) and isinstance(value.this, exp.Cast)
    return value.this if is_cast and value.this.is_type(exp.DType.DECIMAL) else value


def write_marked(cell: Cell, mark: str) -> str:
    """Write a text so that COPY puts it in quotes for blanks and tabs at its edges too: with a line feed behind it."""
    return f"CASE WHEN {write_edged(cell)} THEN concat({cell.sql}, chr(10), '{mark}') ELSE {cell.sql} END"


def write_edged(cell: Cell) -> str:
    """Write whether a text has a blank or a tab at an edge."""
    return " OR ".join(f"{cell.sql} LIKE {place}" for place in ("' %'", "'% '", "chr(9) || '%'", "'%' || chr(9)"))
