"""Loading: values survive, a content is loaded once, publishing is all or nothing."""

import csv
import gzip
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intake.datasets import (
    GOOD,
    NAMES,
    catalog,
    files_in,
    read_stored,
    write_csv,
    write_ndjson,
    write_parquet,
)
from tailrace.database.pool import Database
from tailrace.errors import DatabaseUnavailable, UnknownTenant
from tailrace.intake import store
from tailrace.intake.load import load_files
from tailrace.intake.manifest import known_inputs, stored_files

pytestmark = pytest.mark.long

WHEN = datetime(2024, 2, 29, 10, 11, 12, 500_000)
STORED = (7, WHEN, Decimal("1.250000"), True, date(2024, 3, 1), "fine")
COLUMNS = "parcel, handed_over, weight, signed, due, note"
TYPED = """
    SELECT 7::SMALLINT AS "Parcel", {} AS "Handed Over", 1.25::DECIMAL(9, 3) AS "Weight", true AS "Signed",
           DATE '2024-03-01' AS "Due", 'fine' AS "Note"
"""


@pytest.fixture
def load(database, tenant, tables):
    return lambda *paths, dataset="parcels", **more: load_files(
        database, catalog(), tables, tenant, dataset, paths, **more
    )


def test_a_csv_file(load, database, tenant, tables, tmp_path) -> None:
    path = write_csv(tmp_path / "qm [1]*?.csv", [GOOD, ["-8", "2024-03-01", "", "", "", ""]], end="\r\n")
    heard: list[tuple[str, int, int]] = []
    [file] = load(path, progress=lambda *step: heard.append(step)).files
    assert (file.name, file.rows, file.already_loaded) == (path.name, 2, False)
    assert heard[-1] == (path.name, path.stat().st_size, path.stat().st_size)
    assert read_stored(tables, COLUMNS) == [STORED, (-8, datetime(2024, 3, 1), None, None, None, None)]
    [listed] = stored_files(database, tenant.id, "parcels")
    assert (listed.rows, listed.bytes) == (2, file.bytes)
    assert (listed.first_at, listed.last_at) == (WHEN.replace(tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC))
    assert files_in(tables) == [Path(listed.path).name]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_null_and_empty_text_differ(load, tables, tmp_path, ending) -> None:
    path = tmp_path / "in.csv"
    rows = 'At,Text\n2024-01-01,\n2024-01-02,""\n2024-01-03," "\n2024-01-04,NULL\n,x\n'
    path.write_bytes(b"\xef\xbb\xbf" + rows.replace("\n", ending).encode())
    load(path, dataset="notes")
    assert [text for (text,) in read_stored(tables, "text")] == [None, "", " ", "NULL", "x"]


def test_a_header_without_rows(load, database, tenant, tmp_path) -> None:
    assert load(write_csv(tmp_path / "in.csv", [])).rows == 0
    [file] = stored_files(database, tenant.id, "parcels")
    assert (file.rows, file.first_at) == (0, None)


@pytest.mark.parametrize(
    "time",
    [
        "TIMESTAMP '2024-02-29 10:11:12.5'",
        "TIMESTAMPTZ '2024-02-29 12:11:12.5+02:00'",
        "TIMESTAMP_NS '2024-02-29 10:11:12.500000999'",
        "TIMESTAMP_MS '2024-02-29 10:11:12.5'",
        "'2024-02-29T05:41:12.5-0430'",
    ],
)
def test_a_parquet_file(load, tables, tmp_path, time) -> None:
    load(write_parquet(tmp_path / "in.parquet", TYPED.format(time)))
    assert read_stored(tables, COLUMNS) == [STORED]


