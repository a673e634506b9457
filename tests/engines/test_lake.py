"""A lake: files found by pattern, their folders' words, columns that differ, faults that are told and never hidden."""

import os
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import duckdb
import pytest

from s3_server import BUCKET
from s3_way import way_to
from tailrace.engines.base import Scan, Selection
from tailrace.engines.lake import connect
from tailrace.errors import SourceEmpty, SourceUnavailable

pytestmark = pytest.mark.long

START, END = datetime(2019, 5, 22), datetime(2019, 5, 24)
COLUMNS = (("instant", "TIMESTAMP"), ("key", "VARCHAR"))
ROW = "concat(strftime(instant, '%Y-%m-%dT%H'), ' ', key, chr(10))"
DAYS = ("2019-05-21", "2019-05-22", "2019-05-23", "2019-05-24")
SECRET = "s3cr3t-of-the-lake"


class Local:
    """A lake in a folder."""

    def __init__(self, folder):
        self.root, self.folder, self.options = str(folder / "lake"), folder, {}
        Path(self.root).mkdir()

    def put(self, path, sql, **options):
        target = f"{self.root}/{path}"
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        write(target, sql, **options)

    def spoil(self, path, data=b"no Parquet at all"):
        Path(f"{self.root}/{path}").parent.mkdir(parents=True, exist_ok=True)
        Path(f"{self.root}/{path}").write_bytes(data)

    def remove(self, path):
        Path(f"{self.root}/{path}").unlink()


class Bucket:
    """The same below a prefix of a bucket."""

    def __init__(self, folder, server):
        self.server, self.prefix, self.folder = server, uuid4().hex, folder
        self.root = f"s3://{BUCKET}/{self.prefix}"
        self.options = server.options()

    def put(self, path, sql, **options):
        file = self.folder / uuid4().hex
        write(str(file), sql, **options)
        self.spoil(path, file.read_bytes())

    def spoil(self, path, data=b"no Parquet at all"):
        self.server.client.put_object(Bucket=BUCKET, Key=f"{self.prefix}/{path}", Body=data)

    def remove(self, path):
        self.server.client.delete_object(Bucket=BUCKET, Key=f"{self.prefix}/{path}")


def write(target, sql, group=2048):
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        quoted = target.replace("'", "''")
        connection.execute(f"COPY ({sql}) TO '{quoted}' (FORMAT parquet, ROW_GROUP_SIZE {group})")


def hours(day, key, number=2):
    instant = f"TIMESTAMP '{day}' + range * INTERVAL 1 HOUR"
    return f"SELECT {instant} AS instant, '{key}-' || range AS key FROM range({number})"


def lines(*days_and_keys, number=2):
    return "".join(f"{day}T{hour:02} {key}-{hour}\n" for day, key in days_and_keys for hour in range(number))


@pytest.fixture(params=["local", "s3"])
def lake(request, tmp_path):
    return Local(tmp_path) if request.param == "local" else Bucket(tmp_path, request.getfixturevalue("s3_server"))


@pytest.fixture
def local(tmp_path):
    return Local(tmp_path)


@contextmanager
def opened(lake, **options):
    scratch = lake.folder / "scratch"
    scratch.mkdir(exist_ok=True)
    with connect({"memory_mb": 160, "scratch": str(scratch), **lake.options, **options}) as engine:
        yield engine
    assert list(scratch.iterdir()) == []


def scan_of(lake, *patterns, tenant="acme", column=None, columns=(), wanted=COLUMNS):
    return Scan(
        source=tuple(f"{lake.root}/{pattern}" for pattern in patterns),
        range_column="instant",
        start=START,
        end=END,
        order=("instant", "key"),
        columns=wanted,
        selection=Selection(columns, column, tenant),
    )


def read_with(engine, scan, row=ROW):
    slices = engine.plan(scan)
    blocks = [block for part in slices for block in engine.render(scan, part, row)]
    assert engine.count(scan) == sum(block.rows for block in blocks)
    return b"".join(block.data for block in blocks).decode()


def read(lake, *patterns, row=ROW, **others):
    with opened(lake) as engine:
        return read_with(engine, scan_of(lake, *patterns, **others), row)


def examine(lake, *patterns, **others):
    """Look as at the start of a service, when there is no range and no tenant."""
    with opened(lake) as engine:
        return engine.examine(replace(scan_of(lake, *patterns, **{"tenant": ""} | others), start=0, end=0))


