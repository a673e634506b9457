"""Days, clocks and rounding of the WFM model, computed the slow and obvious way.

Instants are `datetime` without a zone and mean UTC; wall clocks are `datetime` without a zone too.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from math import floor
from typing import NamedTuple
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


class Piece(NamedTuple):
    """What of an interval lies on one local date."""

    date: date
    start_at: datetime
    stop_at: datetime


def wall_clock(at: datetime, tz: str) -> datetime:
    """The clock on the wall of the zone at an instant, without a mark for the hour that comes twice (SS-919)."""
    return at.replace(tzinfo=UTC).astimezone(ZoneInfo(tz)).replace(tzinfo=None, fold=0)


def local_date(at: datetime, tz: str) -> date:
    """WM-003."""
    return wall_clock(at, tz).date()


@cache
def day_start(day: date, tz: str) -> datetime:
    """WM-003: the first instant whose local date is `day`; where a whole day is skipped, the first of the next day.

    No zone is more than 15 hours ahead, so the search begins 15 hours early and looks at every minute: a clock may
    skip midnight, and in some years St John's went back from 00:01 to 23:01.
    """
    at = datetime.combine(day, time()) - timedelta(hours=15)
    while local_date(at, tz) < day:
        at += MINUTE
    while local_date(at - timedelta(seconds=1), tz) >= day:  # offsets with seconds, such as Monrovia's until 1972
        at -= timedelta(seconds=1)
    return at


def cut_at_midnights(start_at: datetime, stop_at: datetime, tz: str) -> Iterator[Piece]:
    """WM-202, WM-203: the parts of [start_at, stop_at) on each local day [day_start(d), day_start(d + 1))."""
    day = local_date(start_at, tz)
    while day_start(day, tz) < stop_at:
        piece = Piece(day, max(start_at, day_start(day, tz)), min(stop_at, day_start(day + DAY, tz)))
        if piece.start_at < piece.stop_at:
            yield piece
        day += DAY


def minutes_between(start_at: datetime, stop_at: datetime) -> int:
    """WM-204, SS-920: minutes that pass, not minutes on the wall."""
    return (stop_at - start_at) // MINUTE


def days_between(first: date, last: date) -> list[date]:
    """Both ends included (SS-211)."""
    return [first + DAY * n for n in range((last - first).days + 1)]


def rounded(value: Fraction | Decimal | int, scale: int) -> Decimal:
    """SS-803: half away from zero, never -0."""
    digits = floor(abs(Fraction(value)) * 10**scale + Fraction(1, 2))
    return Decimal((1 if value < 0 and digits else 0, tuple(int(digit) for digit in str(digits)), -scale))


def quotient(above: Fraction | int, below: Fraction | int, scale: int = 2) -> Decimal | None:
    """WM-211: blank when the divisor is 0; SS-804: rounded once."""
    return rounded(Fraction(above) / Fraction(below), scale) if below else None
