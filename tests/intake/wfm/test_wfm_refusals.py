"""Every way a folder of WFM tables is refused: the words, and that all is as before."""

import csv
import io
import json
from collections.abc import Callable, Iterator

import duckdb
import pytest

from intake.wfm.conftest import House, make_tenant
from intake.wfm.small import FEW, MADE, SMALL, TIMES, lines
from tailrace.catalog.wfm import load_wfm_tables
from tailrace.database.pool import Database
from tailrace.errors import LoadRefused
from tailrace.intake.wfm.load import load_wfm

pytestmark = [pytest.mark.slow, pytest.mark.share]


@pytest.fixture(scope="module")
def house(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One tenant with all tables loaded, which no test changes."""
    database, folder = Database(new_database(), size=4), tmp_path_factory.mktemp("house")
    house = House(database, folder / "tables", make_tenant(database, "Harbour Ferries"), folder)
    house.load(SMALL)
    yield house
    database.close()


def changed(table: str, row: int, **cells: str | None) -> dict[str, str]:
    """Change cells of a row (from 1) of a table's file; a row after the last is a copy of the last."""
    rows = list(csv.DictReader(io.StringIO(SMALL[table])))
    if row > len(rows):
        rows.append(dict(rows[-1]))
    rows[row - 1].update({name: "" if value is None else value for name, value in cells.items()})
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return {table: buffer.getvalue()}


def with_row(table: str, row: str) -> dict[str, str]:
    return {table: f"{SMALL[table]}{row}\n"}


VALUES = [
    (changed("agent", 2, tv_id="x"), "line 3, column 'tv_id': 'x' is not a whole number of 64 bits"),
    (changed("agent", 2, tv_id=None), "line 3, column 'tv_id': must have a value"),
    (changed("agent", 1, use_availability="2"), "line 2, column 'use_availability': '2' is not true or false"),
    (changed("agent_mu", 1, from_date="2024-02-30"), "line 2, column 'from_date': '2024-02-30' is not a date"),
    (
        changed("allocation", 1, open_share="0.1234567891"),
        (
            "line 2, column 'open_share': '0.1234567891' is not a decimal number of at most 9 digits before"
            " and 9 after the point"
        ),
    ),
    (
        changed("activity", 1, start_at="yesterday"),
        "line 2, column 'start_at': 'yesterday' is not a date and time",
    ),
]
OUTSIDE = "is not within the 48 hours from the start of sched_date in the management unit's zone (WM-102)"
UNEVEN = "is not a whole number of periods after the start of the contact type's day (WM-104)"
RULES = [
    ("WM-001", {"data_group": lines("customer_id,group_id,name", "1,1,Team", "2,2,Site")},
     "line 3, column 'customer_id': '2' is not the tenant's customer id (WM-001)"),
    ("WM-001", {"data_group": lines("customer_id,group_id,name", ",1,Team", "1,2,Site")},
     "line 2, column 'customer_id': must have a value"),
    ("WM-002", changed("activity", 2, stop_at="2024-03-04T08:16:30Z"),
     "line 3, column 'stop_at': '2024-03-04 08:16:30' is not a whole minute (WM-002)"),
    ("WM-002", changed("activity", 1, start_at="2024-03-04T08:00:00.5Z"),
     "line 2, column 'start_at': '2024-03-04 08:00:00.5' is not a whole minute (WM-002)"),
    ("WM-002", changed("activity", 2, stop_at="2024-03-04T08:15:00Z"),
     "line 3, column 'stop_at': '2024-03-04 08:15:00' does not lie after start_at (WM-002)"),
    ("WM-101", changed("activity", 2, start_at="2024-03-04T08:14:00Z"),
     "line 3, column 'start_at': at '2024-03-04 08:14:00' the agent's one before it has not stopped yet (WM-101)"),
    ("WM-101", with_row("activity", "1,2024-03-04T07:00:00Z,2024-03-04T12:00:00Z,Open"),
     "line 2, column 'start_at': at '2024-03-04 08:00:00' the agent's one before it has not stopped yet (WM-101)"),
    ("WM-101", with_row("schedule", "1,2024-03-05,1,2024-03-01") | with_row(
        "schedule_part", "1,2024-03-05,2024-03-05T22:59:00Z,2024-03-06T04:00:00Z,Open"),
     ("schedule_part.csv, line 5, column 'start_at': at '2024-03-05 22:59:00' the agent's one before it has not stopped"
     " yet (WM-101)")),
    ("WM-102", changed("schedule_part", 1, start_at="2024-03-03T22:59:00Z"),
     f"line 2, column 'start_at': '2024-03-03 22:59:00 to 2024-03-04 09:00:00' {OUTSIDE}"),
    ("WM-102", changed("schedule_part", 2, stop_at="2024-03-05T23:01:00Z"),
     f"line 3, column 'start_at': '2024-03-04 09:00:00 to 2024-03-05 23:01:00' {OUTSIDE}"),
    ("WM-103", changed("agent_mu", 2, from_date="2024-05-31"),
     "line 3, column 'from_date': on '2024-05-31' the agent has not left the management unit before (WM-103)"),
    ("WM-103", with_row("agent_mu", "2,2024-02-01,1,2024-02-02"),
     "line 5, column 'from_date': on '2024-02-01' the agent has not left the management unit before (WM-103)"),
    ("WM-103", changed("schedule", 1, mu_id="2"),
     "line 2, column 'mu_id': '2' is not the agent's management unit on sched_date (WM-103)"),
    ("WM-103", with_row("schedule", "1,2024-05-31,2,2024-05-01"),
     "line 4, column 'mu_id': '2' is not the agent's management unit on sched_date (WM-103)"),
    ("WM-104", changed("management_unit", 2, tz="Europe/Berlln"),
     "line 3, column 'tz': 'Europe/Berlln' is not a time zone of IANA (WM-104)"),
    ("WM-104", changed("contact_type", 2, tz="IST"), "line 3, column 'tz': 'IST' is not a time zone of IANA (WM-104)"),
    ("WM-104", changed("ct_forecast", 1, period_at="2024-03-04T08:10:00Z"),
     f"line 2, column 'period_at': '2024-03-04 08:10:00' {UNEVEN}"),
    ("WM-104", changed("queue_period", 1, period_at="2024-03-04T08:15:01Z"),
     f"line 2, column 'period_at': '2024-03-04 08:15:01' {UNEVEN}"),
    ("WM-104", changed("agent_period", 1, period_at="2024-03-04T08:20:00Z"),
     f"line 2, column 'period_at': '2024-03-04 08:20:00' {UNEVEN}"),
    ("WM-105", with_row("data_group", "3,TEAM"), "line 4, column 'name': 'TEAM' is there already (WM-105)"),
    ("WM-105", with_row("code_attribute", "exc_Export"),
     "line 3, column 'name': 'exc_Export' is there already (WM-105)"),
    ("WM-105", with_row("time_off_rule", "1,VACATION,2025-01-01,2025-12-31,days"),
     "line 4, column 'rule': '1, VACATION' is there already (WM-105)"),
    ("WM-106", {"code_value": SMALL["code_value"] + 'Open,EXC_EXPORT,""\n'},
     "line 3, column 'value': must not be empty (WM-106)"),
    ("WM-106", changed("agent", 1, changed_at="2023-12-31"),
     "line 2, column 'changed_at': '2023-12-31 00:00:00' lies before created_at (WM-106)"),
    ("WM-106", changed("management_unit", 2, deleted_at="2024-01-01T12:00:00Z"),
     "line 3, column 'deleted_at': '2024-01-01 12:00:00' lies before changed_at (WM-106)"),
]  # fmt: skip
KEYS = [
    (with_row("data_group", "2,Other"), "line 4, column 'group_id': '2' is there already"),
    (with_row("agent_mu", "1,2024-01-01,2,2024-01-01"),
     "line 5, column 'from_date': '1, 2024-01-01' is there already"),
    (with_row("entity_view", "paul,bu,1"), "line 7, column 'entity_id': 'paul, bu, 1' is there already"),
    (changed("imported_open", 2, step="192"), "line 3, column 'step': '192' is not a number from 0 to 191"),
    (changed("imported_open", 2, step="-1"), "line 3, column 'step': '-1' is not a number from 0 to 191"),
    (changed("customer", 1, period_minutes="20"), "line 2, column 'period_minutes': '20' is not one of 15, 30"),
    (changed("time_off_rule", 2, unit="hours"), "line 3, column 'unit': 'hours' is not one of minutes, days"),
    (with_row("business_unit", f"0,None,{MADE}"), "line 3, column 'bu_id': '0' is not a number from 1"),
    (with_row("data_group", '3,"a\x00b"'), r"line 4, column 'name': 'a\x00b' holds the character U+0000"),
    ({"customer": "name,period_minutes\n"}, "the table must have one row"),
]  # fmt: skip
REFERENCES = [
    (with_row("agent_mu", "2,2023-01-01,99,2023-02-01"), "line 5, column 'mu_id': '99' is not in management_unit"),
    (changed("agent", 2, vac_group="9"), "line 3, column 'vac_group': '9' is not in time_off_group"),
    (with_row("code_value", "Lunch,EXC_EXPORT,x"), "line 3, column 'code': 'Lunch' is not in activity_code"),
    (with_row("code_value", "Open,exc_export,x"), "line 3, column 'attribute': 'exc_export' is not in code_attribute"),
    (
        with_row("schedule_part", "1,2024-03-06,2024-03-06T08:00Z,2024-03-06T09:00Z,Open"),
        "line 5, column 'sched_date': '1, 2024-03-06' is not in schedule",
    ),
    (
        with_row("time_off_day", "1,1,vacation,2024-05-02,480"),
        "line 3, column 'rule': '1, vacation' is not in time_off_rule",
    ),
    (with_row("entity_view", "maria,mu,3"), "line 7, column 'entity_id': '3' is not in management_unit"),
    (with_row("entity_view", "maria,ct,0"), "line 7, column 'entity_id': '0' is not in contact_type"),
    (with_row("entity_view", "Maria,bu,1"), "line 7, column 'user_id': 'Maria' is not a user of the tenant"),
    (with_row("entity_view", "maria,xx,1"), "line 7, column 'entity_type': 'xx' is not one of mu, ct, eg, bu, tog"),
]


def check_one(house: House, files: dict[str, str], detail: str) -> None:
    refusal = house.refused(files)
    name = f"{list(files)[-1]}.csv"
    assert refusal.message.endswith(": 1 problem; nothing was loaded."), refusal.details
    assert refusal.details[0] in (detail, f"{name}, {detail}", f"{name}: {detail}")


@pytest.mark.req("WM-004")
@pytest.mark.parametrize(("files", "detail"), VALUES)
def test_a_value_that_is_none(house, files, detail) -> None:
    check_one(house, files, detail)


def _rule_id(value: object) -> str | None:
    return value if isinstance(value, str) and value.startswith("WM-") else None


@pytest.mark.req("WM-001", "WM-002", "WM-101", "WM-102", "WM-103", "WM-104", "WM-105", "WM-106")
@pytest.mark.parametrize(("rule", "files", "detail"), RULES)
def test_a_rule_that_is_broken(house, rule, files, detail) -> None:
    check_one(house, files, detail)


@pytest.mark.parametrize(("files", "detail"), KEYS)
def test_a_key_or_a_number(house, files, detail) -> None:
    check_one(house, files, detail)


@pytest.mark.parametrize(("files", "detail"), REFERENCES)
def test_a_reference_to_nothing(house, files, detail) -> None:
    check_one(house, files, detail)


def _without(table: str, row: str) -> dict[str, str]:
    assert f"{row}\n" in SMALL[table]
    return {table: SMALL[table].replace(f"{row}\n", "")}


KEPT = [
    (
        {"data_group": "group_id,name\n1,Team\n"},
        (
            "data_group.csv: agent_data (loaded before), key '1, 2, 2024-01-01', column 'group_id':"
            " '2' is not in data_group"
        ),
    ),
    (
        _without("schedule", "1,2024-07-01,2,2024-03-01T12:00:01Z"),
        (
            "schedule.csv: schedule_part (loaded before), key '1, 2024-07-01, 2024-07-01 04:00:00', column"
            " 'sched_date': '1, 2024-07-01' is not in schedule"
        ),
    ),
    (
        changed("management_unit", 1, tz="UTC"),
        (
            "management_unit.csv: schedule_part (loaded before), key '1, 2024-03-04, 2024-03-03 23:00:00', column"
            " 'start_at': '2024-03-03 23:00:00 to 2024-03-04 09:00:00' is not within the 48 hours from the start of"
            " sched_date in the management unit's zone (WM-102)"
        ),
    ),
    (
        changed("agent_mu", 1, from_date="2024-03-05"),
        (
            "agent_mu.csv: schedule (loaded before), key '1, 2024-03-04', column 'mu_id': '1' is not the agent's"
            " management unit on sched_date (WM-103)"
        ),
    ),
    (
        changed("contact_type", 2, tz="Asia/Kolkata") | changed("customer", 1, period_minutes="30"),
        (
            "customer.csv: ct_forecast (loaded before), key '1, 2024-03-04 08:15:00', column 'period_at':"
            " '2024-03-04 08:15:00' is not a whole number of periods after the start of the contact type's day (WM-104)"
        ),
    ),
]


@pytest.mark.req("WM-102", "WM-103", "WM-104")
@pytest.mark.parametrize(("files", "detail"), KEPT)
def test_what_was_loaded_before_must_still_fit(house, files, detail) -> None:
    assert detail in house.refused(files).details


FOLDERS = [
    ({}, "holds no file; nothing was loaded. Files are named after the tables, as in agent.csv: customer,"),
    ({"agents.csv": "x"}, "agents.csv: is not named after a table"),
    ({"agent.old.csv": "x"}, "agent.old.csv: is not named after a table"),
    ({"Agent.csv": "x"}, "Agent.csv: is not named after a table"),
    ({"README.md": "x"}, "README.md: is not named after a table"),
    ({"agent.csv": "x", "agent.csv.gz": b"x"}, "agent.csv and agent.csv.gz: both are for the table agent"),
    ({"agent.txt": "x"}, "agent.txt: the file's name must end in .csv, .parquet or .ndjson"),
    ({"agent.csv": ""}, "agent.csv: the file is empty"),
    ({"agent.csv.gz": b"nothing"}, "agent.csv.gz: the gzip file is damaged"),
    ({"agent.parquet": b"nothing"}, "agent.parquet: this is not a readable Parquet file"),
    ({"agent.ndjson": "[]\n"}, "agent.ndjson, line 1: is not a JSON object"),
]


@pytest.mark.parametrize(("files", "words"), FOLDERS)
def test_a_folder_that_does_not_fit(house, files, words) -> None:
    refusal = house.refused(files)
    assert words in "\n".join((refusal.message, *refusal.details))


def test_table_names_are_told(house) -> None:
    refusal = house.refused({"agents.csv": "x", "agent.csv": "x"})
    assert refusal.details == (
        "agents.csv: is not named after a table",
        f"Files are named after the tables, as in agent.csv: {', '.join(load_wfm_tables())}",
    )


def test_what_is_no_folder(house, tmp_path) -> None:
    (tmp_path / "agent.csv").write_text(SMALL["agent"])
    for path in (tmp_path / "agent.csv", tmp_path / "missing"):
        with pytest.raises(LoadRefused, match=rf"{path.name}: (Not a directory|No such file)"):
            load_wfm(house.database, house.tables, house.tenant, path)
    (tmp_path / "queue.csv").mkdir()
    with pytest.raises(LoadRefused) as refused:
        load_wfm(house.database, house.tables, house.tenant, tmp_path)
    assert refused.value.details == ("queue.csv: this is a folder",)


def test_hidden_files_are_passed_over(house) -> None:
    assert house.load({".DS_Store": "x", "data_group": SMALL["data_group"]}).tables[0].already_loaded


COLUMNS = [
    ({"queue": "queue_id,ct_id,acd_id\n1,1,1\n"}, "queue.csv, line 1: column 'name' of the table queue is missing"),
    (
        {"data_group": "group_id,name,colour\n1,Team,red\n"},
        "data_group.csv, line 1, column 3: 'colour' is not a column of the table data_group",
    ),
    ({"data_group": "group_id,name,name\n1,a,b\n"}, "data_group.csv, line 1, column 3: 'name' appears twice"),
    (
        {"data_group": "Group_id,name\n1,a\n"},
        "data_group.csv, line 1: column 'group_id' of the table data_group is missing",
    ),
    ({"data_group": "group_id,name\n1\n"}, "data_group.csv, line 2: has 1 cell, but the header has 2"),
    (
        {"data_group.ndjson": '{"group_id": 1}\n'},
        "data_group.ndjson, line 1: column 'name' of the table data_group is missing",
    ),
    (
        {"data_group.ndjson": lines('{"group_id": 1, "name": "x"}', '{"group_id": 2}')},
        "data_group.ndjson, line 2: key 'name' is missing",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("files", "detail"), COLUMNS)
def test_columns_that_do_not_fit(house, files, detail) -> None:
    assert detail in house.refused(files).details


def test_places_in_other_kinds_of_files(house, tmp_path) -> None:
    row = {"group_id": 1, "name": "Team"}
    objects = lines(*(json.dumps(one) for one in (row, row)))
    detail = "column 'group_id': '1' is there already"
    assert f"data_group.ndjson, line 2, {detail}" in house.refused({"data_group.ndjson": objects}).details
    path = tmp_path / "x.parquet"
    duckdb.execute(f"COPY (SELECT 1 AS group_id, 'x' || range AS name FROM range(2)) TO '{path}' (FORMAT parquet)")
    refusal = house.refused({"data_group.parquet": path.read_bytes()})
    assert f"data_group.parquet, row 2, {detail}" in refusal.details
    text = 'group_id,name\n1,"two\nlines"\n1,x\n'
    assert f"data_group.csv, line 4, {detail}" in house.refused({"data_group": text}).details


def test_personal_data_is_not_repeated(house) -> None:
    agent = {"tv_id": 1, "ssn": 123456789, "first_name": "Ann", "last_name": "Lee", "created_at": 1, "changed_at": "x"}
    refusal = house.refused({"agent.ndjson": json.dumps(agent) + "\n"})
    assert "agent.ndjson, line 1, column 'ssn': the value is not text" in refusal.details
    assert "123456789" not in "".join(refusal.details)


def test_faults_of_all_files_are_told_at_once(house) -> None:
    refusal = house.refused(
        {
            "queue": "queue_id,ct_id,acd_id,name\n" + "x,1,1,a\n" * 30,
            "data_group": SMALL["data_group"] + "3,TEAM\n",
            "agent_data": SMALL["agent_data"] + "1,77,2024-02-01,x\n9,1,2024-02-01,x\n",
            "activity.parquet": b"nothing",
            "schedule": "",
        }
    )
    assert refusal.message.endswith(": 35 problems; nothing was loaded.")
    assert len(refusal.details) == 21
    assert refusal.details[-1] == "… and 15 more"
    files = [detail.split(",")[0].split(":")[0] for detail in refusal.details[:-1]]
    assert files == ["queue.csv"] * 15 + ["data_group.csv"] + ["agent_data.csv"] * 2 + [
        "schedule.csv",
        "activity.parquet",
    ]


def test_a_table_needs_those_it_refers_to(house, new_database, tmp_path) -> None:
    database = Database(new_database(), size=2)
    fresh = House(database, tmp_path / "tables", make_tenant(database, "new"), tmp_path)
    refusal = fresh.refused({"queue": SMALL["queue"]})
    assert refusal.details == (
        "queue.csv, line 2, column 'ct_id': '1' is not in contact_type",
        "queue.csv, line 3, column 'ct_id': '2' is not in contact_type",
    )
    types = f"ct_id,name,tz,{TIMES}\n1,Calls,UTC,{MADE}\n"
    forecast = SMALL["ct_forecast"].splitlines()[:2]
    refusal = fresh.refused({"contact_type": types, "ct_forecast": lines(*forecast)})
    assert refusal.details == (
        "ct_forecast.csv, line 2, column 'period_at': cannot be checked, as customer was not loaded yet",
    )
    database.close()


@pytest.mark.req("WM-107", "WM-109", "WM-111", "WM-112", "WM-113")
def test_what_nobody_relies_on_is_not_checked(house, new_database, tmp_path) -> None:
    database = Database(new_database(), size=2)
    free = House(database, tmp_path / "tables", make_tenant(database, "free"), tmp_path)
    forecast = "ct_id,period_at,received,handled,aht_s,req,occ\n1,2124-03-04T08:15:00Z,1,99,180,3,0\n"
    free.load(
        {
            **{name: text for name, text in SMALL.items() if name not in FEW},
            **FEW,
            "allocation": "mu_id,ct_id,open_share,contact_share\n1,1,7,-1\n",
            "ct_forecast": forecast,
            "queue_period": SMALL["queue_period"].replace(",10,9,1,8,", ",1,9,9,99,"),
            "agent_period": SMALL["agent_period"].replace(",9,100", ",-1,100"),
            "time_off_day": "tv_id,group_id,rule,day,minutes\n1,1,Sick,2031-05-01,0\n",
            "time_off_rule": SMALL["time_off_rule"].replace(
                "1,Sick,2024-01-01,2024-12-31", "1,Sick,2025-01-01,2024-12-31"
            ),
        }
    )
    assert len(free.stored()) == 26
    database.close()
