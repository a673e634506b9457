"""The oracle of opens, forecasts and results against results worked out by hand."""

from datetime import date, datetime
from decimal import Decimal

from wfm.asking import SMALL, find, only


def test_opens_of_a_day():
    by_ct = {
        row["ctID"]: {item["time"]: item["openValue"] for item in row["open"]} for row in find("mu-opens", mu_ids=[1])
    }
    assert set(by_ct) == {10, 11}
    # 8:00 to 8:15 in Paris: 1001, 1004 and 1005 all 15 minutes, 1002 for 10; share 0.6; 2.5 are imported.
    assert by_ct[10][480] == Decimal("35.5000")
    assert by_ct[11][480] == Decimal("22.0000")
    assert by_ct[10][450] == Decimal("9.0000")  # 7:30: 1002 alone
    assert 1439 // 15 * 15 in by_ct[10]  # 1012 until midnight
    (kathmandu,) = find("mu-opens", mu_ids=[5])
    assert (kathmandu["ctID"], kathmandu["open"][0]) == (-1, {"time": 540, "openValue": Decimal("15.1250")})
    assert find("mu-opens", "2024-05-30", mu_ids=[2]) == [
        {"muID": 2, "ctID": 10, "date": date(2024, 5, 30), "open": [{"time": 2865, "openValue": Decimal("7.1250")}]}
    ]


def test_open_steps_are_counted_from_the_first_instant_of_the_day():
    (first, _) = find("mu-opens", "2024-03-30", mu_ids=[1])
    assert [item["time"] for item in first["open"]] == list(range(22 * 60, 30 * 60, 15))  # 7 clock hours are 8
    (last, _) = find("mu-opens", "2024-05-25", mu_ids=[1])
    assert [(item["time"], item["openValue"]) for item in last["open"]] == [(2850, Decimal(9)), (2865, Decimal(9))]


def test_forecast_of_a_ct():
    rows = find("ct-active-forecast", "2024-11-03", ct_ids=[12])
    names = ("period", "fcstContactsReceived", "schedOpen")
    assert only(rows, *names) == [  # 1006 is open but for the hour from 4:30 to 5:30 UTC
        ("00:00", Decimal("4.02"), Decimal("1.00")),
        ("00:30", Decimal("4.03"), Decimal("0.00")),
        ("00:00", Decimal("6.04"), Decimal("0.00")),
        ("00:30", Decimal("6.05"), Decimal("1.00")),
    ]
    rows = find("ct-active-forecast", bu_ids=[1], ct_ids=[13])
    assert only(rows, "ctID", "period", "revPlanReq", "fcstAHT", "buName", "saGroupID") == [
        (10, "00:00", None, Decimal("60.01"), "Sales", 1),
        (10, "06:30", Decimal("0.00"), Decimal("120.50"), "Sales", 1),
        (10, "08:00", Decimal("2.50"), Decimal("180.01"), "Sales", 1),
        (10, "08:30", None, Decimal("100.00"), "Sales", 1),
        (10, "13:00", Decimal("12.01"), Decimal("180.00"), "Sales", 1),
        (10, "23:30", None, Decimal("0.00"), "Sales", 1),
        (13, "08:00", None, Decimal("90.00"), None, None),
        (14, "08:00", None, Decimal("60.00"), "Sales", None),
    ]


def test_forecast_of_an_mu_takes_its_share_and_its_zone():
    rows = find("mu-forecast", "2024-05-21", mu_ids=[2, 4])
    assert only(rows, "muID", "ctID", "period", "fcstContactsReceived", "fcstAHT", "saGroupID") == [
        (2, 10, "17:00", Decimal("0.67"), Decimal("60.01"), None),
        (2, 10, "23:30", Decimal("2.00"), Decimal("120.50"), None),
    ]
    (row,) = find("mu-forecast", mu_ids=[1], tables={**SMALL, "ct_forecast": SMALL["ct_forecast"][2:3]})
    # 60 minutes: 10 of 1002 once, 30 of the three others: (100 * 0.6 + 2.5 + 0.0001) / 30.
    assert (row["period"], row["schedOpen"]) == (datetime(2024, 5, 22, 8), Decimal("2.08"))


def test_queue_data_and_results_of_a_ct():
    rows = find("ct-queue-data", "2024-05-26", ct_ids=[10])
    names = ("period", "actContactsReceived", "actContactsHandled", "actContactsAbandoned", "actAHT", "actASA", "actSL")
    assert only(rows, *names) == [("15:00", 32, 8, 12, Decimal("111.13"), Decimal("125.00"), Decimal("3.13"))]
    rows = find("ct-results", ct_ids=[10, 11])
    assert only(rows, "ctID", *names) == [
        (10, "08:00", 15, 12, 1, Decimal("156.75"), Decimal("20.83"), Decimal("60.00")),
        (10, "08:30", 11, 10, 0, Decimal("117.30"), Decimal("7.70"), Decimal("90.91")),
        (10, "23:30", 1, 1, 0, Decimal("10.00"), Decimal("3.00"), Decimal("100.00")),
        (11, "10:30", 2, 0, 1, None, None, Decimal("0.00")),
        (11, "11:00", 0, 0, 0, None, None, None),
    ]


def test_results_end_before_the_day_of_the_run():
    late = {"run_at": datetime(2024, 5, 22, 4, 30), "ct_ids": [10, 13]}
    assert find("ct-results", "2024-05-21", "2024-05-23", **late) == []  # still the 21st in Chicago
    rows = find("ct-results", "2024-05-21", "2024-05-23", **late | {"run_at": datetime(2024, 5, 22, 5)})
    assert only(rows, "date", "TZ") == [(date(2024, 5, 21), "America/Chicago")]


def test_results_of_agents_and_mus():
    names = ("tvID", "acdID", "logonID", "period", "queueID", "actContactsHandled", "actAHT")
    rows = find("agent-results-detail")
    assert only(rows, *names) == [
        (1001, 1, "4711", "08:00", 100, 5, Decimal("198.20")),
        (1001, 2, "B|2\\", "08:00", 101, 1, Decimal("111.00")),
        (1001, 1, "4711", "08:30", 100, 3, Decimal("166.67")),
        (1001, 1, "4711", "10:30", 110, 0, None),
        (1002, 1, '#9|"', "08:00", 100, 2, Decimal("167.50")),
        (1004, 1, None, "08:00", 100, 4, Decimal("111.00")),
        (1005, 1, "5001", "08:30", 100, 6, Decimal("102.17")),
        (1012, 1, "1212", "23:30", 100, 1, Decimal("10.00")),
        (1008, 1, "1008", "10:15", 130, 1, Decimal("61.00")),
        (1008, 1, "1008", "10:45", 130, 2, Decimal("32.00")),
    ]
    (row,) = find("agent-results-summary", tv_id=1001)
    assert (row["actContactsHandled"], row["actAHT"], row["totalAct"]) == (9, Decimal("183.00"), 512)
    rows = find("mu-results", mu_ids=[5])
    assert only(rows, "period", "actContactsHandled", "schedOpen") == [
        ("10:15", 1, Decimal("1.00")),
        ("10:45", 2, Decimal("1.00")),
    ]
    rows = find("mu-results", "2024-11-03", mu_ids=[3], run_at=datetime(2024, 11, 5))
    assert only(rows, "period", "actContactsHandled") == [("00:00", 2), ("00:00", 3), ("00:30", 4)]
