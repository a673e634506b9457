"""An operator's rows as a scan needs them: which columns fit, and the SELECT that makes stored columns of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg

from tailrace.engines.base import Bound, Scan, Selection
from tailrace.engines.pgsql.session import Connection, fetch, unavailable
from tailrace.errors import SourceUnavailable

_NOTHING = Selection((), None, "")
# What no stored column is named.
AT = '"where in the range"'
# For each stored type: PostgreSQL's that fit, and how a value is made of theirs.
_INTEGERS = {"smallint", "integer", "bigint"}
_FITTING = {
    "VARCHAR": {"text", "character varying", "character", "name", "uuid", "json", "jsonb", "citext", "xml", '"char"'},
    "BIGINT": _INTEGERS,
    "INTEGER": _INTEGERS,
    "DECIMAL": {"numeric", *_INTEGERS},
    "TIMESTAMP": {"timestamp with time zone", "timestamp without time zone"},
    "DATE": {"date"},
    "BOOLEAN": {"boolean"},
}
# An instant stays one with a zone, which is always UTC here: as text it is all the same but for what follows the
# seconds, and a cast of each costs a tenth of the row.
_MADE = {"VARCHAR": '({}) COLLATE "C"'}
_HINTS = {
    "real": "; a float has no exact digits, write how many it shall have, such as x::numeric(18, 6)",
    "double precision": "; a float has no exact digits, write how many it shall have, such as x::numeric(18, 6)",
}
_TEXT_TYPES = {"text", "character varying"}
# What no stored value can be, by PostgreSQL's names of types.
_FIRST, _LAST = "'0001-01-01'", "'9999-12-31 23:59:59.999999'"
_STRANGE = {
    "TIMESTAMP": f"least({{0}}) < {_FIRST} OR greatest({{0}}) > {_LAST}",
    "DATE": f"least({{0}}) < {_FIRST} OR greatest({{0}}) > '9999-12-31'",
    # Which sorts after all numbers.
    "DECIMAL": "greatest({0}) = 'NaN'",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A stored column: its type, the SQL that gives it over the operator's rows, and the type of that."""

    name: str
    kind: str
    sql: str
    found: str = ""
    is_enum: bool = False

    @property
    def fits(self) -> bool:
        """Whether values are of a type that can be taken for the stored one."""
        return self.found in _FITTING[self.kind] or (self.kind == "VARCHAR" and self.is_enum)

    @property
    def select(self) -> str:
        """The SQL of the stored value."""
        same = self.kind != "VARCHAR" or self.found in _TEXT_TYPES
        value = self.sql if same else f"CAST({self.sql} AS text)"
        return _MADE.get(self.kind, "{}").format(value)

    @property
    def may_be_strange(self) -> bool:
        """Whether PostgreSQL has values of this type that no stored column can have."""
        return self.kind in _STRANGE and self.found not in _INTEGERS

    @property
    def fault(self) -> str:
        """What does not fit, as a sentence."""
        wanted = " or ".join(sorted(_FITTING[self.kind] - {'"char"', "xml"}))
        hint = _HINTS.get(self.found, "") if self.kind == "DECIMAL" else ""
        return f"column '{self.name}' is of type {self.found}, where {wanted} is needed{hint}"


@dataclass(frozen=True, slots=True)
class Source:
    """A table or query, and the columns read from it; the range column is the first."""

    relation: str
    columns: tuple[Column, ...]
    tenant: str

    def rows(self, start: Bound, end: Bound, columns: Sequence[str] | None = None) -> str:
        """Write the SELECT of the stored columns of a tenant's rows within a range."""
        chosen = [column for column in self.columns if columns is None or column.name in columns]
        select = ", ".join(f"{column.select} AS {quote_name(column.name)}" for column in chosen)
        return f"SELECT {select} FROM {self.relation} WHERE {self.within(start, end)}"

    def placed(self, start: Bound, end: Bound, columns: Sequence[str] | None = None) -> str:
        """Write the same with the operator's own range column as AT: only by it does an index give rows in order."""
        return self.rows(start, end, columns).replace("SELECT ", f"SELECT {self.columns[0].sql} AS {AT}, ", 1)

    def within(self, start: Bound, end: Bound) -> str:
        """Write the condition on the operator's own columns, so that an index can serve it."""
        at = self.columns[0]
        tenant = f"{self.tenant} AND " if self.tenant else ""
        return f"{tenant}{at.sql} >= {_bound(start, at)} AND {at.sql} < {_bound(end, at)}"

    @property
    def not_texts(self) -> frozenset[str]:
        """The names of the columns whose values are of another type than text."""
        return frozenset(column.name for column in self.columns if column.kind != "VARCHAR")

    @property
    def doubtful(self) -> tuple[Column, ...]:
        """The columns that may hold what no stored column can; the range column's values are within the range."""
        return tuple(column for column in self.columns[1:] if column.may_be_strange)


