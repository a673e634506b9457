"""The SQL of the agents' exporters against rows worked out by hand from the data model."""

import tomllib
from decimal import Decimal
from importlib.resources import files
from typing import Any

import pytest

from wfm.run_sql import derive, request, run
from wfm.sql_rows import (
    activity,
    agent,
    at,
    codes,
    data,
    logon,
    member,
    mu,
    pick,
    schedule,
    tables,
)

pytestmark = pytest.mark.long

CHICAGO = "America/Chicago"  # UTC-5 in May
CODES = codes(OPEN="Phone", OPEN2="Phone", BREAK=None, LUNCH="")
DETAIL = ("startTime", "stopTime", "minutes")
# 22:00 to 02:00 local, from 22 May into 23 May.
NIGHT = schedule(
    100,
    1,
    "2024-05-22",
    ("2024-05-23 03:00", "2024-05-23 04:30", "OPEN"),
    ("2024-05-23 04:30", "2024-05-23 05:30", "BREAK"),
    ("2024-05-23 05:30", "2024-05-23 07:00", "OPEN2"),
)
ONE = (mu(1, CHICAGO), agent(100, 1), CODES)


SPECS = [
    tomllib.loads(file.read_text(encoding="utf-8"))
    for file in sorted(files("tailrace.catalog.exporters").iterdir(), key=lambda file: file.name)
    if file.name.endswith(".toml")
]


@pytest.mark.parametrize("spec", SPECS, ids=[spec["name"] for spec in SPECS])
def test_every_exporter_runs_on_empty_tables_and_has_its_fields(spec: dict[str, Any]) -> None:
    asked = request("2024-05-22", "2024-05-23", mus=[1], cts=[10], bus=[3], time_off=[(1, None, False)], viewable=[1])
    assert run(spec["name"], {}, asked) == []
    described = derive(f"SELECT column_name, column_type FROM (DESCRIBE {spec['sql']})", {}, asked)
    columns = {row["column_name"].lower(): row["column_type"] for row in described}
    in_lists = {"id", "name", "time", "openValue"} if spec["formats"] == ["XML", "JSON"] else set()
    for field in spec["fields"]:
        if field["name"] not in in_lists:
            assert columns[field["name"].lower()].startswith(sql_type(field)), field["name"]


def sql_type(field: dict[str, Any]) -> str:
    if field["kind"] == "value":
        return "STRUCT" if field["type"] == "group" else "MAP(BIGINT, VARCHAR)"
    types = {"integer": "BIGINT", "text": "VARCHAR", "date": "DATE", "time": "TIMESTAMP", "boolean": "BOOLEAN"}
    return types.get(field["type"], "STRUCT" if field["type"] == "group" else f"DECIMAL(38,{field.get('scale')})")


# -- the agent head -----------------------------------------------------------------------------------------------

HEAD = ("tvID", "acdID", "logonID", "ssn", "externalID", "agentName", "agentData")


@pytest.mark.req("WM-206", "SS-923")
def test_the_head_has_the_lowest_logon_and_the_latest_data_of_each_date() -> None:
    rows = tables(
        *ONE,
        logon(100, 2, "A"),
        logon(100, 1, "b", "2024-05-22"),
        logon(100, 1, "B", "2024-05-22", "2024-05-23"),
        data(100, 9, "early"),
        data(100, 9, None, "2024-05-23"),
        data(100, 7, "North", "2024-05-22"),
        activity(100, *[(f"2024-05-2{n} 12:00", f"2024-05-2{n} 13:00", "OPEN") for n in (1, 2, 3)]),
    )
    found = run("agent-activity-summary", rows, request("2024-05-21", "2024-05-23", mus=[1]))
    assert pick(found, "date", "acdID", "logonID", "agentName", "agentData") == [
        ("05-21", 2, "A", "O'Neil100, Zoë", {9: "early"}),
        ("05-22", 1, "B", "O'Neil100, Zoë", {7: "North", 9: "early"}),
        ("05-23", 1, "b", "O'Neil100, Zoë", {7: "North"}),
    ]
    assert {(row["TZ"], row["custID"], row["muID"], row["tvID"]) for row in found} == {(CHICAGO, 7, 1, 100)}


