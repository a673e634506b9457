"""An operator's own PostgreSQL: CSV by its own `COPY`, which quotes nearly as the specification asks."""

import threading
from datetime import timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from engines.operators import END, START, options, scan_of
from tailrace.engines.base import Selection, Slice
from tailrace.engines.pgsql.csv_cells import find_csv_cells
from tailrace.engines.pgsql.csv_lines import make_room
from tailrace.engines.postgresql import connect
from tailrace.errors import SourceUnavailable
from tailrace.formats.base import Field, quote_name, write_order
from tailrace.plugins import load_plugin

FIELDS = [Field(name, name, "text") for name in ("first", "middle", "last")]
COLUMNS = tuple((field.source, "VARCHAR") for field in FIELDS)
WHOLE = Slice(START, END)


@pytest.fixture
def engine(server, own):
    with connect(options(server)) as engine:
        yield engine


def csv(fields=FIELDS, **format_options):
    return load_plugin("tailrace.formats", "csv").create(fields, format_options).row()


def scan(selection=None):
    return scan_of(
        columns=COLUMNS, order=write_order("x", FIELDS)[1:], **({} if selection is None else {"selection": selection})
    )


def store(own, rows):
    own.execute("CREATE TABLE rows (tenant text, instant timestamptz, first text, middle text, last text)")
    own.execute("CREATE INDEX ON rows (tenant, instant)")
    with own.cursor().copy("COPY rows FROM STDIN") as copy:
        for at, row in rows:
            copy.write_row(["acme", START + timedelta(seconds=at), *row])


def render(engine, part=WHOLE):
    return b"".join(block.data for block in engine.render(scan(), part, csv()))


def quoted(text):
    if text is None:
        return ""
    special = not text or set(text) & set(',"\r\n') or text[0] in " \t" or text[-1] in " \t"
    return '"' + text.replace('"', '""') + '"' if special else text


def expected(rows):
    def key(row):
        return row[0], [(text is not None, (text or "").encode()) for text in row[1]]

    return "".join(",".join(map(quoted, row)) + "\r\n" for _, row in sorted(rows, key=key)).encode()


def marked(engine):
    [copy] = engine._copies.values()
    return {cell.sql for cell in copy._marked}


# -- which rows are read so ---------------------------------------------------------------------------------------

KINDS = {
    "text": "VARCHAR", "integer": "BIGINT", "decimal": "DECIMAL", "datetime": "TIMESTAMP", "date": "DATE",
    "boolean": "BOOLEAN", "time": "TIMESTAMP", "elapsed": "INTEGER",
}  # fmt: skip
NOT_TEXTS = frozenset(kind for kind in KINDS if kind != "text")


@pytest.mark.parametrize("format_options", [{}, {"spreadsheet_safe": True, "backslash_plus": True}])
def test_all_kinds_of_columns_are_cells(format_options):
    patterns = [
        Field("d", "date", "date", pattern="%m%d%y"),
        Field("d", "date", "date", pattern="%Y%m%d"),
        Field("t", "time", "time", pattern="%I:%M %p"),
    ]
    fields = [*(Field(kind, kind, kind, scale=2, backslash_plus=True) for kind in KINDS), *patterns]
    cells = find_csv_cells(csv(fields, **format_options), NOT_TEXTS)
    assert [cell.is_text for cell in cells] == [field.type == "text" for field in fields]


@pytest.mark.parametrize(
    "fields",
    [
        [Field("text", "text", "text")],
        [Field("text", "text", "text"), Field("text", "text", "text", specials=())],
        [Field("text", "text", "text"), Field("text", "text", "integer")],
        [Field("text", "text", "text"), Field("boolean", "boolean", "boolean", true_text="a,b")],
        [Field("text", "text", "text"), Field("boolean", "boolean", "boolean", true_text="")],
        [Field("text", "text", "text"), Field("time", "time", "time", pattern="%H, %M")],
        [Field("text", "text", "text"), Field("time", "time", "time", pattern=" %H")],
    ],
)
def test_rows_that_copy_would_not_quote_alike_are_left_to_the_other_way(fields):
    assert find_csv_cells(csv(fields), NOT_TEXTS) == ()


@pytest.mark.parametrize("name", ["pipe", "json", "xml"])
def test_other_formats_are_left_to_the_other_way(name):
    assert find_csv_cells(load_plugin("tailrace.formats", name).create(FIELDS, {}).row(), NOT_TEXTS) == ()


