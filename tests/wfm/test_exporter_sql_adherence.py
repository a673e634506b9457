"""The SQL of the adherence exporters against rows worked out by hand."""

from decimal import Decimal
from typing import Any

import pytest

from wfm.run_sql import request, run
from wfm.sql_rows import activity, agent, codes, member, mu, pick, schedule, tables

pytestmark = pytest.mark.long

ONE = (mu(1, "UTC"), agent(100, 1), codes(OPEN="Phone", OPEN2="Phone", BREAK="Pause", LUNCH=None, MEET=None))
ASKED = request("2024-05-22", "2024-05-22", mus=[1])
RUN = ("startTime", "stopTime", "minutes", "adherence")


def line(planned: str, worked: str) -> dict[str, list[dict[str, Any]]]:
    """Write both sides as `8:00-9:00 OPEN, …`."""
    return tables(*ONE, schedule(100, 1, "2024-05-22", *_parts(planned)), activity(100, *_parts(worked)))


def _parts(text: str) -> list[tuple[str, str, str]]:
    parts = (part.replace("-", " ").split() for part in text.split(",") if part.strip())
    return [(f"2024-05-22 {start:0>5}", f"2024-05-22 {stop:0>5}", code) for start, stop, code in parts]


def detail(rows: Any, *, by_value: bool = False) -> list[tuple[Any, ...]]:
    name = "agent-adherence-attribute-detail" if by_value else "agent-adherence-detail"
    sides = ("schedValue", "actValue") if by_value else ("schedCode", "actCode")
    found = [(*row[:2], row[2][6:], row[3][6:], *row[4:]) for row in pick(run(name, rows, ASKED), *sides, *RUN)]
    return [(f"{start}-{stop}", *rest) for *sides_, start, stop, m, a in found for rest in [(*sides_, m, a)]]


# Scheduled, worked, and the runs that come of it: from-to, S, A, minutes, adherence.
LINES = [
    ("8:00-9:00 OPEN", "8:00-9:00 OPEN", [("08:00-09:00", "OPEN", "OPEN", 60, "IN")]),
    (
        "8:00-9:00 OPEN",
        "8:10-8:50 OPEN",
        [
            ("08:00-08:10", "OPEN", None, 10, "OUT"),
            ("08:10-08:50", "OPEN", "OPEN", 40, "IN"),
            ("08:50-09:00", "OPEN", None, 10, "OUT"),
        ],
    ),
    (
        "8:10-8:50 OPEN",
        "8:00-9:00 BREAK",
        [
            ("08:00-08:10", None, "BREAK", 10, "UNSCHEDULED"),
            ("08:10-08:50", "OPEN", "BREAK", 40, "OUT"),
            ("08:50-09:00", None, "BREAK", 10, "UNSCHEDULED"),
        ],
    ),
    (
        "8:00-8:30 OPEN, 8:30-9:00 OPEN",
        "8:00-8:15 OPEN, 8:15-8:45 OPEN, 8:45-9:00 OPEN",
        [("08:00-09:00", "OPEN", "OPEN", 60, "IN")],
    ),
    (
        "8:00-8:30 OPEN, 8:31-9:00 OPEN",
        "",
        [("08:00-08:30", "OPEN", None, 30, "OUT"), ("08:31-09:00", "OPEN", None, 29, "OUT")],
    ),
    (
        "8:00-8:30 OPEN, 8:31-9:00 OPEN",
        "8:00-9:00 MEET",
        [
            ("08:00-08:30", "OPEN", "MEET", 30, "OUT"),
            ("08:30-08:31", None, "MEET", 1, "UNSCHEDULED"),
            ("08:31-09:00", "OPEN", "MEET", 29, "OUT"),
        ],
    ),
    (
        "8:00-9:00 OPEN, 10:00-11:00 OPEN",
        "8:30-10:30 OPEN2",
        [
            ("08:00-08:30", "OPEN", None, 30, "OUT"),
            ("08:30-09:00", "OPEN", "OPEN2", 30, "IN"),
            ("09:00-10:00", None, "OPEN2", 60, "UNSCHEDULED"),
            ("10:00-10:30", "OPEN", "OPEN2", 30, "IN"),
            ("10:30-11:00", "OPEN", None, 30, "OUT"),
        ],
    ),
    (
        "8:00-9:00 OPEN",
        "7:00-7:30 MEET, 9:00-9:30 OPEN",
        [
            ("07:00-07:30", None, "MEET", 30, "UNSCHEDULED"),
            ("08:00-09:00", "OPEN", None, 60, "OUT"),
            ("09:00-09:30", None, "OPEN", 30, "UNSCHEDULED"),
        ],
    ),
    (
        "8:00-9:00 OPEN, 9:00-9:15 BREAK, 9:15-10:00 OPEN2",
        "8:00-9:00 OPEN2, 9:00-9:15 BREAK, 9:15-10:00 OPEN2",
        [
            ("08:00-09:00", "OPEN", "OPEN2", 60, "IN"),
            ("09:00-09:15", "BREAK", "BREAK", 15, "IN"),
            ("09:15-10:00", "OPEN2", "OPEN2", 45, "IN"),
        ],
    ),
]
NAMES = ["equal", "within", "around", "adjoining", "gap", "gap worked through", "overlapping", "beside", "changing"]