def find_source(connection: Connection, scan: Scan) -> Source:
    """Ask for the types of all columns at once; raises SourceUnavailable when one is missing or does not fit."""
    columns = _columns(scan)
    types = _types(connection, _relation(scan), [column.sql for column in columns])
    found = tuple(_with_type(column, *one) for column, one in zip(columns, types, strict=True))
    if faults := [column.fault for column in found if not column.fits]:
        raise SourceUnavailable(f"PostgreSQL: {faults[0]}", details=tuple(faults))
    return Source(_relation(scan), found, _tenant(scan))


def examine_source(connection: Connection, scan: Scan) -> Iterator[str]:
    """Yield a sentence for everything that does not fit; each thing is asked for by itself."""
    relation, selection = _relation(scan), scan.selection or _NOTHING
    if fault := _try(connection, relation, "1"):
        yield f"the table or query cannot be read: {fault}"
        return
    for column in _columns(scan):
        if fault := _try(connection, relation, column.sql):
            yield f"column '{column.name}' cannot be read: {fault}"
            continue
        [one] = _types(connection, relation, [column.sql])
        typed = _with_type(column, *one)
        if not typed.fits:
            yield typed.fault
    if selection.tenant_column and (fault := _try(connection, relation, _tenant(scan))):
        yield f"tenant column '{selection.tenant_column}' cannot be compared with the tenant: {fault}"


def _columns(scan: Scan) -> list[Column]:
    """List what is read, the range column first."""
    written = dict((scan.selection or _NOTHING).columns)
    kinds = {name: kind.partition("(")[0] for name, kind in scan.columns}
    first = kinds.pop(scan.range_column, "BIGINT" if isinstance(scan.start, int) else "TIMESTAMP")
    named = {scan.range_column: first, **kinds}
    return [Column(name, kind, _expression(name, written)) for name, kind in named.items()]


def _expression(name: str, written: dict[str, str]) -> str:
    return f"({written[name]})" if name in written else quote_name(name)


def _relation(scan: Scan) -> str:
    """Name the table as it was named, or the query, which PostgreSQL before 16 wants named."""
    [source] = scan.source
    return f"{source} AS source" if source.lstrip().startswith("(") else source


def _tenant(scan: Scan) -> str:
    """Write whose a row is: a condition that an index can serve, and one that is no type's or collation's equality."""
    selection = scan.selection or _NOTHING
    if not selection.tenant_column:
        return ""
    column, tenant = quote_name(selection.tenant_column), quote_text(selection.tenant)
    return f'{column} = {tenant} AND CAST({column} AS text) COLLATE "C" = {tenant}'


_TYPE_NAMES = """
    SELECT format_type(type.oid, NULL), type.typtype = 'e', asked.number
    FROM unnest(ARRAY[{}]::oid[]) WITH ORDINALITY AS asked(oid, number) JOIN pg_type AS type ON type.oid = asked.oid
    ORDER BY asked.number
"""


def _types(connection: Connection, relation: str, expressions: Sequence[str]) -> list[tuple[str, bool]]:
    """Name the types of expressions, and say whether each is an enum."""
    try:
        cursor = connection.execute(f"SELECT {', '.join(expressions)} FROM {relation} LIMIT 0".encode())
    except psycopg.Error as error:
        raise unavailable(error) from None
    oids = ", ".join(str(column.type_code) for column in cursor.description or ())
    rows = fetch(connection, _TYPE_NAMES.format(oids))
    return [(name.rpartition(".")[2] if "citext" in name else name, is_enum) for name, is_enum, _ in rows]


def _with_type(column: Column, found: str, is_enum: bool) -> Column:  # noqa: FBT001 a row's own value
    return Column(column.name, column.kind, column.sql, found, is_enum)


def _try(connection: Connection, relation: str, expression: str) -> str:
    """Say what is wrong with an expression over a source, nothing if all is well; the transaction goes on."""
    try:
        with connection.transaction():
            connection.execute(f"SELECT {expression} FROM {relation} LIMIT 0".encode())
    except psycopg.Error as error:
        return unavailable(error).message.removeprefix("PostgreSQL: ")
    return ""


def _bound(value: Bound, column: Column) -> str:
    if isinstance(value, datetime):
        kind = column.found if column.found == "timestamp with time zone" else "timestamp"
        return f"CAST('{value.isoformat(sep=' ')}' AS {kind})"
    return str(int(value))


def is_strange(columns: Sequence[Column]) -> str:
    """Write SQL that says whether a row has a value that no stored column can have."""
    names = {kind: ", ".join(quote_name(one.name) for one in columns if one.kind == kind) for kind in _STRANGE}
    return " OR ".join(_STRANGE[kind].format(among) for kind, among in names.items() if among) or "false"


def quote_name(name: str) -> str:
    """Write a name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Write a text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def as_bound(value: Any) -> Bound:
    """Take a value of the range column for a bound."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 bounds have no zone
    return value.replace(tzinfo=None) if isinstance(value, datetime) else int(value)
