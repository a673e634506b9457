"""The oracle of the exporters against results worked out by hand: days, schedules, activity, adherence, agents."""

from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

import pytest

from wfm.asking import SMALL, ask, find, only
from wfm.asking import exporter as catalogue
from wfm.oracle import EXPORTERS, rows_of
from wfm.oracle_time import DAY, MINUTE, cut_at_midnights, day_start, rounded

# -- days and rounding -----------------------------------------------------------------------------------------------

DAY_STARTS = {
    "summer": ("Europe/Paris", "2024-05-22", "2024-05-21T22:00:00", 1440),
    "23 hours": ("Europe/Paris", "2024-03-31", "2024-03-30T23:00:00", 1380),
    "25 hours": ("Europe/Paris", "2024-10-27", "2024-10-26T22:00:00", 1500),
    "midnight twice, Havana": ("America/Havana", "2024-11-03", "2024-11-03T04:00:00", 1500),
    "no midnight, Havana": ("America/Havana", "2024-03-10", "2024-03-10T05:00:00", 1380),
    "no midnight, Beirut": ("Asia/Beirut", "2024-03-31", "2024-03-30T22:00:00", 1380),
    "no midnight, Santiago": ("America/Santiago", "2024-09-08", "2024-09-08T04:00:00", 1380),
    "23 o'clock twice, Santiago": ("America/Santiago", "2024-04-06", "2024-04-06T03:00:00", 1500),
    "half an hour": ("Australia/Lord_Howe", "2024-04-07", "2024-04-06T13:00:00", 1470),
    "quarter of an hour": ("Asia/Kathmandu", "2024-05-22", "2024-05-21T18:15:00", 1440),
    "no such day": ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00", 0),
    "the day before comes back": ("America/St_Johns", "2010-11-07", "2010-11-07T02:30:00", 1500),
    "seconds": ("Africa/Monrovia", "1971-01-01", "1971-01-01T00:44:30", 1440),
}


@pytest.mark.parametrize(("tz", "day", "start", "minutes"), DAY_STARTS.values(), ids=list(DAY_STARTS))
def test_a_local_day_begins_at_its_first_instant(tz, day, start, minutes):
    first = date.fromisoformat(day)
    assert day_start(first, tz) == datetime.fromisoformat(start)
    assert day_start(first + DAY, tz) - day_start(first, tz) == minutes * MINUTE


def test_an_interval_is_cut_at_each_local_midnight():
    pieces = cut_at_midnights(datetime(2024, 11, 3, 3), datetime(2024, 11, 4, 6), "America/Havana")
    assert [(f"{piece.date:%m-%d}", f"{piece.start_at:%dT%H}", f"{piece.stop_at:%dT%H}") for piece in pieces] == [
        ("11-02", "03T03", "03T04"),
        ("11-03", "03T04", "04T05"),
        ("11-04", "04T05", "04T06"),
    ]


@pytest.mark.parametrize(
    ("value", "scale", "text"),
    [
        (Fraction(1, 8), 2, "0.13"),
        (Fraction(-1, 8), 2, "-0.13"),
        (Fraction(-1, 1000), 2, "0.00"),
        (Decimal("4.025"), 2, "4.03"),
        (Fraction(2, 3), 4, "0.6667"),
        (12, 2, "12.00"),
        (10**30, 2, "1" + "0" * 30 + ".00"),
    ],
)
def test_rounding_goes_half_away_from_zero(value, scale, text):
    assert str(rounded(value, scale)) == text


# -- records worked out by hand --------------------------------------------------------------------------------------


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_every_record_has_the_fields_of_the_catalogue(exporter):
    names = {field["name"] for field in catalogue(exporter)["fields"]} - {"id", "name", "time", "openValue"}
    names |= {"tvID"} if exporter == "agent-export" else {"open"} if exporter == "mu-opens" else set()
    wanted = ask("2024-01-01", "2024-12-31", run_at=datetime(2025, 2, 1), ct_ids=range(10, 15), include_all=True)
    rows = rows_of(exporter, SMALL, wanted)
    assert len(rows) > 3
    for row in rows:
        assert set(row) == names


