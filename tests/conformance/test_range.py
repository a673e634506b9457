"""Section 8.3: which rows a range of dates selects."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from conformance import wire
from conformance.wire import utc
from service import Caller, Service
from tailrace.catalog.loader import load_catalog

V3 = wire.dataset()
TICK = timedelta(milliseconds=1)
DAYS = [utc(2019, 5, day) for day in (22, 23, 24)]
# The first and last instant of each day, and something between.
INSTANTS = sorted(day + part for day in DAYS for part in (timedelta(), timedelta(hours=12), timedelta(days=1) - TICK))


@pytest.fixture(scope="module")
def caller(documented: Service, tmp_path_factory: pytest.TempPathFactory) -> Caller:
    """A tenant with rows of three days."""
    caller = documented.caller()
    wire.load(caller, tmp_path_factory.mktemp("rows"), V3, rows_at(*INSTANTS[::-1]))
    return caller


def rows_at(*instants: datetime) -> list[dict[str, Any]]:
    return [wire.row(V3, submission_date=at, workflow_id=at.isoformat()) for at in instants]


def extract(caller: Caller, start: str, end: str) -> bytes:
    return wire.extract(caller, startDate=start, endDate=end)


@pytest.mark.req("CX-811", "CX-812", "CX-816", "CX-602")
@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        *(("2019-05-22", "2019-05-23", 0, 3), ("2019-05-22", "2019-05-22", 0, 3), ("2019-05-23", "2019-05-24", 3, 6)),
        *(("2019-05-23", "2019-05-25", 3, 9), ("2019-05-22", "2019-05-29", 0, 9), ("2019-05-24", "2019-05-24", 6, 9)),
        *(("2019-05-15", "2019-05-22", 0, 0), ("2019-05-25", "2019-05-26", 0, 0), ("2019-05-21", "2019-05-21", 0, 0)),
        *(("1970-01-01", "1970-01-01", 0, 0), ("2999-12-31", "2999-12-31", 0, 0), ("2019-05-10", "2019-05-25", 0, 9)),
    ],
)
def test_start_is_inclusive_end_exclusive(caller: Caller, start: str, end: str, first: int, last: int):
    assert extract(caller, start, end) == wire.expected_file(V3, rows_at(*INSTANTS[first:last]))


@pytest.mark.req("CX-812")
def test_one_day_is_that_day_to_the_next(caller: Caller):
    assert extract(caller, "2019-05-23", "2019-05-23") == extract(caller, "2019-05-23", "2019-05-24")


@pytest.mark.req("CX-811")
def test_contiguous_windows_bring_each_row_once(caller: Caller):
    days = [f"2019-05-{day}" for day in (21, 22, 23, 24, 25)]
    windows = [extract(caller, *window).splitlines()[1:] for window in pairwise(days)]
    whole = extract(caller, days[0], days[-1]).splitlines()[1:]
    assert Counter(line for window in windows for line in window) == Counter(whole)
    assert len(whole) == len(INSTANTS)


@pytest.mark.req("CX-811", "CX-302")
def test_only_the_tenants_own_rows(documented: Service, caller: Caller):
    assert wire.extract(documented.caller()) == wire.header(V3)


@pytest.mark.req("CX-813")
def test_rows_without_a_date_are_never_selected(tuned: Service, tmp_path: Path):
    caller = tuned.caller(permissions=["events"])
    described = load_catalog([tuned.data / "catalog"]).get("events", "1")
    dated = wire.row(described, when=utc(1970, 1, 1), key="dated")
    wire.load(caller, tmp_path, described, [wire.row(described, key="undated"), dated])
    for day, rows in (("1970-01-01", [dated]), ("2999-12-31", [])):
        _, url = wire.succeeded(caller, entityName="events", version="1", startDate=day, endDate=day)
        assert wire.send(tuned, "GET", url).content == wire.expected_file(described, rows)


@pytest.mark.req("CX-814", "CX-903")
def test_the_longest_range_is_a_setting(tuned: Service):
    caller = tuned.caller()
    assert wire.post(caller, startDate="2019-05-01", endDate="2019-06-01").status_code == 202
    longer = wire.post(caller, startDate="2019-05-01", endDate="2019-06-02")
    wire.check_refusal(tuned, longer, "body", "The date range must not exceed 31 days")


@pytest.mark.req("CX-814", "CX-903")
def test_fifteen_days_and_no_more(service: Service):
    caller = service.caller()
    longer = wire.post(caller, startDate="2020-02-20", endDate="2020-03-07")
    wire.check_refusal(service, longer, "body", "The date range must not exceed 15 days")
    assert wire.post(caller, startDate="2020-02-20", endDate="2020-03-06").status_code == 202


def recent_rows() -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Rows of 31 and of 10 minutes ago, and the range they are in."""
    now = datetime.now(UTC)
    rows = rows_at(*(now - timedelta(minutes=minutes) for minutes in (31, 10)))
    today = now.date()
    return rows, {"startDate": str(today - timedelta(days=1)), "endDate": str(today + timedelta(days=1))}


@pytest.mark.req("CX-815")
def test_rows_are_there_at_once(documented: Service, tmp_path: Path):
    caller = documented.caller()
    rows, today = recent_rows()
    wire.load(caller, tmp_path, V3, rows)
    assert wire.extract(caller, **today) == wire.expected_file(V3, rows)


@pytest.mark.req("CX-815")
def test_young_rows_may_be_left_out(tuned: Service, tmp_path: Path):
    caller = tuned.caller()
    rows, today = recent_rows()
    wire.load(caller, tmp_path, V3, rows)
    _, url = wire.succeeded(caller, **today)
    assert wire.send(tuned, "GET", url).content == wire.expected_file(V3, rows[:1])
