"""Loading WFM tables: every kind of file gives the same rows, a load replaces tables whole, or changes nothing."""

import csv
import gzip
import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal

import duckdb
import pytest

from intake.wfm.small import FEW, MADE, OF_ALL_TYPES, SMALL, TIMES, lines
from tailrace.access.users import create_user
from tailrace.catalog.wfm import load_wfm_tables
from tailrace.database.pool import Database
from tailrace.errors import DatabaseUnavailable, LoadRefused, UnknownTenant
from tailrace.intake.manifest import known_inputs, published_paths, stored_files, wfm_files
from tailrace.intake.store import Written
from tailrace.intake.wfm.load import load_wfm

pytestmark = pytest.mark.long

AT = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.req("WM-001", "WM-002", "WM-004")
def test_all_tables(house) -> None:
    report = house.load(SMALL)
    tables = load_wfm_tables()
    assert [table.table for table in report.tables] == list(tables)
    assert all(table.file == f"{table.table}.csv" and table.rows for table in report.tables)
    stored = house.stored()
    assert set(stored) == set(tables) - {"entity_view"}
    assert {name: len(rows) for name, rows in stored.items()} == {
        table.table: table.rows for table in report.tables if table.table != "entity_view"
    }
    assert stored["allocation"] == [(1, 1, Decimal(1), Decimal("0.33333"))]
    assert stored["agent_mu"][0] == (1, date(2024, 1, 1), 1, date(2024, 6, 1))
    assert stored["schedule_part"][0][2] == datetime(2024, 3, 3, 23)
    assert stored["agent_data"][1] == (1, 2, date(2024, 1, 1), None)


def test_what_requests_are_checked_against_is_copied(house, database) -> None:
    house.load(SMALL)
    entities = database.execute("SELECT * FROM wfm_entities ORDER BY entity_type, entity_id")
    assert [(row.entity_type, row.entity_id, row.name, row.bu_id) for row in entities] == [
        ("bu", 1, "Tickets", None),
        ("ct", 1, "Calls", 1),
        ("ct", 2, "Mail", None),
        ("eg", 1, "Europe", None),
        ("mu", 1, "Berlin", 1),
        ("mu", 2, "Havana", None),
        ("tog", 1, "Staff", None),
    ]
    assert (entities[5].created_at, entities[5].deleted_at) == (AT, datetime(2024, 2, 1, tzinfo=UTC))
    assert database.execute("SELECT group_id, name FROM wfm_data_groups ORDER BY 1") == [(1, "Team"), (2, "Site")]
    assert database.execute("SELECT name FROM wfm_code_attributes") == [("EXC_EXPORT",)]
    assert database.execute("SELECT rule, last_date, unit FROM wfm_time_off_rules ORDER BY 1") == [
        ("Sick", date(2024, 12, 31), "days"),
        ("Vacation", date(2024, 12, 31), "minutes"),
    ]
    views = (
        "SELECT u.name, v.entity_type, v.entity_id FROM entity_views v JOIN users u ON u.id = v.user_id ORDER BY 1, 2"
    )
    assert database.execute(views) == [
        *(("maria", kind, number) for kind, number in (("ct", 2), ("eg", 1), ("mu", 1))),
        *(("paul", kind, 1) for kind in ("bu", "tog")),
    ]


def test_kinds_of_files_give_the_same_rows(house, new_tenant, tmp_path) -> None:
    house.load(OF_ALL_TYPES)
    for number, kind in enumerate(("parquet", "ndjson", "csv.gz", "other order"), 2):
        other = new_tenant(kind)
        assert other.customer_id == number
        house.load(dict(_converted(name, text, kind, tmp_path, number) for name, text in OF_ALL_TYPES.items()), other)
        assert house.stored(other) == house.stored(), kind


def _converted(name, text, kind, folder, customer_id):
    if kind == "csv.gz":
        return f"{name}.csv.gz", gzip.compress(text.encode())
    rows = list(csv.DictReader(io.StringIO(text)))
    if kind == "ndjson":
        return f"{name}.ndjson", lines(*(json.dumps({k: v or None for k, v in row.items()}) for row in rows))
    if kind == "other order":
        names = [*reversed(rows[0]), "customer_id"]
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, names, lineterminator="\r\n")
        writer.writeheader()
        writer.writerows({**row, "customer_id": str(customer_id)} for row in rows)
        return name, buffer.getvalue()
    (folder / "in.csv").write_text(text)
    duckdb.execute(f"COPY (FROM read_csv('{folder}/in.csv')) TO '{folder}/out.parquet' (FORMAT parquet)")
    return f"{name}.parquet", (folder / "out.parquet").read_bytes()


