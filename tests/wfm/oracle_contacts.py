"""Opens, forecasts and results: WM-208 to WM-211, WM-311, WM-312 and WM-314 to WM-319."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any

from wfm.oracle_data import Record, World, ordered
from wfm.oracle_time import day_start, local_date, minutes_between, quotient, rounded, wall_clock

STEP = timedelta(minutes=15)
STEPS = 192
NO_CT = -1
Shares = dict[int, dict[int, Decimal]]


# -- open minutes ----------------------------------------------------------------------------------------------------


def open_shares(world: World) -> Shares:
    """WM-208: MU to CT to share; an MU without any allocation has the CT -1 with share 1."""
    shares: Shares = {mu_id: {} for mu_id in world.mus}
    for row in world.rows("allocation"):
        shares[row["mu_id"]][row["ct_id"]] = row["open_share"]
    return {mu_id: found or {NO_CT: Decimal(1)} for mu_id, found in shares.items()}


def scheduled_steps(world: World) -> dict[tuple[int, date], Counter[int]]:
    """Minutes of parts with `is_open` in each 15-minute step of a schedule date, before any share is taken."""
    is_open = {row["code"] for row in world.rows("activity_code") if row["is_open"]}
    found: dict[tuple[int, date], Counter[int]] = defaultdict(Counter)
    for part in world.near("schedule_part", "start_at", "stop_at"):
        if part["code"] in is_open:
            mu_id = world.schedules[part["tv_id"], part["sched_date"]]["mu_id"]
            first_at = day_start(part["sched_date"], world.tz(mu_id))
            begin, end = (part["start_at"] - first_at) // STEP, (part["stop_at"] - first_at) // STEP + 1
            for step in range(max(0, begin), min(STEPS, end)):
                start_at = max(part["start_at"], first_at + STEP * step)
                stop_at = min(part["stop_at"], first_at + STEP * (step + 1))
                if start_at < stop_at:
                    found[mu_id, part["sched_date"]][step] += minutes_between(start_at, stop_at)
    return found


def open_minutes(world: World) -> dict[tuple[int, int, date], dict[int, Fraction]]:
    """WM-208: open(mu, ct, sched_date, step) of all MUs, unrounded."""
    shares = open_shares(world)
    found: dict[tuple[int, int, date], dict[int, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for (mu_id, sched_date), steps in scheduled_steps(world).items():
        for ct_id, share in shares[mu_id].items():
            for step, minutes in steps.items():
                found[mu_id, ct_id, sched_date][step] += minutes * Fraction(share)
    for row in world.rows("imported_open"):
        midnight = datetime.combine(row["sched_date"], time())
        if row["ct_id"] in shares[row["mu_id"]] and world.wanted.is_near(midnight, midnight):  # others are ignored
            found[row["mu_id"], row["ct_id"], row["sched_date"]][row["step"]] += Fraction(row["minutes"])
    return found


class Opens:
    """WM-209: sched_open of MU and CT, of an MU, of a CT."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.period = int(world.customer["period_minutes"])
        steps: dict[tuple[int, int], dict[datetime, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
        for (mu_id, ct_id, sched_date), found in open_minutes(world).items():
            first_at = day_start(sched_date, world.tz(mu_id))
            for step, minutes in found.items():
                steps[mu_id, ct_id][first_at + STEP * step] += minutes
        self.steps = {pair: sorted(found.items()) for pair, found in steps.items()}

    def at(self, pairs: Iterable[tuple[int, int]], period_at: datetime) -> Decimal:
        """The sum over (MU, CT) pairs, of the steps that begin in the period."""
        stop_at = period_at + timedelta(minutes=self.period)
        total = Fraction(0)
        for pair in pairs:
            found = self.steps.get(pair, [])
            first = bisect_left(found, (period_at,))
            last = bisect_left(found, (stop_at,))
            total += sum((minutes for _, minutes in found[first:last]), Fraction(0))
        return rounded(total / self.period, 2)

    def of_ct(self, ct_id: int, period_at: datetime) -> Decimal:
        mu_ids = [row["mu_id"] for row in self.world.rows("allocation") if row["ct_id"] == ct_id]
        return self.at([(mu_id, ct_id) for mu_id in mu_ids], period_at)

    def of_mu(self, mu_id: int, period_at: datetime) -> Decimal:
        return self.at([(mu_id, ct_id) for ct_id in open_shares(self.world)[mu_id]], period_at)


def mu_opens(world: World) -> list[Record]:
    """WM-319, SS-921, SS-926: `time` is minutes since the day began, not wall clock."""
    rows = []
    for (mu_id, ct_id, sched_date), steps in open_minutes(world).items():
        opens = [
            {"time": 15 * step, "openValue": rounded(minutes, 4)} for step, minutes in sorted(steps.items()) if minutes
        ]
        if opens and mu_id in world.wanted.mu_ids and world.wanted.has_date(sched_date):
            rows.append({"muID": mu_id, "ctID": ct_id, "date": sched_date, "open": opens})
    return ordered(rows, "muID", "ctID", "date")


# -- what stands at the head of a period -----------------------------------------------------------------------------


def period_head(world: World, entity: Mapping[str, Any], period_at: datetime) -> Record:
    """WM-210, SS-918, SS-927: of an MU or a CT with its zone, EG and BU."""
    eg_id, bu_id = entity["eg_id"], entity["bu_id"]
    return {
        "date": local_date(period_at, entity["tz"]),
        "period": wall_clock(period_at, entity["tz"]),
        "TZ": entity["tz"],
        "custID": world.wanted.customer_id,
        "saGroupID": eg_id,
        "sagroupName": None if eg_id is None else world.groups[eg_id]["name"],
        "ssGroupID": None,
        "ssGroupName": None,
        "buID": bu_id,
        "buName": None if bu_id is None else world.units[bu_id]["name"],
        "_period_at": period_at,
    }


def wanted_cts(world: World) -> list[int]:
    """SS-215: the CTs of the BUs and those listed, united."""
    return [
        ct_id
        for ct_id, row in world.cts.items()
        if ct_id in world.wanted.ct_ids or (row["bu_id"] is not None and row["bu_id"] in world.wanted.bu_ids)
    ]


def within(world: World, rows: Iterable[Record], *, past: bool) -> list[Record]:
    """WM-212."""
    return [row for row in rows if world.wanted.has_date(row["date"]) and not (past and not is_past(world, row))]


def is_past(world: World, row: Record) -> bool:
    return world.is_past(row["date"], row["TZ"])


# -- contact types ---------------------------------------------------------------------------------------------------


def forecast(row: Mapping[str, Any], share: Decimal) -> Record:
    """Amounts of a `ct_forecast` row times a share (WM-314, WM-317); AHT and occupancy are no amounts."""

    def part(name: str) -> Decimal | None:
        return None if row[name] is None else rounded(Fraction(row[name]) * Fraction(share), 2)

    return {
        "fcstContactsReceived": part("received"),
        "fcstContactsHandled": part("handled"),
        "fcstAHT": rounded(row["aht_s"], 2),
        "fcstOcc": row["occ"],
        "fcstReq": part("req"),
        "revPlanReq": part("rev_plan_req"),
        "commitPlanReq": part("commit_plan_req"),
    }


def ct_active_forecast(world: World) -> list[Record]:
    """WM-314."""
    opens = Opens(world)
    cts = wanted_cts(world)
    rows = [
        period_head(world, world.cts[row["ct_id"]], row["period_at"])
        | {"ctID": row["ct_id"], "ctName": world.cts[row["ct_id"]]["name"]}
        | forecast(row, Decimal(1))
        | {"schedOpen": opens.of_ct(row["ct_id"], row["period_at"])}
        for row in world.near("ct_forecast", "period_at", "period_at")
        if row["ct_id"] in cts
    ]
    return ordered(within(world, rows, past=False), "date", "ctID", "_period_at")


def quotients(row: Mapping[str, int]) -> Record:
    """WM-211, of sums."""
    return {
        "actAHT": quotient(row["talk_s"] + row["hold_s"] + row["work_s"], row["handled"]),
        "actASA": quotient(row["wait_s"], row["handled"]),
        "actSL": quotient(Fraction(100) * row["in_time"], row["received"]),
    }


def ct_queue_data(world: World) -> list[Record]:
    """WM-315."""
    cts = wanted_cts(world)
    rows = []
    for row in world.near("queue_period", "period_at", "period_at"):
        queue = world.queues[row["queue_id"]]
        if queue["ct_id"] in cts:
            ct = world.cts[queue["ct_id"]]
            rows.append(
                period_head(world, ct, row["period_at"])
                | {"ctID": ct["ct_id"], "ctName": ct["name"], "queueID": row["queue_id"]}
                | {"queueName": queue["name"], "acdID": queue["acd_id"], "actContactsReceived": row["received"]}
                | {"actContactsHandled": row["handled"], "actContactsAbandoned": row["abandoned"]}
                | {"actTalkTime": row["talk_s"], "actHoldTime": row["hold_s"], "actWorkTime": row["work_s"]}
                | quotients(row)
            )
    return ordered(within(world, rows, past=True), "date", "ctID", "queueID", "_period_at")


def ct_results(world: World) -> list[Record]:
    """WM-316: sums first, then the quotients."""
    sums: dict[tuple[int, datetime], Counter[str]] = defaultdict(Counter)
    for row in world.near("queue_period", "period_at", "period_at"):
        amounts = {name: value for name, value in row.items() if name not in ("queue_id", "period_at")}
        sums[world.queues[row["queue_id"]]["ct_id"], row["period_at"]].update(amounts)
    cts = wanted_cts(world)
    rows = [
        period_head(world, world.cts[ct_id], period_at)
        | {"ctID": ct_id, "ctName": world.cts[ct_id]["name"]}
        | {"actContactsReceived": total["received"], "actContactsHandled": total["handled"]}
        | {"actContactsAbandoned": total["abandoned"]}
        | quotients(total)
        for (ct_id, period_at), total in sums.items()
        if ct_id in cts
    ]
    return ordered(within(world, rows, past=True), "date", "ctID", "_period_at")


# -- management units ------------------------------------------------------------------------------------------------


def mu_forecast(world: World) -> list[Record]:
    """WM-317."""
    opens = Opens(world)
    rows = []
    for allocated in world.rows("allocation"):
        mu_id, ct_id, share = allocated["mu_id"], allocated["ct_id"], allocated["contact_share"]
        if mu_id in world.wanted.mu_ids and share > 0:
            rows += [
                period_head(world, world.mus[mu_id], row["period_at"])
                | {"muID": mu_id, "muName": world.mus[mu_id]["name"]}
                | {"ctID": ct_id, "ctName": world.cts[ct_id]["name"]}
                | forecast(row, share)
                | {"schedOpen": opens.at([(mu_id, ct_id)], row["period_at"])}
                for row in world.near("ct_forecast", "period_at", "period_at")
                if row["ct_id"] == ct_id
            ]
    return ordered(within(world, rows, past=False), "date", "muID", "ctID", "_period_at")


def handled(row: Mapping[str, int]) -> Record:
    return {
        "actContactsHandled": row["handled"],
        "actTalkTime": row["talk_s"],
        "actHoldTime": row["hold_s"],
        "actWorkTime": row["work_s"],
        "actAHT": quotient(row["talk_s"] + row["hold_s"] + row["work_s"], row["handled"]),
    }


def agent_periods(world: World) -> list[tuple[int, Mapping[str, Any]]]:
    """`agent_period` with the MU by membership at period_at, of the MUs asked for."""
    found = (
        (world.mu_at(row["tv_id"], row["period_at"]), row)
        for row in world.near("agent_period", "period_at", "period_at")
    )
    return [(mu_id, row) for mu_id, row in found if mu_id in world.wanted.mu_ids and mu_id is not None]


def amounts(row: Mapping[str, Any]) -> dict[str, int]:
    return {name: row[name] for name in ("handled", "talk_s", "hold_s", "work_s")}


def mu_results(world: World) -> list[Record]:
    """WM-318."""
    opens = Opens(world)
    sums: dict[tuple[int, datetime], Counter[str]] = defaultdict(Counter)
    for mu_id, row in agent_periods(world):
        sums[mu_id, row["period_at"]].update(amounts(row))
    rows = [
        period_head(world, world.mus[mu_id], period_at)
        | {"muID": mu_id, "muName": world.mus[mu_id]["name"]}
        | handled(total)
        | {"schedOpen": opens.of_mu(mu_id, period_at)}
        for (mu_id, period_at), total in sums.items()
    ]
    return ordered(within(world, rows, past=True), "date", "muID", "_period_at")


# -- agents ----------------------------------------------------------------------------------------------------------


def agent_results_detail(world: World) -> list[Record]:
    """WM-311."""
    head = cache(world.head)
    rows = []
    for mu_id, row in agent_periods(world):
        queue = world.queues[row["queue_id"]]
        day = local_date(row["period_at"], world.tz(mu_id))
        rows.append(
            head(row["tv_id"], mu_id, day)
            | queue_logon(world, row["tv_id"], queue["acd_id"], day)
            | {"period": wall_clock(row["period_at"], world.tz(mu_id)), "_period_at": row["period_at"]}
            | {"ctID": queue["ct_id"], "ctName": world.cts[queue["ct_id"]]["name"]}
            | {"queueID": row["queue_id"], "queueName": queue["name"]}
            | handled(row)
        )
    return ordered(within(world, rows, past=True), "date", "muID", "tvID", "_period_at", "queueID")


def queue_logon(world: World, tv_id: int, acd_id: int, day: date) -> Record:
    """The queue's ACD and the lowest logon on it; both blank for a deleted agent, as everywhere (WM-206)."""
    if world.agents[tv_id]["deleted_at"] is not None:
        # The ACD is the queue's, which is known; the logon was the agent's (SS-922).
        return {"acdID": acd_id, "logonID": None}
    logons = [row["logon_id"] for row in world.logons(tv_id, day) if row["acd_id"] == acd_id]
    return {"acdID": acd_id, "logonID": min(logons, default=None)}


def agent_results_summary(world: World) -> list[Record]:
    """WM-312."""
    sums: dict[tuple[int, int, date], Counter[str]] = defaultdict(Counter)
    for mu_id, row in agent_periods(world):
        sums[row["tv_id"], mu_id, local_date(row["period_at"], world.tz(mu_id))].update(amounts(row))
    worked: Counter[tuple[int, int, date]] = Counter()
    for cut in world.act_cut:
        worked[cut.tv_id, cut.mu_id, cut.day] += minutes_between(cut.start_at, cut.stop_at)
    rows = [
        world.head(*agent_day) | handled(total) | {"totalAct": worked[agent_day]} for agent_day, total in sums.items()
    ]
    return ordered(within(world, rows, past=True), "date", "muID", "tvID")
