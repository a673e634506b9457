"""Stages the rows of each kind of input file for DuckDB, and tells how to word what is wrong with them."""

import json
import mmap
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from tailrace.catalog.model import Column
from tailrace.errors import LoadRefused
from tailrace.formats.base import quote_name, quote_text
from tailrace.intake.faults import Cell, Place
from tailrace.intake.inputs import Input
from tailrace.intake.refusal import quoted, refuse
from tailrace.intake.store import stored_type
from tailrace.intake.structure import BOM, find_flaws, first_cells, iter_lines, record_starts
from tailrace.intake.values import from_text, from_typed
from tailrace.intake.versions import Follows, Wanted

_LARGEST_HEADER = 1 << 20
_WRITTEN = {"\n": r"\n", "\r\n": r"\r\n"}  # DuckDB wants line ends spelt out
_LINE_LIMIT = 2 << 20
_BUFFER = 16 << 20  # DuckDB would take 16 lines of the longest allowed, for each thread


@dataclass(frozen=True, slots=True)
class Staged:
    """Rows of an input as DuckDB sees them: `relation`, `number` and `total` as in Rows, and a Cell for each column.

    `place` gives the words for a row's place.
    """

    relation: str
    number: str
    cells: Sequence[Cell]
    total: int
    place: Place


def stage(connection: duckdb.DuckDBPyConnection, source: Input, path: str, wanted: Wanted) -> Staged:
    """Make the rows of a file readable by DuckDB.

    Raises LoadRefused when the file's structure or columns are wrong, and duckdb.Error for faults of DuckDB's own.
    """
    match source.kind:
        case "csv":
            return _stage_csv(connection, source, path, wanted)
        case "parquet":
            return _stage_parquet(connection, source, path, wanted)
        case "ndjson":
            return _stage_ndjson(connection, source, path, wanted)


def place_in(source: Input, path: str) -> Place:
    """Give the words for the places of an input's rows; `path` is where its content can be read."""
    if source.kind == "csv":
        return lambda rows: _lines(path, rows)
    unit = "row" if source.kind == "parquet" else "line"
    return lambda rows: {row: f"{unit} {row}" for row in rows}


# -- CSV ----------------------------------------------------------------------------------------------------------


def _stage_csv(connection: duckdb.DuckDBPyConnection, source: Input, path: str, wanted: Wanted) -> Staged:
    names = _header(path)
    if not names:
        raise _csv_refusal(source, path, wanted.usual)
    follows = _follow(source, wanted, names, ordered=True)
    structure, raw = source.structure, [f"c{place}" for place in range(len(names))]
    if not structure.sound or structure.commas != structure.records * (len(names) - 1):
        raise _csv_refusal(source, path, len(names))
    try:
        _read_lines(connection, source, path, raw, separator=",", quote='"', line_end=structure.line_end)
    except duckdb.InvalidInputException as error:
        raise _csv_refusal(source, path, len(names)) from error
    _check_totals(connection, source, structure.records, structure.cell_bytes)
    cells = [Cell(column, name, from_text(column, name)) for column, name in zip(follows.columns, raw, strict=True)]
    # The header is row 0 of what was staged, so row numbers are row ids.
    return Staged(
        "(SELECT rowid AS n, * FROM staged WHERE rowid > 0)",
        "n",
        cells,
        structure.records - 1,
        place_in(source, path),
    )


def _header(path: str) -> list[str]:
    """Read the names in the first record; empty when it is not a sound one."""
    with Path(path).open("rb") as file:
        cells = first_cells(file.read(_LARGEST_HEADER))
    try:
        return [cell.decode() for cell in cells or []]
    except UnicodeDecodeError:
        return []


def _lines(path: str, rows: list[int]) -> dict[int, str]:
    if not rows:
        return {}
    with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        starts = record_starts(content, [row + 1 for row in rows])
    return {row: f"line {starts[row + 1]}" for row in rows}


def _csv_refusal(source: Input, path: str, cells: int) -> LoadRefused:
    def details() -> Iterator[str]:
        for flaw in find_flaws(Path(path), cells):
            cell = f", column {flaw.cell}" if flaw.cell else ""
            yield f"{source.name}, line {flaw.line}{cell}: {flaw.problem}"

    refusal = refuse(source.name, details())
    return refusal if refusal.details else refuse(source.name, [f"{source.name}: DuckDB cannot read this file"])