@pytest.mark.req("WM-206", "SS-922")
def test_a_deleted_agent_and_one_that_is_missing_are_unknown_but_keep_their_rows() -> None:
    shift = ("2024-05-22 12:00", "2024-05-22 13:00", "OPEN")
    rows = tables(
        mu(1, CHICAGO),
        CODES,
        agent(100, 1, ssn="1", external_id="x", deleted_at=at("2024-06-01")),
        agent(102, 1, ssn="2", external_id="y"),
        *(member(tv, 1) for tv in (101,)),
        *(logon(tv, 1, "L") for tv in (100, 101)),
        *(data(tv, 7, "North") for tv in (100, 101)),
        *(schedule(tv, 1, "2024-05-22", shift) for tv in (100, 101, 102)),
    )
    found = run("agent-schedule-summary", rows, request("2024-05-22", "2024-05-22", mus=[1]))
    assert pick(found, *HEAD) == [
        (100, None, None, None, None, "<Unknown>", None),
        (101, None, None, None, None, "<Unknown>", None),
        (102, None, None, "2", "y", "O'Neil102, Zoë", None),
    ]


# -- schedules ----------------------------------------------------------------------------------------------------


@pytest.mark.req("WM-202", "WM-205", "WM-301", "SS-722", "SS-723")
def test_a_schedule_summary_cuts_at_midnight_and_adds_up_codes_that_share_a_value() -> None:
    lunch = schedule(101, 1, "2024-05-22", ("2024-05-22 17:00", "2024-05-22 17:30", "LUNCH"))
    rows = tables(*ONE, agent(101, 1), NIGHT, lunch)
    found = run("agent-schedule-summary", rows, request("2024-05-22", "2024-05-23", mus=[1]))
    assert pick(found, "date", "tvID", "exceptionCode", "minutes") == [
        ("05-22", 100, "BREAK", 30),
        ("05-22", 100, "Phone", 90),
        ("05-22", 101, "LUNCH", 30),
        ("05-23", 100, "BREAK", 30),
        ("05-23", 100, "Phone", 90),
    ]


@pytest.mark.req("WM-205", "SS-721")
def test_an_attribute_is_found_whatever_its_case() -> None:
    rows = tables(*ONE, NIGHT, codes("Pay Code", OPEN="Paid"))
    asked = request("2024-05-22", "2024-05-22", mus=[1], attribute="pay code")
    assert pick(run("agent-schedule-summary", rows, asked), "exceptionCode") == [("BREAK",), ("Paid",)]


@pytest.mark.req("WM-302", "SS-913", "SS-914")
def test_schedule_details_are_cut_at_midnight_and_by_the_range() -> None:
    found = run("agent-schedule-detail", tables(*ONE, NIGHT), request("2024-05-23", "2024-05-23", mus=[1]))
    assert pick(found, "excdate", "schedDate", "exceptionCode", "activityCode", *DETAIL) == [
        ("05-23", "05-22", "BREAK", "BREAK", "05-23 00:00", "05-23 00:30", 30),
        ("05-23", "05-22", "Phone", "OPEN2", "05-23 00:30", "05-23 02:00", 90),
    ]


@pytest.mark.req("WM-303", "SS-915")
@pytest.mark.parametrize(("start", "rows"), [("2024-05-23", 3), ("2024-05-24", 0)], ids=["touched", "not touched"])
def test_without_the_cut_off_schedules_that_touch_the_range_are_written_whole(start: str, rows: int) -> None:
    asked = request(start, start, mus=[1], midnight_cut_off=False)
    found = run("agent-schedule-detail", tables(*ONE, NIGHT, logon(100, 1, "L", "2024-05-23")), asked)
    assert (
        pick(found, "excdate", "schedDate", "activityCode", "logonID", *DETAIL)
        == [
            ("05-22", "05-22", "OPEN", None, "05-22 22:00", "05-22 23:30", 90),
            ("05-22", "05-22", "BREAK", None, "05-22 23:30", "05-23 00:30", 60),
            ("05-23", "05-22", "OPEN2", "L", "05-23 00:30", "05-23 02:00", 90),
        ][:rows]
    )


