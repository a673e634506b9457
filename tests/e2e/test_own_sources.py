"""Rows that stay where the operator has them: the settings, a real source, and the bytes a client downloads."""

import subprocess
import sys

import psycopg
import pytest

from shifts import ASKED, expected, make_rows, put_catalog, write_parquet

pytestmark = pytest.mark.long

QUICK = {"TAILRACE_CXONE__MIN_INTERVAL_S": "0"}
COLUMNS = '[datasets.shifts.columns]\nshift_no = "no"\nremark_r = "remark"\n'
TABLE = """
CREATE SCHEMA roster;
CREATE TABLE roster.shifts (
    owner text, no bigint, begins_at timestamptz, paid_hours numeric(18, 6), open boolean, due date, remark text
)
"""


def put_rows(url, owner, rows):
    with psycopg.connect(url) as connection:
        insert = "INSERT INTO roster.shifts VALUES (%s, %s, %s, %s, %s, %s, %s)"
        connection.cursor().executemany(insert, [(owner, *row) for row in rows])


@pytest.fixture
def warehouse(new_database):
    """Make a database of the operator's own, with an empty table."""
    url = new_database()
    with psycopg.connect(url) as connection:
        connection.execute(TABLE)
    return url


@pytest.fixture
def begin(start, tmp_path):
    """Start a service whose dataset `shifts` has a source."""

    def begin(lines, columns=COLUMNS, **environment):
        put_catalog(tmp_path / "catalog")
        (tmp_path / "settings.toml").write_text(f"{lines}\n{columns}", encoding="utf-8")
        places = {
            "TAILRACE_CONFIG": str(tmp_path / "settings.toml"),
            "TAILRACE_CATALOG__FOLDERS": f"{tmp_path}/catalog",
        }
        return start(**QUICK, **places, **environment)

    return begin


def from_table(place, url, more=""):
    address = f'[sources.warehouse]\nkind = "postgresql"\nurl = "{url}"\n' if url else ""
    return f'{address}[datasets.shifts]\nsource = "warehouse"\n{place}\ntenant_column = "owner"\n{more}'


@pytest.mark.parametrize(
    "place",
    [
        'table = "roster.shifts"',
        'query = "TABLE roster.shifts;"',
        'query = "SELECT * FROM roster.shifts WHERE no IS NOT NULL -- all of them"',
    ],
)
def test_two_tenants_of_one_table_get_their_own_rows(begin, warehouse, place):
    service = begin(from_table(place, warehouse))
    callers = [service.caller(permissions=["shifts"]) for _ in range(2)]
    wanted = []
    for seed, caller in enumerate(callers):
        rows = make_rows(300, seed=seed)
        put_rows(warehouse, caller.tenant.name, rows)
        wanted.append(expected(rows))
    assert [caller.extract(**ASKED) for caller in callers] == wanted


@pytest.mark.parametrize("kind", ["text", "bigint"])
def test_a_tenant_is_known_by_its_number_too(begin, warehouse, kind):
    with psycopg.connect(warehouse) as connection:
        connection.execute(f"ALTER TABLE roster.shifts ALTER owner TYPE {kind} USING owner::{kind}")
    service = begin(from_table('table = "roster.shifts"', warehouse, 'tenant_is = "customer_id"\n'))
    assert "source_" not in service.log.read_text()
    caller = service.caller(permissions=["shifts"])
    rows = make_rows(50)
    put_rows(warehouse, caller.tenant.customer_id, rows)
    put_rows(warehouse, caller.tenant.customer_id + 1, make_rows(50, seed=2))
    assert caller.extract(**ASKED) == expected(rows)


def test_a_source_that_is_away_fails_its_jobs_until_it_is_back(begin, warehouse):
    away = warehouse + " host=/nowhere"
    service = begin(from_table('table = "roster.shifts"', away))
    caller = service.caller(permissions=["shifts"])
    status = caller.wait(caller.submit(**ASKED))
    assert status["status"] == "FAILED"
    assert status["result"] == {"errorMessage": "The data source is not available"}
    assert "source_unavailable" in service.log.read_text()


def test_nothing_is_loaded_into_a_dataset_with_a_source(begin, warehouse, tmp_path):
    service = begin(from_table('table = "roster.shifts"', warehouse))
    caller = service.caller(permissions=["shifts"])
    write_parquet(tmp_path / "rows.parquet", make_rows(10))
    done = run("load", service, "shifts", "--tenant", caller.tenant.name, str(tmp_path / "rows.parquet"))
    assert done.returncode == 1
    assert "come from the source 'warehouse'" in done.stderr


