"""What every engine must do with rows that are computed first: typed, in order, counted, grouped, and nothing left."""

import gzip
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tailrace.engines.base import Program, Relation, Scan, Step
from tailrace.errors import OutOfMemory, ResultTooLarge, SourceUnavailable
from tailrace.formats.base import Field
from tailrace.jobs.index import Index
from tailrace.jobs.model import ExporterRows, Limits, Request
from tailrace.plugins import load_plugin, plugin_names
from tailrace.storage.local import open_store
from tailrace.worker.extract import Task, extract
from tailrace.worker.protocol import _read_program

pytestmark = pytest.mark.long

NAMES = Relation(
    "names",
    (("id", "BIGINT"), ("name", "VARCHAR"), ("since", "DATE"), ("seen_at", "TIMESTAMP"), ("open", "BOOLEAN")),
    rows=(
        (3, "O'Neil|x", "2024-02-29", "2024-03-10 08:00:00", True),
        (1, None, None, None, None),
        (2, "", "2024-01-01", "2024-01-01 00:00:00", False),
    ),
    constants=(("customer_id", 7),),
)
EMPTY = Relation("nothing", (("id", "BIGINT"),))
FIELDS = (Field("id", "id", "integer"), Field("name", "name", "text"), Field("since", "since", "date"))
COLUMNS = tuple((field.source, f'"{field.source}"') for field in FIELDS)


# Engines over rows of an operator's own compute none; their own tests say so.
READ_ONLY = {"lake", "postgresql"}


@pytest.fixture(params=[name for name in plugin_names("tailrace.engines") if name not in READ_ONLY])
def task(request, tmp_path):
    """Make the task of a program; its scratch folder is `scratch`."""
    (tmp_path / "scratch").mkdir()

    def make(program, *, form="pipe", options=None, threads=2, max_rows=None, fields=FIELDS):
        rows = ExporterRows("made-up", {}, program.columns, program.groups)
        limits = Limits(60, 10**9, retention_hours=1, record_hours=24, max_rows=max_rows)
        return Task(
            request=Request(rows, fields, form, limits, options or {"header": False}, ("gz", "index")),
            source=(),
            in_order=(),
            specials={},
            program=program,
            key=f"tenant/job/1.{form}",
            engine=request.param,
            engine_options={"memory_mb": 160, "scratch": str(tmp_path / "scratch")},
            storage="local",
            storage_options={"folder": str(tmp_path / "results")},
            threads=threads,
        )

    return make


def run(task):
    result = extract(task, lambda _done, _total: None)
    assert not list(Path(task.engine_options["scratch"]).iterdir())
    return result, (Path(task.storage_options["folder"]) / task.key).read_bytes()


def program(sql, *, relations=(NAMES, EMPTY), steps=(), order=("id",), groups=(), columns=COLUMNS):
    return Program(relations, steps, sql, columns, order, groups)


def test_values_given_with_the_request_have_their_types(task):
    result, data = run(task(program("SELECT * FROM names")))
    assert data == b"1||\n2||2024-01-01\n3|O'Neil\\|x|2024-02-29\n"
    assert (result.rows, result.bytes) == (3, len(data))


def test_constants_and_instants_can_be_computed_with(task):
    sql = """
        SELECT customer_id AS id, strftime(timezone('America/Chicago', seen_at::TIMESTAMPTZ), '%H:%M') AS name, since
        FROM names WHERE open
    """
    assert run(task(program(sql)))[1] == b"7|03:00|2024-02-29\n"


def test_steps_use_earlier_steps_and_macros(task):
    steps = (
        Step("macro", "twice(n)", "2 * n"),
        Step("table", "stored", "SELECT id, twice(id) AS double FROM names"),
        Step("view", "seen", "SELECT max(double) AS id FROM stored"),
    )
    sql = "SELECT id, NULL::VARCHAR AS name, NULL::DATE AS since FROM seen"
    assert run(task(program(sql, steps=steps)))[1] == b"6||\n"


def test_no_rows_give_the_empty_document(task):
    made = task(program("SELECT id, '' AS name, NULL::DATE AS since FROM nothing"), form="json", options={})
    result, data = run(made)
    assert data == b"[]\n"
    assert (result.rows, result.replaced) == (0, 0)
    with pytest.raises(ResultTooLarge):
        extract(task(program("SELECT * FROM names"), max_rows=2), lambda *_: None)


@pytest.mark.parametrize("threads", [1, 3])
def test_many_rows_keep_their_order_over_slices(task, threads):
    sql = "SELECT range * 7919 % 200003 AS id, 'x' AS name, NULL::DATE AS since FROM range(200003)"
    result, data = run(task(program(sql), threads=threads))
    assert data == b"".join(b"%d|x|\n" % number for number in range(200_003))
    index = Index.open(open_store({"folder": _results(task)}), "tenant/job/1.pipe.index")
    start, end = index.span(123_456, 123_458)
    assert data[start:end] == b"123456|x|\n123457|x|\n"
    assert result.rows == 200_003


