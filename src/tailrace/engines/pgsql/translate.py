"""From the SQL that formats are written in, DuckDB's, to PostgreSQL's; what is not known to mean the same is refused.

Values are of the types that `source.py` makes of an operator's columns: text in the collation "C", bigint, numeric,
timestamp, date and boolean.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import sqlglot
from sqlglot import exp

from tailrace.errors import SourceUnavailable

# PostgreSQL gives no function more arguments than 100.
_MOST_ARGUMENTS = 90
NULLS_FIRST = " NULLS FIRST"
# Notes on a CASE that it escapes a text, and how such a text is found among several.
_MARK = "escaped where joined"
_BETWEEN = "chr(1)"
# A text in quotes, as DuckDB's SQL for it is written by sqlglot.
_QUOTED = """CONCAT('"', REPLACE({}, '"', '""'), '"')"""
# What means the same in both, whatever it is given here.
_ALIKE = (
    *(exp.Column, exp.Identifier, exp.Literal, exp.Null, exp.Boolean, exp.Paren, exp.Case, exp.If, exp.Coalesce),
    *(exp.And, exp.Or, exp.Not, exp.Is, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Add, exp.Sub, exp.Mod),
    *(exp.Nullif, exp.DPipe, exp.StartsWith, exp.Substring, exp.Length, exp.Chr, exp.Pad, exp.Div, exp.Trim),
    *(exp.DataType, exp.DataTypeParam),
)
_KNOWN = {"to_json", "strpos", "right", "to_char", "concat_ws", "quote_ident"}
# From how many separators on it pays to name them once.
_FEWEST_CELLS = 3
_TYPES = {exp.DType.VARCHAR, exp.DType.TEXT, exp.DType.DECIMAL, exp.DType.BIGINT, exp.DType.INT}
# The signs of strftime, as to_char has them.
_TIME_SIGNS = {
    "%Y": "YYYY", "%y": "YY", "%m": "MM", "%d": "DD", "%H": "HH24", "%I": "HH12",
    "%M": "MI", "%S": "SS", "%g": "MS", "%f": "US", "%p": "AM",
}  # fmt: skip
_OPERATORS = {"^", "-", "]", "[", "\\"}


@lru_cache(maxsize=64)
def translate(sql: str) -> str:
    """Write an expression of DuckDB's as one of PostgreSQL's; raises SourceUnavailable for what it does not know."""
    try:
        return str(_tree(sql).sql("postgres"))
    except (sqlglot.ParseError, RecursionError):
        raise SourceUnavailable("PostgreSQL: what the format asks for cannot be written in its SQL") from None


@lru_cache(maxsize=8)
def _tree(sql: str) -> exp.Expr:
    """Read and translate an expression once for all that is asked of it; nobody changes it."""
    return translate_tree(sqlglot.parse_one(sql, read="duckdb"))


@dataclass(frozen=True, slots=True)
class Cells:
    """The texts a row is made of that may have to be escaped: SQL of each, and SQL that says whether one must be."""

    texts: tuple[str, ...] = ()
    pattern: str = ""
    pattern_joined: str = ""

    def escaped(self, text: str) -> str:
        """Write whether a text must be escaped."""
        return f"{text} ~ {self.pattern}"

    def any_escaped(self, texts: Sequence[str]) -> str:
        """Write whether any of some texts must be escaped; now and then it says so for nothing."""
        return f'concat_ws({_BETWEEN}, {", ".join(texts)}) COLLATE "C" ~ {self.pattern_joined}'


@lru_cache(maxsize=64)
def find_cells(sql: str) -> Cells:
    """Find the texts in a row's expression that are escaped all by the same rule."""
    found = [case for case in _tree(sql).find_all(exp.Case) if _MARK in case.meta]
    patterns = {case.args["ifs"][0].this.expression.sql("postgres"): case.meta[_MARK] for case in found}
    if len(patterns) != 1:
        return Cells()
    [(pattern, joined)] = patterns.items()
    texts = dict.fromkeys(case.args["default"].sql("postgres") for case in found)
    return Cells(tuple(texts), pattern, exp.Literal.string(joined).sql("postgres"))


@lru_cache(maxsize=64)
def translate_plain(sql: str, texts: frozenset[str]) -> str:
    """Write an expression as it is where some texts need no escaping."""

    def as_it_is(node: exp.Expr) -> exp.Expr:
        plain = _MARK in node.meta and node.args["default"].sql("postgres") in texts
        return node.args["default"] if plain else node

    return str(_tree(sql).transform(as_it_is).sql("postgres"))


def unquoted(value: exp.Expr, rule: str) -> exp.Expr | None:
    """Give the text that a translated CASE puts in quotes by just this rule; none for anything else."""
    if _MARK not in value.meta:
        return None
    [branch], text = value.args["ifs"], value.args["default"]
    is_quoted = branch.args["true"].sql("postgres") == _quoted(text).sql("postgres")
    return text if is_quoted and branch.this.expression.name == rule else None