def test_rows_are_stored_in_the_tables_order(house) -> None:
    rows = [f"1,2024-03-{1 + n * 7 % 31:02d}T08:00:00Z,2024-03-{1 + n * 7 % 31:02d}T09:00:00Z,Open" for n in range(31)]
    house.load({**OF_ALL_TYPES, "activity": lines("tv_id,start_at,stop_at,code", *rows)})
    days = [row[1].day for row in house.stored()["activity"]]
    assert days == list(range(1, 32))


def test_odd_texts_survive(house) -> None:
    odd = 'a "b", c|d\n<e>&\x01\u2028 ü😀'
    agent = lines(f"tv_id,first_name,last_name,{TIMES}", f'1,"{odd.replace(chr(34), chr(34) * 2)}","x\x00y",{MADE}')
    unit = lines(f"bu_id,name,{TIMES}", f'1,"{odd.replace(chr(34), chr(34) * 2)}",{MADE}')
    house.load({"agent": agent, "business_unit": unit})
    assert house.stored()["agent"][0][5:7] == (odd, "x\x00y")
    assert repr(odd) in house.copies()["wfm_entities"][0]


# -- replacing ----------------------------------------------------------------------------------------------------


def test_a_file_replaces_its_table_and_no_other(house, database) -> None:
    house.load(FEW)
    before = house.stored()
    old = wfm_files(database, house.tenant.id)
    groups = lines("group_id,name", "1,Crew", "2,Site", "3,Shift")
    report = house.load({"data_group": groups})
    assert [(table.table, table.rows) for table in report.tables] == [("data_group", 3)]
    assert house.stored() == {**before, "data_group": [(1, "Crew"), (2, "Site"), (3, "Shift")]}
    assert [row.name for row in database.execute("SELECT name FROM wfm_data_groups ORDER BY group_id")] == [
        *("Crew", "Site", "Shift")
    ]
    assert database.execute("SELECT count(*) AS n FROM wfm_entities")[0].n == 2
    # The old file is there for jobs that read it, but it is not part of the table.
    [replaced] = old["data_group"]
    assert published_paths(database, [replaced]) == {replaced}
    assert (house.tables / replaced).exists()
    assert [file.rows for file in stored_files(database, house.tenant.id, "wfm.data_group")] == [3]


def test_a_file_loaded_before_is_not_loaded_again(house, database) -> None:
    house.load(FEW)
    before = house.everything()
    packed = {"agent.csv.gz": gzip.compress(FEW["agent"].encode())}
    report = house.load({name: text for name, text in FEW.items() if name != "agent"} | packed)
    assert {table.table for table in report.tables if not table.already_loaded} == {"entity_view"}
    assert sum(table.rows for table in report.tables if table.already_loaded) == 0
    assert house.everything() == before


def test_a_content_loaded_long_before_can_come_back(house, database) -> None:
    first, second = lines("group_id,name", "1,A"), lines("group_id,name", "1,B")
    for content in (first, second, first):
        assert house.load({"data_group": content}).rows == 1
    assert house.stored()["data_group"] == [(1, "A")]
    assert database.execute("SELECT count(*) AS n FROM stored_files")[0].n == 3
    [sha] = database.execute("SELECT input_sha256 FROM stored_files WHERE replaced_at IS NULL")[0]
    assert list(known_inputs(database, house.tenant.id, "wfm.data_group", [sha])) == [sha]


def test_a_table_can_be_emptied(house) -> None:
    house.load(FEW)
    house.load({"agent_data": "tv_id,group_id,from_date,value\n", "entity_view": "user_id,entity_type,entity_id\n"})
    assert house.stored()["agent_data"] == []
    assert house.copies()["entity_views"] == []


def test_another_tenant_is_untouched(house, new_tenant) -> None:
    other = new_tenant("other")
    house.load(FEW, other)
    before = house.stored(other), house.copies(other)
    house.load(FEW)
    house.load({"data_group": lines("group_id,name", "1,X", "2,Y")})
    assert (house.stored(other), house.copies(other)) == before


def test_views_replace_those_of_all_users(house, database) -> None:
    house.load(FEW)
    house.load({"entity_view": lines("user_id,entity_type,entity_id", "paul,tog,1")})
    assert [tuple(row) for row in database.execute("SELECT entity_type, entity_id FROM entity_views")] == [("tog", 1)]
    house.load({"data_group": FEW["data_group"].replace("Site", "Place")})
    assert len(house.copies()["entity_views"]) == 1


def test_an_empty_file_list_of_a_tenant_without_tables(house, database) -> None:
    assert wfm_files(database, house.tenant.id) == {}


# -- several at once, and faults amid a load ----------------------------------------------------------------------