# -- which files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("a1.parquet", ["a1"]),
        ("*.parquet", ["a1", "b[1]"]),
        ("b[[]1].parquet", ["b[1]"]),
        ("[ab]?.parquet", ["a1"]),
        ("*/*.parquet", ["sub"]),
        ("**/*.parquet", ["a1", "b[1]", "deep", "sub"]),
        ("**", ["a1", "b[1]", "deep", "sub"]),
        ("sub/**/d*.parquet", ["deep"]),
        ("_tmp/*.parquet", ["unfinished"]),
        ("none*.parquet", []),
    ],
)
def test_patterns(lake, pattern, found):
    places = {"a1": "a1", "b[1]": "b[1]", "sub": "sub/c", "deep": "sub/sub/d", "unfinished": "_tmp/0"}
    for key, place in places.items():
        lake.put(f"{place}.parquet", hours("2019-05-22", key, 1))
    lake.spoil("_SUCCESS", b"")
    assert read(lake, pattern) == lines(*(("2019-05-22", key) for key in found), number=1)


def test_a_file_that_two_patterns_mean_is_read_once(lake):
    lake.put("a.parquet", hours("2019-05-22", "a"))
    assert read(lake, "*.parquet", "a*") == lines(("2019-05-22", "a"))


def test_no_file_is_no_rows_where_the_folder_can_be_listed(lake):
    lake.put("acme/a.parquet", hours("2019-05-22", "a"))
    assert read(lake, "{tenant}/*.parquet", tenant="other") == ""


def test_a_tenants_name_elsewhere_in_a_path_hides_no_missing_folder(local):
    """As when a file system is not mounted."""
    local.put("here/a.parquet", hours("2019-05-22", "a"))
    for path in ("acme-lake/{tenant}/*.parquet", "acme/all/*.parquet", "acme/by={tenant}/*.parquet", "x=acme/*"):
        with pytest.raises(SourceUnavailable, match="cannot be listed"):
            read(local, path, tenant="acme")


@pytest.mark.parametrize("pattern", ["nowhere/*.parquet", "nowhere/a.parquet", "a.parquet"])
def test_a_folder_that_is_not_there_is_a_fault(local, pattern):
    with pytest.raises(SourceUnavailable, match=r"cannot be listed|no file"):
        read(local, pattern)


@pytest.mark.parametrize("pattern", ["../lake/a.parquet", "x/./a.parquet", "x//a.parquet"])
def test_a_pattern_that_leads_elsewhere_is_refused(local, pattern):
    local.put("a.parquet", hours("2019-05-22", "a"))
    with pytest.raises(SourceUnavailable, match="leads elsewhere"):
        read(local, pattern)


# -- whose rows ---------------------------------------------------------------------------------------------------


def test_rows_of_two_tenants_in_one_file_are_told_apart_by_a_column(lake):
    tenants = {"1": "it''s", "2": "b"}
    rows = [f"SELECT *, '{name}' AS whose FROM ({hours('2019-05-22', key)})" for key, name in tenants.items()]
    lake.put("all.parquet", " UNION ALL ".join(rows))
    assert read(lake, "*.parquet", tenant="it's", column="whose") == lines(("2019-05-22", "1"))
    assert read(lake, "*.parquet", tenant="b", column="whose") == lines(("2019-05-22", "2"))
    assert read(lake, "*.parquet", tenant="c", column="whose") == ""


@pytest.mark.parametrize("tenant", ["*", "?cme", "[a]cme", "../acme", "a/b", "{day}", ".."])
def test_a_tenants_name_is_never_a_pattern_or_a_way(local, tenant):
    local.put("acme/2019-05-22.parquet", hours("2019-05-22", "acme"))
    local.put("2019-05-22/a.parquet", hours("2019-05-22", "day"))
    if {"/", "{", "."} & set(tenant):
        with pytest.raises(SourceUnavailable, match="folder"):
            read(local, "{tenant}/*.parquet", tenant=tenant)
    else:
        assert read(local, "{tenant}/*.parquet", tenant=tenant) == ""
        local.put(f"{tenant}/a.parquet", hours("2019-05-22", "own", 1))
        assert read(local, "{tenant}/*.parquet", tenant=tenant) == lines(("2019-05-22", "own"), number=1)


