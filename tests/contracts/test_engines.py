"""What every engine must do, whichever it is: the same rows give the same bytes, in any slices and on any threads.

A new engine needs one entry in `STORE`, a way to put rows where it reads; without it these tests fail by its name.
"""

import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from operator import itemgetter
from pathlib import Path

import duckdb
import psycopg
import pytest

import oracle
from tailrace.engines.base import Selection
from tailrace.errors import ExtractionFailed, ResultTooLarge, SourceUnavailable
from tailrace.formats.base import ROW_KEY, Field
from tailrace.jobs.model import Limits, RangeRows, Request
from tailrace.plugins import load_plugin, plugin_names
from tailrace.worker.extract import Task, extract, render_share
from tailrace.worker.protocol import read_slices, write_message

START, END = datetime(2019, 5, 22, tzinfo=UTC), datetime(2019, 5, 29, tzinfo=UTC)
COLUMNS = [
    {"name": "At", "type": "datetime"},
    {"name": "Name, full", "type": "text"},
    {"name": "Count", "type": "integer"},
    {"name": "Price", "type": "decimal", "scale": 2},
    {"name": "Open", "type": "boolean"},
    {"name": "Day", "type": "date"},
]
KINDS = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "decimal": "DECIMAL(18,6)",
    "datetime": "TIMESTAMP",
    "date": "DATE",
    "boolean": "BOOLEAN",
}
FIELDS = tuple(Field(source=f"c{number}", **column) for number, column in enumerate(COLUMNS))


def store_parquet(folder: Path, parts: list[list[tuple]], find_database: Callable[[], str]) -> dict:
    paths = []
    for number, rows in enumerate(parts):
        paths.append(str(folder / f"{number}.parquet"))
        with duckdb.connect(config={"threads": 1}) as connection:
            declared = ", ".join(f"{field.source} {KINDS[field.type]}" for field in FIELDS)
            connection.execute(f"CREATE TABLE rows ({declared}, {ROW_KEY} VARCHAR)")
            cells = list(zip(*[[None if cell is None else str(cell) for cell in row] for row in rows], strict=True))
            marks = ", ".join(f"unnest(${place + 1}::VARCHAR[])" for place in range(len(FIELDS) + 1))
            if rows:
                connection.execute(f"INSERT INTO rows SELECT {marks}", [list(column) for column in cells])
            connection.execute(f"COPY rows TO '{paths[-1]}' (FORMAT parquet, ROW_GROUP_SIZE 2048)")
    return {"source": tuple(paths)}


def store_lake(folder: Path, parts: list[list[tuple]], find_database: Callable[[], str]) -> dict:
    """Files of the operator's own."""
    return store_parquet(folder, parts, find_database) | {"selection": Selection((), None, "tenant")}


def store_table(folder: Path, parts: list[list[tuple]], find_database: Callable[[], str]) -> dict:
    """One table, with another tenant's rows among them, and without a row key."""
    url = find_database()
    kinds = {"text": "text", "integer": "bigint", "decimal": "numeric", "datetime": "timestamptz", "date": "date"}
    declared = ", ".join(f"{field.source} {kinds.get(field.type, field.type)}" for field in FIELDS)
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(f"SET TimeZone = 'UTC'; DROP TABLE IF EXISTS rows; CREATE TABLE rows (tenant text, {declared})")
        with cursor.copy("COPY rows FROM STDIN") as copy:
            for row in (row for rows in parts for row in rows):
                copy.write_row(["acme", *row[:-1]])
        cursor.execute(f"INSERT INTO rows SELECT 'other', {', '.join(field.source for field in FIELDS)} FROM rows")
        cursor.execute("CREATE INDEX ON rows (tenant, c0)")
    options = {"url": url, "statement_timeout_s": 60, "connect_timeout_s": 10}
    return {"source": ("rows",), "engine_options": options, "selection": Selection((), "tenant", "acme")}


STORE = {"duckdb": store_parquet, "lake": store_lake, "postgresql": store_table}


def rows_per_slice(engine: str) -> str:
    """Name what says how many rows a slice should have."""
    module = "postgresql" if engine == "postgresql" else "parquet.slices"
    return f"tailrace.engines.{module}._ROWS_PER_SLICE"