def test_two_loads_at_once_come_one_after_the_other(house, database, monkeypatch) -> None:
    """Each is good by itself; together they would leave rows that refer to nothing."""
    house.load(FEW)
    meeting = threading.Barrier(2, timeout=30)
    publish, met = Written.publish_by, threading.local()

    def publish_together(written, by):
        if not getattr(met, "before", False):
            met.before = True
            meeting.wait()
        return publish(written, by)

    monkeypatch.setattr(Written, "publish_by", publish_together)
    drop_site = {
        "data_group": lines("group_id,name", "1,Team"),
        "agent_data": FEW["agent_data"].replace("1,2,2024-01-01,\n", ""),
    }
    more_site = {"agent_data": FEW["agent_data"] + "2,2,2024-01-01,x\n"}

    def load(folder):
        try:
            return load_wfm(database, house.tables, house.tenant, folder)
        except LoadRefused as refused:
            return refused

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(load, [house.folder(drop_site), house.folder(more_site)])
    groups = {row[0] for row in house.stored()["data_group"]}
    assert {row[1] for row in house.stored()["agent_data"]} <= groups
    assert isinstance(two, LoadRefused) or not isinstance(one, LoadRefused)
    current = {path for paths in wfm_files(database, house.tenant.id).values() for path in paths}
    everything = {row.path for row in database.execute("SELECT path FROM stored_files")}
    on_disk = {str(path.relative_to(house.tables)) for path in house.tables.rglob("*.parquet")}
    assert current <= everything == on_disk


def test_two_who_load_the_same_at_once(house, database, monkeypatch) -> None:
    meeting = threading.Barrier(2, timeout=30)
    publish, met = Written.publish_by, threading.local()

    def publish_together(written, by):
        if not getattr(met, "before", False):
            met.before = True
            meeting.wait()
        return publish(written, by)

    monkeypatch.setattr(Written, "publish_by", publish_together)
    folder = house.folder({name: FEW[name] for name in ("customer", "data_group")})
    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(lambda _: load_wfm(database, house.tables, house.tenant, folder), range(2)))
    assert sorted(report.rows for report in reports) == [0, 3]
    assert database.execute("SELECT count(*) AS n FROM stored_files")[0].n == 2


def test_a_user_who_goes_meanwhile(house, database, monkeypatch) -> None:
    house.load(FEW)
    publish, gone = Written.publish_by, []

    def remove_first(written, by):
        if not gone:
            gone.append(database.execute("DELETE FROM users WHERE name = 'paul'"))
        return publish(written, by)

    monkeypatch.setattr(Written, "publish_by", remove_first)
    with pytest.raises(LoadRefused) as refused:
        house.load({"entity_view": FEW["entity_view"]})
    assert refused.value.details[0].endswith("line 4, column 'user_id': 'paul' is not a user of the tenant")
    assert len(house.copies()["entity_views"]) == 2


def test_an_outage_leaves_all_as_it_was(house, monkeypatch) -> None:
    house.load(FEW)
    before = house.everything()

    def fail(*_: object) -> None:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr("tailrace.intake.wfm.load.rewrite_copies", fail)
    with pytest.raises(DatabaseUnavailable):
        house.load({"data_group": FEW["data_group"] + "9,New\n", "entity_view": FEW["entity_view"]})
    assert house.everything() == before


def test_a_lost_answer_to_commit_is_asked_for_again(house, database, monkeypatch) -> None:
    house.load(FEW)
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
            if len(calls) == 2:  # the first one read the state
                raise DatabaseUnavailable("lost")

    monkeypatch.setattr(Database, "transaction", lambda self, **scope: Losing(transaction(self, **scope)))
    assert house.load({"data_group": lines("group_id,name", "1,A", "2,B")}).rows == 2
    assert len(calls) == 3
    assert house.stored()["data_group"] == [(1, "A"), (2, "B")]


def test_a_tenant_that_is_gone(house, database) -> None:
    database.execute("DELETE FROM tenants")
    with pytest.raises(UnknownTenant):
        house.load(FEW)


def test_a_new_user_may_view(house, database) -> None:
    house.load(FEW)
    create_user(database, house.tenant, 'o\'brien, "x"')
    house.load({"entity_view": lines("user_id,entity_type,entity_id", '"o\'brien, ""x""",bu,1')})
    assert len(house.copies()["entity_views"]) == 1


def test_a_load_of_what_is_there_needs_no_files(house, database) -> None:
    files = {name: FEW[name] for name in ("customer", "data_group")}
    house.load(files)
    database.execute("DELETE FROM wfm_data_groups")  # would come back if it were loaded again
    assert house.load(files).rows == 0
    assert house.copies()["wfm_data_groups"] == []