def test_with_a_lead_rows_go_the_other_way(own, engine):
    store(own, [(1, ["a", "b", "c"])])
    [block] = engine.render(scan(), WHOLE, csv(), "''")
    assert (bytes(block.data), list(block.offsets.cast("B").cast("q"))) == (b"a,b,c\r\n", [0, 7])


# -- bytes --------------------------------------------------------------------------------------------------------

SIGNS = st.sampled_from([*" \t,\"\n\r'\\.aZ=\x01\x1f\x85\xa0", "é", "漢", "😀"])
TEXTS = (
    st.none() | st.sampled_from(["", " ", "\t", "\\.", "\\N", "NULL", '""', "\r\n", "a ", "\ta"])
    | st.lists(SIGNS, max_size=5).map("".join)
)  # fmt: skip


@given(
    st.lists(st.tuples(st.integers(0, 40), st.tuples(TEXTS, TEXTS, TEXTS)), max_size=40),
    st.sampled_from([1, 1_000]),
    st.sampled_from([1, 5, 64]),
    st.sampled_from([0, 2, 1_000]),
)
@example([(1, ("\\.", None, None)), (1, (" ", None, None))], 1, 1, 1_000)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_text_is_written_as_the_specification_asks(server, rows, sample, at_once, shared):
    with psycopg.connect(server, autocommit=True) as own, pytest.MonkeyPatch.context() as patch:
        patch.setattr("tailrace.engines.postgresql._SAMPLE", sample)
        patch.setattr("tailrace.engines.pgsql.csv_lines._ROWS_AT_ONCE", at_once)
        patch.setattr("tailrace.engines.pgsql.csv_copy._MOST_SHARED", shared)
        own.execute("DROP TABLE IF EXISTS rows")
        store(own, rows)
        with connect(options(server)) as engine:
            assert render(engine) == expected(rows)
            assert render(engine) == expected(rows)
            assert list(engine._copies.values()) != [None]
        own.execute("DROP TABLE rows")


@pytest.mark.parametrize("edge", [" a", "a ", "\ta", "a\t", " ", "\t"])
@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_column_is_marked_once_a_cell_has_a_blank_at_an_edge(own, engine, monkeypatch, edge, column):
    monkeypatch.setattr("tailrace.engines.postgresql._SAMPLE", 10)
    rows = [(at, ["plain", "in the, middle", "tab\tbed"]) for at in range(300)]
    rows[200][1][column] = edge
    store(own, rows)
    half = START + timedelta(seconds=150)
    assert render(engine, Slice(START, half)) == expected(rows[:150])
    assert marked(engine) == set()
    assert render(engine, Slice(half, END)) == expected(rows[150:])
    assert marked(engine) == {quote_name(FIELDS[column].source)}
    assert render(engine) == expected(rows)


def test_columns_with_blanks_at_edges_in_a_sample_are_marked_beforehand(own, engine):
    rows = [(at, ["plain", 'quoted " and blank ', '\nfeed"\n"\t']) for at in range(5)]
    store(own, rows)
    assert render(engine) == expected(rows)
    assert marked(engine) == {'"middle"', '"last"'}


def test_blanks_beside_commas_within_quotes_mark_nothing(own, engine):
    rows = [(at, ["a, b ,c", '" ," , "', ',\n , \r\n \r\n,\t,"']) for at in range(200)]
    store(own, rows)
    assert render(engine) == expected(rows)
    assert marked(engine) == set()


@pytest.mark.parametrize("most", [0, 1, 1_000])
def test_rows_that_share_an_instant_are_put_where_they_belong(own, engine, monkeypatch, most):
    monkeypatch.setattr("tailrace.engines.pgsql.csv_copy._MOST_SHARED", most)
    rows = [(at, [f"{99 - at}", None, " "]) for at in range(100)]
    rows += [(at, [f"{number:03}", text, "x"]) for at in (0, 40, 99) for number in range(70) for text in ("b", None)]
    store(own, rows[::-1])
    assert render(engine) == expected(rows)


def test_a_slice_comes_in_blocks_with_their_rows(own, engine, monkeypatch):
    monkeypatch.setattr("tailrace.engines.pgsql.csv_lines._BLOCK_BYTES", 1_000)
    rows = [(at, ["a", "b", "\n"]) for at in range(1_000)]
    store(own, rows)
    blocks = list(engine.render(scan(), WHOLE, csv()))
    assert len(blocks) > 5
    assert [block.rows for block in blocks] == [block.data.tobytes().count(b"\r\n") for block in blocks]
    assert b"".join(block.data for block in blocks) == expected(rows)
    assert list(engine.render(scan(), Slice(START - timedelta(1), START), csv())) == []