@pytest.mark.req("WM-303", "SS-219")
@pytest.mark.parametrize("cut_off", [True, False], ids=["cut", "whole"])
@pytest.mark.parametrize(("since", "rows"), [("2024-05-01 10:00:00", 1), ("2024-05-01 10:00:01", 0)])
def test_only_schedules_changed_since_are_written(since: str, rows: int, *, cut_off: bool) -> None:
    part = ("2024-05-22 12:00", "2024-05-22 13:00", "OPEN")
    stored = tables(*ONE, schedule(100, 1, "2024-05-22", part, changed="2024-05-01 10:00"))
    asked = request("2024-05-22", "2024-05-22", mus=[1], last_modified_at=at(since), midnight_cut_off=cut_off)
    assert len(run("agent-schedule-detail", stored, asked)) == rows


@pytest.mark.req("WM-202", "WM-102")
def test_a_schedule_of_48_hours_touches_three_dates_when_the_first_has_23_hours() -> None:
    # 10 March 2024 has 23 hours in Chicago; the schedule ends 48 hours after its midnight, at 06:00 UTC.
    long = schedule(100, 1, "2024-03-10", ("2024-03-10 06:00", "2024-03-12 06:00", "OPEN"))
    found = run("agent-schedule-detail", tables(*ONE, long), request("2024-03-09", "2024-03-13", mus=[1]))
    assert pick(found, "excdate", *DETAIL) == [
        ("03-10", "03-10 00:00", "03-11 00:00", 1380),
        ("03-11", "03-11 00:00", "03-12 00:00", 1440),
        ("03-12", "03-12 00:00", "03-12 01:00", 60),
    ]


@pytest.mark.req("SS-922")
def test_a_schedule_counts_under_its_own_mu() -> None:
    rows = tables(mu(1, CHICAGO), mu(2, "Europe/Paris"), agent(100, 1), CODES, NIGHT)
    assert run("agent-schedule-summary", rows, request("2024-05-22", "2024-05-23", mus=[2])) == []


# -- activity -----------------------------------------------------------------------------------------------------


@pytest.mark.req("WM-203", "WM-304", "SS-912", "SS-904")
def test_activity_is_cut_at_midnight_and_ends_at_zero_there() -> None:
    work = activity(100, ("2024-05-23 04:00", "2024-05-24 06:00", "OPEN"))
    found = run("agent-activity-detail", tables(*ONE, work), request("2024-05-22", "2024-05-24", mus=[1]))
    assert pick(found, "date", "exceptionCode", "activityCode", *DETAIL) == [
        ("05-22", "Phone", "OPEN", "05-22 23:00", "05-23 00:00", 60),
        ("05-23", "Phone", "OPEN", "05-23 00:00", "05-24 00:00", 1440),
        ("05-24", "Phone", "OPEN", "05-24 00:00", "05-24 01:00", 60),
    ]


@pytest.mark.req("WM-203")
def test_activity_that_began_long_before_the_range_is_found() -> None:
    work = activity(100, ("2024-01-01 00:00", "2024-06-01 00:00", "OPEN"))
    found = run("agent-activity-summary", tables(*ONE, work), request("2024-03-10", "2024-03-11", mus=[1]))
    assert pick(found, "date", "minutes") == [("03-10", 1380), ("03-11", 1440)]


@pytest.mark.req("WM-201", "WM-203", "SS-922")
def test_activity_counts_under_the_mu_of_its_moment_and_nowhere_without_one() -> None:
    rows = tables(
        mu(1, CHICAGO),
        mu(2, "Europe/Paris"),
        agent(100),
        CODES,
        member(100, 1, "2024-05-01", "2024-05-22"),
        member(100, 2, "2024-05-24"),
        activity(100, ("2024-05-22 03:00", "2024-05-24 01:00", "OPEN")),
    )
    found = run("agent-activity-detail", rows, request("2024-05-20", "2024-05-26", mus=[1, 2]))
    assert pick(found, "date", "muID", "TZ", *DETAIL) == [
        ("05-21", 1, CHICAGO, "05-21 22:00", "05-22 00:00", 120),
        ("05-24", 2, "Europe/Paris", "05-24 00:00", "05-24 03:00", 180),
    ]
    assert pick(run("agent-activity-detail", rows, request("2024-05-20", "2024-05-26", mus=[2])), "muID") == [(2,)]


