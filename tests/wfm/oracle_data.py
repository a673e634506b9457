"""What is asked for, and the tables with the derivations that several exporters share (WM-201 to WM-207)."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cached_property
from typing import Any, NamedTuple

from wfm.oracle_time import DAY, cut_at_midnights, day_start, local_date

Tables = Mapping[str, Sequence[Mapping[str, Any]]]
Record = dict[str, Any]
FOREVER = datetime(9999, 1, 1)


@dataclass(frozen=True)
class Wanted:
    """One checked request. Instants (`run_at`, `last_modified_at`) are UTC without a zone."""

    start_date: date
    end_date: date
    run_at: datetime
    mu_ids: Collection[int] = ()
    bu_ids: Collection[int] = ()
    ct_ids: Collection[int] = ()
    # timeOffGroupList as (group, rule), the rule None for all that overlap the range ...
    time_off: Sequence[tuple[int, str | None]] = ()
    # ... or allTimeOffGroups: its includeAllTimeOffRules, over the groups the user may view (None: all groups).
    include_all: bool | None = None
    viewable_groups: Collection[int] | None = None
    attribute: str = "EXC_EXPORT"
    last_modified_at: datetime | None = None
    disable_midnight_cut_off: bool = False
    record_type: str = ""
    customer_id: int = 1
    viewable_mu: Collection[int] | None = None

    def has_date(self, day: date) -> bool:
        """WM-212, without the rule for the past."""
        return self.start_date <= day <= self.end_date

    def is_near(self, start_at: datetime, stop_at: datetime) -> bool:
        """Whether an interval can have to do with the range at all; for speed alone, so with days to spare.

        No zone is more than 15 hours off, and no step of a schedule more than 48 hours from its date.
        """
        first_at = datetime.combine(self.start_date, time()) - 4 * DAY
        return stop_at >= first_at and start_at <= datetime.combine(self.end_date, time()) + 4 * DAY


class Cut(NamedTuple):
    """A row of `sched_cut` or `act_cut`; `sched_date` is None for activity."""

    tv_id: int
    mu_id: int
    day: date
    start_at: datetime
    stop_at: datetime
    code: str
    sched_date: date | None = None


class World:
    """The tables of one customer, seen through one request."""

    def __init__(self, tables: Tables, wanted: Wanted) -> None:
        self.tables = tables
        self.wanted = wanted
        self.customer = self.rows("customer")[0]
        self.agents = self.by_id("agent", "tv_id")
        self.mus = self.by_id("management_unit", "mu_id")
        self.cts = self.by_id("contact_type", "ct_id")
        self.queues = self.by_id("queue", "queue_id")
        self.groups = self.by_id("enterprise_group", "eg_id")
        self.units = self.by_id("business_unit", "bu_id")

    def rows(self, table: str) -> Sequence[Mapping[str, Any]]:
        return self.tables.get(table, ())

    def near(self, table: str, start: str, stop: str) -> list[Mapping[str, Any]]:
        """The rows whose time is near the range, from column `start` to column `stop`."""
        return [row for row in self.rows(table) if self.wanted.is_near(row[start], row[stop])]

    def by_id(self, table: str, key: str) -> dict[int, Mapping[str, Any]]:
        return {row[key]: row for row in self.rows(table)}

    def by_agent(self, table: str) -> dict[int, list[Mapping[str, Any]]]:
        found: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
        for row in self.rows(table):
            found[row["tv_id"]].append(row)
        return found

    @cached_property
    def memberships(self) -> dict[int, list[Mapping[str, Any]]]:
        return self.by_agent("agent_mu")

    @cached_property
    def assignments(self) -> dict[int, list[Mapping[str, Any]]]:
        return self.by_agent("agent_acd")

    @cached_property
    def agent_data(self) -> dict[int, list[Mapping[str, Any]]]:
        return self.by_agent("agent_data")

    def tz(self, mu_id: int) -> str:
        return str(self.mus[mu_id]["tz"])

    def is_past(self, day: date, tz: str) -> bool:
        """WM-005, WM-212, SS-916: for exporters with dates = "past"."""
        return day < local_date(self.wanted.run_at, tz)

    # -- activity codes ------------------------------------------------------------------------------------------

    @cached_property
    def attribute(self) -> str:
        """The attribute's stored name (SS-721, SS-724)."""
        asked = self.wanted.attribute.casefold()
        return next(str(row["name"]) for row in self.rows("code_attribute") if row["name"].casefold() == asked)

    @cached_property
    def export_names(self) -> dict[str, str]:
        return {
            row["code"]: row["value"]
            for row in self.rows("code_value")
            if row["attribute"] == self.attribute and row["value"]
        }

    def x(self, code: str | None) -> str | None:
        """WM-205, SS-722."""
        return None if code is None else self.export_names.get(code, code)

    # -- cuts ----------------------------------------------------------------------------------------------------

    @cached_property
    def schedules(self) -> dict[tuple[int, date], Mapping[str, Any]]:
        return {(row["tv_id"], row["sched_date"]): row for row in self.rows("schedule")}

    @cached_property
    def sched_cut(self) -> list[Cut]:
        """WM-202, of the MUs asked for, of dates in the range and around it."""
        cuts = []
        for part in self.near("schedule_part", "start_at", "stop_at"):
            mu_id = self.schedules[part["tv_id"], part["sched_date"]]["mu_id"]
            if mu_id in self.wanted.mu_ids:
                pieces = cut_at_midnights(part["start_at"], part["stop_at"], self.tz(mu_id))
                cuts += [Cut(part["tv_id"], mu_id, *piece, part["code"], part["sched_date"]) for piece in pieces]
        return cuts

    @cached_property
    def act_cut(self) -> list[Cut]:
        """WM-203, of the MUs asked for, of dates in the range and around it."""
        cuts = []
        for act in self.near("activity", "start_at", "stop_at"):
            for member in self.memberships.get(act["tv_id"], ()):
                if member["mu_id"] in self.wanted.mu_ids:
                    first_at, last_at = self.span(member)
                    start_at, stop_at = max(first_at, act["start_at"]), min(last_at, act["stop_at"])
                    if start_at < stop_at:
                        pieces = cut_at_midnights(start_at, stop_at, self.tz(member["mu_id"]))
                        cuts += [Cut(act["tv_id"], member["mu_id"], *piece, act["code"]) for piece in pieces]
        return cuts

    def span(self, member: Mapping[str, Any]) -> tuple[datetime, datetime]:
        """WM-201."""
        tz = self.tz(member["mu_id"])
        to_date = member["to_date"]
        return day_start(member["from_date"], tz), day_start(to_date, tz) if to_date else FOREVER

    def mu_at(self, tv_id: int, at: datetime) -> int | None:
        """The MU by membership at an instant (WM-311, WM-318)."""
        for member in self.memberships.get(tv_id, ()):
            first_at, last_at = self.span(member)
            if first_at <= at < last_at:
                return int(member["mu_id"])
        return None

    def mu_today(self, tv_id: int) -> int | None:
        """The MU of the day of the run, the day being the MU's own (WM-005). Of two, the one entered last."""
        members = sorted(self.memberships.get(tv_id, ()), key=lambda row: row["from_date"], reverse=True)
        for member in members:
            if in_force(member, self.today(member["mu_id"])):
                return int(member["mu_id"])
        return None

    def today(self, mu_id: int) -> date:
        return local_date(self.wanted.run_at, self.tz(mu_id))

    # -- what is known of an agent -------------------------------------------------------------------------------

    def logons(self, tv_id: int, day: date) -> list[Mapping[str, Any]]:
        """Assignments in force on a date, the primary one first (SS-923)."""
        found = [row for row in self.assignments.get(tv_id, ()) if in_force(row, day)]
        return sorted(found, key=lambda row: (row["acd_id"], row["logon_id"], row["from_date"]))

    def latest_data(self, tv_id: int, day: date) -> list[Mapping[str, Any]]:
        """WM-206: of each group the latest value with from_date <= day, by group id."""
        latest: dict[int, Mapping[str, Any]] = {}
        for row in sorted(self.agent_data.get(tv_id, ()), key=lambda row: row["from_date"]):
            if row["from_date"] <= day:
                latest[row["group_id"]] = row
        return [latest[group] for group in sorted(latest)]

    def head(self, tv_id: int, mu_id: int, day: date, *, name: str = "date") -> Record:
        """WM-206."""
        agent = self.agents[tv_id]
        where = {
            name: day,
            "TZ": self.tz(mu_id),
            "custID": self.wanted.customer_id,
            "muID": mu_id,
            "tvID": tv_id,
        }
        if agent["deleted_at"] is not None:
            blank = dict.fromkeys(("acdID", "logonID", "ssn", "externalID"))
            return where | blank | {"agentName": "<Unknown>", "agentData": {}}
        logons = self.logons(tv_id, day)
        return where | {
            "acdID": logons[0]["acd_id"] if logons else None,
            "logonID": logons[0]["logon_id"] if logons else None,
            "ssn": agent["ssn"],
            "externalID": agent["external_id"],
            "agentName": agent["last_name"] + ", " + agent["first_name"],
            "agentData": {
                row["group_id"]: row["value"] for row in self.latest_data(tv_id, day) if row["value"] is not None
            },
        }


def in_force(row: Mapping[str, Any], day: date) -> bool:
    """WM-002: from is included, to is not and may be open."""
    return bool(row["from_date"] <= day and (row["to_date"] is None or day < row["to_date"]))


def ordered(rows: Iterable[Record], *terms: str) -> list[Record]:
    """SS-802: blanks first, texts by code point. Names that begin with an underscore are for the order alone."""

    def key(row: Record) -> list[tuple[bool, Any]]:
        return [(row[term] is not None, row[term]) for term in terms]

    return [{name: value for name, value in row.items() if not name.startswith("_")} for row in sorted(rows, key=key)]