def _read_lines(
    connection: duckdb.DuckDBPyConnection,
    source: Input,
    path: str,
    raw: Sequence[str],
    *,
    separator: str,
    quote: str,
    line_end: str,
) -> None:
    """Stage a text file as the table `staged`, all text, in its order; nothing is left to DuckDB's guessing.

    Not in parallel: a reader that begins amid the file takes quoted text for rows. Not `strict_mode`: with CR LF it
    drops rows. The structure was checked before, which is more than strict mode does.
    """
    columns = ", ".join(f"{quote_text(name)}: 'VARCHAR'" for name in raw)
    limit = max(source.structure.longest, _LINE_LIMIT)
    connection.execute(f"""
        CREATE TABLE staged AS SELECT * FROM read_csv(
            {quote_text(path)}, auto_detect = false, columns = {{{columns}}}, header = false, delim = '{separator}',
            quote = '{quote}', escape = '{quote}', new_line = '{_WRITTEN[line_end]}', nullstr = '',
            allow_quoted_nulls = false, strict_mode = false, parallel = false, null_padding = false,
            ignore_errors = false, compression = 'none', max_line_size = {limit},
            buffer_size = {max(2 * limit, _BUFFER)})""")


def _check_totals(connection: duckdb.DuckDBPyConnection, source: Input, total: int, cell_bytes: int | None) -> None:
    """Compare DuckDB's count of records, and bytes in cells, with our own, so that no reader's mistake passes."""
    names = [row[0] for row in connection.execute("DESCRIBE staged").fetchall()]
    sizes = " + ".join(f"coalesce(strlen({name}), 0)" for name in names)
    found = connection.execute(f"SELECT count(*), coalesce(sum({sizes}), 0) FROM staged").fetchone()
    if found is None or found[0] != total or cell_bytes not in (None, found[1]):
        raise refuse(
            source.name, [f"{source.name}: DuckDB does not read this file as it is written; please report this"]
        )


def _follow(source: Input, wanted: Wanted, names: Sequence[str], *, ordered: bool) -> Follows:
    follows = wanted.match(names, ordered=ordered)
    if isinstance(follows, Follows):
        return follows
    line = ", line 1" if source.kind != "parquet" else ""
    raise refuse(source.name, [f"{source.name}{line}{problem}" for problem in follows])


# -- Parquet ------------------------------------------------------------------------------------------------------


def _stage_parquet(connection: duckdb.DuckDBPyConnection, source: Input, path: str, wanted: Wanted) -> Staged:
    file = f"read_parquet({quote_text(path)}, file_row_number = {{}})"
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {file.format('false')}").fetchall()
        total = connection.execute(f"SELECT count(*) FROM {file.format('false')}").fetchone()
    except duckdb.Error as error:
        raise refuse(source.name, [f"{source.name}: this is not a readable Parquet file"]) from error
    follows = _follow(source, wanted, [row[0] for row in described], ordered=False)
    relation = file.format("true")
    cells, problems = [], []
    for column, (name, kind, *_) in zip(follows.columns, described, strict=True):
        raw = quote_name(name)
        parsed = from_typed(column, raw, kind) or _if_all_null(connection, relation, raw, column)
        if parsed is None:
            problems.append(f"{source.name}, column '{name}': holds {kind} where {column.type} must be")
        cells.append(Cell(column, raw, parsed or "NULL"))
    if problems:
        raise refuse(source.name, problems)
    return Staged(relation, "(file_row_number + 1)", cells, total[0] if total else 0, place_in(source, path))


def _if_all_null(connection: duckdb.DuckDBPyConnection, relation: str, raw: str, column: Column) -> str | None:
    """Accept a column of any type that has no value: writers choose a type at random for those."""
    found = connection.execute(f"SELECT count({raw}) FROM {relation}").fetchone()
    return f"CAST(NULL AS {stored_type(column)})" if found == (0,) else None


# -- NDJSON -------------------------------------------------------------------------------------------------------