@pytest.mark.req("WM-305")
def test_scheduled_and_worked_minutes_stand_side_by_side_by_code() -> None:
    rows = tables(
        *ONE,
        schedule(100, 1, "2024-05-22", ("2024-05-22 12:00", "2024-05-22 13:00", "OPEN")),
        activity(
            100, ("2024-05-22 12:10", "2024-05-22 12:40", "OPEN"), ("2024-05-22 12:40", "2024-05-22 12:45", "BREAK")
        ),
    )
    found = run("agent-activity-and-schedules", rows, request("2024-05-22", "2024-05-22", mus=[1]))
    assert pick(found, "exceptionCode", "totalSched", "totalAct", "difference") == [
        ("BREAK", 0, 5, 5),
        ("OPEN", 60, 30, -30),
    ]


# -- agents -------------------------------------------------------------------------------------------------------


@pytest.mark.req("WM-310", "SS-922", "SS-923")
def test_agent_info_has_a_row_for_each_logon_in_force_or_one_without() -> None:
    rows = tables(
        mu(1, CHICAGO),
        mu(2, CHICAGO),
        agent(100, agent_start_date=at("2023-02-01").date(), uuid="u"),
        agent(101, 1),
        agent(102, 1, deleted_at=at("2024-05-30")),
        member(100, 1, "2024-05-01", "2024-05-23"),
        member(100, 2, "2024-05-23"),
        logon(100, 2, "B", "2024-05-22"),
        logon(100, 1, "A", "2024-05-01", "2024-05-24"),
    )
    found = run("agent-info", rows, request("2024-05-21", "2024-05-23", mus=[1]))
    assert pick(found, "date", "muID", "tvID", "acdID", "logonID", "startDate", "UUID") == [
        ("05-21", 1, 100, 1, "A", "02-01", "u"),
        ("05-21", 1, 101, None, None, None, None),
        ("05-22", 1, 100, 1, "A", "02-01", "u"),
        ("05-22", 1, 100, 2, "B", "02-01", "u"),
        ("05-22", 1, 101, None, None, None, None),
        ("05-23", 1, 101, None, None, None, None),
    ]
    assert pick(found[:1], "muName", "agentName", "firstName", "lastName") == [
        ("MU 1", "O'Neil100, Zoë", "Zoë", "O'Neil100")
    ]


EXPORTED = {
    "sso": "s",
    "rank": 3,
    "use_availability": True,
    "avail_from": at("2024-01-01").date(),
    "avail_to": at("2024-12-31").date(),
}


@pytest.mark.req("WM-320", "SS-924")
def test_agent_export_has_what_holds_on_the_day_of_the_run() -> None:
    rows = tables(
        mu(1, CHICAGO),
        mu(2, CHICAGO),
        agent(100, **EXPORTED, changed_at=at("2024-05-22 05:00")),
        member(100, 2, "2024-01-01", "2024-07-01"),
        member(100, 1, "2024-07-01"),
        logon(100, 2, "B", agent_group="G"),
        logon(100, 1, "A", "2024-05-01", "2024-07-02"),
        logon(100, 1, "gone", "2024-05-01", "2024-07-01"),
        {"data_group": [{"group_id": 7, "name": "Team"}, {"group_id": 9, "name": "Site"}]},
        data(100, 9, "old"),
        data(100, 9, "new", "2024-07-01"),
        data(100, 9, "future", "2024-07-02"),
        data(100, 7, ""),
    )
    asked = request("2024-05-22", "2024-05-22", mus=[1], record_type="changedAgent")
    (found,) = run("agent-export", rows, asked)
    assert pick([found], "tvID", "mu", "sso", "rank", "useAvailability") == [(100, 1, "s", 3, True)]
    assert found["acdList"] == [
        {"acdID": 1, "logon": "A", "agentGroup": None},
        {"acdID": 2, "logon": "B", "agentGroup": "G"},
    ]
    dates = {"startDate": EXPORTED["avail_from"], "endDate": EXPORTED["avail_to"]}
    assert found["availListDateRange"] == dates
    start = at("2024-07-01").date()
    assert found["agentData"] == [{"groupID": 9, "description": "Site", "adgStartDate": start, "value": "new"}]
    asked = request("2024-05-22", "2024-05-22", mus=[2], record_type="changedAgent")
    assert run("agent-export", rows, asked) == []