def break_file(task, damage: str) -> None:
    path = Path(task.source[1])
    data = path.read_bytes()
    path.unlink()
    if damage != "removed":
        path.write_bytes(data[: len(data) // 2] if damage == "cut" else b"")


def break_table(task, damage: str) -> None:
    damages = {"removed": "DROP TABLE rows", "emptied": "ALTER TABLE rows DROP c1"}
    with psycopg.connect(task.engine_options["url"]) as connection:
        connection.execute(damages.get(damage, "ALTER TABLE rows ALTER c5 TYPE text"))


BREAK = {"duckdb": break_file, "lake": break_file, "postgresql": break_table}
TEXTS = [None, "", "plain", " led", 'say "so"', "a,b", "two\nlines", "你好 😀", "-1", "x" * 300]


def make_rows(number, seed=1, instants=10**9):
    """Rows `(c0 … c5, row key)`; few instants make many ties."""
    chance = random.Random(seed)
    step = timedelta(days=9) / instants
    rows = []
    for count in range(number):
        at = (START - timedelta(days=1) + step * chance.randrange(instants)).replace(tzinfo=None)
        price = Decimal(chance.randrange(-(10**9), 10**9)).scaleb(-chance.randrange(7))
        day = at.date() if chance.random() < 0.9 else None
        row = (at, chance.choice(TEXTS), chance.choice([None, count]), price, chance.choice([None, True, False]), day)
        rows.append((*row, f"{seed}-{count:09d}"))
    return rows


def expected(rows, *, keyed=True):
    """The file: rows that are alike in what orders them come by their key, or else by all that is written."""
    chosen = [row for row in rows if START.replace(tzinfo=None) <= row[0] < END.replace(tzinfo=None)]
    chosen.sort(key=lambda row: (row[0], _bytes_of(row[1]), row[6] if keyed else _written(row)))
    return oracle.write_csv([column["name"] for column in COLUMNS], [row[:6] for row in chosen], COLUMNS)


def _bytes_of(text):
    return (text is not None, (text or "").encode())


def _written(row):
    """The texts of a row's cells, before anything is quoted."""
    cells = zip(row, COLUMNS, strict=False)
    return [
        _bytes_of(oracle.cell(cell, one) if cell is not None and one["type"] != "text" else cell) for cell, one in cells
    ]


@pytest.fixture(params=plugin_names("tailrace.engines"))
def engine(request):
    return request.param


@pytest.fixture
def make_task(request, engine, tmp_path):
    """A task over parts of rows, in the engine's own store."""

    def find_database():
        return request.getfixturevalue("database_url")

    def make(parts, threads=2, max_result_bytes=10**9):
        asked = Request(
            rows=RangeRows(table="rows", column="c0", start=START, end=END, order=(FIELDS[1],)),
            fields=FIELDS,
            format="csv",
            limits=Limits(60, max_result_bytes, retention_hours=1, record_hours=24),
        )
        task = Task(
            request=asked,
            source=(),
            in_order=(),
            specials={},
            program=None,
            key="tenant/job/1.csv",
            engine=engine,
            engine_options={"memory_mb": 160, "scratch": str(tmp_path / "scratch")},
            storage="local",
            storage_options={"folder": str(tmp_path / "results")},
            threads=threads,
        )
        stored = STORE[engine](tmp_path, parts, find_database)
        return replace(task, **stored | {"engine_options": {**task.engine_options, **stored.get("engine_options", {})}})

    return make


def run(task, reports=None):
    told = [] if reports is None else reports
    result = extract(task, lambda done, total: told.append((done, total)))
    data = (Path(task.storage_options["folder"]) / task.key).read_bytes()
    assert (result.bytes, result.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    return result, data


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("slice_rows", [100, 5_000, 10**9])
def test_threads_and_slices_do_not_show(make_task, engine, monkeypatch, threads, slice_rows):
    monkeypatch.setattr(rows_per_slice(engine), slice_rows)
    parts = [sorted(make_rows(6_000, seed), key=itemgetter(0)) for seed in range(3)]
    rows = [row for part in parts for row in part]
    reports = []
    result, data = run(make_task(parts, threads), reports)
    assert data == expected(rows)
    assert result.rows > 10_000
    total = reports[-1][1]
    assert reports == [(done + 1, total) for done in range(total)]
    assert total > 20 if slice_rows == 100 else total < 20


@pytest.mark.parametrize("threads", [1, 3])
def test_a_slice_waits_when_its_turn_has_not_come(make_task, engine, monkeypatch, threads):
    """However large: not more than a block of each is held."""
    monkeypatch.setattr("tailrace.worker.rendering._MOST_WAITING_BYTES", 1)
    monkeypatch.setattr(rows_per_slice(engine), 1000)
    rows = make_rows(9_000)
    assert run(make_task([rows], threads))[1] == expected(rows)
    with pytest.raises(ResultTooLarge):
        run(make_task([rows], threads, max_result_bytes=100_000))


@pytest.mark.req("CX-614")
def test_ties_are_ordered_by_written_text_and_then_by_the_row_key_or_all_that_is_written(
    make_task, engine, monkeypatch
):
    monkeypatch.setattr(rows_per_slice(engine), 500)
    parts = [make_rows(3_000, seed, instants=7) for seed in range(3)]
    for part in parts:
        random.Random(1).shuffle(part)
    assert run(make_task(parts))[1] == expected([row for part in parts for row in part], keyed=engine == "duckdb")


@pytest.mark.req("CX-816")
@pytest.mark.parametrize("parts", [[], [[]], [[], []]])
def test_no_rows_give_the_header_alone(make_task, parts):
    result, data = run(make_task(parts))
    assert (result.rows, data) == (0, expected([]))


def test_one_row(make_task):
    rows = [(datetime(2019, 5, 22), "é", 1, Decimal("1.005"), True, None, "k")]
    assert run(make_task([rows]))[1] == expected(rows)


@pytest.mark.req("CX-709")
@pytest.mark.parametrize("short", [1, 1000, None])
def test_a_result_may_be_as_large_as_allowed_and_not_a_byte_more(make_task, tmp_path, short):
    rows = make_rows(2_000)
    size = len(expected(rows))
    if short is None:
        assert len(run(make_task([rows], max_result_bytes=size))[1]) == size
        return
    with pytest.raises(ResultTooLarge):
        run(make_task([rows], max_result_bytes=size - short))
    assert [path for path in (tmp_path / "results").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("damage", ["removed", "emptied", "cut"])
def test_a_broken_part_fails_the_attempt_and_leaves_nothing(make_task, tmp_path, threads, damage):
    task = make_task([make_rows(5_000, seed) for seed in range(3)], threads)
    BREAK[task.engine](task, damage)
    with pytest.raises(SourceUnavailable):
        run(task)
    assert [path for path in (tmp_path / "results").rglob("*") if path.is_file()] == []


def test_rows_that_vanish_between_counting_and_reading_are_noticed(make_task, engine, tmp_path, monkeypatch):
    """The engine's own count is the check: a result with other rows than counted is never published."""
    module = load_plugin("tailrace.engines", engine)
    [kind] = [
        one
        for one in vars(module).values()
        if isinstance(one, type) and hasattr(one, "render") and one.__module__ == module.__name__
    ]
    real = kind.count
    monkeypatch.setattr(kind, "count", lambda self, scan: real(self, scan) + 1)
    with pytest.raises(ExtractionFailed, match="rendered"):
        run(make_task([make_rows(100)]))
    assert [path for path in (tmp_path / "results").rglob("*") if path.is_file()] == []


class Helped:
    """A worker that hands the second share of a job to a helper, who is told of it in JSON."""

    def __init__(self, task):
        self.task, self.rendered, self.offered = task, None, False

    def say(self, message):
        stream = BytesIO()
        write_message(stream, message)
        heard = json.loads(stream.getvalue())
        if heard["event"] == "offer":
            self.offered, told = True, heard["contents"]["1"]
            helpers = replace(
                self.task,
                source=tuple(told["source"]),
                in_order=tuple(told["in_order"]),
                key=f"{self.task.key}.share",
                engine_options={**self.task.engine_options, **told["shared"]},
                slices=read_slices(told["slices"]),
                likeness=told["likeness"],
            )
            self.rendered = render_share(helpers, lambda *_: None)
        self.asked = heard.get("number")

    def hear(self):
        return {"share": asdict(self.rendered) if self.asked == 1 else "render"}


def test_a_share_is_the_same_elsewhere_or_not_offered(make_task, engine, monkeypatch):
    monkeypatch.setattr(rows_per_slice(engine), 1000)
    rows = make_rows(9000)
    task = make_task([rows[::2], rows[1::2]])
    alone = run(task)[1]
    talk = Helped(replace(task, key="tenant/job/2.csv", share_slices=2))
    extract(talk.task, lambda *_: None, talk)
    assert (Path(task.storage_options["folder"]) / talk.task.key).read_bytes() == alone
    assert talk.offered == (engine != "lake")


def test_a_message_holds_nothing_that_cannot_be_read_back():
    with pytest.raises(TypeError, match="cannot hold Helped"):
        write_message(BytesIO(), {"shared": Helped(None)})