def _stage_ndjson(connection: duckdb.DuckDBPyConnection, source: Input, path: str, wanted: Wanted) -> Staged:
    """Stage each line as one text, then every key as a text with its JSON type.

    JSON allows no raw control character, so a line read as a "CSV" record separated by U+0001 is one cell.
    """
    with Path(path).open("rb") as file:
        line = file.readline()
        first, line_end = _keys_of(line.removeprefix(BOM)), _line_end(line)
        file.seek(-1, os.SEEK_END)
        total = source.lines + (file.read(1) != b"\n")
    if first is None:
        raise _ndjson_refusal(source, path, None)
    follows = _follow(source, wanted, first, ordered=False)
    try:
        _read_lines(connection, source, path, ["line"], separator="\x01", quote="", line_end=line_end)
        _check_totals(connection, source, total, None)
        paths = ", ".join(quote_text("/" + name.replace("~", "~0").replace("/", "~1")) for name in first)
        keys = ", ".join(quote_text(name) for name in sorted(first, key=str.encode))
        connection.execute(f"""
            CREATE TABLE objects AS
            SELECT rowid AS n, json_extract_string(line, [{paths}]) AS v, json_type(line, [{paths}]) AS t
            FROM (SELECT rowid, CASE WHEN json_valid(line) AND list_sort(json_keys(line)) = [{keys}] THEN line
                                ELSE error('not an object' || coalesce(left(line, 0), '')) END AS line FROM staged)""")
    except (duckdb.InvalidInputException, LoadRefused) as error:
        raise _ndjson_refusal(source, path, first) from error
    connection.execute("DROP TABLE staged")
    cells = [_json_cell(column, place) for place, column in enumerate(follows.columns, 1)]
    return Staged("objects", "(n + 1)", cells, total, place_in(source, path))


def _json_cell(column: Column, place: int) -> Cell:
    """Read a JSON value: a text must be one; numbers of more than 15 digits passed through a binary float."""
    raw, kind = f"v[{place}]", f"t[{place}]"
    digits = f"length(regexp_replace(regexp_replace({raw}, '[eE].*', ''), '[^0-9]', '', 'g'))"
    if column.type == "text":
        return Cell(column, raw, f"CASE WHEN {kind} = 'VARCHAR' THEN {raw} END")
    return Cell(column, raw, f"CASE WHEN {kind} <> 'DOUBLE' OR {digits} <= 15 THEN {from_text(column, raw)} END")


def _keys_of(line: bytes) -> list[str] | None:
    """List an object's keys, twice where they are there twice; None when the line is no object."""
    try:
        pairs = json.loads(line, object_pairs_hook=lambda pairs: pairs)
        json.dumps(pairs, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except ValueError:
        return None
    is_object = isinstance(pairs, list) and line.lstrip().startswith(b"{")
    return [key for key, _ in pairs] if is_object else None


def _ndjson_refusal(source: Input, path: str, wanted: Sequence[str] | None) -> LoadRefused:
    def details() -> Iterator[str]:
        with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            end = _line_end(content[: content.find(b"\n") + 1])
            for number, line in enumerate(iter_lines(content), 1):
                if line.endswith(b"\n") and _line_end(line) != end:
                    yield f"{source.name}, line {number}: ends otherwise than the first line, with or without CR"
                yield from (f"{source.name}, line {number}: {problem}" for problem in _flaws_of_object(line, wanted))

    refusal = refuse(source.name, details())
    return refusal if refusal.details else refuse(source.name, [f"{source.name}: DuckDB cannot read this file"])


def _line_end(line: bytes) -> str:
    return "\r\n" if line.endswith(b"\r\n") else "\n"


def _flaws_of_object(line: bytes, wanted: Sequence[str] | None) -> Iterator[str]:
    if not line.strip():
        yield "the line is blank"
        return
    keys = _keys_of(line.removeprefix(BOM))
    if keys is None:
        yield "is not a JSON object"
    elif wanted is not None and sorted(keys) != sorted(wanted):
        yield from (f"key {quoted(key)} is missing" for key in wanted if key not in keys)
        yield from (f"key {quoted(key)} is not a column" for key in dict.fromkeys(keys) if key not in wanted)
        yield from (f"key {quoted(key)} appears twice" for key in dict.fromkeys(keys) if keys.count(key) > 1)
