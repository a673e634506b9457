"""Rows stored as Parquet, in every format, against what reads Parquet and writes files today."""

from collections.abc import Iterator
from pathlib import Path

import duckdb

from benchmarks.measure import Comparison, Sample, compare, python
from benchmarks.plan import Sizes
from benchmarks.site import Site, columns, make_tenant, open_site

# Format, what DuckDB's COPY is told, and the ratio to reach.
_AGAINST_DUCKDB = (
    ("csv", "FORMAT csv, HEADER", 0.90),
    ("pipe", "FORMAT csv, HEADER, DELIMITER '|'", 0.90),
    ("ndjson", "FORMAT json", 0.65),
)


def measure(data: Path, sizes: Sizes) -> Iterator[Comparison]:
    """Measure each format with each number of rows; other tools with the smallest."""
    for rows in sizes.rows:
        make_tenant(data, rows)
    make_tenant(data, sizes.rows[0], "numbered")
    with open_site(data) as site:
        for rows in sizes.rows:
            yield from _against_duckdb(site, rows, sizes.runs)
        least = sizes.rows[0]
        yield _array(site, least, sizes.runs)
        yield from _against_others(site, least, sizes.runs)
        for packed in ("csv.gz", "csv.zst"):
            ways = (lambda packed=packed: site.job(site.tenant(least), packed)), (lambda: site.job(site.tenant(least)))
            yield compare(f"{packed} from Parquet", "the same job uncompressed", 1.25, least, ways, sizes.runs)


def _against_duckdb(site: Site, rows: int, runs: int) -> Iterator[Comparison]:
    for name, how, goal in _AGAINST_DUCKDB:
        ways = (lambda name=name: site.job(site.tenant(rows), name)), (lambda how=how: duckdb_copy(site, rows, how))
        yield compare(f"{name} from Parquet", f"DuckDB COPY ({how}), ordered", goal, rows, ways, runs)


def _array(site: Site, rows: int, runs: int) -> Comparison:
    """Measure JSON, an array, which only exporters write: the rows they compute are stored with their numbers."""
    tenant, how = site.tenant(rows, "numbered"), "FORMAT json, ARRAY true"
    for file in site.stored(tenant):
        _number(file)
    ways = (lambda: site.job(tenant, "json")), (lambda: duckdb_copy(site, rows, how, "numbered"))
    return compare("json from Parquet", f"DuckDB COPY ({how}), ordered", 0.80, rows, ways, runs)


def _number(file: Path) -> None:
    """Give stored rows numbers for keys."""
    target = file.with_suffix(".numbered")
    with duckdb.connect() as engine:
        engine.execute(
            f"""
            COPY (
                SELECT * EXCLUDE (file_row_number) REPLACE (file_row_number AS _row_key)
                FROM read_parquet('{file}', file_row_number = true)
            )
            TO '{target}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 16384)
            """
        )
    target.rename(file)


def duckdb_copy(site: Site, rows: int, how: str, kind: str = "rows") -> Sample:
    """Let DuckDB write the same rows and columns, in the order they are stored in, with all threads."""
    target = site.data / "copy.out"
    statement = f"COPY (SELECT {_names(site)} FROM read_parquet({_files(site, rows, kind)})) TO '{target}' ({how})"
    return python("import duckdb", f"duckdb.connect().execute({statement!r})", target)


def _against_others(site: Site, rows: int, runs: int) -> Iterator[Comparison]:
    def job(format_name: str = "csv") -> Sample:
        return site.job(site.tenant(rows), format_name)

    target, files = site.data / "other.out", _files(site, rows)
    names = [name.strip('"') for name in _names(site).split(", ")]
    polars = f"polars.scan_parquet({files}).select({names}).sink_csv({str(target)!r})"
    ways = (job, lambda: python("import polars", polars, target))
    yield compare("csv from Parquet", "Polars sink_csv", 1.0, rows, ways, runs)
    for format_name, chdb_format, goal in (("csv", "CSVWithNames", 1.0), ("xml", "XML", 1.5)):
        code = _chdb(site, rows, chdb_format, target)
        pair = (lambda name=format_name: job(name)), (lambda code=code: python("import chdb", code, target))
        yield compare(f"{format_name} from Parquet", f"chDB FORMAT {chdb_format}", goal, rows, pair, runs)
    script = _by_hand(site, rows, target)
    ways = (job, lambda: python("import csv, duckdb", script, target))
    yield compare("csv from Parquet", "Python's csv, row by row", 0.5, rows, ways, 1)


def _chdb(site: Site, rows: int, chdb_format: str, target: Path) -> str:
    [file] = site.stored(site.tenant(rows))
    columns_ = _names(site).replace('"', "`")
    query = f"SELECT {columns_} FROM file('{file}', Parquet) INTO OUTFILE '{target}' FORMAT {chdb_format}"
    return f"chdb.query({query!r})"


def _by_hand(site: Site, rows: int, target: Path) -> str:
    return f"""
cursor = duckdb.connect().execute({f"SELECT {_names(site)} FROM read_parquet({_files(site, rows)})"!r})
with open({str(target)!r}, "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(column[0] for column in cursor.description)
    while rows := cursor.fetchmany(10_000):
        writer.writerows(rows)
"""


def _files(site: Site, rows: int, kind: str = "rows") -> list[str]:
    return [str(path) for path in site.stored(site.tenant(rows, kind))]


def _names(site: Site) -> str:
    return ", ".join(f'"{name}"' for name in columns(site))
