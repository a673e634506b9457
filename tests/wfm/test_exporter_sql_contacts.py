"""The SQL of the contact exporters and of agents' results against rows worked out by hand."""

from decimal import Decimal
from typing import Any

import pytest

from wfm.run_sql import request, run
from wfm.sql_rows import (
    activity,
    agent,
    agent_period,
    at,
    codes,
    ct,
    forecast,
    imported,
    logon,
    member,
    mu,
    pick,
    queue,
    queue_period,
    schedule,
    share,
    tables,
)

pytestmark = pytest.mark.long

CHICAGO = "America/Chicago"  # UTC-5 in May
CODES = codes(OPEN=None, BREAK=None)
GROUPS = {
    "enterprise_group": [{"eg_id": 5, "name": "EG", "created_at": at("2020-01-01"), "changed_at": at("2020-01-01")}],
    "business_unit": [{"bu_id": 3, "name": "BU", "created_at": at("2020-01-01"), "changed_at": at("2020-01-01")}],
}

# -- results of agents --------------------------------------------------------------------------------------------

RESULTS = ("actContactsHandled", "actTalkTime", "actHoldTime", "actWorkTime", "actAHT")
AGENTS = (
    mu(1, CHICAGO, eg_id=5, bu_id=3),
    ct(10, "Europe/Paris"),
    GROUPS,
    queue(20, 10, acd_id=2),
    queue(21, 10, acd_id=1),
    agent(100, 1),
    logon(100, 2, "z"),
    logon(100, 2, "y", "2024-05-22", "2024-05-23"),
    logon(100, 1, "first"),
    CODES,
)
PERIODS = (
    agent_period(100, 20, "2024-05-22 05:00", 2, 100, 20, 5),
    agent_period(100, 21, "2024-05-22 05:00", 0, 7, 0, 0),
    agent_period(100, 20, "2024-05-23 04:45", 1, 10, 0, 0),
    agent_period(100, 20, "2024-05-23 05:00", 3, 1, 1, 2),
)


@pytest.mark.req("WM-311", "WM-211")
def test_results_name_the_logon_on_the_queues_acd() -> None:
    found = run("agent-results-detail", tables(*AGENTS, *PERIODS), request("2024-05-22", "2024-05-23", mus=[1]))
    assert pick(found, "date", "period", "queueID", "acdID", "logonID", *RESULTS) == [
        ("05-22", "05-22 00:00", 20, 2, "y", 2, 100, 20, 5, Decimal("62.50")),
        ("05-22", "05-22 00:00", 21, 1, "first", 0, 7, 0, 0, None),
        ("05-22", "05-22 23:45", 20, 2, "y", 1, 10, 0, 0, Decimal("10.00")),
        ("05-23", "05-23 00:00", 20, 2, "z", 3, 1, 1, 2, Decimal("1.33")),
    ]
    assert pick(found[:1], "ctID", "ctName", "queueName", "TZ") == [(10, "CT 10", "Queue 20", CHICAGO)]


@pytest.mark.req("WM-312", "SS-804")
def test_the_results_of_a_date_have_its_minutes_of_activity() -> None:
    rows = tables(*AGENTS, *PERIODS, activity(100, ("2024-05-22 04:00", "2024-05-22 05:30", "BREAK")))
    found = run("agent-results-summary", rows, request("2024-05-21", "2024-05-23", mus=[1]))
    assert pick(found, "date", "acdID", "logonID", *RESULTS, "totalAct") == [
        ("05-22", 1, "first", 3, 117, 20, 5, Decimal("47.33"), 30),
        ("05-23", 1, "first", 3, 1, 1, 2, Decimal("1.33"), 0),
    ]


@pytest.mark.req("SS-916", "WM-212", "WM-005")
@pytest.mark.parametrize(
    ("run_at", "dates"), [("2024-05-23 04:59", 0), ("2024-05-23 05:00", 1), ("2024-05-24 05:00", 2)]
)
def test_results_cover_only_dates_before_that_of_the_run(run_at: str, dates: int) -> None:
    asked = request("2024-05-22", "2024-05-23", mus=[1], run_at=run_at)
    for name in ("agent-results-detail", "agent-results-summary", "mu-results"):
        assert len({row["date"] for row in run(name, tables(*AGENTS, *PERIODS), asked)}) == dates