@pytest.mark.parametrize("tenant", ["acme", "a/b"])
def test_files_of_other_tenants_and_days_are_not_opened(lake, tenant):
    """Those would be a fault if they were: they are not Parquet."""
    for whose in ("acme", "a%2Fb", "other"):
        for day in DAYS:
            path = f"tenant={whose}/day={day}/a.parquet"
            if whose == tenant.replace("/", "%2F") and START.date().isoformat() <= day < END.date().isoformat():
                lake.put(path, hours(day, whose))
            else:
                lake.spoil(path)
    name = tenant.replace("/", "%2F")
    found = lines(("2019-05-22", name), ("2019-05-23", name))
    assert read(lake, "tenant=*/day={day}/*.parquet", tenant=tenant, column="tenant") == found
    if "/" not in tenant:
        assert read(lake, "tenant={tenant}/day={day}/*.parquet", tenant=tenant) == found


def test_folders_that_say_the_range_column_itself(lake):
    for day in DAYS:
        if day in DAYS[1:3]:
            lake.put(f"date={day}/a.parquet", "SELECT 'k-0' AS key")
        else:
            lake.spoil(f"date={day}/a.parquet")
    lake.spoil("date=__HIVE_DEFAULT_PARTITION__/a.parquet")
    columns = (("instant", "CAST(date AS TIMESTAMP)"),)
    assert read(lake, "date=*/*.parquet", columns=columns) == "2019-05-22T00 k-0\n2019-05-23T00 k-0\n"


def test_partitions_are_text_until_they_are_asked_for(lake):
    lake.put("team=007/a.parquet", hours("2019-05-22", "a", 1))
    wanted = (*COLUMNS, ("team", "VARCHAR"), ("number", "BIGINT"))
    row = "concat(team, ' ', number + 1, chr(10))"
    assert read(lake, "**/*.parquet", wanted=wanted, columns=(("number", "team"),), row=row) == "007 8\n"


@pytest.mark.parametrize("kind", ["INTEGER", "UBIGINT", "DOUBLE", "DECIMAL(9,2)", "VARCHAR"])
def test_a_tenant_is_told_by_its_name_and_not_by_what_equals_it(local, kind):
    local.put("a.parquet", f"SELECT *, '7'::{kind} AS whose FROM ({hours('2019-05-22', 'a', 1)})")
    assert read(local, "*.parquet", tenant="7", column="whose") == lines(("2019-05-22", "a"), number=1)
    for other in ("007", "7.0", "7.00", "7.2", "6.9", " 7", "+7", "7e0", "0x7"):
        try:
            assert read(local, "*.parquet", tenant=other, column="whose") == ""
        except SourceUnavailable as error:
            assert "Conversion" in error.message  # noqa: PT017 either is right
    assert examine(local, "*.parquet", column="whose") == []


def test_no_two_tenants_have_a_row_with_a_fraction(local):
    local.put("a.parquet", f"SELECT *, 7.2::DOUBLE AS whose FROM ({hours('2019-05-22', 'a', 1)})")
    assert [read(local, "*.parquet", tenant=one, column="whose") for one in ("7", "7.2", "7.20")] == ["", "", ""]


# -- what is in them ----------------------------------------------------------------------------------------------


def test_files_may_differ_in_columns_and_types(lake):
    lake.put("1.parquet", f"SELECT *, 9007199254740993 AS n FROM ({hours('2019-05-22', 'a', 1)})")
    lake.put("2.parquet", f"SELECT key, instant, 2.0::DOUBLE AS n, 'x' AS old FROM ({hours('2019-05-23', 'b', 1)})")
    lake.put("3.parquet", f"SELECT *, [1] AS n_list, {{'n': 1}} AS old_struct FROM ({hours('2019-05-23', 'c', 1)})")
    wanted = (*COLUMNS, ("n", "BIGINT"), ("either", "VARCHAR"))
    row = "concat(key, ' ', n, ' ', either, chr(10))"
    found = read(lake, "*.parquet", wanted=wanted, columns=(("either", "coalesce(old, key)"),), row=row)
    assert found == "a-0 9007199254740993 a-0\nb-0 2 x\nc-0  c-0\n"