def test_parquet_columns_in_another_order_and_type(load, tables, tmp_path) -> None:
    rows = """
        SELECT NULL::INTEGER AS "Note", 0.1::DOUBLE AS "Weight", 'NO' AS "Signed", NULL AS "Due",
               5::DOUBLE AS "Parcel", DATE '1969-12-31' AS "Handed Over", 'Riga' AS "Depot"
        UNION ALL SELECT NULL, 1/3, 'true', NULL, -9007199254740992, DATE '0001-01-01', NULL
    """
    load(write_parquet(tmp_path / "in.parquet", rows))
    assert sorted(read_stored(tables, f"{COLUMNS}, depot")) == [
        (-(2**53), datetime(1, 1, 1), Decimal("0.333333"), True, None, None, None),
        (5, datetime(1969, 12, 31), Decimal("0.100000"), False, None, None, "Riga"),
    ]


def test_instants_before_1970_are_cut_off_not_rounded(load, tables, tmp_path) -> None:
    load(write_parquet(tmp_path / "in.parquet", TYPED.format("TIMESTAMP_NS '1969-12-31 23:59:59.999999999'")))
    load(write_csv(tmp_path / "in.csv", [["1", "1969-12-31T23:59:59.999999999Z", *GOOD[2:]]]))
    last = datetime(1969, 12, 31, 23, 59, 59, 999_999)
    assert read_stored(tables, "handed_over") == [(last,), (last,)]


def test_an_ndjson_file(load, tables, tmp_path) -> None:
    text = dict(zip(NAMES, GOOD, strict=True))
    plain = {**text, "Parcel": 8, "Weight": 1.25, "Signed": True, "Note": "a\x00b\r\n\"'\\ é 😀 \u2028"}
    load(
        write_ndjson(
            tmp_path / "in.ndjson", [text, {**dict.fromkeys(NAMES), "Parcel": 9, "Handed Over": GOOD[1]}, plain]
        )
    )
    assert read_stored(tables, COLUMNS) == [
        STORED,
        (9, WHEN, None, None, None, None),
        (8, *STORED[1:5], plain["Note"]),
    ]


def test_ndjson_with_cr_lf_and_no_last_line_end(load, tables, tmp_path) -> None:
    path = write_ndjson(tmp_path / "in.ndjson", [dict(zip(NAMES, [str(n), *GOOD[1:]], strict=True)) for n in range(3)])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n")[:-2])
    load(path)
    assert read_stored(tables, "parcel") == [(0,), (1,), (2,)]


def test_a_packed_file_is_the_file_in_it(load, tables, tmp_path) -> None:
    path = write_csv(tmp_path / "in.csv", [GOOD])
    packed = tmp_path / "in.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert load(packed).rows == 1
    assert load(path).files[0].already_loaded
    assert read_stored(tables, COLUMNS) == [STORED]


def test_versions_of_a_dataset_share_a_table(load, tables, tmp_path) -> None:
    load(write_csv(tmp_path / "v1.csv", [GOOD]), write_csv(tmp_path / "v2.csv", [[*GOOD, "Oslo"]], [*NAMES, "Depot"]))
    assert read_stored(tables, "depot") == [(None,), ("Oslo",)]


def test_hidden_keys_are_filled_or_given(load, tables, tmp_path) -> None:
    load(write_csv(tmp_path / "a.csv", [["2024-01-01", "a"]], ["At", "Text"]), dataset="notes")
    load(write_csv(tmp_path / "b.csv", [["2024-01-01", "b", "k7"]], ["At", "Text", "source:note_id"]), dataset="notes")
    [(filled, key), (given_key, _)] = read_stored(tables, "note_id, _row_key")
    assert filled == key
    assert given_key == "k7"


def test_rows_are_sorted_and_keys_grow_with_the_input(load, tables, tmp_path) -> None:
    rows = [[str(n), f"2024-01-{1 + (n * 7) % 28:02d}", *GOOD[2:]] for n in range(200)]
    one, two = write_csv(tmp_path / "a.csv", rows[:150]), write_csv(tmp_path / "b.csv", rows[150:])
    load(one, two)
    assert [n for (n,) in read_stored(tables, "parcel")] == list(range(200))
    assert len(set(read_stored(tables, "_row_key"))) == 200
    order = ", ".join([*store.stored_order(catalog().table("parcels")), "_row_key"])
    for file in tables.rglob("*.parquet"):
        in_file, in_order = (
            store.duckdb.execute(f"SELECT handed_over, _row_key FROM '{file}' {clause}").fetchall()
            for clause in ("", f"ORDER BY {order}")
        )
        assert in_file == in_order
        assert in_order[0][0] < in_order[-1][0]