@pytest.mark.req("WM-311", "SS-922")
def test_a_deleted_agents_results_have_the_queues_acd_but_no_logon() -> None:
    rows = tables(*AGENTS[:5], agent(100, 1, deleted_at=at("2024-06-01")), logon(100, 2, "z"), PERIODS[0])
    found = run("agent-results-detail", rows, request("2024-05-22", "2024-05-22", mus=[1]))
    assert pick(found, "acdID", "logonID", "agentName", "actContactsHandled") == [(2, None, "<Unknown>", 2)]


@pytest.mark.req("WM-318", "WM-209", "SS-927")
def test_results_of_an_mu_add_up_its_agents_of_the_moment() -> None:
    rows = tables(
        *AGENTS,
        *PERIODS[:2],
        agent(101),
        member(101, 1, "2024-05-01", "2024-05-22"),
        agent_period(101, 20, "2024-05-22 04:45", 1, 1, 1, 1),
        agent_period(101, 20, "2024-05-22 05:00", 9, 9, 9, 9),  # no longer in the MU
        schedule(100, 1, "2024-05-22", ("2024-05-22 05:00", "2024-05-22 05:10", "OPEN")),
    )
    found = run("mu-results", rows, request("2024-05-21", "2024-05-22", mus=[1]))
    assert pick(found, "date", "period", *RESULTS, "schedOpen") == [
        ("05-21", "05-21 23:45", 1, 1, 1, 1, Decimal("3.00"), Decimal("0.00")),
        ("05-22", "05-22 00:00", 2, 107, 20, 5, Decimal("66.00"), Decimal("0.67")),
    ]
    assert pick(found[:1], "saGroupID", "sagroupName", "ssGroupID", "ssGroupName", "buID", "buName", "muName") == [
        (5, "EG", None, None, 3, "BU", "MU 1")
    ]


# -- contact types ------------------------------------------------------------------------------------------------

CTS = (
    ct(10, CHICAGO, eg_id=5, bu_id=3),
    ct(11, "Europe/Paris"),
    GROUPS,
    queue(20, 10),
    queue(21, 10, acd_id=4),
    queue(22, 11),
    queue_period(
        20, "2024-05-22 05:00", received=8, handled=2, abandoned=1, in_time=1, talk_s=3, hold_s=1, work_s=1, wait_s=1
    ),
    queue_period(21, "2024-05-22 05:00", received=0, handled=6, in_time=6, talk_s=1, wait_s=2),
    queue_period(22, "2024-05-22 05:00", received=3, handled=0),
)


@pytest.mark.req("WM-315", "WM-211", "WM-210")
def test_queue_data_has_a_row_for_each_queue_of_the_cts() -> None:
    found = run("ct-queue-data", tables(*CTS), request("2024-05-22", "2024-05-22", cts=[11], bus=[3]))
    assert pick(found, "ctID", "queueID", "acdID", "period", "actContactsReceived", "actAHT", "actASA", "actSL") == [
        (10, 20, 1, "05-22 00:00", 8, Decimal("2.50"), Decimal("0.50"), Decimal("12.50")),
        (10, 21, 4, "05-22 00:00", 0, Decimal("0.17"), Decimal("0.33"), None),
        (11, 22, 1, "05-22 07:00", 3, None, None, Decimal("0.00")),
    ]
    assert pick(found[1:], "TZ", "saGroupID", "buName") == [(CHICAGO, 5, "BU"), ("Europe/Paris", None, None)]


@pytest.mark.req("WM-316", "WM-211", "SS-215")
def test_results_of_a_ct_are_sums_first_and_quotients_then() -> None:
    found = run("ct-results", tables(*CTS), request("2024-05-22", "2024-05-22", cts=[10], bus=[3]))
    numbers = ("actContactsReceived", "actContactsHandled", "actContactsAbandoned", "actAHT", "actASA", "actSL")
    assert pick(found, "ctID", *numbers) == [(10, 8, 8, 1, Decimal("0.75"), Decimal("0.38"), Decimal("87.50"))]


