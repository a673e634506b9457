"""What every engine's rows become besides CSV: the same text packed, in any slices and on any threads."""

import gzip
import sys
from dataclasses import replace
from operator import itemgetter

import duckdb
import pytest

from contracts.test_engines import engine, expected, make_rows, make_task, rows_per_slice, run  # noqa: F401 - two are fixtures
from tailrace.errors import ResultTooLarge
from tailrace.plugins import plugin_names
from tailrace.worker import extract

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

pytestmark = pytest.mark.long

FORMATS = ["ndjson", *(f"{text}.{packing}" for text in ("csv", "ndjson") for packing in ("gz", "zst")), "parquet"]
PARTS = [sorted(make_rows(4_000, seed), key=itemgetter(0)) for seed in range(2)]


def of_format(task, name, **limits):
    request = replace(task.request, format=name, limits=replace(task.request.limits, **limits))
    return replace(task, request=request, key=f"tenant/job/1.{name}")


def test_every_packing_is_tried():
    assert {name.rpartition(".")[2] for name in FORMATS} - {"ndjson"} == set(plugin_names("tailrace.worker.packing"))


@pytest.mark.parametrize("name", FORMATS)
def test_threads_and_slices_do_not_show(make_task, engine, monkeypatch, name):  # noqa: F811
    whole, data = run(of_format(make_task(PARTS, 1), name))
    monkeypatch.setattr(rows_per_slice(engine), 300)
    result, again = run(of_format(make_task(PARTS, 2), name))
    assert again == data
    assert result.rows == whole.rows > 5_000


def test_packed_text_is_the_text(make_task):  # noqa: F811
    written = expected([row for part in PARTS for row in part])
    assert gzip.decompress(run(of_format(make_task(PARTS), "csv.gz"))[1]) == written
    assert zstd.decompress(run(of_format(make_task(PARTS), "csv.zst"))[1]) == written
    _, ndjson = run(of_format(make_task(PARTS), "ndjson"))
    assert gzip.decompress(run(of_format(make_task(PARTS), "ndjson.gz"))[1]) == ndjson


def test_parquet_has_the_rows_in_the_order_of_the_csv(make_task, tmp_path):  # noqa: F811
    (tmp_path / "rows.parquet").write_bytes(run(of_format(make_task(PARTS), "parquet"))[1])
    (tmp_path / "rows.csv").write_bytes(expected([row for part in PARTS for row in part]))
    with duckdb.connect() as connection:
        reads = (
            f"read_parquet('{tmp_path}/rows.parquet')",
            f"read_csv('{tmp_path}/rows.csv', all_varchar = true, quote = '\"', allow_quoted_nulls = false)",
        )
        wanted = '"Name, full", CAST("Count" AS VARCHAR), CAST("Price" AS VARCHAR), CAST("Day" AS VARCHAR)'
        packed, plain = (connection.execute(f"SELECT {wanted} FROM {read}").fetchall() for read in reads)
    assert packed == plain


@pytest.mark.parametrize("name", ["ndjson", "csv.gz", "parquet"])
def test_a_result_that_grows_too_large_leaves_nothing(make_task, tmp_path, name):  # noqa: F811
    _, data = run(of_format(make_task(PARTS), name))
    with pytest.raises(ResultTooLarge):
        run(of_format(make_task(PARTS), name, max_result_bytes=len(data) - 1))
    assert run(of_format(make_task(PARTS), name, max_result_bytes=len(data)))[1] == data


def test_a_conversion_that_runs_out_of_memory_gets_more(make_task, monkeypatch):  # noqa: F811
    given = []
    monkeypatch.setattr(extract, "choose_shape", lambda *a, made=extract.choose_shape: given.append(a[-1]) or made(*a))
    monkeypatch.setattr("tailrace.worker.packing.parquet._LEAST_MEMORY_MB", 8)
    monkeypatch.setattr("tailrace.worker.packing.parquet._COLUMN_MEMORY_MB", 0)
    result, _ = run(of_format(make_task(PARTS), "parquet"))
    assert given == [0, 160]
    assert result.rows > 5_000