def test_files_are_found_by_their_time(load, database, tenant, tmp_path) -> None:
    load(write_csv(tmp_path / "a.csv", [["1", "2024-01-05", *GOOD[2:]], ["1", "2024-01-09", *GOOD[2:]]]))

    def found(start: int, end: int) -> int:
        days = (datetime(2024, 1, day, tzinfo=UTC) for day in (start, end))
        return len(stored_files(database, tenant.id, "parcels", *days))

    assert (found(1, 5), found(1, 6), found(6, 7), found(9, 10), found(10, 11)) == (0, 1, 1, 1, 0)


def test_a_content_is_loaded_once(load, database, tenant, tables, tmp_path) -> None:
    first, again = write_csv(tmp_path / "a.csv", [GOOD]), write_csv(tmp_path / "b.csv", [GOOD])
    load(first)
    before = files_in(tables)
    report = load(again)
    assert [(file.name, file.rows, file.already_loaded) for file in report.files] == [("b.csv", 0, True)]
    assert files_in(tables) == before
    [name] = known_inputs(database, tenant.id, "parcels", [_sha256(first)]).values()
    assert name == "a.csv"


def test_two_who_load_the_same_files_at_once(database, tenant, tables, tmp_path, monkeypatch) -> None:
    paths = [write_csv(tmp_path / f"{n}.csv", [[str(n), *GOOD[1:]]]) for n in range(3)]
    meeting = threading.Barrier(2, timeout=30)
    publish = store.Shipment.publish

    def publish_together(shipment: store.Shipment) -> set[str]:
        meeting.wait()
        return publish(shipment)

    monkeypatch.setattr(store.Shipment, "publish", publish_together)
    orders = (paths, paths[::-1])
    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(lambda some: load_files(database, catalog(), tables, tenant, "parcels", some), orders))
    assert sorted(report.rows for report in reports) == [0, 3]
    assert sorted(read_stored(tables, "parcel")) == [(0,), (1,), (2,)]
    assert len(files_in(tables)) == 3


def test_a_lost_answer_to_commit_is_asked_for_again(load, database, tables, tmp_path, monkeypatch) -> None:
    transaction, calls = Database.transaction, []

    class Losing:
        """Commits, and says that the connection was lost."""

        def __init__(self, real) -> None:
            self._real = real

        def __enter__(self):
            return self._real.__enter__()

        def __exit__(self, *fault: object) -> None:
            self._real.__exit__(*fault)
            calls.append(fault)
            if len(calls) == 1:
                raise DatabaseUnavailable("lost")

    monkeypatch.setattr(Database, "transaction", lambda self, **scope: Losing(transaction(self, **scope)))
    assert load(write_csv(tmp_path / "a.csv", [GOOD])).rows == 1
    assert len(calls) == 2
    assert read_stored(tables, COLUMNS) == [STORED]


def test_an_outage_leaves_nothing(load, tables, tmp_path, monkeypatch) -> None:
    def fail(*_: object) -> set[str]:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(store, "publish", fail)
    with pytest.raises(DatabaseUnavailable):
        load(write_csv(tmp_path / "a.csv", [GOOD]))
    assert files_in(tables) == []


def test_a_tenant_that_is_gone(load, database, tables, tmp_path) -> None:
    database.execute("DELETE FROM tenants")
    with pytest.raises(UnknownTenant):
        load(write_csv(tmp_path / "a.csv", [GOOD]))
    assert files_in(tables) == []