def translate_order(term: str) -> str:
    """Write a term that orders rows."""
    expression = term.removesuffix(NULLS_FIRST)
    return translate(expression) + (NULLS_FIRST if term != expression else "")


def as_part(term: str) -> str:
    """Write a term that orders rows as part of a row that does: in a row nulls are always last."""
    expression = term.removesuffix(NULLS_FIRST)
    return expression if term == expression else f"{expression} IS NOT NULL, {expression}"


def translate_tree(node: exp.Expr) -> exp.Expr:
    """Replace what is written otherwise, from the outside to the inside."""
    node = _replaced(node)
    for child in list(node.iter_expressions()):
        translated = translate_tree(child)
        if translated is not child:
            child.replace(translated)
    return node


def _replaced(node: exp.Expr) -> exp.Expr:
    """Write one node as PostgreSQL has it; what is in it comes later."""
    for kind, write in _OTHERWISE.items():
        if isinstance(node, kind):
            return write(node)
    if isinstance(node, _ALIKE) or (isinstance(node, exp.Anonymous) and node.name in _KNOWN):
        return node
    raise SourceUnavailable(f"PostgreSQL: what the format asks for ({type(node).__name__}) is not known for it")


def _is_nul(node: exp.Expr) -> bool:
    """Whether this is the character that no text of PostgreSQL's holds."""
    return isinstance(node, exp.Chr) and text_of(node) == "\0"


def _replace(node: exp.Expr) -> exp.Expr:
    return _replaced(node.this) if _is_nul(node.expression) else node


def _contains(node: exp.Expr) -> exp.Expr:
    place = exp.Anonymous(this="strpos", expressions=[node.this, node.expression])
    return exp.false() if _is_nul(node.expression) else exp.GT(this=place, expression=exp.Literal.number(0))


def _ends_with(node: exp.Expr) -> exp.Expr:
    size = exp.Literal.number(len(text_of(node.expression) or ""))
    ending = exp.Anonymous(this="right", expressions=[node.this, size])
    return exp.EQ(this=ending, expression=node.expression)


def _time(node: exp.Expr) -> exp.Expr:
    pattern = exp.Literal.string(_time_pattern(node.args["format"].name))
    return exp.Anonymous(this="to_char", expressions=[node.this, pattern])


def _whole_part(node: exp.Expr) -> exp.Expr:
    """Divide integers, which PostgreSQL cuts off as DuckDB does."""
    return exp.Div(this=node.this, expression=node.expression, typed=True)


def _regular(node: exp.Expr) -> exp.Expr:
    node.set("expression", exp.Literal.string(_pattern(node.expression.name)))
    return node


def _cast(node: exp.Expr) -> exp.Expr:
    if node.args["to"].this not in _TYPES:
        raise SourceUnavailable(f"PostgreSQL: a type the format asks for ({node.args['to']}) is not known for it")
    return node


def _concat(node: exp.Expr) -> exp.Expr:
    """Join no more parts at once than a function may have arguments."""
    parts = _separated(node.expressions)
    while len(parts) > _MOST_ARGUMENTS:
        starts = range(0, len(parts), _MOST_ARGUMENTS)
        parts = [exp.Concat(**{**node.args, "expressions": parts[at : at + _MOST_ARGUMENTS]}) for at in starts]
    node.set("expressions", parts)
    return node


def _separated(parts: list[exp.Expr]) -> list[exp.Expr]:
    """Join with concat_ws what has the same text between each two, as every argument costs as much, be it a comma."""
    between = parts[1] if len(parts) > 1 else exp.null()
    cells = 0
    while isinstance(between, exp.Literal) and parts[2 * cells + 1 : 2 * cells + 2] == [between]:
        cells += 1
    if cells < _FEWEST_CELLS:
        return parts
    joined = [_or_nothing(part) for part in parts[: 2 * cells + 1 : 2]]
    while len(joined) > 1:
        starts = range(0, len(joined), _MOST_ARGUMENTS)
        joined = [_joined(between, joined[at : at + _MOST_ARGUMENTS]) for at in starts]
    return [*joined, *parts[2 * cells + 1 :]]


def _or_nothing(cell: exp.Expr) -> exp.Expr:
    """Write a cell as a text in any case; concat_ws would leave out the separator of a null."""
    return exp.Coalesce(this=exp.cast(cell, exp.DType.TEXT), expressions=[exp.Literal.string("")])


def _joined(between: exp.Expr, cells: list[exp.Expr]) -> exp.Expr:
    return exp.Anonymous(this="concat_ws", expressions=[between.copy(), *cells])


# -- times --------------------------------------------------------------------------------------------------------


def _time_pattern(pattern: str) -> str:
    """Write a pattern of strftime's as one of to_char's, all other signs in quotes."""
    pieces = re.findall(r"%.|[^%]+", pattern, re.DOTALL)
    if unknown := [piece for piece in pieces if piece[0] == "%" and piece not in _TIME_SIGNS]:
        raise SourceUnavailable(f"PostgreSQL: times cannot be written with {unknown[0]}")
    return "".join(_TIME_SIGNS.get(piece) or '"' + re.sub(r'([\\"])', r"\\\1", piece) + '"' for piece in pieces)


