"""What holds between the exporters whatever the data (section 6 of the data model), on a made-up contact centre."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from zoneinfo import ZoneInfo

import pytest

from wfm.oracle import Wanted
from wfm.oracle_time import day_start
from wfm.product import SAMPLE_PRESENT

# Clocks change in it, both ways, and the present lies in it.
FIRST, LAST = date(2026, 10, 1), date(2026, 12, 15)
CODES = "EXC_EXPORT"
pytestmark = [pytest.mark.slow, pytest.mark.share]


@pytest.fixture(scope="module")
def export(sample_centre):
    """Give the records of an exporter over all MUs or CTs; each is run once."""
    database = sample_centre.runtime.database
    ids = {
        kind: [row.entity_id for row in database.execute(f"SELECT * FROM wfm_entities WHERE entity_type = '{kind}'")]
        for kind in ("mu", "ct")
    }

    @cache
    def run(name):
        by_ct = name.startswith("ct-")
        asked = {"ct_ids": ids["ct"]} if by_ct else {"mu_ids": ids["mu"]}
        wanted = Wanted(FIRST, LAST, SAMPLE_PRESENT, attribute=CODES, **asked)
        return sample_centre.export(name, wanted, "JSON").records

    return run


def total(records, value, *keys):
    """Add up a field by others; a field left out is nothing."""
    sums = defaultdict(Decimal)
    for record in records:
        sums[tuple(record.get(key) for key in keys)] += record.get(value, 0)
    return {key: amount for key, amount in sums.items() if amount}


AGENT = ("muID", "tvID")
DAY = ("date", *AGENT)


@pytest.mark.req("WM-401", "SS-914", "SS-723", "SS-913")
def test_details_add_up_to_summaries(export):
    by_code = total(export("agent-schedule-detail"), "minutes", "excdate", *AGENT, "exceptionCode")
    assert by_code == total(export("agent-schedule-summary"), "minutes", *DAY, "exceptionCode")
    by_code = total(export("agent-activity-detail"), "minutes", *DAY, "exceptionCode")
    assert by_code == total(export("agent-activity-summary"), "minutes", *DAY, "exceptionCode")
    assert len(by_code) > 500


@pytest.mark.req("WM-402")
def test_adherence_has_all_minutes(export):
    adherence = export("agent-adherence-summary")
    assert total(adherence, "totalSched", *DAY) == total(export("agent-schedule-summary"), "minutes", *DAY)
    assert total(adherence, "totalAct", *DAY) == total(export("agent-activity-summary"), "minutes", *DAY)


@pytest.mark.req("WM-403", "SS-724")
def test_adherence_details_add_up(export):
    summary = export("agent-adherence-summary")
    for kind, field in (("IN", "inAdherence"), ("OUT", "outAdherence"), ("UNSCHEDULED", "unschedAct")):
        rows = [row for row in export("agent-adherence-detail") if row["adherence"] == kind]
        assert total(rows, "minutes", *DAY) == total(summary, field, *DAY), kind
    for field in ("totalSched", "totalAct", "inAdherence"):
        assert total(export("agent-adherence-attribute-summary"), field, *DAY) == total(summary, field, *DAY)
    rows = [row for row in export("agent-adherence-attribute-detail") if row["adherence"] == "IN"]
    assert total(rows, "minutes", *DAY) == total(summary, "inAdherence", *DAY)


@pytest.mark.req("WM-404")
def test_activity_beside_schedule_adds_up(export):
    beside = export("agent-activity-and-schedules")
    assert total(beside, "totalSched", *DAY) == total(export("agent-schedule-summary"), "minutes", *DAY)
    assert total(beside, "totalAct", *DAY) == total(export("agent-activity-summary"), "minutes", *DAY)


@pytest.mark.req("WM-405", "SS-918")
def test_results_of_contact_types_are_those_of_their_queues(export):
    for field in ("actContactsReceived", "actContactsHandled", "actContactsAbandoned"):
        keys = ("ctID", "date", "period")
        assert total(export("ct-results"), field, *keys) == total(export("ct-queue-data"), field, *keys)


@pytest.mark.req("WM-406")
def test_results_of_agents_add_up(export):
    detail = export("agent-results-detail")
    for field in ("actContactsHandled", "actTalkTime", "actHoldTime", "actWorkTime"):
        assert total(detail, field, *DAY) == total(export("agent-results-summary"), field, *DAY)
        keys = ("muID", "date", "period")
        assert total(detail, field, *keys) == total(export("mu-results"), field, *keys)


@pytest.mark.req("WM-407")
def test_shares_of_a_forecast_are_the_whole(export):
    whole = {(row["ctID"], instants(row)[0]): row["fcstContactsReceived"] for row in export("ct-active-forecast")}
    shares, mus, twice = defaultdict(Decimal), defaultdict(set), set()
    for row in [*export("mu-forecast"), *export("ct-active-forecast")]:
        # A time that a clock gives twice may stand for either.
        twice |= set(instants(row)) if len(set(instants(row))) > 1 else set()
    for row in export("mu-forecast"):
        shares[row["ctID"], instants(row)[0]] += row["fcstContactsReceived"]
        mus[row["ctID"]].add(row["muID"])
    # At both ends the zones of MU and CT do not begin and end their dates together.
    inner = {(ct, at) for ct, at in whole if FIRST + timedelta(2) <= at.date() <= LAST - timedelta(2)}
    inner = {(ct, at) for ct, at in inner & set(shares) if at not in twice}
    assert len(inner) > 1000
    for key in inner:
        assert abs(shares[key] - whole[key]) <= Decimal("0.01") * len(mus[key[0]]), key


def instants(row):
    """Say which two UTC instants a row's date and wall-clock period may stand for; usually they are one."""
    local = datetime.fromisoformat(f"{row['date']}T{row['period']}").replace(tzinfo=ZoneInfo(row["TZ"]))
    return [local.replace(fold=fold).astimezone(UTC).replace(tzinfo=None) for fold in (0, 1)]