@pytest.mark.parametrize(
    ("sql", "kind", "text"),
    [
        ("TIMESTAMP_NS '1969-12-31 23:59:59.999999999'", "TIMESTAMP", "1969-12-31 23:59:59.999999"),
        ("TIMESTAMPTZ '2019-05-22 02:00:00+02'", "TIMESTAMP", "2019-05-22 00:00:00"),
        ("TIMESTAMP_MS '2019-05-22 00:00:00.123'", "TIMESTAMP", "2019-05-22 00:00:00.123"),
        ("DATE '2019-05-22'", "TIMESTAMP", "2019-05-22 00:00:00"),
        ("TIMESTAMP '2019-05-22 00:00:00'", "DATE", "2019-05-22"),
        ("200::UTINYINT", "BIGINT", "200"),
        ("12::DOUBLE", "BIGINT", "12"),
        ("0.1::DOUBLE", "DECIMAL(18,6)", "0.100000"),
        ("1.5::DECIMAL(4,2)", "DECIMAL(18,6)", "1.500000"),
        ("1.005::DECIMAL(9,6)", "DECIMAL(18,2)", "1.01"),
        ("0.0049999999::DOUBLE", "DECIMAL(18,2)", "0.01"),
        ("7::SMALLINT", "DECIMAL(18,6)", "7.000000"),
        ("'0f0e0d0c-0000-0000-0000-000000000000'::UUID", "VARCHAR", "0f0e0d0c-0000-0000-0000-000000000000"),
        ("true", "BOOLEAN", "true"),
    ],
)
@pytest.mark.parametrize("given", ["v", '"V"', "coalesce(v, v)"])
def test_values_become_what_is_wanted(local, sql, kind, text, given):
    local.put("a.parquet", f"SELECT *, {sql} AS v FROM ({hours('2019-05-22', 'a', 1)})")
    wanted = (*COLUMNS, ("v", kind))
    assert examine(local, "a.parquet", wanted=wanted) == []
    assert read(local, "a.parquet", wanted=wanted, row="concat(v)") == text
    wanted, columns = (*COLUMNS, ("w", kind)), (("w", given),)
    assert examine(local, "a.parquet", wanted=wanted, columns=columns) == []
    assert read(local, "a.parquet", wanted=wanted, columns=columns, row="concat(w)") == text


@pytest.mark.parametrize(
    ("sql", "kind"),
    [("1.5::DOUBLE", "BIGINT"), ("now()", "DATE"), ("TIMESTAMP '2019-01-01 01:00'", "DATE")],
)
@pytest.mark.parametrize("given", [None, "v", '"V"', "coalesce(v, v)"])
def test_a_value_that_would_lose_something_fails_the_attempt(local, sql, kind, given):
    local.put("a.parquet", f"SELECT *, {sql} AS v FROM ({hours('2019-05-22', 'a', 1)})")
    name, columns = ("w", (("w", given),)) if given else ("v", ())
    with pytest.raises(SourceUnavailable) as caught:
        read(local, "a.parquet", wanted=(*COLUMNS, (name, kind)), columns=columns, row=f"concat({name})")
    assert "1.5" not in caught.value.message


def test_a_column_under_another_name_may_be_missing_in_some_files(local):
    local.put("1.parquet", f"SELECT *, 1 AS number FROM ({hours('2019-05-22', 'a', 1)})")
    local.put("2.parquet", hours("2019-05-23", "b", 1))
    wanted, columns = (*COLUMNS, ("n", "BIGINT")), (("n", "number"),)
    assert read(local, "*.parquet", wanted=wanted, columns=columns, row="concat(key, n, ' ')") == "a-01 b-0 "


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("v", "column 'v' holds VARCHAR, which does not fit BIGINT"),
        ("v || '0'", "column 'n' is computed as VARCHAR, which does not fit BIGINT"),
    ],
)
def test_what_does_not_fit_under_another_name_is_told(local, given, told):
    local.put("a.parquet", f"SELECT *, '2.5' AS v FROM ({hours('2019-05-22', 'a', 1)})")
    scan = {"wanted": (*COLUMNS, ("n", "BIGINT")), "columns": (("n", given),)}
    assert examine(local, "a.parquet", **scan) == [f"'{local.root}/a.parquet': {told}"]
    with pytest.raises(SourceUnavailable, match=told):
        read(local, "a.parquet", **scan)


