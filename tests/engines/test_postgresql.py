"""An operator's own PostgreSQL: what fits, what is read, how it is cut."""

import threading
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest
from psycopg.conninfo import make_conninfo

from engines.operators import END, LINE, START, lines, options, scan_of
from tailrace.engines.base import Selection, Slice
from tailrace.engines.pgsql.translate import translate
from tailrace.engines.postgresql import connect
from tailrace.errors import SourceUnavailable
from tailrace.formats.base import Field
from tailrace.plugins import load_plugin


@pytest.fixture
def engine(server, own):
    with connect(options(server)) as engine:
        yield engine


def store(own, rows, kind="timestamptz"):
    own.execute(f"CREATE TABLE rows (tenant text, instant {kind}, key text)")
    with own.cursor().copy("COPY rows FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def at(hours):
    return START + timedelta(hours=hours)


# -- what is read -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp"])
def test_the_tenants_rows_of_the_range_come_in_order(own, engine, kind):
    rows = [("acme", at(hours), f"k{hours}") for hours in (30, -1, 0, 167, 168, 5)]
    store(own, [*rows, ("other", at(3), "theirs"), (None, at(3), "nobody's"), ("acme", None, "never")], kind)
    scan = scan_of()
    assert [line.split()[1] for line in lines(engine, scan)] == ["k0", "k5", "k30", "k167"]
    assert engine.count(scan) == 4
    assert engine.sum(scan, "length(key)") == 2 + 2 + 3 + 4


def test_without_a_tenant_column_all_rows_are_the_tenants(own, engine):
    store(own, [("acme", at(1), "a"), ("other", at(2), "b")])
    assert engine.count(scan_of(selection=Selection((), None, ""))) == 2


def test_names_and_the_tenant_are_only_ever_names_and_a_text(own, engine):
    name, tenant = 'te"nant', "it's'; DROP TABLE rows; --\\"
    own.execute('CREATE TABLE "odd "" rows" ("te""nant" text, "in stant" timestamptz, "k\'ey" text)')
    own.execute('INSERT INTO "odd "" rows" VALUES (%s, %s, %s)', [tenant, at(1), "here"])
    selection = Selection((("instant", '"in stant"'), ("key", '"k\'ey"')), name, tenant)
    assert lines(engine, scan_of('"odd "" rows"', selection)) == ["2019-05-22T01:00:00.000000 here"]


def test_a_query_and_expressions_stand_for_columns(own, engine):
    store(own, [("acme", at(1), "a"), ("acme", at(2), "b")])
    selection = Selection((("key", "upper(label) || ','"), ("instant", "began")), "owner", "acme")
    query = "(SELECT instant AS began, key AS label, tenant AS owner FROM rows WHERE key <> 'b')"
    assert [line.split()[1] for line in lines(engine, scan_of(query, selection))] == ["A,"]


def test_a_day_is_its_first_instant(own, engine):
    store(own, [("acme", date(2019, 5, 21 + day), f"{day}") for day in range(9)], "date")
    scan = replace(scan_of(columns=(("instant", "DATE"), ("key", "VARCHAR"))), end=at(26))
    assert lines(engine, scan, row="concat(key, chr(10))") == ["1", "2"]
    assert engine.plan(scan) == [Slice(scan.start, scan.end)]


def test_a_job_sees_one_moment(server, own, engine):
    store(own, [("acme", at(1), "a")])
    scan = scan_of()
    assert engine.count(scan) == 1
    own.execute("INSERT INTO rows SELECT * FROM rows")
    own.execute("UPDATE rows SET key = 'b'")
    told = options(server, **engine.shared())
    with engine.another() as second, connect(told) as third, connect(options(server)) as late:
        assert [one.count(scan) for one in (engine, second, third, late)] == [1, 1, 1, 2]
        for one in (engine, second, third):
            assert lines(one, scan) == ["2019-05-22T01:00:00.000000 a"]


def test_nothing_can_be_written(own, engine):
    store(own, [("acme", at(1), "a")])
    own.execute("CREATE FUNCTION spoil() RETURNS text LANGUAGE sql AS $$ DELETE FROM rows RETURNING key $$")
    with pytest.raises(SourceUnavailable, match="ReadOnlySqlTransaction"):
        lines(engine, scan_of(selection=Selection((("key", "spoil()"),), "tenant", "acme")))
    assert own.execute("SELECT count(*) FROM rows").fetchone() == (1,)


def test_computed_rows_are_refused(engine):
    with pytest.raises(SourceUnavailable, match="computed"):
        engine.prepare(None, "", "", "")


# -- slices -------------------------------------------------------------------------------------------------------


def test_slices_are_cut_where_rows_lie(own, engine, monkeypatch):
    monkeypatch.setattr("tailrace.engines.postgresql._ROWS_PER_SLICE", 100)
    # Most rows lie in one minute, and forty in one instant.
    instants = (
        [START + timedelta(milliseconds=step) for step in range(2_000)]
        + [at(5)] * 140
        + [at(hour) for hour in range(160)]
    )
    store(own, [("acme", instant, f"{number:05}") for number, instant in enumerate(instants)])
    scan = scan_of()
    slices = engine.plan(scan)
    assert (slices[0].start, slices[-1].end) == (START, END)
    assert all(before.end == after.start for before, after in pairwise(slices))
    counts = [engine.count(replace(scan, start=part.start, end=part.end)) for part in slices]
    assert sum(counts) == len(instants)
    assert 20 <= len(slices) <= 24
    assert max(counts) <= 240
    assert lines(engine, scan, slices) == lines(engine, scan)
    assert [line.split()[1] for line in lines(engine, scan)] == [
        f"{number:05}" for number, _ in sorted(enumerate(instants), key=lambda row: row[::-1])
    ]


def test_large_rows_make_small_slices(own, engine, monkeypatch):
    monkeypatch.setattr("tailrace.engines.postgresql._BYTES_PER_SLICE", 50_000)
    store(own, [("acme", at(hour), "x" * 10_000) for hour in range(40)])
    assert len(engine.plan(scan_of())) > 8


def test_no_rows_need_no_slice(own, engine):
    store(own, [("other", at(1), "a")])
    scan = scan_of()
    assert (engine.plan(scan), engine.count(scan), lines(engine, scan)) == ([], 0, [])
    nothing = replace(scan, source=())
    assert (engine.plan(nothing), engine.count(nothing)) == ([], 0)


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_pieces_do_not_show(own, engine, monkeypatch, piece):
    monkeypatch.setattr("tailrace.engines.postgresql._ROWS_PER_PIECE", piece)
    store(own, [("acme", at(number % 3), f"{number:03}") for number in range(50)])
    scan = scan_of()
    [first, *others] = list(engine.render(scan, Slice(START, END), LINE, "CASE WHEN key > '00' THEN ',' ELSE '' END"))
    expected = [f",{line}\n".encode() for line in lines(engine, scan)]
    assert sum(block.rows for block in [first, *others]) == 50
    for block in [first, *others]:
        offsets, leads = list(block.offsets.cast("B").cast("q")), list(block.leads.cast("B").cast("i"))
        assert (offsets[0], offsets[-1], len(offsets)) == (0, len(block.data), block.rows + 1)
        assert leads == [1] * block.rows
        assert [bytes(block.data[one:end]) for one, end in pairwise(offsets)] == expected[: block.rows]
        del expected[: block.rows]


def test_ties_are_told_apart_by_further_terms_and_texts_are_ordered_by_bytes(own, engine):
    own.execute("CREATE TABLE rows (tenant text, instant timestamptz, key text, last bigint)")
    keys = ["b", "B", "a", "", "é", "~", None, "b"]
    own.execute(
        "INSERT INTO rows SELECT 'acme', %s, key, 100 - place * 10"
        " FROM unnest(%s::text[]) WITH ORDINALITY AS x(key, place)",
        [at(1), keys],
    )
    scan = scan_of(
        columns=(("key", "VARCHAR"), ("last", "BIGINT")),
        order=('"key" NULLS FIRST', 'CAST("last" AS VARCHAR) NULLS FIRST'),
    )
    assert lines(engine, scan, row="concat(key, ':', last, chr(10))") == [
        ":30",
        ":60",
        "B:80",
        "a:70",
        "b:20",
        "b:90",
        "~:40",
        "é:50",
    ]


def test_ties_are_told_apart_by_terms_of_any_type_with_nulls_where_they_belong(own, engine):
    own.execute("CREATE TABLE rows (tenant text, instant timestamptz, key text, last bigint)")
    rows = [(key, last) for key in ("b", "B", None, "") for last in (10, None, 9)]
    for hour in (2, 1):
        for key, last in rows:
            own.execute("INSERT INTO rows VALUES ('acme', %s, %s, %s)", [at(hour), key, last])
    scan = scan_of(columns=(("key", "VARCHAR"), ("last", "BIGINT")), order=('"key" NULLS FIRST', '"last"'))
    ordered = ["-:9", "-:10", "-:-", ":9", ":10", ":-", "B:9", "B:10", "B:-", "b:9", "b:10", "b:-"]
    row = "concat(coalesce(key, '-'), ':', coalesce(CAST(last AS VARCHAR), '-'), chr(10))"
    assert lines(engine, scan, row=row) == ordered * 2


# -- what does not fit --------------------------------------------------------------------------------------------

ALL = (("key", "VARCHAR"), ("whole", "BIGINT"), ("part", "DECIMAL(18,2)"), ("day", "DATE"), ("yes", "BOOLEAN"))
FITTING = "tenant text, instant timestamptz, key text, whole bigint, part numeric, day date, yes boolean"


@pytest.mark.parametrize("kind", ["varchar(9)", "char(9)", "name", "uuid", "json", "jsonb", "mood", "shout"])
def test_many_types_are_texts(own, engine, kind):
    own.execute("CREATE TYPE mood AS ENUM ('fine'); CREATE DOMAIN shout AS text")
    own.execute("CREATE TABLE rows (" + FITTING.replace("key text", f"key {kind}") + ")")
    assert engine.examine(scan_of(columns=ALL)) == []
    assert lines(engine, scan_of(columns=ALL)) == []


@pytest.mark.parametrize(
    ("column", "kind", "found"),
    [
        ("key", "integer", "integer"),
        ("key", "bytea", "bytea"),
        ("whole", "numeric", "numeric"),
        ("part", "double precision", "x::numeric"),
        ("instant", "text", "text"),
        ("day", "timestamptz", "timestamp with time zone"),
        ("yes", "integer", "integer"),
    ],
)
def test_a_column_of_another_type_is_named(own, engine, column, kind, found):
    declared = [f"{column} {kind}" if one.split()[0] == column else one for one in FITTING.split(", ")]
    own.execute(f"CREATE TABLE rows ({', '.join(declared)})")
    scan = scan_of(columns=ALL)
    [sentence] = engine.examine(scan)
    assert f"'{column}'" in sentence
    assert found in sentence
    with pytest.raises(SourceUnavailable, match=f"'{column}'"):
        engine.plan(scan)


def test_everything_that_is_missing_is_named_at_once(own, engine):
    own.execute("CREATE TABLE rows (instant timestamptz, whole bigint, part numeric, day date, yes boolean)")
    selection = Selection((("whole", "whole + nothing"), ("part", "part +"), ("day", "broken(day)")), "tenant", "acme")
    sentences = engine.examine(scan_of(columns=ALL, selection=selection))
    assert len(sentences) == 5
    assert "column 'key'" in sentences[0]
    assert "column 'whole'" in sentences[1]
    assert "column 'part'" in sentences[2]
    assert "column 'day'" in sentences[3]
    assert "tenant column 'tenant'" in sentences[4]


def test_a_missing_table_and_one_that_may_not_be_read_are_named(server, own, engine):
    assert engine.examine(scan_of()) == ['the table or query cannot be read: relation "rows" does not exist']
    own.execute("DROP ROLE IF EXISTS tailrace_test_reader")
    own.execute("CREATE ROLE tailrace_test_reader")
    own.execute(f"CREATE TABLE rows ({FITTING})")
    try:
        with connect(options(make_conninfo(server, options="-c role=tailrace_test_reader"))) as stranger:
            [sentence] = stranger.examine(scan_of())
            assert "permission denied for table rows" in sentence
            with pytest.raises(SourceUnavailable, match="permission denied"):
                stranger.count(scan_of())
    finally:
        own.execute("DROP ROLE tailrace_test_reader")


def test_a_tenant_that_cannot_be_one_is_said(own, engine):
    own.execute("CREATE TABLE rows (tenant integer, instant timestamptz, key text)")
    [sentence] = engine.examine(scan_of())
    assert "tenant column 'tenant'" in sentence
    assert "acme" not in sentence


# -- faults -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("other", "infinity"), ("other", "-infinity"), ("other", "10000-01-01"), ("other", "0001-01-01 BC"),
        ("day", "infinity"), ("day", "0044-03-15 BC"), ("part", "NaN"), ("part", "Infinity"), ("part", "1e17"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_written_fails_the_job(own, engine, column, value):
    own.execute(f"CREATE TABLE rows ({FITTING}, other timestamp)")
    own.execute(f"INSERT INTO rows (tenant, instant, {column}) VALUES ('acme', '2019-05-22 12:00Z', %s)", [value])
    fields = [
        Field("other", "other", "datetime"),
        Field("day", "day", "date"),
        Field("part", "part", "decimal", scale=2),
    ]
    row = load_plugin("tailrace.formats", "csv").create(fields, {}).row()
    with pytest.raises(SourceUnavailable) as raised:
        lines(engine, scan_of(columns=(*ALL, ("other", "TIMESTAMP"))), row=row)
    assert (f"'{column}'" in raised.value.message) or "more digits" in raised.value.message
    assert value not in raised.value.message


def test_words_of_faults_hold_no_values(own, engine):
    store(own, [("acme", at(1), "secret")])
    with pytest.raises(SourceUnavailable) as raised:
        lines(engine, scan_of(selection=Selection((("key", "CAST(CAST(key AS integer) AS text)"),), "tenant", "acme")))
    assert raised.value.message == "PostgreSQL: a value, or the tenant's, cannot be read as its column's type"


def test_a_statement_that_takes_too_long_is_ended(server, own):
    store(own, [("acme", at(1), "a")])
    slow = Selection((("key", "(SELECT 'x' FROM pg_sleep(60))"),), "tenant", "acme")
    with connect(options(server, statement_timeout_s=1)) as engine, pytest.raises(SourceUnavailable, match="timeout"):
        lines(engine, scan_of(selection=slow))


def test_a_running_statement_is_interrupted(own, engine):
    store(own, [("acme", at(1), "a")])
    slow = Selection((("key", "(SELECT 'x' FROM pg_sleep(60))"),), "tenant", "acme")
    ticking = threading.Event()

    def interrupt():
        while not ticking.wait(0.05):
            engine.interrupt()

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(SourceUnavailable, match="cancelled"):
        lines(engine, scan_of(selection=slow))
    ticking.set()
    thread.join()


def test_a_lost_connection_is_said(own, engine):
    store(own, [("acme", at(1), "a")])
    engine.count(scan_of())
    own.execute("SELECT pg_terminate_backend(%s)", [engine._connection.info.backend_pid])
    with pytest.raises(SourceUnavailable, match="connection was lost"):
        engine.count(scan_of())


@pytest.mark.parametrize(
    "url", ["host=/nowhere", "host=127.0.0.1 port=1", "host=a b c secret", "postgresql://x:sec:ret@:y/"]
)
def test_a_server_that_is_not_there_is_said_without_secrets(url):
    with pytest.raises(SourceUnavailable) as raised, connect(options(url)):
        pass
    assert "sec" not in raised.value.message.replace("second", "")


def test_a_missing_snapshot_is_said(server, own):
    with pytest.raises(SourceUnavailable, match="PostgreSQL"), connect(options(server, snapshot="00000003-00000002-1")):
        pass


def test_how_a_session_is_set(engine):
    names = [
        "TimeZone",
        "DateStyle",
        "transaction_read_only",
        "transaction_isolation",
        "application_name",
        "client_encoding",
    ]
    shown = [engine._connection.execute(f"SHOW {name}").fetchone()[0] for name in names]
    assert shown == ["UTC", "ISO, YMD", "on", "repeatable read", "tailrace", "UTF8"]


@pytest.mark.parametrize(
    "sql",
    ["list_transform(x, lambda i: i)", "CAST(x AS BLOB)", "md5(x)", "strftime(x, '%j')", "SELECT 1", "x ->> 'a'", "(("],
)
def test_what_is_not_known_to_mean_the_same_is_refused(sql):
    with pytest.raises(SourceUnavailable, match="PostgreSQL"):
        translate(sql)