@pytest.mark.req("WM-207", "WM-306", "SS-724")
@pytest.mark.parametrize(("planned", "worked", "runs"), LINES, ids=NAMES)
def test_the_timeline_falls_into_the_longest_equal_runs(planned: str, worked: str, runs: list[Any]) -> None:
    assert detail(line(planned, worked)) == runs


@pytest.mark.req("WM-307")
def test_by_value_codes_that_share_one_are_a_single_run() -> None:
    rows = line("8:00-8:30 OPEN, 8:30-9:00 OPEN2, 9:00-9:30 MEET", "8:00-8:20 OPEN2, 8:20-9:30 OPEN")
    assert detail(rows, by_value=True) == [
        ("08:00-09:00", "Phone", "Phone", 60, "IN"),
        ("09:00-09:30", "MEET", "Phone", 30, "OUT"),
    ]
    assert len(detail(rows)) == 4


@pytest.mark.req("WM-306", "SS-724")
def test_the_attribute_is_named_and_midnight_ends_a_run() -> None:
    rows = tables(*ONE, activity(100, ("2024-05-21 23:00", "2024-05-22 01:00", "OPEN")))
    found = run("agent-adherence-detail", rows, request("2024-05-21", "2024-05-22", mus=[1]))
    assert pick(found, "date", "attribute", "startTime", "stopTime") == [
        ("05-21", "EXC_EXPORT", "05-21 23:00", "05-22 00:00"),
        ("05-22", "EXC_EXPORT", "05-22 00:00", "05-22 01:00"),
    ]


TOTALS = ("totalSched", "totalAct", "inAdherence", "outAdherence", "unschedAct", "adherencePct", "conformancePct")


@pytest.mark.req("WM-308")
def test_the_summary_adds_up_the_day() -> None:
    rows = line("8:00-9:00 OPEN, 9:00-9:20 LUNCH", "8:00-8:40 OPEN2, 8:40-9:05 MEET, 9:10-9:30 LUNCH")
    # 80 scheduled; worked 40 + 25 + 20; agreeing 40 + 10; with nothing scheduled 10.
    found = run("agent-adherence-summary", rows, ASKED)
    assert pick(found, *TOTALS) == [(80, 85, 50, 30, 10, Decimal("62.50"), Decimal("106.25"))]


@pytest.mark.req("WM-308")
def test_without_schedule_percentages_are_blank() -> None:
    assert pick(run("agent-adherence-summary", line("", "8:00-8:40 OPEN"), ASKED), *TOTALS) == [
        (0, 40, 0, 0, 40, None, None)
    ]


@pytest.mark.req("WM-309")
def test_the_attribute_summary_adds_up_each_value() -> None:
    rows = line("8:00-9:00 OPEN, 9:00-9:20 LUNCH", "8:00-8:40 OPEN2, 8:40-9:05 MEET, 9:10-9:30 LUNCH")
    found = run("agent-adherence-attribute-summary", rows, ASKED)
    assert pick(found, "attributeValue", *TOTALS[:4], "adherencePct") == [
        ("LUNCH", 20, 20, 10, 10, Decimal("50.00")),
        ("MEET", 0, 25, 0, 0, None),
        ("Phone", 60, 40, 40, 20, Decimal("66.67")),
    ]


@pytest.mark.req("WM-207", "SS-922")
def test_two_mus_of_one_date_have_lines_of_their_own() -> None:
    rows = tables(
        mu(1, "UTC"),
        mu(2, "UTC"),
        agent(100),
        member(100, 1, "2024-05-01", "2024-05-22"),
        member(100, 2, "2024-05-22"),
        codes(OPEN=None),
        # The schedule is under an MU the agent is no longer in: broken, but no reason to fail (WM-103).
        schedule(100, 1, "2024-05-22", ("2024-05-22 08:00", "2024-05-22 09:00", "OPEN")),
        activity(100, ("2024-05-22 08:00", "2024-05-22 09:00", "OPEN")),
    )
    found = run("agent-adherence-summary", rows, request("2024-05-22", "2024-05-22", mus=[1, 2]))
    assert pick(found, "muID", *TOTALS[:5]) == [(1, 60, 0, 0, 60, 0), (2, 0, 60, 0, 0, 60)]


def test_parts_that_overlap_do_not_make_it_fail() -> None:
    rows = line("8:00-9:00 OPEN, 8:00-8:30 BREAK, 8:10-8:20 MEET", "8:00-9:00 OPEN, 8:30-9:30 BREAK")
    for name in ("detail", "attribute-detail", "summary", "attribute-summary"):
        assert run(f"agent-adherence-{name}", rows, ASKED)