def run(command, service, *arguments):
    line = [sys.executable, "-m", "tailrace", command, *arguments, "--data", str(service.data)]
    return subprocess.run(line, env=service.environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("alter", "told"),
    [
        ("ALTER TABLE roster.shifts DROP COLUMN due", "due"),
        ("ALTER TABLE roster.shifts ALTER COLUMN due TYPE text", "due"),
        ("ALTER TABLE roster.shifts DROP COLUMN owner", "owner"),
        # Names are no numbers, and `7` and `007` are two.
        ("ALTER TABLE roster.shifts ALTER COLUMN owner TYPE bigint USING 1", "owner"),
        ("DROP TABLE roster.shifts", "roster.shifts"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_served(begin, warehouse, alter, told):
    service = begin(from_table('table = "roster.shifts"', warehouse))
    with psycopg.connect(warehouse) as connection:
        connection.execute(alter)
    done = run("serve", service, "--port", "0")
    assert done.returncode == 1
    assert "source_mismatch" in done.stderr
    assert told in done.stderr
    assert "shifts" in done.stderr


def test_settings_of_a_dataset_that_there_is_not_stop_the_start(start, tmp_path):
    (tmp_path / "settings.toml").write_text(
        '[sources.pond]\nkind = "lake"\n[datasets.shiftz]\nsource = "pond"\nfiles = ["/{tenant}"]\n'
    )
    service = start()
    service.environment["TAILRACE_CONFIG"] = str(tmp_path / "settings.toml")
    done = run("serve", service, "--port", "0")
    assert done.returncode == 1
    assert "datasets.shiftz" in done.stderr


NAMES = {"shift_no": "Shift No", "begins_at": "Begins At", "paid_hours": "Paid, Hours", "remark_r": 'Remark ""R""'}
LAKE_COLUMNS = "[datasets.shifts.columns]\n" + "".join(f"{name} = '\"{sql}\"'\n" for name, sql in NAMES.items())


@pytest.mark.parametrize(
    ("pattern", "column"),
    [
        ("owner={tenant}/*/*.parquet", ""),
        ("owner=*/*/*.parquet", 'tenant_column = "owner"\n'),
        ("**/{tenant}.parquet", ""),
    ],
)
def test_a_lake_of_files_with_the_tenant_in_their_path(begin, tmp_path, pattern, column):
    lake = f'[sources.pond]\nkind = "lake"\n[datasets.shifts]\nsource = "pond"\nfiles = ["{tmp_path}/lake/{pattern}"]\n'
    (tmp_path / "lake/owner=nobody/0").mkdir(parents=True)
    write_parquet(tmp_path / "lake/owner=nobody/0/nobody.parquet", make_rows(9, seed=9))
    service = begin(lake + column, columns=LAKE_COLUMNS)
    callers = [service.caller(permissions=["shifts"]) for _ in range(2)]
    wanted = []
    for seed, caller in enumerate(callers):
        for part in range(2):
            folder = tmp_path / f"lake/owner={caller.tenant.name}/{part}"
            folder.mkdir(parents=True)
            write_parquet(folder / f"{caller.tenant.name}.parquet", make_rows(200, seed=seed)[part::2])
        wanted.append(expected(make_rows(200, seed=seed)))
    assert [caller.extract(**ASKED) for caller in callers] == wanted


def from_lake(tmp_path, pattern, more=""):
    pond = '[sources.pond]\nkind = "lake"\n[datasets.shifts]\nsource = "pond"\n'
    return f'{pond}files = ["{tmp_path}/lake/{pattern}"]\n{more}'


@pytest.fixture
def lake(tmp_path):
    """A lake with a file of each of two tenants, in folders that say whose it is."""
    for owner in ("one", "two"):
        folder = tmp_path / f"lake/owner={owner}"
        folder.mkdir(parents=True)
        write_parquet(folder / "2024-02-28.parquet", make_rows(9))
    return tmp_path / "lake"


BY_FOLDER = [("owner={tenant}/{day}.parquet", ""), ("owner=*/*.parquet", 'tenant_column = "owner"\n')]


@pytest.mark.parametrize(("pattern", "column"), BY_FOLDER)
@pytest.mark.parametrize(
    ("columns", "state", "told"),
    [
        (LAKE_COLUMNS, "ok", "has all columns of the dataset"),
        (LAKE_COLUMNS + "due = 'Open'\n", "wrong", "column 'Open' holds BOOLEAN, which does not fit DATE"),
    ],
)
def test_a_lake_is_looked_at_before_anything_is_served(begin, lake, tmp_path, pattern, column, columns, state, told):
    service = begin(from_lake(tmp_path, pattern, column), columns=LAKE_COLUMNS)
    assert "source_" not in service.log.read_text()
    (tmp_path / "settings.toml").write_text(f"{from_lake(tmp_path, pattern, column)}\n{columns}", encoding="utf-8")
    lines = [line for line in run("doctor", service).stdout.splitlines() if "source 'pond' of shifts" in line]
    assert len(lines) == 1
    assert state in lines[0].lower()
    assert told in lines[0]
    if state == "wrong":
        done = run("serve", service, "--port", "0")
        assert done.returncode == 1
        assert "source_mismatch" in done.stderr
        assert told in done.stderr


@pytest.mark.parametrize("spoilt", [False, True])
def test_a_lake_without_files_or_with_one_that_cannot_be_read_stops_no_start(begin, lake, tmp_path, spoilt):
    for file in lake.glob("owner=one/*"):
        file.write_bytes(b"no Parquet at all")
    pattern = "owner=*/*.parquet" if spoilt else "*/*.parq"
    service = begin(from_lake(tmp_path, pattern, 'tenant_column = "owner"\n'), columns=LAKE_COLUMNS)
    assert "source_unavailable" in service.log.read_text()
    said = run("doctor", service).stdout
    assert ("not a readable Parquet file" if spoilt else "No file that fits") in said


@pytest.mark.parametrize(
    ("name", "folder"), [("a%2Fb", "a%2Fb"), ("R&D: West", "R&D%3A West"), ("__HIVE_DEFAULT_PARTITION__",) * 2]
)
def test_a_folder_that_is_another_tenants_or_named_otherwise_is_never_read(begin, lake, tmp_path, name, folder):
    """What `owner=` and a name say as a path is not always what they say as a value."""
    (tmp_path / f"lake/owner={folder}").mkdir()
    write_parquet(tmp_path / f"lake/owner={folder}/2024-02-28.parquet", make_rows(9))
    service = begin(from_lake(tmp_path, "owner={tenant}/*.parquet"), columns=LAKE_COLUMNS)
    caller = service.caller(permissions=["shifts"])
    service.database.execute(
        "UPDATE tenants SET name = %(name)s WHERE id = %(id)s", {"name": name, "id": caller.tenant.id}
    )
    status = caller.wait(caller.submit(**ASKED))
    assert status["status"] == "FAILED"
    assert "use tenant_column" in service.log.read_text()
