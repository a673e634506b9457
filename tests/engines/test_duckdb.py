"""DuckDB over Parquet: slices are the range, whole, in order and without overlap, whatever the files are like."""

import random
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailrace.engines.base import Slice
from tailrace.engines.duckdb import connect
from tailrace.engines.parquet.connection import open_duckdb
from tailrace.errors import SourceUnavailable

START, END = datetime(2019, 5, 22), datetime(2019, 5, 29)
TICK = timedelta(microseconds=1)


def spread(number, seed=1, start=START, end=END):
    """Rows at random instants, in order of time, as stored files have them."""
    chance = random.Random(seed)
    span = (end - start) // TICK
    return sorted((start + TICK * chance.randrange(span), f"{chance.randrange(10**9):09d}") for _ in range(number))


def test_no_files_no_slices(source):
    assert source.check() == []
    assert source.expected() == ""


def test_an_empty_file(source):
    source.write([])
    assert source.check() == []


@pytest.mark.parametrize("at", [START, START + TICK, END - TICK])
def test_one_row_within(source, at):
    source.write([(at, "only")])
    assert len(source.check()) == 1


@pytest.mark.parametrize("at", [START - TICK, END, datetime(1970, 1, 1), datetime(9999, 12, 31), None])
def test_one_row_outside(source, at):
    source.write([(at, "only")])
    source.check()
    assert source.expected() == ""


def test_rows_without_an_instant_are_never_selected(source):
    source.write([(None, "a"), (START, "b"), (None, "c")])
    source.check()
    assert source.expected().count("\n") == 1


def test_one_file_is_cut_into_slices_of_a_size(source, small_slices):
    small_slices(2048)
    source.write(spread(20_000))
    slices = source.check()
    sizes = [source.render([part])[0] for part in slices]
    assert len(slices) >= 5
    assert max(sizes) <= 3 * 2048


def test_slices_by_bytes(source, small_slices):
    small_slices(10**9, size=32 * 1024)
    source.write([(at, key * 10) for at, key in spread(10_000)])
    assert len(source.check()) >= 5


def test_overlapping_files(source, small_slices):
    small_slices(2048)
    for seed in range(4):
        source.write(spread(5_000, seed))
    assert len(source.check()) >= 5


def test_files_one_after_the_other_in_any_order(source, small_slices):
    small_slices(1000)
    for day in (3, 0, 6, 1, 5, 2, 4):
        begin = START + timedelta(days=day)
        source.write(spread(3_000, day, begin, begin + timedelta(days=1)))
    slices = source.check()
    assert len(slices) >= 7


def test_files_that_reach_beyond_the_range(source, small_slices):
    small_slices(2048)
    week = timedelta(days=7)
    source.write(spread(10_000, 1, START - week, END + week))
    source.write(spread(5_000, 2, START - week, START))
    source.write(spread(5_000, 3, END, END + week))
    source.check()


@pytest.mark.parametrize("rows", [1, 5_000, 40_000])
def test_all_rows_at_one_instant(source, small_slices, rows):
    small_slices(2048)
    source.write([(START + timedelta(days=1), f"{number:09d}") for number in range(rows)])
    source.check()


@pytest.mark.parametrize("instant", [START, END - TICK])
def test_all_rows_at_an_end_of_the_range(source, small_slices, instant):
    small_slices(2048)
    for _ in range(3):
        source.write([(instant, f"{number:09d}") for number in range(3_000)])
    source.check()


def test_ties_across_files_and_cuts_are_ordered_by_the_key(source, small_slices):
    small_slices(2048)
    instants = [START + timedelta(hours=hour) for hour in range(4)]
    keys = [f"{number:09d}" for number in range(12_000)]
    random.Random(3).shuffle(keys)
    for part in range(3):
        source.write(sorted((instants[n % 4], keys[n]) for n in range(part * 4_000, part * 4_000 + 4_000)))
    source.check()


def test_a_column_of_dates(source, small_slices):
    small_slices(2048)
    days = [START + timedelta(days=number) for number in range(-3, 12)]
    source.rows = [(day, f"{number:09d}") for number, day in enumerate(sorted(days * 800))]
    rows, source.rows = source.rows, []
    source.write([(at.date(), key) for at, key in rows], kind="DATE")
    source.rows = rows
    source.check()


def test_the_shortest_range(source):
    source.write(spread(1000, end=START + timedelta(milliseconds=1)))
    source.scan = replace(source.scan, end=START + TICK)
    source.check()
    source.scan = replace(source.scan, end=START)
    assert source.engine.count(source.scan) == 0
    assert sum(source.render([part])[0] for part in source.engine.plan(source.scan)) == 0


def test_rows_that_lie_in_no_order_in_their_file(source, small_slices):
    small_slices(2048)
    rows = spread(15_000)
    random.Random(1).shuffle(rows)
    source.write(rows)
    source.check()


