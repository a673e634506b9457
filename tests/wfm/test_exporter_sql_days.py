"""The SQL of local days and of time off against rows worked out by hand."""

from datetime import timedelta
from typing import Any

import pytest

from wfm.run_sql import derive, request, run
from wfm.sql_rows import activity, agent, at, codes, data, logon, member, mu, pick, tables

pytestmark = pytest.mark.long

CHICAGO = "America/Chicago"  # UTC-5 in May
CODES = codes(OPEN=None, BREAK=None)

# -- local days ---------------------------------------------------------------------------------------------------

# Zone, local date, when it starts (UTC) and how many minutes it has.
DAYS = [
    ("Europe/Paris", "2024-03-31", "2024-03-30 23:00", 1380),
    ("Europe/Paris", "2024-10-27", "2024-10-26 22:00", 1500),
    ("America/Havana", "2024-11-03", "2024-11-03 04:00", 1500),  # 00:00 happens twice
    ("America/Havana", "2024-11-02", "2024-11-02 04:00", 1440),
    ("America/Havana", "2024-03-10", "2024-03-10 05:00", 1380),  # 00:00 is skipped
    ("Asia/Beirut", "2024-03-31", "2024-03-30 22:00", 1380),  # 00:00 is skipped
    ("Asia/Beirut", "2024-10-26", "2024-10-25 21:00", 1500),  # 23:00 happens twice
    ("Asia/Beirut", "2024-10-27", "2024-10-26 22:00", 1440),
    ("Africa/Cairo", "2024-04-26", "2024-04-25 22:00", 1380),
    ("America/Santiago", "2024-09-08", "2024-09-08 04:00", 1380),
    ("America/Santiago", "2024-04-06", "2024-04-06 03:00", 1500),
    ("America/Santiago", "2024-04-07", "2024-04-07 04:00", 1440),
    ("Australia/Lord_Howe", "2024-10-06", "2024-10-05 13:30", 1410),
    ("Australia/Lord_Howe", "2024-04-07", "2024-04-06 13:00", 1470),
    ("Asia/Kathmandu", "2024-05-22", "2024-05-21 18:15", 1440),
    ("America/St_Johns", "2010-11-07", "2010-11-07 02:30", 1500),  # 23:01 follows on 00:00
]


@pytest.mark.req("WM-003", "SS-920")
@pytest.mark.parametrize(("tz", "date", "start", "minutes"), DAYS, ids=[f"{tz} {date}" for tz, date, *_ in DAYS])
def test_a_local_day_begins_with_the_first_instant_of_its_date(tz: str, date: str, start: str, minutes: int) -> None:
    days = f"SELECT * FROM local_day WHERE date = DATE '{date}'"
    (found,) = derive(days, tables(mu(1, tz)), request(date, date, mus=[1]))
    assert (found["start_at"], found["stop_at"] - found["start_at"]) == (at(start), timedelta(minutes=minutes))


@pytest.mark.req("WM-003")
def test_local_days_lie_end_to_end_even_where_a_date_was_skipped() -> None:
    rows = tables(mu(1, "Pacific/Apia"), mu(2, "America/Havana"), mu(3, "Asia/Beirut"))
    for start, end in (("2011-12-25", "2012-01-05"), ("2024-01-01", "2024-12-31")):
        gaps = "SELECT lead(start_at) OVER (PARTITION BY tz ORDER BY date) - stop_at AS gap FROM local_day"
        found = derive(
            f"SELECT DISTINCT gap FROM ({gaps}) WHERE gap IS NOT NULL", rows, request(start, end, mus=[1, 2, 3])
        )
        assert found == [{"gap": timedelta(0)}]


@pytest.mark.req("SS-919", "SS-802", "WM-302")
def test_times_that_happen_twice_come_in_order_and_skipped_ones_not_at_all() -> None:
    rows = tables(
        mu(1, CHICAGO),
        agent(100, 1),
        CODES,
        # The clock goes back at 07:00 UTC on 3 November, and forward at 08:00 UTC on 10 March.
        activity(
            100, *[(f"2024-11-03 {h:02}:30", f"2024-11-03 {h + 1:02}:30", c) for h, c in ((6, "OPEN"), (7, "BREAK"))]
        ),
        activity(100, ("2024-03-10 07:30", "2024-03-10 08:30", "OPEN")),
    )
    found = run("agent-activity-detail", rows, request("2024-11-03", "2024-11-03", mus=[1]))
    assert pick(found, "activityCode", "startTime", "stopTime", "minutes") == [
        ("OPEN", "11-03 01:30", "11-03 01:30", 60),
        ("BREAK", "11-03 01:30", "11-03 02:30", 60),
    ]
    found = run("agent-activity-detail", rows, request("2024-03-10", "2024-03-10", mus=[1]))
    assert pick(found, "startTime", "stopTime", "minutes") == [("03-10 01:30", "03-10 03:30", 60)]


