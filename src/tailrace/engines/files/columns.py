"""How the columns of an operator's files, and what their folders say, become the stored columns of a scan."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import duckdb

from tailrace.engines.base import Scan, Selection
from tailrace.engines.files.patterns import Partitions
from tailrace.engines.files.values import convert
from tailrace.engines.parquet.connection import unavailable, write_name, write_text
from tailrace.errors import SourceUnavailable

Kinds = Mapping[str, tuple[str, str]]
"""The columns of a file by their names in small letters: name as written, and DuckDB's type."""

_PLAIN_NAME = re.compile(r'[A-Za-z_]\w*|"(?:[^"]|"")+"')
# How DuckDB names the type of a bare NULL.
_NULL = '"NULL"'
_FRACTIONS = frozenset({"FLOAT", "DOUBLE"})
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 instants are stored without a zone
_NO_SELECTION = Selection((), None, "")


def selection_of(scan: Scan) -> Selection:
    """Take a scan's selection; without one all rows are wanted as they are."""
    return scan.selection or _NO_SELECTION


def columns_of(scan: Scan) -> Iterator[tuple[str, str]]:
    """Yield what is read; the range column even where it is not written."""
    yield from scan.columns
    if scan.range_column not in dict(scan.columns):
        yield scan.range_column, "TIMESTAMP"


def days_of(scan: Scan) -> tuple[date, date]:
    """Name the first and the last day of a scan; raises SourceUnavailable where it has none."""
    first, end = scan.start, scan.end
    if not isinstance(first, datetime) or not isinstance(end, datetime):
        raise SourceUnavailable("A lake is asked for by days")
    return first.date(), (end - timedelta(microseconds=1)).date()


def source_of(scan: Scan, column: str) -> str | None:
    """Name the operator's column that a stored one is, unless it is computed."""
    given = dict(selection_of(scan).columns).get(column)
    if given is None:
        return column
    if not _PLAIN_NAME.fullmatch(given):
        return None
    return given[1:-1].replace('""', '"') if given.startswith('"') else given


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of files that are alike, their partitions among them, as a scan reads them.

    `computed` has DuckDB's types of the stored columns in `expressions`.
    """

    kinds: Kinds
    partitions: Partitions
    scan: Scan
    computed: Mapping[str, str] = field(default_factory=dict)

    def __contains__(self, name: object) -> bool:
        return name in self.kinds or self.is_partition(str(name))

    def is_partition(self, name: str) -> bool:
        """Tell whether folders say what is in a column."""
        return any(name.lower() == one for one, _ in self.partitions)

    def expressions(self) -> dict[str, str]:
        """Tell what stored columns are computed from: more than a column that is there."""
        given = dict(selection_of(self.scan).columns)
        wanted = {name: given[name] for name, _ in columns_of(self.scan) if name in given}
        return {name: sql for name, sql in wanted.items() if not self._is_there(name)}

    def write(self, name: str, wanted: str) -> str:
        """Write the SQL of a stored column, null where the files have none of it."""
        return self._convert(name, wanted) or f"CAST(NULL AS {wanted})"

    def _is_there(self, name: str) -> bool:
        """Tell whether a stored column is a column of the files, under whichever name."""
        return (source_of(self.scan, name) or "").lower() in self

    def _convert(self, name: str, wanted: str) -> str | None:
        if name in self.computed:
            raw, kind = f"({dict(selection_of(self.scan).columns)[name]})", self.computed[name]
            return f"CAST({raw} AS {wanted})" if kind == _NULL else convert(raw, kind, wanted)
        source = source_of(self.scan, name) or ""
        raw, (_, kind) = write_name(source), self.kinds.get(source.lower(), ("", ""))
        # In the range a cast is as exact, and statistics help with it.
        start = self.scan.start
        is_range, is_late = name == self.scan.range_column, isinstance(start, datetime) and start >= _EPOCH
        exact = is_range and is_late and kind == "TIMESTAMP_NS"
        if exact or self.is_partition(source):
            return f"CAST({raw} AS {wanted})"
        return convert(raw, kind, wanted)

    def write_condition(self) -> str:
        """Write which rows are the tenant's; folders have told it already where the column is theirs."""
        selection = selection_of(self.scan)
        if selection.tenant_column is None or self.is_partition(selection.tenant_column):
            return ""
        name, text = write_name(selection.tenant_column), write_text(selection.tenant)
        _, kind = self.kinds.get(selection.tenant_column.lower(), ("", ""))
        # Equal is not enough where the tenant's name is read as another type: `007` is the number 7, but not its name.
        whole = f"TRY_CAST({name} AS DECIMAL(38, 0))" if kind in _FRACTIONS or kind.startswith("DECIMAL") else name
        exactly = "" if kind == "VARCHAR" else f" AND CAST({whole} AS VARCHAR) = {text}"
        return f" WHERE {name} = {text}{exactly}"

    def faults(self) -> Iterator[str]:
        """Yield why rows cannot be read: a type that does not fit, a column without which they could be left out."""
        for column in (source_of(self.scan, self.scan.range_column), selection_of(self.scan).tenant_column):
            if column is not None and column.lower() not in self:
                yield f"there is no column '{column}'"
        for name, wanted in columns_of(self.scan):
            is_there = self._is_there(name)
            if not (is_there or name in self.computed) or self._convert(name, wanted) is not None:
                continue
            if is_there:
                source = source_of(self.scan, name) or ""
                yield f"column '{source}' holds {self.kinds[source.lower()][1]}, which does not fit {wanted}"
            else:
                yield f"column '{name}' is computed as {self.computed[name]}, which does not fit {wanted}"


class Wanted:
    """Tells whether rows with such partitions may be wanted: the tenant's, and of the range."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, scan: Scan) -> None:
        """Take what computes, and the scan."""
        self._connection, self._scan = connection, scan
        self._selection = selection_of(scan)
        self._known: dict[Partitions, bool] = {}

    def __call__(self, partitions: Partitions) -> bool:
        """Tell it, once for each."""
        if partitions not in self._known:
            self._known[partitions] = self._is_tenants(partitions) and self._is_within(partitions)
        return self._known[partitions]

    def _is_tenants(self, partitions: Partitions) -> bool:
        column = (self._selection.tenant_column or "").lower()
        return all(value == self._selection.tenant for name, value in partitions if name == column)

    def _is_within(self, partitions: Partitions) -> bool:
        """Compute the range column, if the partitions are enough for it."""
        if not partitions:
            return True
        name = self._scan.range_column
        instant = f"CAST(({dict(self._selection.columns).get(name, write_name(name))}) AS TIMESTAMP)"
        values = ", ".join(
            f"CAST({'NULL' if value is None else write_text(value)} AS VARCHAR) AS {write_name(name)}"
            for name, value in dict(partitions).items()
        )
        statement = f"SELECT coalesce({instant} >= $1 AND {instant} < $2, false) FROM (SELECT {values})"
        try:
            [(within,)] = self._connection.execute(statement, [self._scan.start, self._scan.end]).fetchall()
        except duckdb.BinderException:
            return True
        except duckdb.Error as error:
            raise unavailable(error) from error
        return bool(within)