@pytest.mark.req("WM-408", "SS-921", "SS-926")
def test_opens_add_up_to_scheduled_minutes(export, sample_centre):
    stored = sample_centre.stored
    open_codes = {row["code"] for row in stored("activity_code") if row["is_open"]}
    scheduled, steps, opened = defaultdict(Decimal), defaultdict(int), defaultdict(Decimal)
    for row in export("agent-schedule-detail"):
        scheduled[row["muID"], row["schedDate"]] += row["minutes"] if row["activityCode"] in open_codes else 0
    for record in export("mu-opens")["opens"]["muOpens"]:
        key = record["muID"], record["date"]
        opened[key] += sum(one["openValue"] for one in record["open"])
        steps[key] += len(record["open"])
    allocated = {(row["mu_id"], row["ct_id"]) for row in stored("allocation")}
    with_any = {mu for mu, _ in allocated}
    for row in stored("imported_open"):
        counts = (row["mu_id"], row["ct_id"]) in allocated or (row["ct_id"] == -1 and row["mu_id"] not in with_any)
        if counts:
            opened[row["mu_id"], row["sched_date"].isoformat()] -= row["minutes"]
    # Schedules of the last dates go on after the range, where details are cut off.
    inner = [key for key in opened if FIRST.isoformat() <= key[1] < (LAST - timedelta(2)).isoformat() and steps[key]]
    assert len(inner) > 300
    for key in inner:
        assert abs(opened[key] - scheduled[key]) <= Decimal("0.0001") * steps[key], key


@pytest.mark.req("WM-409", "SS-920")
def test_no_day_has_more_minutes_than_its_clock(export):
    for row in export("agent-adherence-summary"):
        day = date.fromisoformat(row["date"])
        length = (day_start(day + timedelta(1), row["TZ"]) - day_start(day, row["TZ"])).total_seconds() / 60
        assert max(row["totalSched"], row["totalAct"]) <= length
