"""What the tests of this folder share: Parquet files made of Python rows, a scan of them, and all its lines."""

from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from uuid import uuid4

import duckdb
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tailrace.engines.base import Scan
from tailrace.engines.duckdb import connect

START, END = datetime(2019, 5, 22), datetime(2019, 5, 29)
ROW = "concat(strftime(instant, '%Y-%m-%dT%H:%M:%S.%f'), ' ', key, chr(10))"


class Source:
    """Files of rows `(at, key)` in a folder, read by one engine."""

    def __init__(self, folder, engine):
        self.folder, self.engine = folder, engine
        self.scan = Scan(source=(), range_column="instant", start=START, end=END, order=("instant", "key"))
        self.rows = []

    def add(self, path):
        self.scan = replace(self.scan, source=(*self.scan.source, str(path)))

    def write(self, rows, group=2048, kind="TIMESTAMP"):
        """Write one file; rows lie in it as they are given."""
        path = self.folder / f"{len(self.scan.source)}.parquet"
        self.rows += rows
        with duckdb.connect(config={"threads": 1}) as connection:
            connection.execute(f"CREATE TABLE rows (instant {kind}, key VARCHAR)")
            if rows:
                connection.execute(
                    "INSERT INTO rows SELECT unnest($1::VARCHAR[]), unnest($2::VARCHAR[])",
                    [[at and at.isoformat() for at, _ in rows], [key for _, key in rows]],
                )
            name = str(path).replace("'", "''")
            connection.execute(f"COPY rows TO '{name}' (FORMAT parquet, ROW_GROUP_SIZE {group})")
        self.add(path)

    def expected(self):
        """The lines of all rows in the range, in order, worked out in Python."""
        scan = self.scan
        chosen = sorted(row for row in self.rows if row[0] is not None and scan.start <= row[0] < scan.end)
        return "".join(f"{at:%Y-%m-%dT%H:%M:%S.%f} {key}\n" for at, key in chosen)

    def render(self, slices):
        blocks = [block for part in slices for block in self.engine.render(self.scan, part, ROW)]
        return sum(block.rows for block in blocks), b"".join(block.data for block in blocks).decode()

    def check(self):
        """Plan, count and render; every promise about slices is checked. Returns the slices."""
        slices = self.engine.plan(self.scan)
        expected = self.expected()
        assert self.engine.count(self.scan) == expected.count("\n")
        assert self.render(slices) == (expected.count("\n"), expected)
        if slices:
            assert (slices[0].start, slices[-1].end) == (self.scan.start, self.scan.end)
        assert all(part.start < part.end for part in slices)
        assert all(earlier.end == later.start for earlier, later in pairwise(slices))
        return slices


@pytest.fixture
def engine(tmp_path):
    with connect({"memory_mb": 160, "scratch": tmp_path / "scratch"}) as engine:
        yield engine


@pytest.fixture
def source(tmp_path, engine):
    return Source(tmp_path, engine)


@pytest.fixture
def small_slices(monkeypatch):
    """Make slices of a size, so that few rows need many."""

    def make(rows, size=2**40):
        monkeypatch.setattr("tailrace.engines.parquet.slices._ROWS_PER_SLICE", rows)
        monkeypatch.setattr("tailrace.engines.parquet.slices._BYTES_PER_SLICE", size)

    return make


@pytest.fixture(scope="module")
def server(postgres):
    """A database of the module's own: its tables are an operator's, not Tailrace's."""
    name = f"operators_{uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield make_conninfo(postgres, dbname=name)
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def own(server):
    """The operator's own connection; what was made for a test is gone after it."""
    with psycopg.connect(server, autocommit=True) as connection:
        yield connection
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC")
