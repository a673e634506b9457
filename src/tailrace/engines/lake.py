"""Parquet files of an operator's own, in folders or buckets, read as they lie: nothing is loaded or kept.

The files are listed once a job; each is read as it was listed or fails the attempt.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Never

import duckdb

from tailrace.engines.base import Block, Program, Scan, Slice
from tailrace.engines.files.columns import Columns, Kinds, Wanted, columns_of, days_of, selection_of, source_of
from tailrace.engines.files.patterns import Found, Place, Search, read_partitions, read_pattern
from tailrace.engines.files.places import Buckets, Folders, Glance, stamp
from tailrace.engines.files.remote import BucketFiles, from_url, to_url
from tailrace.engines.files.values import is_instant
from tailrace.engines.parquet.connection import STAGED, open_duckdb, unavailable, write_name, write_text
from tailrace.engines.parquet.engine import ParquetEngine
from tailrace.engines.parquet.slices import RowGroup, are_small, cut, reads_once
from tailrace.errors import OutOfMemory, SourceEmpty, SourceUnavailable

_BUCKET = "s3://"
# How many files of a pattern are looked at before there is a job.
_MOST_EXAMINED = 100
# What putting rows in order may use at first; DuckDB uses temporary files then.
_STAGE_MB = 160


@dataclass(slots=True)
class Seen:
    """What is known of a lake, once for all engines of a job: files as they were listed, and their columns."""

    scans: dict[object, tuple[str, ...]] = field(default_factory=dict)
    files: dict[str, Found] = field(default_factory=dict)
    kinds: dict[str, Kinds] = field(default_factory=dict)
    computed: dict[object, Mapping[str, str]] = field(default_factory=dict)
    staged: set[str] = field(default_factory=set)


@contextmanager
def connect(options: Mapping[str, Any]) -> Iterator["LakeEngine"]:
    """Open DuckDB for a lake.

    Options as for stored files, and for buckets those of `open_bucket` with the seconds of `Deadlines`; `seen` is
    another engine's.
    """
    Path(options["scratch"]).mkdir(parents=True, exist_ok=True)
    with open_duckdb(options) as connection, TemporaryDirectory(dir=options["scratch"], prefix="lake-") as folder:
        yield LakeEngine(connection, Means(options, folder), options.get("seen") or Seen())


class Means:
    """What a lake is read with: buckets, a folder for rows on their way, and memory."""

    def __init__(self, options: Mapping[str, Any], folder: str) -> None:
        """Take the options of `connect`, and a folder that is removed in the end."""
        self.options, self.buckets, self.folder = options, Buckets(options), folder
        self.memory_mb = int(options["memory_mb"])


class LakeEngine(ParquetEngine):
    """One DuckDB connection that reads a lake; files put in order are this machine's, and what was listed is long."""

    tellable = False

    def __init__(self, connection: duckdb.DuckDBPyConnection, means: Means, seen: Seen) -> None:
        """Take an open connection, and what is known."""
        super().__init__(connection)
        self._means, self._seen = means, seen

    def another(self) -> AbstractContextManager["LakeEngine"]:
        """Open one that sees the files as they were listed."""
        return connect({**self._means.options, "seen": self._seen})

    def shared(self) -> Mapping[str, Any]:
        """What is known of files is this machine's."""
        return {}

    def examine(self, scan: Scan) -> list[str]:
        """Say what does not fit, each once, with the first file that shows it.

        Looks at some files, whosever and of whichever days they are. Raises SourceUnavailable when all that is wrong
        is that a file cannot be read, which may be one tenant's only, and SourceEmpty when there is none.
        """
        found = {one: self._some(one, scan) for one in scan.source}
        readable, unreadable = self._part_readable(list(dict.fromkeys(chain.from_iterable(found.values()))))
        faults = list(self._examine(scan, readable))
        if unreadable and not faults:
            raise SourceUnavailable(unreadable[0], details=tuple(unreadable))
        if not faults and (empty := [one for one, files in found.items() if not files]):
            raise SourceEmpty(f"No file that fits '{empty[0]}' was found")
        return [*unreadable, *faults]

    def prepare(self, program: Program, target: str, row_key: str, opens: str) -> Never:  # noqa: ARG002
        """Rows of a lake are not computed."""
        raise SourceUnavailable("A lake has no rows that are to be computed")

    def plan(self, scan: Scan) -> list[Slice]:
        """Cut the range along row groups; rows that lie in no order, or in large row groups, are put in order first."""
        files = self._files(scan)
        groups = self._row_groups(scan, files, scan.range_column) if files else []
        slices = cut(scan, groups)
        in_order = reads_once(slices, groups)
        if not slices or (in_order and are_small(groups) and not self._is_shared(scan, files)):
            return slices
        staged = self._stage(scan, files, in_order=in_order)
        return cut(scan, super()._row_groups(scan, [staged], scan.range_column))

    def _is_shared(self, scan: Scan, files: Sequence[str]) -> bool:
        """Tell whether files hold rows of several tenants."""
        return any(self._columns(scan, file).write_condition() for file in files)

    def _stage(self, scan: Scan, files: Sequence[str], *, in_order: bool) -> str:
        """Write the rows in order of time, in row groups of a slice's size; little memory is enough for most."""
        target, most = f"{self._means.folder}/rows.parquet", self._means.memory_mb
        for memory_mb in (min(_STAGE_MB, most), most):
            try:
                # A connection of its own is closed before rendering begins, for its memory.
                with open_duckdb({**self._means.options, "memory_mb": memory_mb}) as connection:
                    LakeEngine(connection, self._means, self._seen).write(scan, files, target, in_order=in_order)
                break
            except OutOfMemory:
                if memory_mb == most:
                    raise
        self._check_unchanged(files)
        self._seen.staged.add(target)
        return target

    def write(self, scan: Scan, files: Sequence[str], target: str, *, in_order: bool) -> None:
        """Write the rows of a scan as one Parquet file, by time unless files are in order."""
        name = write_name(scan.range_column)
        start, end = (f"CAST({write_text(str(at))} AS TIMESTAMP)" for at in (scan.start, scan.end))
        rows = f"SELECT * FROM {self._rows_of(scan, files, ())} WHERE {name} >= {start} AND {name} < {end}"
        order = "" if in_order else f" ORDER BY {name}"
        self._fetch(f"COPY ({rows}{order}) TO {write_text(target)} ({STAGED})")

    def render(self, scan: Scan, part: Slice, row: str, lead: str | None = None) -> Iterator[Block]:
        """Render one slice, and see that its files are still what they were."""
        try:
            yield from super().render(scan, part, row, lead)
        finally:
            # What a change has led to says less than that there was one.
            self._check_unchanged(part.source)

    # -- which files ----------------------------------------------------------------------------------------------

    def _files(self, scan: Scan) -> Sequence[str]:
        files = self._list(scan)
        self._learn([file for file in files if file not in self._seen.kinds])
        return files

    def _list(self, scan: Scan) -> Sequence[str]:
        key = (scan.source, scan.start, scan.end, scan.selection)
        if key not in self._seen.scans:
            found = {file.path: file for pattern in scan.source for file in self._find(pattern, scan)}
            self._seen.files |= found
            self._seen.scans[key] = tuple(found)
        return self._seen.scans[key]

    def _find(self, text: str, scan: Scan) -> Iterator[Found]:
        pattern = read_pattern(text, selection_of(scan).tenant)
        return Search(self._place(text), days_of(scan), Wanted(self._connection, scan)).find(pattern)

    def _some(self, text: str, scan: Scan) -> list[str]:
        """List files of a pattern, of anybody's and any day's; not many, as a lake may be large."""
        search = Search(Glance(self._place(text)), (date.min, date.max), lambda _: True)
        found = list(islice(search.find(read_pattern(text, selection_of(scan).tenant)), _MOST_EXAMINED))
        self._seen.files |= {file.path: file for file in found}
        return [file.path for file in found]

    def _place(self, text: str) -> Place:
        return self._means.buckets if text.startswith(_BUCKET) else Folders()

    def _check_unchanged(self, files: Sequence[str]) -> None:
        """Raises SourceUnavailable when a file of this machine has changed; a bucket's are asked for by their stamp."""
        for path in files:
            if not path.startswith(_BUCKET) and path not in self._seen.staged:
                try:
                    now = stamp(path)
                except OSError as error:
                    raise SourceUnavailable(f"'{path}' cannot be read: {error.strerror}") from error
                if now != self._seen.files[path]:
                    raise SourceUnavailable(f"'{path}' is another than it was")

    def _paths(self, files: Sequence[str]) -> list[str]:
        remote = [path for path in files if path.startswith(_BUCKET)]
        if remote:
            _ = self._remote
        local = super()._paths([path for path in files if not path.startswith(_BUCKET)])
        return [*map(to_url, remote), *local]

    @cached_property
    def _remote(self) -> BucketFiles:
        files = BucketFiles(self._means.buckets, self._seen.files)
        self._connection.register_filesystem(files)
        return files

    def _explain(self, error: duckdb.Error) -> SourceUnavailable:
        fault = self._remote.take_fault() if "_remote" in self.__dict__ else None
        return SourceUnavailable(fault) if fault else unavailable(error)

    # -- what is in them ------------------------------------------------------------------------------------------

    def _learn(self, files: Sequence[str]) -> None:
        """Read the columns of files, all at once; one that cannot be read is named."""
        try:
            self._read_kinds(files)
        except duckdb.Error:
            for file in files:
                self._learn_one(file)

    def _learn_one(self, file: str) -> None:
        try:
            self._read_kinds([file])
        except duckdb.Error as error:
            told = self._explain(error).message
            why = told if file in told else f"'{file}' is not a readable Parquet file"
            raise SourceUnavailable(why) from error

    def _read_kinds(self, files: Sequence[str]) -> None:
        if not files:
            return
        statement = "SELECT file_name, name, duckdb_type, coalesce(num_children, 0) FROM parquet_schema($1)"
        nodes: dict[str, list[tuple[str, str | None, int]]] = {}
        for name, *node in self._connection.execute(statement, [self._paths(files)]).fetchall():
            nodes.setdefault(from_url(name), []).append((node[0], node[1], node[2]))
        self._check_unchanged(files)
        self._seen.kinds |= {file: _top_level(tree) for file, tree in nodes.items()}

    def _row_groups(self, scan: Scan, files: Sequence[str], column: str) -> list[RowGroup]:
        groups = super()._row_groups(scan, files, self._statistic(scan, files, column))
        return [group._replace(file=from_url(group.file)) for group in groups]

    def _statistic(self, scan: Scan, files: Sequence[str], column: str) -> str:
        """Name the stored column whose statistics tell of the range column; none where it is computed."""
        source = source_of(scan, column) or ""
        kinds = [self._columns(scan, file).kinds.get(source.lower(), ("", ""))[1] for file in files]
        return source if all(map(is_instant, kinds)) else ""

    def _columns(self, scan: Scan, file: str) -> Columns:
        return Columns(self._seen.kinds[file], read_partitions(file), scan)

    # -- rows -----------------------------------------------------------------------------------------------------

    def _rows_of(self, scan: Scan, files: Sequence[str], missing: Sequence[tuple[str, str]]) -> str:  # noqa: ARG002
        """Read files that are alike together, and the others beside them."""
        if files[0] in self._seen.staged:
            return f"read_parquet({write_text(super()._paths(files)[0])})"
        alike: dict[object, list[str]] = {}
        for file in files:
            kinds = tuple(self._seen.kinds[file].values())
            alike.setdefault((kinds, tuple(name for name, _ in read_partitions(file))), []).append(file)
        known = {name: kind for file in self._files(scan) for name, kind in self._seen.kinds[file].items()}
        return f"({' UNION ALL '.join(self._select(scan, group, known) for group in alike.values())})"

    def _select(self, scan: Scan, files: Sequence[str], known: Kinds) -> str:
        """Write the statement for the tenant's rows in files that have the same columns."""
        there = self._columns(scan, files[0])
        self._refuse(files[0], there)
        stored = self._stored(there, files, known)
        if expressions := there.expressions():
            there = replace(there, computed=self._types(expressions, there, files, known))
            self._refuse(files[0], there)
        columns = ", ".join(f"{there.write(name, kind)} AS {write_name(name)}" for name, kind in columns_of(scan))
        return f"SELECT {columns} FROM {stored}{there.write_condition()}"

    def _refuse(self, file: str, there: Columns) -> None:
        for fault in there.faults():
            raise SourceUnavailable(f"'{file}': {fault}")

    def _types(
        self, expressions: Mapping[str, str], there: Columns, files: Sequence[str], known: Kinds
    ) -> Mapping[str, str]:
        """Ask DuckDB for the types of what is computed from files that are alike, once a job: it opens one for it."""
        names = tuple(name for name, _ in there.partitions)
        key = (tuple(expressions.items()), tuple(there.kinds.values()), names, tuple(known.values()))
        if key not in self._seen.computed:
            computed = ", ".join(f"({sql}) AS {write_name(name)}" for name, sql in expressions.items())
            found = self._fetch(f"DESCRIBE SELECT {computed} FROM {self._stored(there, files[:1], known)}")
            self._seen.computed[key] = {name: kind for name, kind, *_ in found}
        return self._seen.computed[key]

    def _stored(self, there: Columns, files: Sequence[str], known: Kinds) -> str:
        """Write what reads files as they are, with the columns that only others have."""
        absent = [one for name, one in known.items() if name not in there]
        nulls = "".join(f", CAST(NULL AS {kind}) AS {write_name(name)}" for name, kind in absent if kind != _NESTED)
        paths = ", ".join(map(write_text, self._paths(files)))
        hive = "true, hive_types_autocast = false" if there.partitions else "false"
        return f"(SELECT *{nulls} FROM read_parquet([{paths}], hive_partitioning = {hive}))"

    # -- whether it fits ------------------------------------------------------------------------------------------

    def _part_readable(self, files: Sequence[str]) -> tuple[Sequence[str], list[str]]:
        """Learn of files, all at once if that goes well; return those that can be read, and why others cannot."""
        with suppress(duckdb.Error, SourceUnavailable):
            self._read_kinds(files)
            return files, []
        readable, faults = [], []
        for file in files:
            try:
                self._learn_one(file)
                readable.append(file)
            except SourceUnavailable as error:
                faults.append(error.message)
        return readable, faults

    def _examine(self, scan: Scan, files: Sequence[str]) -> Iterator[str]:
        found = dict[str, str]()
        for file in files:
            for fault in self._columns(scan, file).faults():
                found.setdefault(fault, file)
        yield from (f"'{file}': {fault}" for fault, file in found.items())
        if files and not found:
            yield from self._examine_columns(scan, files)

    def _examine_columns(self, scan: Scan, files: Sequence[str]) -> Iterator[str]:
        """Look for columns that no file has, and whether what is computed can be."""
        known = {name: kind for file in files for name, kind in self._seen.kinds[file].items()}
        there, given = self._columns(scan, files[0]), dict(selection_of(scan).columns)
        stored = self._stored(there, files[:1], known)
        for name, _ in columns_of(scan):
            if name not in given and name.lower() not in known and not there.is_partition(name):
                yield f"No file has a column '{name}', and none is said to stand for it"
        types = dict[str, str]()
        for name, sql in there.expressions().items():
            try:
                types |= self._types({name: sql}, there, files, known)
            except SourceUnavailable as error:
                yield f"Column '{name}' cannot be computed: {error.message}"
        yield from (f"'{files[0]}': {fault}" for fault in replace(there, computed=types).faults())
        yield from self._try(f"SELECT 1 FROM {stored}{there.write_condition()} LIMIT 0", "The tenant's column")

    def _try(self, statement: str, what: str) -> Iterator[str]:
        try:
            self._connection.execute(statement)
        except duckdb.Error as error:
            yield f"{what} cannot be computed: {self._explain(error).message}"


_NESTED = "a nested type"


def _top_level(tree: Sequence[tuple[str, str | None, int]]) -> Kinds:
    """Take the columns out of a file's schema, whose nodes come with all below them first."""
    found: dict[str, tuple[str, str]] = {}
    inner = 0
    for name, kind, children in tree[1:]:
        if inner == 0:
            found[name.lower()] = (name, _NESTED if children else kind or "nothing known")
        inner += children - (inner > 0)
    return found