def test_adherence_detail_of_a_day():
    rows = find("agent-adherence-detail", tv_id=1001)
    assert only(rows, "schedCode", "actCode", "startTime", "stopTime", "minutes", "adherence") == [
        (None, "CALL", "07:58", "08:00", 2, "UNSCHEDULED"),
        ("OPEN", "CALL", "08:00", "09:30", 90, "IN"),
        ("OPEN", "OPEN", "09:30", "10:00", 30, "IN"),
        ("BREAK", "OPEN", "10:00", "10:05", 5, "OUT"),
        ("BREAK", "BREAK", "10:05", "10:15", 10, "IN"),
        ("CALL", "BREAK", "10:15", "10:20", 5, "OUT"),
        ("CALL", "OPEN", "10:20", "12:00", 100, "IN"),
        ("LUNCH", "LUNCH", "12:00", "12:30", 30, "IN"),
        ("LUNCH", "OPEN", "12:30", "13:00", 30, "OUT"),
        (None, "OPEN", "13:00", "13:07", 7, "UNSCHEDULED"),
        ("OPEN", "OPEN", "13:07", "15:00", 113, "IN"),
        ("MEET", "VAC", "15:00", "16:00", 60, "IN"),
        ("#HASH", None, "16:00", "16:30", 30, "OUT"),
        ("#HASH", "BREAK", "16:30", "17:00", 30, "OUT"),
    ]


def test_adherence_by_attribute_merges_codes_of_one_value():
    rows = find("agent-adherence-attribute-detail", tv_id=1001)
    assert only(rows, "schedValue", "actValue", "minutes")[:3] == [
        (None, "WORK", 2),
        ("WORK", "WORK", 120),
        ("Pause|payée", "WORK", 5),
    ]
    rows = find("agent-adherence-attribute-detail", tv_id=1001, attribute="pay")
    assert only(rows, "attribute", "schedValue", "actValue", "minutes", "adherence")[:5] == [
        ("Pay", None, "CALL", 2, "UNSCHEDULED"),
        ("Pay", "Paid", "CALL", 90, "OUT"),
        ("Pay", "Paid", "Paid", 45, "IN"),
        ("Pay", "CALL", "Paid", 105, "OUT"),
        ("Pay", "Unpaid", "Unpaid", 30, "IN"),
    ]


def test_adherence_summaries():
    names = ("totalSched", "totalAct", "inAdherence", "outAdherence", "unschedAct", "adherencePct", "conformancePct")
    assert only(find("agent-adherence-summary", tv_id=1001), *names) == [
        (533, 512, 433, 100, 9, Decimal("81.24"), Decimal("96.06"))
    ]
    assert only(find("agent-adherence-summary", "2024-05-23", tv_id=1003), *names) == [(0, 60, 0, 0, 60, None, None)]
    names = ("attributeValue", "totalSched", "totalAct", "inAdherence", "outAdherence", "adherencePct")
    assert only(find("agent-adherence-attribute-summary", tv_id=1001), *names) == [
        ("#HASH", 60, 0, 0, 60, Decimal("0.00")),
        ("LUNCH", 60, 30, 30, 30, Decimal("50.00")),
        ("MEET", 60, 60, 60, 0, Decimal("100.00")),
        ("Pause|payée", 15, 45, 10, 5, Decimal("66.67")),
        ("WORK", 338, 377, 333, 5, Decimal("98.52")),
    ]


def test_schedules_with_the_cut_off():
    rows = find("agent-schedule-detail", "2024-05-23", "2024-05-27", tv_id=1001)
    names = ("excdate", "schedDate", "activityCode", "startTime", "stopTime", "minutes", "logonID")
    d23, d24, d25, d26 = (date(2024, 5, n) for n in (23, 24, 25, 26))
    assert only(rows, *names) == [
        (d23, d23, "OPEN", "22:00", "23:50", 110, "0815"),
        (d23, d23, "BREAK", "23:50", "00:00", 10, "0815"),
        (d24, d23, "BREAK", "00:00", "00:20", 20, "0815"),
        (d24, d23, "OPEN", "00:20", "06:00", 340, "0815"),
        (d25, d25, "VAC", "12:00", "00:00", 720, "4711"),
        (d26, d25, "VAC", "00:00", "00:00", 1440, "4711"),
    ]