# -- characters ---------------------------------------------------------------------------------------------------


class _Reason(NamedTuple):
    """Why a text is to be escaped: a sign it holds, begins or ends with; nothing, for being empty."""

    text: str
    kind: type[exp.Expr]
    sign: str


def _case(node: exp.Expr) -> exp.Expr:
    """Look for all characters that make a text be escaped in one go, as each function called costs as much."""
    branches = node.args["ifs"]
    default = node.args.get("default")
    if len(branches) != 1 or default is None or node.this:
        return node
    condition = branches[0].this
    if isinstance(condition, exp.Contains) and condition.expression.name == "\\u00":
        # What PostgreSQL's to_json escapes it writes with small letters.
        return _replaced(default)
    reasons = list(_reasons(condition, default.sql("duckdb")))
    if len(reasons) > 1 and None not in reasons:
        pattern = _search_pattern([reason for reason in reasons if reason])
        branches[0].set("this", exp.RegexpLike(this=default.copy(), expression=exp.Literal.string(pattern)))
        if branches[0].args["true"].sql("duckdb") == _QUOTED.format(default.sql("duckdb")) and _no_word(reasons):
            branches[0].set("true", _quoted(default))
        node.meta[_MARK] = _search_pattern([reason for reason in reasons if reason], joined=True)
    return node


def _quoted(text: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this="quote_ident", expressions=[text.copy()])


def _reasons(condition: exp.Expr, text: str) -> Iterator[_Reason | None]:
    """Yield the reasons of a condition about one text; none for one that is something else."""
    for part in condition.flatten() if isinstance(condition, exp.Or) else [condition]:
        known = isinstance(part, exp.Contains | exp.StartsWith | exp.EndsWith | exp.EQ)
        sign = text_of(part.expression) if known else None
        if sign is None or part.this.sql("duckdb") != text or len(sign) != (0 if isinstance(part, exp.EQ) else 1):
            yield None
        elif sign != "\0":
            yield _Reason(text, type(part), sign)


def _no_word(reasons: Sequence[_Reason | None]) -> bool:
    """Whether a text with any of these signs is surely quoted as a name would be, which is done in one go."""
    return not any(reason and re.fullmatch("[a-z0-9_]", reason.sign) for reason in reasons)


def text_of(node: exp.Expr) -> str | None:
    """Tell the text of a literal or of a character by number; none of what is not known beforehand."""
    if isinstance(node, exp.Chr):
        return chr(int(node.expressions[0].name))
    return str(node.this) if isinstance(node, exp.Literal) and node.is_string else None


def _search_pattern(reasons: list[_Reason], *, joined: bool = False) -> str:
    """Write a regular expression that finds any reason, in one text or in several joined by a sign between them."""
    places = _PLACES_JOINED if joined else _PLACES
    kinds = {reason.kind for reason in reasons}
    signs = {kind: "".join(_in_pattern(one.sign) for one in reasons if one.kind is kind) for kind in kinds}
    return "|".join(place.format(signs[kind]) for kind, place in places.items() if kind in kinds)


_PLACES: dict[type[exp.Expr], str] = {
    exp.EQ: "^$",
    exp.Contains: "[{}]",
    exp.StartsWith: "^[{}]",
    exp.EndsWith: "[{}]$",
}


_PLACES_JOINED: dict[type[exp.Expr], str] = {
    exp.EQ: "(?:^|\\u0001)(?:$|\\u0001)",
    exp.Contains: "[{}]",
    exp.StartsWith: "(?:^|\\u0001)[{}]",
    exp.EndsWith: "[{}](?:$|\\u0001)",
}


def _in_pattern(sign: str) -> str:
    """Write a character among others in a regular expression; nothing for nothing."""
    return f"\\u{ord(sign):04x}" if sign and (sign < " " or sign in _OPERATORS) else sign


def _pattern(pattern: str) -> str:
    """Write a regular expression of RE2's; characters by number have four digits, and there is no NUL."""
    return re.sub(
        r"\\x(?:\{([0-9a-f]{1,4})\}|([0-9a-f]{2}))",
        lambda found: f"\\u{max(int(found[1] or found[2], 16), 1):04x}",
        pattern,
    )


_OTHERWISE: dict[type[exp.Expr], Callable[[exp.Expr], exp.Expr]] = {
    exp.Case: _case,
    exp.Concat: _concat,
    exp.Replace: _replace,
    exp.Contains: _contains,
    exp.EndsWith: _ends_with,
    exp.TimeToStr: _time,
    exp.IntDiv: _whole_part,
    exp.RegexpLike: _regular,
    exp.RegexpReplace: _regular,
    exp.Cast: _cast,
}