@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMPTZ"])
@pytest.mark.parametrize("order", ["key", "hash(key)"])
def test_slices_of_any_instants_in_any_order(local, small_slices, kind, order):
    small_slices(500)
    rows = "SELECT TIMESTAMP '2019-05-21' + range * INTERVAL 1 MINUTE AS instant, lpad(range::VARCHAR, 5, '0') AS key"
    local.put("a.parquet", f"SELECT instant::{kind} AS at_, key FROM ({rows} FROM range(6000)) ORDER BY {order}")
    with opened(local) as engine:
        scan = scan_of(local, "a.parquet", columns=(("instant", "at_"),))
        assert len(engine.plan(scan)) >= 3
        keys = read_with(engine, scan, "concat(key, ',')").split(",")[:-1]
    assert keys == [f"{number:05}" for number in range(24 * 60, 3 * 24 * 60)]


# -- whether it fits ----------------------------------------------------------------------------------------------


def test_what_does_not_fit_is_told(lake):
    lake.put("a.parquet", f"SELECT *, 1 AS number, 'x' AS day FROM ({hours('2019-05-22', 'a')})")
    lake.spoil("b.parquet")
    wanted = (*COLUMNS, ("number", "BOOLEAN"), ("day", "DATE"))
    assert examine(lake, "*.parquet", wanted=wanted, column="whose") == [
        f"'{lake.root}/b.parquet' is not a readable Parquet file",
        f"'{lake.root}/a.parquet': there is no column 'whose'",
        f"'{lake.root}/a.parquet': column 'number' holds INTEGER, which does not fit BOOLEAN",
        f"'{lake.root}/a.parquet': column 'day' holds VARCHAR, which does not fit DATE",
    ]


def test_a_column_nobody_has_and_one_that_cannot_be_computed_are_told(local):
    local.put("a.parquet", hours("2019-05-22", "a"))
    wanted = (*COLUMNS, ("none", "VARCHAR"), ("sum", "BIGINT"))
    none, computed = examine(local, "*.parquet", wanted=wanted, columns=(("sum", "a + b"),))
    assert none == "No file has a column 'none', and none is said to stand for it"
    assert computed.startswith("Column 'sum' cannot be computed: DuckDB: BinderException")


def test_a_lake_that_fits(lake):
    lake.put("tenant=acme/a.parquet", hours("2019-05-22", "a"))
    lake.put("tenant=other/a.parquet", hours("1969-05-22", "a"))
    assert examine(lake, "tenant=*/*.parquet", column="tenant") == []


def test_a_lake_by_days_that_fits(lake):
    lake.put("date=2019-05-22/2019-05-22.parquet", "SELECT 'k-0' AS key, 1 AS n")
    columns = (("instant", "CAST(date AS TIMESTAMP)"), ("number", "n"))
    wanted = (*COLUMNS, ("number", "BIGINT"))
    assert examine(lake, "date=*/{day}.parquet", columns=columns, wanted=wanted) == []
    [fault] = examine(lake, "date=*/{day}.parquet", columns=columns, wanted=(*COLUMNS, ("number", "DATE")))
    assert fault.endswith("column 'n' holds INTEGER, which does not fit DATE")


def test_a_lake_without_files_is_told_apart_from_one_that_does_not_fit(lake):
    lake.put("x/a.parquet", hours("2019-05-22", "a"))
    with pytest.raises(SourceEmpty, match=r"No file that fits '.*/y\*/\*' was found"):
        examine(lake, "x/*.parquet", "y*/*")


def test_a_file_that_cannot_be_read_is_not_said_to_be_of_another_kind(lake):
    lake.put("a.parquet", hours("2019-05-22", "a"))
    lake.spoil("b.parquet")
    with pytest.raises(SourceUnavailable, match=r"b\.parquet' is not a readable Parquet file"):
        examine(lake, "*.parquet")


def test_only_some_of_a_large_lake_is_looked_at(local, monkeypatch):
    monkeypatch.setattr("tailrace.engines.lake._MOST_EXAMINED", 3)
    monkeypatch.setattr("tailrace.engines.files.places._MOST_FOLDERS", 3)
    monkeypatch.setattr("tailrace.engines.files.places._MOST_FILES", 4)
    for number in range(4):
        local.put(f"{number}/a.parquet", hours("2019-05-22", "a"))
        local.put(f"all/{number}.parquet", hours("2019-05-22", "a"))
    local.spoil("all/3.parquet")
    local.put("z/b.parquet", hours("2019-05-22", "a"))
    assert examine(local, "all/*.parquet") == []
    for pattern in ("*/b.parquet", "**/b.parquet"):
        with pytest.raises(SourceEmpty):
            examine(local, pattern)