def test_schedules_without_the_cut_off_and_since():
    names = ("excdate", "schedDate", "startTime", "stopTime", "minutes")
    rows = find("agent-schedule-detail", "2024-05-24", tv_id=1001, disable_midnight_cut_off=True)
    d23, d24, d25 = (date(2024, 5, n) for n in (23, 24, 25))
    assert only(rows, *names) == [
        (d23, d23, "22:00", "23:50", 110),
        (d23, d23, "23:50", "00:20", 30),
        (d24, d23, "00:20", "06:00", 340),
    ]
    assert find("agent-schedule-detail", "2024-05-28", tv_id=1001, disable_midnight_cut_off=True) == []
    since = {"last_modified_at": datetime(2024, 5, 21, 10), "disable_midnight_cut_off": True}
    rows = find("agent-schedule-detail", "2024-05-26", **since)
    late = [(1002, d25, 90), (1002, d25, 30), (1005, date(2024, 5, 26), 480)]
    assert only(rows, "tvID", "schedDate", "minutes") == late
    since["last_modified_at"] = datetime(2024, 5, 21, 9, 59, 59)
    rows = find("agent-schedule-detail", "2024-05-26", **since)
    assert only(rows, "tvID", "schedDate", "minutes") == [(1001, d25, 2160), *late]


def test_the_hour_that_comes_twice_and_the_one_that_never_comes():
    names = ("excdate", "startTime", "stopTime", "minutes")
    d2, d3 = date(2024, 11, 2), date(2024, 11, 3)
    assert only(find("agent-schedule-detail", "2024-11-02", "2024-11-03", tv_id=1006), *names) == [
        (d2, "22:00", "00:00", 120),
        (d3, "00:00", "00:30", 30),
        (d3, "00:30", "00:30", 60),
        (d3, "00:30", "06:00", 330),
    ]
    rows = find("agent-schedule-detail", "2024-09-07", "2024-09-08", tv_id=1009)
    assert only(rows, *names)[:2] == [
        (date(2024, 9, 7), "22:00", "01:00", 120),
        (date(2024, 9, 8), "01:00", "04:00", 180),
    ]


def test_activity_outside_a_membership_is_not_exported():
    assert only(find("agent-activity-detail", tv_id=1012), "startTime", "stopTime") == [("23:00", "00:00")]
    assert find("agent-activity-detail", "2024-05-23", tv_id=1012) == []
    assert find("agent-activity-detail", "2024-01-01", "2024-12-31", tv_id=1013) == []


def test_activity_and_schedules_by_code():
    rows = find("agent-activity-and-schedules", tv_id=1001)
    assert only(rows, "exceptionCode", "totalSched", "totalAct", "difference") == [
        ("#HASH", 60, 0, -60),
        ("BREAK", 15, 45, 30),
        ("CALL", 105, 92, -13),
        ("LUNCH", 60, 30, -30),
        ("MEET", 60, 0, -60),
        ("OPEN", 233, 285, 52),
        ("VAC", 0, 60, 60),
    ]


def test_the_head_of_a_deleted_agent_is_blank():
    (row,) = find("agent-schedule-summary", tv_id=1004)
    names = ("agentName", "acdID", "logonID", "ssn", "externalID", "agentData", "muID", "minutes")
    assert only([row], *names) == [("<Unknown>", None, None, None, None, {}, 1, 240)]
    (row,) = find("agent-results-detail", tv_id=1004)
    assert only([row], "agentName", "acdID", "logonID", "queueID") == [("<Unknown>", 1, None, 100)]