@pytest.mark.req("SS-916")
def test_results_of_cts_leave_out_the_day_of_the_run() -> None:
    for run_at, rows in (("2024-05-23 04:59", 0), ("2024-05-23 05:00", 1)):
        asked = request("2024-05-22", "2024-05-22", cts=[10], run_at=run_at)
        assert len(run("ct-results", tables(*CTS), asked)) == rows


# -- open minutes and forecasts -----------------------------------------------------------------------------------

# MU 1 gives 60 % of its open agents to CT 10; MU 2 all, an hour behind; MU 3 is allocated to nothing.
SHARES = (
    mu(1, CHICAGO, eg_id=5, bu_id=3),
    mu(2, "America/Denver"),
    mu(3, CHICAGO),
    ct(10, CHICAGO),
    ct(11, "Asia/Kathmandu"),
    GROUPS,
    CODES,
    share(1, 10, "0.6", "0.5"),
    share(1, 11, "0.4", "0"),
    share(2, 10, "1", "0.00005"),
    *(agent(tv, unit) for tv, unit in ((100, 1), (101, 1), (102, 2), (103, 3))),
)
OPENS = (
    schedule(
        100,
        1,
        "2024-05-22",
        ("2024-05-22 05:05", "2024-05-22 05:40", "OPEN"),
        ("2024-05-22 05:40", "2024-05-22 06:00", "BREAK"),
    ),
    schedule(101, 1, "2024-05-22", ("2024-05-22 05:10", "2024-05-22 05:20", "OPEN")),
    schedule(102, 2, "2024-05-21", ("2024-05-22 05:20", "2024-05-22 05:30", "OPEN")),
    schedule(103, 3, "2024-05-22", ("2024-05-24 04:45", "2024-05-24 05:00", "OPEN")),
)


def opens(rows: Any, *mus: int) -> dict[tuple[int, int], list[tuple[int, str]]]:
    found = run("mu-opens", rows, request("2024-05-22", "2024-05-22", mus=mus))
    return {(row["muID"], row["ctID"]): [(o["time"], str(o["openValue"])) for o in row["open"]] for row in found}


@pytest.mark.req("WM-208", "WM-319", "SS-921", "SS-926")
def test_open_minutes_by_step() -> None:
    # Steps of MU 1: 00:00 has 10 and 5 minutes, 00:15 15 and 5, 00:30 10; MU 3: the last of 192 steps.
    assert opens(tables(*SHARES, *OPENS), 1, 2, 3) == {
        (1, 10): [(0, "9.0000"), (15, "12.0000"), (30, "6.0000")],
        (1, 11): [(0, "6.0000"), (15, "8.0000"), (30, "4.0000")],
        (3, -1): [(2865, "15.0000")],
    }


@pytest.mark.req("WM-208", "WM-319", "SS-926")
def test_imported_opens_count_only_where_there_is_an_allocation() -> None:
    rows = tables(
        *SHARES,
        *OPENS[:2],
        imported(1, 10, "2024-05-22", 0, "1.00005"),
        imported(1, 10, "2024-05-22", 100, "2.5"),
        imported(1, 11, "2024-05-22", 0, "-6"),
        imported(2, 11, "2024-05-22", 3, "5"),
        imported(1, -1, "2024-05-22", 3, "5"),
        imported(3, 10, "2024-05-22", 3, "5"),
        imported(3, -1, "2024-05-22", 3, "7"),
        imported(1, 10, "2024-05-23", 3, "5"),
    )
    assert opens(rows, 1, 2, 3) == {
        (1, 10): [(0, "10.0001"), (15, "12.0000"), (30, "6.0000"), (1500, "2.5000")],
        (1, 11): [(15, "8.0000"), (30, "4.0000")],
        (3, -1): [(45, "7.0000")],
    }


@pytest.mark.req("WM-208", "SS-921")
def test_steps_are_elapsed_time_also_when_the_clock_changes() -> None:
    night = schedule(100, 1, "2024-03-10", ("2024-03-11 05:00", "2024-03-11 05:15", "OPEN"))
    rows = tables(mu(1, CHICAGO), agent(100, 1), CODES, night)
    found = run("mu-opens", rows, request("2024-03-10", "2024-03-10", mus=[1]))
    assert [row["open"][0]["time"] for row in found] == [23 * 60]