# -- faults -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["removed", "changed", "cut"])
def test_a_file_that_changes_during_a_job_fails_it(lake, how):
    lake.put("a.parquet", hours("2019-05-22", "a"))
    lake.put("b.parquet", hours("2019-05-22", "b"))
    with opened(lake) as engine:
        scan = scan_of(lake, "*.parquet")
        [part] = engine.plan(scan)
        if how == "removed":
            lake.remove("b.parquet")
        elif how == "changed":
            lake.put("b.parquet", hours("2019-05-22", "c"))
        else:
            lake.spoil("b.parquet", b"PAR1")
        with engine.another() as other, pytest.raises(SourceUnavailable, match=r"b\.parquet"):
            list(other.render(scan, part, ROW))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"secret_access_key": SECRET}, "SignatureDoesNotMatch|403|PermissionDenied"),
        ({"access_key_id": "nobody", "secret_access_key": SECRET}, "InvalidAccessKeyId|403|PermissionDenied"),
        ({"endpoint": "http://127.0.0.1:1", "retry_timeout_s": 1}, "Connect|Generic"),
    ],
)
def test_a_bucket_that_does_not_answer_is_a_fault_and_no_empty_result(tmp_path, s3_server, wrong, reason):
    lake = Bucket(tmp_path, s3_server)
    lake.options |= wrong
    for verb in (read, examine):
        with pytest.raises(SourceUnavailable, match=reason) as caught:
            verb(lake, "none/*.parquet")
        assert "cannot be listed" in caught.value.message
        assert SECRET not in repr(caught.value.__cause__) + caught.value.message


@pytest.mark.parametrize("pattern", ["*.parquet", "a/**", "a.parquet"])
def test_a_bucket_that_is_not_there_is_a_fault(tmp_path, s3_server, pattern):
    lake = Bucket(tmp_path, s3_server)
    lake.root = f"s3://no-such-bucket-{uuid4().hex[:8]}"
    with pytest.raises(SourceUnavailable, match="cannot be listed"):
        read(lake, pattern)


def test_a_bucket_that_falls_silent_while_it_is_read_ends_in_time(tmp_path, s3_server):
    lake = Bucket(tmp_path, s3_server)
    lake.put("a.parquet", hours("2019-05-22", "a"))
    with way_to(s3_server.endpoint) as way:
        lake.options |= {"endpoint": way.endpoint, "timeout_s": 1, "connect_timeout_s": 1, "retry_timeout_s": 1}
        with opened(lake) as engine:
            scan = scan_of(lake, "*.parquet")
            [part] = engine.plan(scan)
            way.cut()
            with pytest.raises(SourceUnavailable, match=r"a\.parquet' cannot be read"):
                list(engine.render(scan, part, ROW))


def test_a_folder_that_may_not_be_listed_is_a_fault(local):
    if os.geteuid() == 0:
        pytest.skip("nothing is forbidden to root")
    local.put("x/a.parquet", hours("2019-05-22", "a"))
    Path(f"{local.root}/x").chmod(0)
    with pytest.raises(SourceUnavailable, match="Permission denied"):
        read(local, "*/*.parquet")


def test_a_column_that_tells_rows_apart_must_be_in_every_file(local):
    local.put("a.parquet", f"SELECT *, 'acme' AS whose FROM ({hours('2019-05-22', 'a')})")
    local.put("b.parquet", hours("2019-05-22", "b"))
    with pytest.raises(SourceUnavailable, match=r"b\.parquet': there is no column 'whose'"):
        read(local, "*.parquet", column="whose")


def test_another_range_of_the_same_lake(local):
    for day in DAYS:
        local.put(f"{day}.parquet", hours(day, "k", 1))
    with opened(local) as engine:
        scan = scan_of(local, "{day}.parquet")
        assert read_with(engine, scan) == lines(("2019-05-22", "k"), ("2019-05-23", "k"), number=1)
        later = replace(scan, start=END, end=datetime(2019, 5, 25))
        assert read_with(engine, later) == lines(("2019-05-24", "k"), number=1)