def test_agent_info_has_a_row_for_each_logon():
    rows = find("agent-info", "2024-05-22", "2024-05-23", mu_ids=[1], tv_id=1001)
    assert only(rows, "date", "acdID", "logonID", "agentData") == [
        (date(2024, 5, 22), 1, "4711", {7: "North", 9: "Lyon\\1"}),
        (date(2024, 5, 22), 2, "B|2\\", {7: "North", 9: "Lyon\\1"}),
        (date(2024, 5, 23), 1, "0815", {7: "North|East", 9: ""}),
        (date(2024, 5, 23), 1, "4711", {7: "North|East", 9: ""}),
        (date(2024, 5, 23), 2, "B|2\\", {7: "North|East", 9: ""}),
    ]
    rows = find("agent-info", "2024-05-23", "2024-05-24")
    assert only([row for row in rows if row["tvID"] in (1003, 1004, 1005)], "date", "muID", "tvID", "logonID") == [
        (date(2024, 5, 23), 1, 1003, None),
        (date(2024, 5, 23), 1, 1005, "5001"),
        (date(2024, 5, 24), 1, 1003, None),
        (date(2024, 5, 24), 2, 1005, "5002"),
    ]


# -- agents ----------------------------------------------------------------------------------------------------------


def test_vacation():
    names = (
        "timeOffGroupID",
        "timeOffRule",
        "muID",
        "tvID",
        "allotted",
        "carriedOver",
        "scheduled",
        "taken",
        "remaining",
    )
    june = ("2024-05-25", "2024-06-30")
    rows = find("agent-vacation-summary", *june, time_off=[(3, None)], mu_ids=())
    assert only(rows, *names) == [
        (3, "2024", 1, 1001, 9600, 480, 480 + 240, 960, 10080 - 2400),
        (3, "2024", 1, 1003, 60, 0, 480, 0, -420),
        (3, "2024", 2, 1005, 0, 0, 0, 480, -480),
        (3, "Sommer é", 1, 1001, 0, 0, 0, 15, -15),
    ]
    assert find("agent-vacation-summary", *june, time_off=[(3, "2024")], viewable_mu=[2]) == rows[2:3]
    assert find("agent-vacation-summary", *june, time_off=[(3, "SOMMER É")]) == rows[3:]
    assert find("agent-vacation-summary", *june, include_all=True) == rows
    assert (
        find("agent-vacation-summary", "2024-05-01", "2024-06-30", include_all=False, viewable_groups=[3]) == rows[:3]
    )


@pytest.mark.parametrize(
    ("record_type", "first", "since", "found"),
    [
        ("newAgent", "2024-05-21", None, [1011, 1016]),
        ("newAgent", "2024-05-22", None, [1016]),
        ("newAgent", "2024-05-23", None, []),
        ("newAgent", "2024-05-23", datetime(2024, 5, 20, 22, 0, 5), [1011, 1016]),
        ("newAgent", "2024-05-23", datetime(2024, 5, 20, 22, 0, 6), [1016]),
        ("changedAgent", "2024-05-21", None, [1011, 1015, 1005, 1016]),
        ("changedAgent", "2024-05-22", datetime(2024, 5, 23, 8, 30, 15), [1005]),
        ("changedAgent", "2024-05-22", datetime(2024, 5, 23, 8, 30, 16), []),
    ],
)
def test_who_is_in_the_window_of_agent_export(record_type, first, since, found):
    rows = find("agent-export", first, "2024-05-24", record_type=record_type, last_modified_at=since)
    assert only(rows, "tvID") == [(tv_id,) for tv_id in found]


def test_what_agent_export_says_of_an_agent():
    (row,) = [r for r in find("agent-export", "2022-12-30", "2023-01-02", record_type="newAgent") if r["tvID"] == 1001]
    assert row["acdList"] == [
        {"acdID": 1, "logon": "4711", "agentGroup": None},
        {"acdID": 2, "logon": "B|2\\", "agentGroup": "Gruppe & <2>"},
    ]
    assert row["agentData"][0] == {
        "groupID": 7,
        "description": "Team",
        "adgStartDate": date(2024, 5, 23),
        "value": "North|East",
    }
    assert row["availListDateRange"] == {"startDate": date(2024, 1, 1), "endDate": date(2024, 12, 31)}
    assert (row["mu"], row["rank"], row["useAvailability"]) == (1, 0, True)
