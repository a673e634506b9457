"""Packings: the same text gives the same bytes, faults come out where rows are written, Parquet holds the values."""

import gzip
import random
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from types import SimpleNamespace

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from formats.rendering import columns_of, render
from service import poll
from tailrace.errors import ExtractionFailed, OutOfMemory, StorageUnavailable
from tailrace.formats import csv
from tailrace.formats.base import Field
from tailrace.plugins import load_plugin, plugin_names
from tailrace.worker.packing import base, gz, parquet
from tailrace.worker.packing.base import Means, Packing

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

pytestmark = pytest.mark.long

FIELDS = (
    Field("Text, all of it", "text", "text", backslash_plus=True),
    Field("text", "whole", "integer"),
    Field('a "name"', "part", "decimal", precision=18, scale=2),
    Field("At", "at", "datetime"),
    Field("Day", "day", "date"),
    Field("Open", "yes", "boolean", true_text="Ja, so ist es", false_text="Nein"),
)
COLUMNS = columns_of(FIELDS) | {"part": "DECIMAL(22,6)"}
TYPES = ["VARCHAR", "BIGINT", "DECIMAL(18,2)", "TIMESTAMP WITH TIME ZONE", "DATE", "BOOLEAN"]
ROWS = st.tuples(
    st.none() | st.text(max_size=20) | st.text(' ,"\r\n\t\0+-\\é', max_size=8),
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.decimals(-(10**15), 10**15, places=6),
    st.none() | st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)),
    st.none() | st.dates(),
    st.none() | st.booleans(),
)


@pytest.fixture(params=plugin_names("tailrace.worker.packing"))
def name(request):
    return request.param


@pytest.fixture
def means(tmp_path):
    return Means(FIELDS, str(tmp_path), 0)


def text_of(rows):
    fields, options = parquet.as_rendered(FIELDS, {"backslash_plus": True, "spreadsheet_safe": True})
    named = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    return render(csv.create(fields, options), COLUMNS, named).document


def pack(name, means, text, rows, sizes=None):
    """Pack a text that comes in blocks of these sizes."""
    packed = []
    chance = random.Random(1)
    with Packing(
        load_plugin("tailrace.worker.packing", name).open_packer(packed.append, means), lambda: rows
    ) as packing:
        view = memoryview(text)
        while view:
            block = chance.choice(sizes) if sizes else len(view)
            packing.add(view[:block])
            view = view[block:]
    return b"".join(packed)


def some_rows(number):
    at = datetime(2019, 5, 22, 13, 4, 5, 999_999)
    return [(f"row {n},\r\n" + "x" * (n % 97), n, Decimal(n) / 1000, at, at.date(), n % 2 == 0) for n in range(number)]


def read_parquet(data, folder):
    path = folder / "packed.parquet"
    path.write_bytes(data)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        instant = '* REPLACE (epoch_us("At") AS "At")'
        found = connection.execute(f"SELECT {instant} FROM read_parquet('{path}')").fetchall()
        kinds = connection.execute(f"DESCRIBE SELECT * FROM read_parquet('{path}')").fetchall()
        packings = connection.execute(f"SELECT DISTINCT compression FROM parquet_metadata('{path}')").fetchall()
    return found, [(kind[0], kind[1]) for kind in kinds], {packing for (packing,) in packings}


def in_parquet(row):
    """What the file must hold of a row, with the instant as microseconds."""
    text, whole, part, at, day, yes = row
    since = None if at is None else at.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (
        text and text.replace("\0", "�"),
        whole,
        None if part is None else part.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP),
        None if since is None else (since.days * 86_400 + since.seconds) * 10**6 + since.microseconds // 1000 * 1000,
        day,
        yes,
    )


def test_how_blocks_are_cut_does_not_show(name, means, monkeypatch):
    text, rows = text_of(some_rows(20_000)), 20_000
    whole = pack(name, means, text, rows)
    assert pack(name, means, text, rows, sizes=[1, 7, 5_000, 300_000]) == whole
    assert pack(name, means, text, rows) == whole