@pytest.mark.req("WM-302", "SS-904")
def test_an_end_where_midnight_is_skipped_has_the_clock_of_its_instant() -> None:
    rows = tables(
        mu(1, "Asia/Beirut"), agent(100, 1), CODES, activity(100, ("2024-03-30 21:00", "2024-03-30 23:00", "OPEN"))
    )
    found = run("agent-activity-detail", rows, request("2024-03-30", "2024-03-31", mus=[1]))
    assert pick(found, "date", "startTime", "stopTime", "minutes") == [
        ("03-30", "03-30 23:00", "03-31 01:00", 60),
        ("03-31", "03-31 01:00", "03-31 02:00", 60),
    ]


# -- time off -----------------------------------------------------------------------------------------------------

RULES = {
    "time_off_group": [{"group_id": 1, "name": "Full time"}],
    "time_off_rule": [
        {"group_id": 1, "rule": rule, "from_date": at(start).date(), "last_date": at(last).date(), "unit": unit}
        for rule, start, last, unit in (
            ("Year", "2024-01-01", "2024-12-31", "minutes"),
            ("Spring", "2024-04-01", "2024-05-21", "minutes"),
            ("Days", "2024-01-01", "2024-12-31", "days"),
        )
    ],
    "time_off_balance": [{"tv_id": 100, "group_id": 1, "rule": "Year", "allotted": 900, "carried_over": 60}],
}


def taken(tv_id: int, *days: tuple[str, str, int]) -> dict[str, list[dict[str, Any]]]:
    return {
        "time_off_day": [
            {"tv_id": tv_id, "group_id": 1, "rule": rule, "day": at(day).date(), "minutes": minutes}
            for rule, day, minutes in days
        ]
    }


OFF = tables(
    mu(1, CHICAGO),
    mu(2, CHICAGO),
    RULES,
    *(agent(tv, 1) for tv in (100, 101)),
    agent(102, 2),
    agent(103, 1, deleted_at=at("2024-05-01")),
    agent(104),
    member(104, 1, "2024-01-01", "2024-05-22"),
    logon(100, 1, "then", "2024-01-01", "2024-05-24"),
    data(100, 7, "later", "2024-05-24"),
    data(100, 7, "now"),
    *(taken(tv, ("Year", "2024-05-21", 1)) for tv in (102, 103, 104)),
    taken(101, ("Spring", "2024-05-21", 30), ("Days", "2024-05-21", 1), ("Year", "2024-06-21", 10)),
    taken(
        100,
        *[
            ("Year", f"2024-{d}", n)
            for d, n in (("05-20", 1), ("05-21", 20), ("05-22", 300), ("05-23", 4000), ("05-24", 5))
        ],
    ),
)
# 05:00 UTC is midnight in Chicago; the run is on 22 May.
ALL = (1, None, False)


def vacation(*time_off: tuple[int, str | None, bool], run_at: str = "2024-05-22 05:00") -> list[dict[str, Any]]:
    asked = request("2024-05-21", "2024-05-23", run_at=run_at, time_off=time_off, viewable=[1])
    return run("agent-vacation-summary", OFF, asked)


@pytest.mark.req("WM-313", "SS-324", "SS-922", "SS-217")
def test_vacation_by_agent_and_rule() -> None:
    found = vacation(ALL)
    assert pick(found, "timeOffRule", "tvID", "muID", "allotted", "carriedOver", "scheduled", "taken", "remaining") == [
        ("Spring", 101, 1, 0, 0, 0, 30, -30),
        ("Year", 100, 1, 900, 60, 4300, 20, 960 - 4326),
    ]
    assert pick(
        found[1:], "custID", "acdID", "logonID", "agentData", "timeOffGroupName", "ruleStartDate", "ruleEndDate"
    ) == [(7, 1, "then", {7: "now"}, "Full time", "01-01", "12-31")]


CHOICES = [
    ("all that overlap", [ALL], ["Spring", "Year"]),
    ("all that cover", [(1, None, True)], ["Year"]),
    ("one", [(1, "Spring", False)], ["Spring"]),
    ("one twice", [(1, "Year", False), (1, "year", False)], ["Year"]),
    ("one in days", [(1, "Days", False)], []),
    ("another group", [(2, None, False)], []),
]


@pytest.mark.req("WM-313", "SS-217")
@pytest.mark.parametrize(
    ("time_off", "rules"), [choice[1:] for choice in CHOICES], ids=[choice[0] for choice in CHOICES]
)
def test_which_rules_are_meant(time_off: Any, rules: list[str]) -> None:
    assert [row["timeOffRule"] for row in vacation(*time_off)] == rules


@pytest.mark.req("WM-313", "WM-005")
def test_today_is_the_mus_own() -> None:
    found = vacation((1, "Year", False), run_at="2024-05-22 04:59")
    assert pick(found, "tvID", "scheduled", "taken") == [(100, 4320, 0), (104, 1, 0)]