# -- faults -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hour", [1, 2])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("other", "infinity"), ("other", "-infinity"), ("other", "10000-01-01"), ("other", "0001-01-01 BC"),
        ("day", "infinity"), ("day", "0044-03-15 BC"), ("part", "NaN"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_written_fails_the_job_among_others(server, own, engine, hour, column, value):
    kinds = {"other": "timestamptz", "day": "date", "part": "numeric"}
    own.execute("CREATE TABLE rows (tenant text, instant timestamptz, other timestamptz, day date, part numeric)")
    # Two rows share each second hour.
    own.execute(
        "INSERT INTO rows SELECT 'acme', timestamptz '2019-05-22Z' + make_interval(hours => hour - hour / 3), now(),"
        " now(), 1 FROM generate_series(0, 100) AS hour"
    )
    fields = [Field(name, name, kind) for name, kind in zip(kinds, ("datetime", "date", "decimal"), strict=True)]
    columns = (("other", "TIMESTAMP"), ("day", "DATE"), ("part", "DECIMAL(18,2)"))
    odd = scan_of(columns=columns, order=write_order("x", fields)[1:])
    assert sum(block.rows for block in engine.render(odd, WHOLE, csv(fields))) == 101
    assert list(engine._copies.values()) != [None]
    own.execute(
        f"UPDATE rows SET {column} = %s WHERE instant = timestamptz '2019-05-22Z' + make_interval(hours => %s)",
        [value, hour],
    )
    with connect(options(server)) as later, pytest.raises(SourceUnavailable) as told:
        list(later.render(odd, WHOLE, csv(fields)))
    assert f"'{column}'" in told.value.message
    assert value not in told.value.message


SLOW = Selection((("last", "(SELECT 'x' FROM pg_sleep(60))"),), "tenant", "acme")


def test_a_statement_that_takes_too_long_is_ended(server, own):
    store(own, [(1, ["a", "b", "c"])])
    with connect(options(server, statement_timeout_s=1)) as engine, pytest.raises(SourceUnavailable, match="timeout"):
        list(engine.render(scan(SLOW), WHOLE, csv()))


def test_a_statement_is_interrupted_while_rows_come(own, engine, monkeypatch):
    monkeypatch.setattr("tailrace.engines.postgresql._SAMPLE", 1)
    rows = [(at, ["a" * 1_000, "b" * 1_000, "c"]) for at in range(2_000)]
    store(own, rows)
    # The sample is read, and then nearly a minute of rows is to come.
    slow = Selection(
        (("last", "(SELECT last FROM pg_sleep(CASE WHEN instant > '2019-05-22' THEN 0.03 END))"),), "tenant", "acme"
    )
    ticking = threading.Event()

    def interrupt():
        while not ticking.wait(0.2):
            if engine._copies:
                engine.interrupt()

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(SourceUnavailable, match="cancelled"):
        list(engine.render(scan(slow), WHOLE, csv()))
    ticking.set()
    thread.join()


def test_a_connection_lost_while_rows_come_is_said(own, engine):
    store(own, [(at, ["a" * 1_000, "b" * 1_000, "c"]) for at in range(2_000)])
    ended = "(SELECT last || pg_terminate_backend(CASE WHEN instant > '2019-05-22 00:30Z' THEN {} END))"
    selection = Selection((("last", ended.format(engine._connection.info.backend_pid)),), "tenant", "acme")
    with pytest.raises(SourceUnavailable, match="connection was lost"):
        list(engine.render(scan(selection), WHOLE, csv()))


def test_words_of_faults_hold_no_values(own, engine):
    store(own, [(at, ["a", "b", "1" if at < 1_500 else "secret"]) for at in range(2_000)])
    selection = Selection((("last", "CAST(CAST(last AS integer) AS text)"),), "tenant", "acme")
    with pytest.raises(SourceUnavailable) as raised:
        list(engine.render(scan(selection), WHOLE, csv()))
    assert raised.value.message == "PostgreSQL: a value, or the tenant's, cannot be read as its column's type"


def test_room_for_much_is_made_at_once(engine):
    make_room(engine._connection)
    assert engine._connection.execute("SELECT 1").fetchone() == (1,)