# What happened to the agent, and whether it is then a new one and a changed one; 22 May in Chicago is asked for.
WINDOWS = [
    ("created in it", {"created_at": at("2024-05-22 05:00")}, None, True, True),
    ("created 10 s before", {"created_at": at("2024-05-22 04:59:50")}, None, True, True),
    ("created 11 s before", {"created_at": at("2024-05-22 04:59:49")}, None, False, False),
    ("created at its end", {"created_at": at("2024-05-23 05:00")}, None, False, False),
    ("changed in it", {"changed_at": at("2024-05-23 04:59:59")}, None, False, True),
    ("changed before it", {"changed_at": at("2024-05-22 04:59:59")}, None, False, False),
    ("first ACD in it", {}, "2024-05-22", True, True),
    ("first ACD after it", {}, "2024-05-23", False, False),
    ("first ACD before it", {}, "2024-05-21", False, False),
    ("deleted", {"created_at": at("2024-05-22 05:00"), "deleted_at": at("2024-05-22 06:00")}, None, False, False),
]


@pytest.mark.req("WM-320", "SS-924", "SS-925")
@pytest.mark.parametrize(
    ("agent_row", "acd", "new", "changed"), [case[1:] for case in WINDOWS], ids=[c[0] for c in WINDOWS]
)
def test_who_is_new_and_who_is_changed(agent_row: Any, acd: str | None, *, new: bool, changed: bool) -> None:
    later = logon(100, 2, "later", "2024-05-22") if acd == "2024-05-21" else {}
    rows = tables(mu(1, CHICAGO), agent(100, 1, **agent_row), logon(100, 1, "A", acd) if acd else {}, later)
    for kind, expected in (("newAgent", new), ("changedAgent", changed)):
        asked = request("2024-05-22", "2024-05-22", mus=[1], record_type=kind)
        assert len(run("agent-export", rows, asked)) == expected


@pytest.mark.req("WM-320", "SS-924")
def test_last_modified_time_replaces_the_start_of_the_window() -> None:
    rows = tables(
        mu(1, CHICAGO),
        agent(100, 1, changed_at=at("2024-05-01 10:00")),
        agent(101, 1),
        logon(101, 1, "A", "2024-05-02"),
    )
    for since, found in (("2024-05-01 10:00", [100, 101]), ("2024-05-01 10:00:01", [101]), ("2024-05-02 05:00:01", [])):
        asked = request("2024-05-22", "2024-05-22", mus=[1], record_type="changedAgent", last_modified_at=at(since))
        assert [row["tvID"] for row in run("agent-export", rows, asked)] == found


# -- numbers ------------------------------------------------------------------------------------------------------

HALVES = [
    (1, 8, "0.13"),
    (-1, 8, "-0.13"),
    (1, 3, "0.33"),
    (2, 3, "0.67"),
    (1, 200, "0.01"),
    (1, 201, "0.00"),
    (0, 5, "0.00"),
    (5, 0, None),
    (10**18, 1, "1000000000000000000.00"),
]


@pytest.mark.req("SS-803", "SS-804")
@pytest.mark.parametrize(("amount", "divisor", "expected"), HALVES, ids=[f"{a}/{b}" for a, b, _ in HALVES])
def test_quotients_are_rounded_half_away_from_zero(amount: int, divisor: int, expected: str | None) -> None:
    found = derive(f"SELECT quotient({amount}, {divisor}) AS q", {}, request("2024-05-22", "2024-05-22"))
    assert found == [{"q": expected and Decimal(expected)}]
