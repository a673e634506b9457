"""Agents as such and their vacation: WM-310, WM-313 and WM-320."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from wfm.oracle_data import Record, World, in_force, ordered
from wfm.oracle_time import DAY, day_start, days_between

GRACE = timedelta(seconds=10)


def living(world: World) -> list[Mapping[str, Any]]:
    """SS-922: three exporters leave deleted agents out."""
    return [agent for agent in world.agents.values() if agent["deleted_at"] is None]


def agent_info(world: World) -> list[Record]:
    """WM-310."""
    rows = [
        row
        for day in days_between(world.wanted.start_date, world.wanted.end_date)
        for agent in living(world)
        for member in world.memberships.get(agent["tv_id"], ())
        if member["mu_id"] in world.wanted.mu_ids and in_force(member, day)
        for row in agent_info_rows(world, agent, member["mu_id"], day)
    ]
    return ordered(rows, "date", "muID", "tvID", "acdID", "logonID")


def agent_info_rows(world: World, agent: Mapping[str, Any], mu_id: int, day: date) -> Iterator[Record]:
    head = world.head(agent["tv_id"], mu_id, day) | {
        "muName": world.mus[mu_id]["name"],
        "UUID": agent["uuid"],
        "firstName": agent["first_name"],
        "lastName": agent["last_name"],
        "startDate": agent["agent_start_date"],
    }
    logons: list[Mapping[str, Any]] = world.logons(agent["tv_id"], day)
    for logon in logons or [{"acd_id": None, "logon_id": None}]:
        yield head | {"acdID": logon["acd_id"], "logonID": logon["logon_id"]}


# -- vacation --------------------------------------------------------------------------------------------------------


def wanted_rules(world: World) -> list[Mapping[str, Any]]:
    """The rules of SS-217, those counted in days left out (WM-313)."""
    return [rule for rule in world.rows("time_off_rule") if rule["unit"] == "minutes" and is_wanted(world, rule)]


def is_wanted(world: World, rule: Mapping[str, Any]) -> bool:
    wanted = world.wanted
    overlaps = rule["from_date"] <= wanted.end_date and rule["last_date"] >= wanted.start_date
    if wanted.include_all is not None:
        if wanted.viewable_groups is not None and rule["group_id"] not in wanted.viewable_groups:
            return False
        covers = rule["from_date"] <= wanted.start_date and rule["last_date"] >= wanted.end_date
        return bool(overlaps if wanted.include_all else covers)
    return any(
        group_id == rule["group_id"] and (overlaps if name is None else name.casefold() == rule["rule"].casefold())
        for group_id, name in wanted.time_off
    )


def agent_vacation_summary(world: World) -> list[Record]:
    """WM-313, SS-324."""
    rows = []
    for agent in living(world):
        mu_id = world.mu_today(agent["tv_id"])
        viewable = world.wanted.viewable_mu
        if mu_id is not None and (viewable is None or mu_id in viewable):
            found = (vacation(world, agent["tv_id"], mu_id, rule) for rule in wanted_rules(world))
            rows += [row for row in found if row]
    return ordered(rows, "timeOffGroupID", "timeOffRule", "muID", "tvID")


def vacation(world: World, tv_id: int, mu_id: int, rule: Mapping[str, Any]) -> Record | None:
    mine = (tv_id, rule["group_id"], rule["rule"])
    days = [row for row in world.rows("time_off_day") if (row["tv_id"], row["group_id"], row["rule"]) == mine]
    inside = [row for row in days if world.wanted.has_date(row["day"])]
    if not inside:
        return None
    balances = [row for row in world.rows("time_off_balance") if (row["tv_id"], row["group_id"], row["rule"]) == mine]
    allotted = sum(row["allotted"] for row in balances)  # one row or none: 0
    carried_over = sum(row["carried_over"] for row in balances)
    today = world.today(mu_id)
    names = {row["group_id"]: row["name"] for row in world.rows("time_off_group")}
    head = world.head(tv_id, mu_id, world.wanted.end_date)  # agentData and logon as of endDate
    return {name: value for name, value in head.items() if name not in ("date", "TZ")} | {
        "timeOffGroupID": rule["group_id"],
        "timeOffGroupName": names[rule["group_id"]],
        "timeOffRule": rule["rule"],
        "ruleStartDate": rule["from_date"],
        "ruleEndDate": rule["last_date"],
        "allotted": allotted,
        "carriedOver": carried_over,
        "scheduled": sum(row["minutes"] for row in inside if row["day"] >= today),
        "taken": sum(row["minutes"] for row in inside if row["day"] < today),
        "remaining": allotted + carried_over - sum(row["minutes"] for row in days),
    }


# -- agent-export ----------------------------------------------------------------------------------------------------


def agent_export(world: World) -> list[Record]:
    """WM-320; records hold `tvID` besides the fields, the other ids stand under their own names."""
    rows = []
    for agent in living(world):
        mu_id = world.mu_today(agent["tv_id"])
        if mu_id is not None and mu_id in world.wanted.mu_ids and is_in_window(world, agent, mu_id):
            rows.append(exported(world, agent, mu_id))
    return ordered(rows, "mu", "tvID")


def window(world: World, mu_id: int) -> tuple[datetime, datetime]:
    """SS-924: up to, and without, the instant at which endDate is over."""
    tz = world.tz(mu_id)
    first_at = world.wanted.last_modified_at or day_start(world.wanted.start_date, tz)
    return first_at, day_start(world.wanted.end_date + DAY, tz)


def is_in_window(world: World, agent: Mapping[str, Any], mu_id: int) -> bool:
    """SS-925."""
    first_at, end_at = window(world, mu_id)
    starts = [day_start(row["from_date"], world.tz(mu_id)) for row in world.assignments.get(agent["tv_id"], ())]
    is_new = first_at - GRACE <= agent["created_at"] < end_at or bool(starts and first_at <= min(starts) < end_at)
    if world.wanted.record_type == "newAgent":
        return is_new
    return is_new or bool(first_at <= agent["changed_at"] < end_at)


def exported(world: World, agent: Mapping[str, Any], mu_id: int) -> Record:
    tv_id, today = agent["tv_id"], world.today(mu_id)
    names = {row["group_id"]: row["name"] for row in world.rows("data_group")}
    avail = {"startDate": agent["avail_from"], "endDate": agent["avail_to"]}
    return {
        "tvID": tv_id,
        "sso": agent["sso"],
        "UUID": agent["uuid"],
        "firstName": agent["first_name"],
        "lastName": agent["last_name"],
        "nameSuffix": agent["name_suffix"],
        "ssn": agent["ssn"],
        "externalID": agent["external_id"],
        "mu": mu_id,
        "startID": agent["start_id"],
        "agentStartDate": agent["agent_start_date"],
        "acdList": [
            {"acdID": row["acd_id"], "logon": row["logon_id"], "agentGroup": row["agent_group"]}
            for row in world.logons(tv_id, today)
        ],
        "senDate": agent["sen_date"],
        "senExt": agent["sen_ext"],
        "accrualDate": agent["accrual_date"],
        "rank": agent["rank"],
        "workStatus": agent["work_status"],
        "tourGroup": agent["tour_group"],
        "rotationNum": agent["rotation_num"],
        "minCDO": agent["min_cdo"],
        "minRestPerWeek": agent["min_rest_per_week"],
        "maxMinutes": agent["max_minutes"],
        "useAvailability": agent["use_availability"],
        "availListDateRange": None if None in avail.values() else avail,
        "vacGroup": agent["vac_group"],
        "agentData": [
            {
                "groupID": row["group_id"],
                "description": names[row["group_id"]],
                "adgStartDate": row["from_date"],
                "value": row["value"],
            }
            for row in world.latest_data(tv_id, today)
        ],
    }
