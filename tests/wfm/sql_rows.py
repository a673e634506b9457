"""Rows for the tests of the exporters' SQL, short to write: what a test does not say has a dull value."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

Row = dict[str, Any]
_LONG_AGO = datetime(2020, 1, 1)
_STAMPS = {"created_at": _LONG_AGO, "changed_at": _LONG_AGO}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def day(text: str) -> date:
    return date.fromisoformat(text)


def tables(*parts: Mapping[str, Sequence[Row]], period_minutes: int = 15) -> dict[str, list[Row]]:
    """Put tables' rows together; the customer is always there."""
    together: dict[str, list[Row]] = {
        "customer": [{"customer_id": 7, "name": "Customer", "period_minutes": period_minutes}]
    }
    for part in parts:
        for name, rows in part.items():
            together.setdefault(name, []).extend(rows)
    return together


def mu(mu_id: int, tz: str, **other: Any) -> dict[str, list[Row]]:
    return {"management_unit": [{"mu_id": mu_id, "name": f"MU {mu_id}", "tz": tz, **_STAMPS, **other}]}


def ct(ct_id: int, tz: str, **other: Any) -> dict[str, list[Row]]:
    return {"contact_type": [{"ct_id": ct_id, "name": f"CT {ct_id}", "tz": tz, **_STAMPS, **other}]}


def queue(queue_id: int, ct_id: int, acd_id: int = 1) -> dict[str, list[Row]]:
    return {"queue": [{"queue_id": queue_id, "ct_id": ct_id, "acd_id": acd_id, "name": f"Queue {queue_id}"}]}


def agent(tv_id: int, mu_id: int | None = None, **other: Any) -> dict[str, list[Row]]:
    """An agent, in an MU since ever when one is named."""
    row = {"tv_id": tv_id, "first_name": "Zoë", "last_name": f"O'Neil{tv_id}", **_STAMPS, **other}
    return {"agent": [row]} | (member(tv_id, mu_id) if mu_id else {})


def member(tv_id: int, mu_id: int, start: str = "2020-01-01", stop: str | None = None) -> dict[str, list[Row]]:
    return {"agent_mu": [{"tv_id": tv_id, "mu_id": mu_id, "from_date": day(start), "to_date": stop and day(stop)}]}


def logon(
    tv_id: int, acd_id: int, logon_id: str, start: str = "2020-01-01", stop: str | None = None, **other: Any
) -> Any:
    row = {"tv_id": tv_id, "acd_id": acd_id, "logon_id": logon_id, "from_date": day(start), **other}
    return {"agent_acd": [row | {"to_date": stop and day(stop)}]}


def data(tv_id: int, group_id: int, value: str | None, start: str = "2020-01-01") -> dict[str, list[Row]]:
    return {"agent_data": [{"tv_id": tv_id, "group_id": group_id, "from_date": day(start), "value": value}]}


def codes(attribute: str = "EXC_EXPORT", /, **values: str | None) -> dict[str, list[Row]]:
    """Codes with their value of an attribute; those whose name begins with OPEN are open for contacts."""
    return {
        "activity_code": [{"code": code, "is_open": code.startswith("OPEN")} for code in values],
        "code_attribute": [{"name": attribute}],
        "code_value": [
            {"code": code, "attribute": attribute, "value": value}
            for code, value in values.items()
            if value is not None
        ],
    }


def schedule(tv_id: int, mu_id: int, sched_date: str, *parts: tuple[str, str, str], changed: str = "2020-01-01") -> Any:
    """A schedule of parts (start, stop, code), UTC."""
    return {
        "schedule": [
            {"tv_id": tv_id, "sched_date": day(sched_date), "mu_id": mu_id, "changed_at": at(changed)},
        ],
        "schedule_part": [
            {"tv_id": tv_id, "sched_date": day(sched_date), "start_at": at(start), "stop_at": at(stop), "code": code}
            for start, stop, code in parts
        ],
    }


def activity(tv_id: int, *parts: tuple[str, str, str]) -> dict[str, list[Row]]:
    return {
        "activity": [
            {"tv_id": tv_id, "start_at": at(start), "stop_at": at(stop), "code": code} for start, stop, code in parts
        ]
    }


def agent_period(tv_id: int, queue_id: int, period: str, handled: int, talk: int, hold: int, work: int) -> Any:
    row = {"tv_id": tv_id, "queue_id": queue_id, "period_at": at(period), "handled": handled}
    return {"agent_period": [row | {"talk_s": talk, "hold_s": hold, "work_s": work}]}


def queue_period(queue_id: int, period: str, **numbers: int) -> dict[str, list[Row]]:
    names = ("received", "handled", "abandoned", "in_time", "talk_s", "hold_s", "work_s", "wait_s")
    return {
        "queue_period": [{"queue_id": queue_id, "period_at": at(period), **dict.fromkeys(names, 0), **numbers}],
    }


def forecast(ct_id: int, period: str, **numbers: Any) -> dict[str, list[Row]]:
    names = ("received", "handled", "aht_s", "req", "occ")
    return {"ct_forecast": [{"ct_id": ct_id, "period_at": at(period), **dict.fromkeys(names, 1), **numbers}]}


def share(mu_id: int, ct_id: int, opens: str, contacts: str) -> dict[str, list[Row]]:
    return {"allocation": [{"mu_id": mu_id, "ct_id": ct_id, "open_share": opens, "contact_share": contacts}]}


def imported(mu_id: int, ct_id: int, sched_date: str, step: int, minutes: str) -> dict[str, list[Row]]:
    row = {"mu_id": mu_id, "ct_id": ct_id, "sched_date": day(sched_date), "step": step, "minutes": minutes}
    return {"imported_open": [row]}


def pick(rows: Sequence[Row], *names: str) -> list[tuple[Any, ...]]:
    """Take some columns; dates and times as texts, so that they are short to write."""
    return [tuple(_short(row[name]) for name in names) for row in rows]


def _short(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%m-%d %H:%M")
    return value.strftime("%m-%d") if isinstance(value, date) else value