def test_a_file_in_order_is_read_as_it_lies(source, small_slices):
    small_slices(2048)
    source.write(spread(12_000))
    source.scan = replace(source.scan, in_order=frozenset(source.scan.source))
    assert len(source.check()) >= 4
    # Overlapping ones must be merged nevertheless.
    source.write(spread(12_000, seed=2))
    source.scan = replace(source.scan, in_order=frozenset(source.scan.source))
    source.check()


def test_files_with_odd_names(source, tmp_path):
    for name in ("with'quote", "brack[e]t", "st*r", "q?estion", "ünïcode", "{a,b}"):
        source.folder = tmp_path / name
        source.folder.mkdir()
        source.write(spread(50, seed=len(name)))
    source.check()


MINUTES = st.lists(st.integers(-2, 12), min_size=0, max_size=200)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(MINUTES, max_size=4), rows=st.integers(1, 50), size=st.sampled_from([1, 2**40]))
def test_any_files_and_any_size(source, small_slices, files, rows, size):
    small_slices(rows, size=max(size, 64))
    source.scan = replace(source.scan, source=(), end=START + timedelta(minutes=10))
    source.rows = []
    for number, minutes in enumerate(files):
        source.write([(START + timedelta(minutes=m), f"{number}-{n}") for n, m in enumerate(sorted(minutes))])
    source.check()


# -- what is broken -----------------------------------------------------------------------------------------------


def use(source):
    slices = source.engine.plan(source.scan) or [Slice(START, END)]
    source.engine.count(source.scan)
    source.render(slices)


def damage(path, how):
    data = path.read_bytes()
    path.write_bytes({"empty": b"", "half": data[: len(data) // 2], "text": b"no Parquet at all"}[how])


@pytest.mark.parametrize("how", ["empty", "half", "text"])
def test_a_damaged_file_is_a_fault_of_the_source(source, how):
    source.write(spread(100))
    source.write(spread(100, seed=2))
    damage(Path(source.scan.source[1]), how)
    for verb in (source.engine.plan, source.engine.count, lambda _: use(source)):
        with pytest.raises(SourceUnavailable):
            verb(source.scan)
    with pytest.raises(SourceUnavailable):
        source.render([Slice(START, END)])


def test_a_missing_file_is_a_fault_of_the_source(source):
    source.write(spread(100))
    source.add(source.folder / "gone.parquet")
    with pytest.raises(SourceUnavailable):
        source.engine.plan(source.scan)
    with pytest.raises(SourceUnavailable):
        source.engine.count(source.scan)


def test_a_file_damaged_in_the_middle_is_a_fault_when_its_rows_are_read(source):
    source.write(spread(20_000))
    path = Path(source.scan.source[0])
    data = bytearray(path.read_bytes())
    data[1000 : len(data) // 2] = bytes(len(data) // 2 - 1000)
    path.write_bytes(data)
    with pytest.raises(SourceUnavailable):
        use(source)


def test_a_column_nobody_stored_is_a_fault_of_the_source(source):
    source.write(spread(10))
    with pytest.raises(SourceUnavailable):
        list(source.engine.render(source.scan, Slice(START, END), "nobody"))


def test_after_a_fault_the_engine_works_on(source):
    source.write(spread(10))
    with pytest.raises(SourceUnavailable):
        list(source.engine.render(source.scan, Slice(START, END), "error('x')"))
    source.check()


def test_an_interrupt_stops_what_runs(source):
    source.write(spread(10))
    endless = "(SELECT count(*)::VARCHAR FROM range(10000000) a, range(10000000) b WHERE a.range * b.range = 7)"
    threading.Timer(0.2, source.engine.interrupt).start()
    with pytest.raises(SourceUnavailable):
        list(source.engine.render(source.scan, Slice(START, END), endless))


def test_what_does_not_fit_into_memory_goes_to_the_scratch_folder(source, small_slices, tmp_path):
    small_slices(10**9)
    rows = [(at, key * 100) for at, key in spread(30_000)]
    random.Random(1).shuffle(rows)
    source.write(rows)
    with connect({"memory_mb": 64, "scratch": tmp_path / "scratch"}) as engine:
        source.engine = engine
        source.check()
    assert [path for path in tmp_path.rglob("*") if "duckdb_temp" in path.name] == []


def test_temporary_files_of_two_are_never_in_one_folder(tmp_path):
    """DuckDB tells them apart by the process's number alone, and containers that share a folder have the same."""
    options = {"memory_mb": 64, "scratch": str(tmp_path)}
    with open_duckdb(options) as one, open_duckdb(options) as other:
        asked = "SELECT current_setting('temp_directory')"
        folders = {connection.execute(asked).fetchall()[0][0] for connection in (one, other)}
    assert len(folders) == 2
    assert all(folder.startswith(f"{tmp_path}/spill-") for folder in folders)