def test_quoted_text_that_looks_like_rows(load, tables, tmp_path) -> None:
    lookalike = '2024-01-01,x\r\n2024-01-02,"y"\n\n' * 3000
    rows = [["2024-01-01", f"{n},{lookalike}"] for n in range(400)]  # 40 MB: more than any reader's buffer
    load(write_csv(tmp_path / "a.csv", rows, ["At", "Text"], end="\r\n"), dataset="notes")
    assert read_stored(tables, "text") == [(text,) for _, text in rows]


def test_one_cell_of_many_megabytes(load, tables, tmp_path) -> None:
    rows = [["2024-01-01", "x" * 20_000_000], ["2024-01-02", "small"]]
    load(write_csv(tmp_path / "a.csv", rows, ["At", "Text"]), dataset="notes")
    assert read_stored(tables, "strlen(text)") == [(20_000_000,), (5,)]


# -- any value ----------------------------------------------------------------------------------------------------

ANY = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ['"', '""', "\r", "\n", "\r\n", ",", "\x00", " ", "\ufeff", "\x01", "NULL", "\\N", "a\n\nb", '",\n"']
)


@ANY
@given(texts=st.lists(st.none() | TEXT, min_size=1, max_size=40), end=st.sampled_from(["\n", "\r\n"]))
def test_any_text_survives(database, tenant, tmp_path_factory, texts, end) -> None:
    folder = tmp_path_factory.mktemp("any")
    rows = [["2024-01-01", text] for text in texts]
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([["At", "Text"], *rows])
    content = buffer.getvalue()
    if None in texts:  # the csv module of Python 3.11 has no way to write nothing beside an empty text
        lines = [f'"2024-01-01",{"" if t is None else _quoted(t)}{end}' for t in texts]
        content = f'"At","Text"{end}' + "".join(lines)
    (folder / "in.csv").write_bytes(content.encode())
    write_ndjson(folder / "in.ndjson", [{"At": at, "Text": text} for at, text in rows])
    for name in ("in.csv", "in.ndjson"):
        database.execute("DELETE FROM stored_files")
        tables = folder / f"tables-{name}"
        load_files(database, catalog(), tables, tenant, "notes", [folder / name])
        assert [text for (text,) in read_stored(tables, "text")] == texts


NUMBERS = st.decimals(-999_999, 999_999, places=6, allow_nan=False, allow_infinity=False).filter(
    lambda n: abs(n) < 10**6
)


@st.composite
def written_numbers(draw) -> tuple[str, Decimal]:
    number = draw(NUMBERS)
    shift = draw(st.integers(-30, 30))
    written = draw(st.sampled_from([f"{number:f}", f"+{abs(number):f}", f"{number.scaleb(-shift):f}e{shift}"]))
    return written, Decimal(written)


@ANY
@given(numbers=st.lists(written_numbers(), min_size=1, max_size=60))
def test_any_decimal_survives(database, tenant, tmp_path_factory, numbers) -> None:
    stored = _round_trip(
        database, tenant, tmp_path_factory, [[*GOOD[:2], text, *GOOD[3:]] for text, _ in numbers], "weight"
    )
    assert stored == [value for _, value in numbers]


INSTANTS = st.datetimes(
    datetime(1, 1, 2),
    datetime(9999, 12, 30),
    timezones=st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m))),
)


@ANY
@given(instants=st.lists(INSTANTS, min_size=1, max_size=60), separator=st.sampled_from(["T", " "]))
def test_any_instant_survives(database, tenant, tmp_path_factory, instants, separator) -> None:
    texts = [instant.isoformat(separator) for instant in instants]
    stored = _round_trip(
        database, tenant, tmp_path_factory, [[GOOD[0], text, *GOOD[2:]] for text in texts], "handed_over"
    )
    assert [value.replace(tzinfo=UTC) for value in stored] == instants


def _round_trip(database, tenant, factory, rows, column):
    folder = factory.mktemp("any")
    database.execute("DELETE FROM stored_files")
    load_files(database, catalog(), folder / "tables", tenant, "parcels", [write_csv(folder / "in.csv", rows)])
    return [value for (value,) in read_stored(folder / "tables", column)]


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _sha256(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()