def test_what_is_compressed_can_be_read(means):
    text = text_of(some_rows(20_000))
    assert gzip.decompress(pack("gz", means, text, 0)) == text
    packed = pack("zst", means, text, 0)
    assert zstd.decompress(packed) == text
    damaged = bytearray(packed)
    damaged[len(packed) // 2] ^= 1
    with pytest.raises(zstd.ZstdError):
        zstd.decompress(bytes(damaged))


def test_no_time_is_in_a_gzip_header(means):
    assert pack("gz", means, b"text", 0)[4:8] == bytes(4)


def test_nothing_packed_is_a_whole_file_too(means, tmp_path):
    assert gzip.decompress(pack("gz", means, b"", 0)) == b""
    assert zstd.decompress(pack("zst", means, b"", 0)) == b""
    found, kinds, _ = read_parquet(pack("parquet", means, text_of([]), 0), tmp_path)
    assert found == []
    assert kinds == list(zip([field.name if field.name != "text" else "text" for field in FIELDS], TYPES, strict=True))


def test_a_fault_of_the_store_comes_out_where_rows_are_written(name, means):
    def refuse(data):
        raise StorageUnavailable("the disk is full")

    packer = load_plugin("tailrace.worker.packing", name).open_packer(refuse, means)
    with pytest.raises(StorageUnavailable, match="disk is full"):
        add_for_long(Packing(packer, lambda: 0))


def add_for_long(packing):
    text = text_of(some_rows(5_000))
    body = text[text.index(b"\r\n") + 2 :]
    with packing:
        packing.add(text)
        for _ in range(200):
            packing.add(body)


def test_what_goes_wrong_elsewhere_ends_the_packing(name, means):
    packed = []
    packer = load_plugin("tailrace.worker.packing", name).open_packer(packed.append, means)
    threads = threading.active_count()
    packing = Packing(packer, lambda: 0)
    packing.add(text_of(some_rows(5_000)))
    packing.__exit__(KeyError, KeyError(), None)
    assert threading.active_count() < threads


def test_rows_that_are_lost_on_the_way_to_parquet_are_missed(means):
    with pytest.raises(ExtractionFailed, match="has 3 rows where 4 were rendered"):
        pack("parquet", means, text_of(some_rows(3)), 4)


def test_text_that_is_no_row_is_refused_without_its_words(means):
    with pytest.raises(ExtractionFailed) as caught:
        pack("parquet", means, text_of(some_rows(3)) + b"canary,not a number,,,,\r\n", 4)
    assert "canary" not in str(caught.value)


def test_long_rows_and_rows_over_many_buffers(means, tmp_path):
    texts = ["x" * 7_000_000, 'say "so",\r\n' * 300_000, "", None, "é" * 1_000_000, "\r\n" * 9]
    rows = [(text, number, None, None, None, None) for number, text in enumerate(texts * 3)]
    text = text_of(rows)
    with pytest.raises(OutOfMemory):
        pack("parquet", means, text, len(rows))
    found, _, _ = read_parquet(pack("parquet", replace(means, memory_mb=512), text, len(rows)), tmp_path)
    assert [row[:2] for row in found] == [row[:2] for row in rows]


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.lists(ROWS, min_size=1, max_size=30))
def test_parquet_holds_the_values_in_order(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("parquet")
    data = pack("parquet", Means(FIELDS, str(folder), 0), text_of(rows), len(rows))
    found, kinds, packings = read_parquet(data, folder)
    assert found == [in_parquet(row) for row in rows]
    assert [kind for _, kind in kinds] == TYPES
    assert packings == {"ZSTD"}


def test_many_columns_take_smaller_groups():
    few, many = (
        parquet._copy([SimpleNamespace(name="n", type="text", precision=18, scale=0)] * n, 3, 4) for n in (9, 900)
    )
    assert "ROW_GROUP_SIZE 16384" in few
    assert "ROW_GROUP_SIZE 2048" in many


def test_pieces_are_of_one_size(monkeypatch):
    monkeypatch.setattr(base, "PIECE_BYTES", 4)
    taken = []
    packer = SimpleNamespace(write=taken.append, finish=taken.append, close=lambda: None)
    with Packing(packer, lambda: 5) as packing:
        for block in (b"a", b"bcdefg", b"", b"hij"):
            packing.add(block)
    assert taken == [b"abcd", b"efgh", b"ij", 5]


def test_pieces_that_wait_for_a_slow_store_keep_what_they_hold(monkeypatch):
    """The store takes nothing until as many pieces wait as may; random bytes do not get smaller."""
    monkeypatch.setattr(base, "PIECE_BYTES", 2**17)
    text = random.Random(1).randbytes(40 * 2**17)
    go_on, packed = threading.Event(), []

    def take(data):
        assert go_on.wait(60)
        packed.append(data)

    packer = gz.open_packer(take, Means((), "", 0))
    filling = threading.Thread(target=fill, args=(packer, text))
    filling.start()
    poll(packer._pieces.full)
    go_on.set()
    filling.join()
    assert gzip.decompress(b"".join(packed)) == text


def fill(packer, text):
    with Packing(packer, lambda: 0) as packing:
        packing.add(text)


@pytest.mark.parametrize(("place", "values"), [(0, ["", None, "a"]), (1, [7, None]), (2, [None, Decimal("1.50")])])
def test_a_single_column_keeps_what_is_nothing_and_what_is_empty(tmp_path, place, values):
    field = FIELDS[place]
    fields, options = parquet.as_rendered([field], {})
    column = {field.source: COLUMNS[field.source]}
    text = render(csv.create(fields, options), column, [{field.source: value} for value in values]).document
    path = tmp_path / "one.parquet"
    path.write_bytes(pack("parquet", Means((field,), str(tmp_path), 0), text, len(values)))
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT * FROM read_parquet('{path}')").fetchall() == [(one,) for one in values]
