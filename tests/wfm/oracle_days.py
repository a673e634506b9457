"""Schedules, activity and adherence of agents: WM-301 to WM-309."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from fractions import Fraction
from itertools import groupby
from typing import NamedTuple

from wfm.oracle_data import Cut, Record, World, ordered
from wfm.oracle_time import MINUTE, local_date, minutes_between, quotient, wall_clock

AgentDay = tuple[int, int, date]
Timeline = dict[datetime, tuple[str | None, str | None]]


def in_range(world: World, cuts: Iterable[Cut]) -> list[Cut]:
    return [cut for cut in cuts if world.wanted.has_date(cut.day)]


# -- schedules and activity ------------------------------------------------------------------------------------------


def summary(world: World, cuts: Iterable[Cut]) -> list[Record]:
    """WM-301, WM-304."""
    sums: Counter[tuple[int, int, date, str | None]] = Counter()
    for cut in in_range(world, cuts):
        sums[cut.tv_id, cut.mu_id, cut.day, world.x(cut.code)] += minutes_between(cut.start_at, cut.stop_at)
    rows = [
        world.head(tv_id, mu_id, day) | {"exceptionCode": name, "minutes": minutes}
        for (tv_id, mu_id, day, name), minutes in sums.items()
    ]
    return ordered(rows, "date", "muID", "tvID", "exceptionCode")


def schedule_summary(world: World) -> list[Record]:
    return summary(world, world.sched_cut)


def activity_summary(world: World) -> list[Record]:
    return summary(world, world.act_cut)


def interval(world: World, mu_id: int, start_at: datetime, stop_at: datetime) -> Record:
    tz = world.tz(mu_id)
    return {
        "startTime": wall_clock(start_at, tz),
        "stopTime": wall_clock(stop_at, tz),
        "minutes": minutes_between(start_at, stop_at),
        "_start_at": start_at,
    }


def schedule_detail(world: World) -> list[Record]:
    """WM-302 and WM-303, SS-914 and SS-915."""
    since = world.wanted.last_modified_at
    cuts = in_range(world, world.sched_cut)
    if world.wanted.disable_midnight_cut_off:
        touched = {(cut.tv_id, cut.sched_date) for cut in cuts}
        cuts = [
            uncut(world, part["tv_id"], part["sched_date"], part["start_at"], part["stop_at"], part["code"])
            for part in world.rows("schedule_part")
            if (part["tv_id"], part["sched_date"]) in touched
        ]
    rows = [
        world.head(cut.tv_id, cut.mu_id, cut.day, name="excdate")
        | {"schedDate": cut.sched_date, "exceptionCode": world.x(cut.code), "activityCode": cut.code}
        | interval(world, cut.mu_id, cut.start_at, cut.stop_at)
        for cut in cuts
        if since is None or (cut.sched_date and world.schedules[cut.tv_id, cut.sched_date]["changed_at"] >= since)
    ]
    return ordered(rows, "excdate", "muID", "tvID", "_start_at")


def uncut(world: World, tv_id: int, sched_date: date, start_at: datetime, stop_at: datetime, code: str) -> Cut:
    mu_id = world.schedules[tv_id, sched_date]["mu_id"]
    return Cut(tv_id, mu_id, local_date(start_at, world.tz(mu_id)), start_at, stop_at, code, sched_date)


def activity_detail(world: World) -> list[Record]:
    """WM-304."""
    rows = [
        world.head(cut.tv_id, cut.mu_id, cut.day)
        | {"exceptionCode": world.x(cut.code), "activityCode": cut.code}
        | interval(world, cut.mu_id, cut.start_at, cut.stop_at)
        for cut in in_range(world, world.act_cut)
    ]
    return ordered(rows, "date", "muID", "tvID", "_start_at")


def activity_and_schedules(world: World) -> list[Record]:
    """WM-305."""
    sums: dict[tuple[int, int, date, str], list[int]] = defaultdict(lambda: [0, 0])
    for side, cuts in enumerate((world.sched_cut, world.act_cut)):
        for cut in in_range(world, cuts):
            sums[cut.tv_id, cut.mu_id, cut.day, cut.code][side] += minutes_between(cut.start_at, cut.stop_at)
    rows = [
        world.head(tv_id, mu_id, day)
        | {"exceptionCode": code, "totalSched": sched, "totalAct": act, "difference": act - sched}
        for (tv_id, mu_id, day, code), (sched, act) in sums.items()
    ]
    return ordered(rows, "date", "muID", "tvID", "exceptionCode")


# -- adherence -------------------------------------------------------------------------------------------------------


def timelines(world: World) -> dict[AgentDay, Timeline]:
    """WM-207: minute by minute, (S, A) of every minute that has either."""
    found: dict[AgentDay, Timeline] = defaultdict(dict)
    for side, cuts in enumerate((world.sched_cut, world.act_cut)):
        for cut in in_range(world, cuts):
            line = found[cut.tv_id, cut.mu_id, cut.day]
            for n in range(minutes_between(cut.start_at, cut.stop_at)):
                at = cut.start_at + n * MINUTE
                before = line.get(at, (None, None))
                line[at] = (cut.code, before[1]) if side == 0 else (before[0], cut.code)
    return found


class Run(NamedTuple):
    """A longest run of minutes with the same pair."""

    sched: str | None
    act: str | None
    start_at: datetime
    stop_at: datetime


def runs(line: Timeline) -> Iterator[Run]:
    """WM-306: neighbours with the same pair belong together; a minute without either parts them."""

    def mark(numbered: tuple[int, datetime]) -> tuple[datetime, tuple[str | None, str | None]]:
        n, at = numbered
        return at - n * MINUTE, line[at]  # the difference stays the same as long as no minute is missing

    for (_, (sched, act)), minutes in groupby(enumerate(sorted(line)), key=mark):
        times = [at for _, at in minutes]
        yield Run(sched, act, times[0], times[-1] + MINUTE)


def verdict(sched_name: str | None, act_name: str | None) -> str:
    """WM-306, of export names."""
    if sched_name is None:
        return "UNSCHEDULED"
    return "IN" if sched_name == act_name else "OUT"


def adherence_detail(world: World) -> list[Record]:
    """WM-306."""
    rows = [
        world.head(*agent_day)
        | {"attribute": world.attribute, "schedCode": run.sched, "actCode": run.act}
        | interval(world, agent_day[1], run.start_at, run.stop_at)
        | {"adherence": verdict(world.x(run.sched), world.x(run.act))}
        for agent_day, line in timelines(world).items()
        for run in runs(line)
    ]
    return ordered(rows, "date", "muID", "tvID", "_start_at")


def adherence_attribute_detail(world: World) -> list[Record]:
    """WM-307."""
    rows = []
    for agent_day, line in timelines(world).items():
        named = {at: (world.x(sched), world.x(act)) for at, (sched, act) in line.items()}
        rows += [
            world.head(*agent_day)
            | {"attribute": world.attribute, "schedValue": run.sched, "actValue": run.act}
            | interval(world, agent_day[1], run.start_at, run.stop_at)
            | {"adherence": verdict(run.sched, run.act)}
            for run in runs(named)
        ]
    return ordered(rows, "date", "muID", "tvID", "_start_at")


def adherence_summary(world: World) -> list[Record]:
    """WM-308."""
    rows = []
    for agent_day, line in timelines(world).items():
        sched = sum(1 for s, _ in line.values() if s is not None)
        act = sum(1 for _, a in line.values() if a is not None)
        agreed = sum(1 for s, a in line.values() if s is not None and a is not None and world.x(s) == world.x(a))
        row = world.head(*agent_day) | {
            "attribute": world.attribute,
            "totalSched": sched,
            "totalAct": act,
            "inAdherence": agreed,
            "outAdherence": sched - agreed,
            "unschedAct": sum(1 for s, a in line.values() if s is None and a is not None),
            "adherencePct": quotient(Fraction(100) * agreed, sched),
            "conformancePct": quotient(Fraction(100) * act, sched),
        }
        rows.append(row)
    return ordered(rows, "date", "muID", "tvID")


def adherence_attribute_summary(world: World) -> list[Record]:
    """WM-309."""
    rows = []
    for agent_day, line in timelines(world).items():
        named = [(world.x(sched), world.x(act)) for sched, act in line.values()]
        for value in {name for pair in named for name in pair if name is not None}:
            sched = sum(1 for s, _ in named if s == value)
            agreed = sum(1 for s, a in named if s == value and a == value)
            row = world.head(*agent_day) | {
                "attribute": world.attribute,
                "attributeValue": value,
                "totalSched": sched,
                "totalAct": sum(1 for _, a in named if a == value),
                "inAdherence": agreed,
                "outAdherence": sched - agreed,
                "adherencePct": quotient(Fraction(100) * agreed, sched),
            }
            rows.append(row)
    return ordered(rows, "date", "muID", "tvID", "attributeValue")