FORECAST = (
    "fcstContactsReceived",
    "fcstContactsHandled",
    "fcstAHT",
    "fcstOcc",
    "fcstReq",
    "revPlanReq",
    "commitPlanReq",
    "schedOpen",
)
NUMBERS = {
    "received": "10.005",
    "handled": "9.9949",
    "aht_s": "300.5",
    "req": "0.01",
    "occ": 85,
    "rev_plan_req": "1.115",
}


@pytest.mark.req("WM-314", "WM-209", "WM-210", "SS-803")
@pytest.mark.parametrize(
    ("minutes", "expected"),
    [(15, ["0.60", "1.47", "0.40"]), (30, ["1.03", "0.93", "0.20"])],
    ids=["15 minutes", "30 minutes"],
)
def test_forecasts_of_a_ct_have_the_agents_scheduled_open(minutes: int, expected: list[str]) -> None:
    # Steps from 05:00 UTC: 9 of MU 1; 12 of MU 1 and 10 of MU 2; 6 of MU 1.
    rows = tables(
        *SHARES,
        *OPENS,
        *(forecast(10, f"2024-05-22 05:{m:02}", **NUMBERS) for m in (0, 15, 30)),
        forecast(11, "2024-05-22 05:00"),
        period_minutes=minutes,
    )
    found = run("ct-active-forecast", rows, request("2024-05-22", "2024-05-22", cts=[10]))
    assert [str(row["schedOpen"]) for row in found] == expected
    two = [Decimal(number) for number in ("10.01", "9.99", "300.50", "0.01", "1.12")]
    assert pick(found[:1], "period", *FORECAST[:-1]) == [("05-22 00:00", *two[:3], 85, two[3], two[4], None)]


@pytest.mark.req("WM-314", "WM-209")
def test_a_forecast_without_open_agents_has_none() -> None:
    rows = tables(ct(10, CHICAGO), forecast(10, "2024-05-22 05:00"))
    assert pick(run("ct-active-forecast", rows, request("2024-05-22", "2024-05-22", cts=[10])), "schedOpen") == [
        (Decimal("0.00"),)
    ]


@pytest.mark.req("WM-317", "WM-210", "SS-911")
def test_forecasts_of_an_mu_are_its_share_in_its_own_zone() -> None:
    rows = tables(
        *SHARES, *OPENS, forecast(10, "2024-05-22 05:15", **NUMBERS), forecast(11, "2024-05-22 05:15", **NUMBERS)
    )
    found = run("mu-forecast", rows, request("2024-05-21", "2024-05-22", mus=[1, 2, 3]))
    assert pick(found, "date", "muID", "ctID", "period") == [
        ("05-21", 2, 10, "05-21 23:15"),
        ("05-22", 1, 10, "05-22 00:15"),
    ]
    texts = [[str(row[name]) for name in FORECAST] for row in found]
    assert texts == [
        ["0.00", "0.00", "300.50", "85", "0.00", "0.00", "None", "0.67"],
        ["5.00", "5.00", "300.50", "85", "0.01", "0.56", "None", "0.80"],
    ]
    assert pick(found, "saGroupID", "buName", "ctName") == [(None, None, "CT 10"), (5, "BU", "CT 10")]


@pytest.mark.req("WM-209")
def test_periods_of_a_zone_off_the_quarter_grid_of_another_find_their_steps() -> None:
    # Kathmandu's half hours begin at :15 and :45 of Chicago's.
    rows = tables(
        *SHARES, *OPENS[:2], forecast(11, "2024-05-22 05:15"), forecast(11, "2024-05-22 04:45"), period_minutes=30
    )
    found = run("ct-active-forecast", rows, request("2024-05-22", "2024-05-22", cts=[11]))
    assert pick(found, "period", "schedOpen") == [("05-22 10:30", Decimal("0.20")), ("05-22 11:00", Decimal("0.40"))]