def _results(task):
    return task(program("SELECT 1")).storage_options["folder"]


def test_the_gzip_form_holds_the_same_bytes(task):
    result, data = run(task(program("SELECT * FROM names")))
    packed = Path(_results(task), "tenant/job/1.pipe.gz").read_bytes()
    assert gzip.decompress(packed) == data
    assert result.compressed_bytes == len(packed)


@pytest.mark.req("SS-833")
def test_replaced_characters_are_counted(task):
    made = task(program("SELECT 1 AS id, concat(chr(0), 'a', chr(0)) AS name, NULL::DATE AS since"))
    result, data = run(made)
    assert data == "1|\ufffda\ufffd|\n".encode()
    assert result.replaced == 2


def test_a_failing_statement_leaves_nothing(task, tmp_path):
    made = task(program("SELECT error('no') AS id, '' AS name, NULL::DATE AS since FROM names"))
    with pytest.raises(SourceUnavailable):
        extract(made, lambda *_: None)
    assert not list((tmp_path / "scratch").iterdir())
    assert not [path for path in tmp_path.rglob("*.pipe*") if path.is_file()]


def test_groups_open_where_their_columns_change(task, tmp_path):
    target = str(tmp_path / "grouped.parquet")
    made = program("SELECT *, id // 2 AS half FROM names", groups=("half",), columns=(*COLUMNS, ("half", "half")))
    ready = task(made)
    engine = load_plugin("tailrace.engines", ready.engine)
    with engine.connect(ready.engine_options) as connection:
        assert connection.prepare(made, target, "_row_key", "_opens").rows == 3
        assert connection.count(_scan(target)) == 3
        assert connection.sum(_scan(target), "CAST(_opens AS INTEGER)") == 2


def test_it_tells_which_columns_always_have_a_value(task, tmp_path):
    """The first 20,000 rows are a row group without anything missing."""
    sql = """
        SELECT range AS id, 'x' AS name, nullif(DATE '2026-01-01', DATE '2026-01-01' + (range - 20000)::INT) AS since,
               CASE WHEN range <> 20000 THEN 'y' ELSE '' END AS note, CASE WHEN range < 20000 THEN '' END AS left_out
        FROM range(20001)
    """
    made = program(sql, columns=(*COLUMNS, ("note", "note"), ("left_out", "left_out")))
    ready = task(made)
    with load_plugin("tailrace.engines", ready.engine).connect(ready.engine_options) as connection:
        prepared = connection.prepare(made, str(tmp_path / "[rows].parquet"), "_row_key", "_opens")
    assert prepared.filled >= {"id", "name", "note"}
    assert prepared.filled.isdisjoint({"since", "left_out"})
    assert "name" in prepared.nonempty
    assert prepared.nonempty.isdisjoint({"note", "left_out", "since"})


def test_what_is_known_of_computed_columns_changes_nothing(task):
    """The first rows, which make a row group, have what the last lack."""
    sql = "SELECT range AS id, CASE WHEN range < 20000 THEN 'x' ELSE '' END AS name, NULL::DATE AS since FROM range({})"
    filled, lacking = (run(task(program(sql.format(rows)), form="json", options={}))[1] for rows in (20000, 20001))
    assert lacking.startswith(filled.removesuffix(b"\n]\n"))
    assert json.loads(lacking)[-1] == {"id": 20000}
    assert json.loads(filled) == [{"id": number, "name": "x"} for number in range(20000)]


def _scan(target):
    return Scan((target,), "_row_key", 0, 3, ("_row_key",), frozenset([target]))


def test_a_program_survives_the_way_to_the_child():
    steps = (Step("view", "seen", "SELECT 1"),)
    made = program("SELECT 1", steps=steps, groups=("a", "b"))
    assert _read_program(json.loads(json.dumps(asdict(made)))) == made


def test_what_needs_more_memory_gets_all_there_is(task):
    sql = "SELECT 1 AS id, CAST(len(list(md5(range::VARCHAR))) AS VARCHAR) AS name, NULL::DATE AS since FROM range({})"
    made = task(program(sql.format(3_000_000)))
    small = replace(made, engine_options={**made.engine_options, "memory_mb": 64})
    with pytest.raises(OutOfMemory):
        extract(small, lambda *_: None)
    large = replace(made, engine_options={**made.engine_options, "memory_mb": 2000})
    assert run(large)[1] == b"1|3000000|\n"
