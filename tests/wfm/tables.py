"""A small contact centre by hand, with every edge the specification of the exporters mentions.

Instants are `datetime` without a zone, in UTC. Everything is in 2024 but what `FAR` marks. A good day for the run is
`RUN_AT`: some of the dates lie before it, some after.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from wfm.tables_csv import as_csv_folder
from wfm.tables_rows import (
    ACTIVITY,
    AGENT_DATA,
    AGENT_MU,
    AGENT_PERIODS,
    CODES,
    FORECASTS,
    IMPORTED,
    LOGONS,
    ODD_TEXT,
    PARTS,
    QUEUE_PERIODS,
    SCHEDULES,
)

__all__ = ["FAR", "RUN_AT", "as_csv_folder", "small"]

Row = dict[str, Any]
RUN_AT = datetime(2024, 6, 3, 12, 0)
LONG_AGO = datetime(2023, 1, 1)
FAR = date(2999, 6, 1)


def small(*, period_minutes: int = 30, user: str | None = None) -> dict[str, list[Row]]:
    """All tables; `entity_view` only for a user, who then may view everything."""
    tables = {
        "customer": [{"name": 'Kundin & "Söhne" <GmbH>', "period_minutes": period_minutes}],
        **entities(),
        **agents(),
        **codes(),
        **schedules(),
        **contacts(period_minutes),
        **time_off(),
    }
    if user is not None:
        tables["entity_view"] = views(user, tables)
    return tables


def views(user: str, tables: Mapping[str, Sequence[Row]]) -> list[Row]:
    """View on each entity by itself."""
    places = {
        "mu": ("management_unit", "mu_id"),
        "ct": ("contact_type", "ct_id"),
        "eg": ("enterprise_group", "eg_id"),
        "bu": ("business_unit", "bu_id"),
        "tog": ("time_off_group", "group_id"),
    }
    return [
        {"user_id": user, "entity_type": kind, "entity_id": row[key]}
        for kind, (table, key) in places.items()
        for row in tables[table]
    ]


# -- entities --------------------------------------------------------------------------------------------------------


def life(deleted_at: datetime | None = None) -> Row:
    return {"created_at": LONG_AGO, "changed_at": deleted_at or LONG_AGO, "deleted_at": deleted_at}


def entities() -> dict[str, list[Row]]:
    return {
        "enterprise_group": [
            {"eg_id": 1, "name": "Europe", **life()},
            {"eg_id": 2, "name": 'Karibik | "&" <Süd>', **life()},
        ],
        "business_unit": [
            {"bu_id": 1, "name": "Sales", **life()},
            {"bu_id": 2, "name": "Zwei\n\\ | \u0001 \ufffe & <2>", **life()},
            {"bu_id": 3, "name": "Without anything", **life()},
        ],
        "management_unit": [
            mu(1, "Lyon", "Europe/Paris", eg_id=1, bu_id=1),
            mu(2, "Chicago", "America/Chicago", bu_id=1),
            mu(3, "La Habana", "America/Havana", eg_id=2),
            mu(4, "#Beirut 😀", "Asia/Beirut", bu_id=2),
            mu(5, "Kathmandu | no allocation", "Asia/Kathmandu"),
            mu(6, 'Empty "MU" & <co>\r\n', "Europe/Paris", eg_id=1, bu_id=2),
            mu(7, "Santiago", "America/Santiago"),
            mu(8, "Lord Howe, deleted", "Australia/Lord_Howe", deleted_at=datetime(2024, 5, 1)),
        ],
        "contact_type": [
            ct(10, "Verkauf", "Europe/Paris", eg_id=1, bu_id=1),
            ct(11, "Service & <Rat>", "Europe/Paris", bu_id=2),
            ct(12, "Care|Havana", "America/Havana", eg_id=2),
            ct(13, "Not allocated", "America/Chicago"),
            ct(14, "Deleted", "Europe/Paris", bu_id=1, deleted_at=datetime(2024, 5, 1)),
        ],
        "queue": [
            {"queue_id": 100, "ct_id": 10, "acd_id": 1, "name": "Sales 1"},
            {"queue_id": 101, "ct_id": 10, "acd_id": 2, "name": "Sales|2\\"},
            {"queue_id": 110, "ct_id": 11, "acd_id": 1, "name": "Service"},
            {"queue_id": 120, "ct_id": 12, "acd_id": 3, "name": "#Care"},
            {"queue_id": 130, "ct_id": 13, "acd_id": 1, "name": "Chicago"},
            {"queue_id": 140, "ct_id": 14, "acd_id": 1, "name": "Of a deleted CT"},
            {"queue_id": 150, "ct_id": 10, "acd_id": 1, "name": "Without data"},
        ],
        "allocation": [
            allocation(1, 10, "0.60000", "0.33333"),
            allocation(1, 11, "0.40000", "1.00000"),
            allocation(2, 10, "1.00000", "0.66667"),
            allocation(3, 12, "1.00000", "0.50000"),
            allocation(4, 10, "0.66667", "0.00000"),
            allocation(4, 12, "0.33333", "0.50000"),
            allocation(7, 12, "1.00000", "0.00000"),
        ],
    }


def mu(mu_id: int, name: str, tz: str, *, eg_id: int | None = None, bu_id: int | None = None, **dead: datetime) -> Row:
    return {"mu_id": mu_id, "name": name, "tz": tz, "eg_id": eg_id, "bu_id": bu_id, **life(**dead)}


def ct(ct_id: int, name: str, tz: str, *, eg_id: int | None = None, bu_id: int | None = None, **dead: datetime) -> Row:
    return {"ct_id": ct_id, "name": name, "tz": tz, "eg_id": eg_id, "bu_id": bu_id, **life(**dead)}


def allocation(mu_id: int, ct_id: int, open_share: str, contact_share: str) -> Row:
    return {
        "mu_id": mu_id,
        "ct_id": ct_id,
        "open_share": Decimal(open_share),
        "contact_share": Decimal(contact_share),
    }


# -- agents ----------------------------------------------------------------------------------------------------------

TEXTS = ("ssn", "uuid", "external_id", "sso", "name_suffix", "work_status", "tour_group")
NUMBERS = ("start_id", "sen_ext", "rank", "rotation_num", "min_cdo", "min_rest_per_week", "max_minutes", "vac_group")
DATES = ("agent_start_date", "sen_date", "accrual_date", "avail_from", "avail_to")


def agent(tv_id: int, first_name: str, last_name: str, **known: Any) -> Row:
    """An agent of whom nothing is known but what is given; created long ago and never changed."""
    names = {"tv_id": tv_id, "first_name": first_name, "last_name": last_name}
    blank = dict.fromkeys((*TEXTS, *NUMBERS, *DATES, "use_availability", "deleted_at"))
    created_at = known.get("created_at", LONG_AGO)
    return {**names, **blank, "created_at": created_at, "changed_at": created_at, **known}


FULL = {
    "uuid": "0b6e3c1e-0000-4000-8000-000000001001",
    "sso": "zoe@example.org",
    "name_suffix": "Jr.",
    "start_id": 1001,
    "agent_start_date": date(2023, 2, 1),
    "sen_date": date(2022, 11, 30),
    "sen_ext": 3,
    "accrual_date": date(2023, 1, 15),
    "rank": 0,
    "work_status": "Full|time",
    "tour_group": "A & B",
    "rotation_num": 12,
    "min_cdo": 2,
    "min_rest_per_week": 2160,
    "max_minutes": 2400,
    "use_availability": True,
    "avail_from": date(2024, 1, 1),
    "avail_to": date(2024, 12, 31),
    "vac_group": 3,
}


def agents() -> dict[str, list[Row]]:
    """1001 to 1010 work; 1011 to 1016 lie on the edges of a window that begins on 2024-05-21 in Paris."""
    grace = datetime(2024, 5, 20, 21, 59, 55)
    deleted = {"changed_at": datetime(2024, 5, 31), "deleted_at": datetime(2024, 5, 31)}
    people = [
        agent(1001, "Zoë", "O'Neil", **FULL),
        agent(
            1002, "Line\nFeed\r\tTab\0Nul\u0001\ufffe 😀", ODD_TEXT, ssn="12|3\\", uuid="<u>&", use_availability=False
        ),
        agent(1003, "", "#Hash", ssn="", external_id="", sso="", avail_from=date(2024, 1, 1)),
        agent(1004, "Gone", "Deleted", ssn="444", external_id="E4", uuid="U4", **deleted),
        agent(1005, "Moved", "Away", ssn="555", external_id="E5", changed_at=datetime(2024, 5, 23, 8, 30, 15)),
        agent(1006, "Ángel", "Habanero", external_id="  spaces  "),
        agent(1007, "Rami", "Beiruti", name_suffix="", rank=-1),
        agent(1008, "Asha", "Kathmandu", vac_group=4),
        agent(1009, "Juan", "Santiago"),
        agent(1010, "Nuit", "Paris"),
        agent(1011, "In", "Grace", created_at=grace, changed_at=grace),
        agent(1012, "Left", "Early", ssn="1212", changed_at=datetime(2024, 5, 22, 21)),
        agent(1013, "Never", "Member"),
        agent(1014, "Half", "Hour"),
        agent(
            1015, "Eleven", "Seconds", created_at=datetime(2024, 5, 20, 21, 59, 49), changed_at=datetime(2024, 5, 22)
        ),
        agent(1016, "First", "Logon", ssn="\u0000\ufffe\uffff"),
        agent(1017, "Not", "Yet", created_at=datetime(2024, 5, 22), changed_at=datetime(2024, 5, 22)),
    ]
    return {
        "agent": people,
        "agent_mu": [
            {"tv_id": tv_id, "from_date": day(first), "mu_id": mu_id, "to_date": day(last)}
            for tv_id, mu_id, first, last in AGENT_MU
        ],
        "agent_acd": [
            {"tv_id": tv_id, "acd_id": acd_id, "logon_id": logon, "from_date": day(first)}
            | {"agent_group": group, "to_date": day(last)}
            for tv_id, acd_id, logon, first, last, group in LOGONS
        ],
        "data_group": [
            {"group_id": 9, "name": 'Si|te\\ "A" & <b>\n\t\r\u0001'},
            {"group_id": 7, "name": "Team"},
            {"group_id": 15, "name": "#Unused é"},
        ],
        "agent_data": [
            {"tv_id": tv_id, "group_id": group_id, "from_date": day(first), "value": value}
            for tv_id, group_id, first, value in AGENT_DATA
        ],
    }


def day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


# -- codes, schedules, activity --------------------------------------------------------------------------------------


def codes() -> dict[str, list[Row]]:
    """OPEN and CALL share a value; MEET has none, and VAC's value is MEET."""
    values = {
        "EXC_EXPORT": {"OPEN": "WORK", "CALL": "WORK", "BREAK": "Pause|payée", "VAC": "MEET", CODES["ODD"]: "<&>\\"},
        "Pay": {"OPEN": "Paid", "BREAK": "Paid", "LUNCH": "Unpaid"},
        'Odd "name"': {},
    }
    return {
        "activity_code": [{"code": code, "is_open": name in ("OPEN", "CALL", "ODD")} for name, code in CODES.items()],
        "code_attribute": [{"name": name} for name in values],
        "code_value": [
            {"code": code, "attribute": attribute, "value": value}
            for attribute, found in values.items()
            for code, value in found.items()
        ],
    }


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.strip().splitlines() if line.strip()]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def schedules() -> dict[str, list[Row]]:
    return {
        "schedule": [
            {"tv_id": int(tv_id), "sched_date": day(sched), "mu_id": int(mu_id), "changed_at": at(changed)}
            for tv_id, sched, mu_id, changed in lines(SCHEDULES)
        ],
        "schedule_part": [
            {"tv_id": int(tv_id), "sched_date": day(sched), "start_at": at(start), "stop_at": at(stop)}
            | {"code": CODES[code]}
            for tv_id, sched, start, stop, code in lines(PARTS)
        ],
        "activity": [
            {"tv_id": int(tv_id), "start_at": at(start), "stop_at": at(stop), "code": CODES[code]}
            for tv_id, start, stop, code in lines(ACTIVITY)
        ],
        "imported_open": [
            {"mu_id": int(mu_id), "ct_id": int(ct_id), "sched_date": day(sched), "step": int(step)}
            | {"minutes": Decimal(minutes)}
            for mu_id, ct_id, sched, step, minutes in lines(IMPORTED)
        ],
    }


# -- contacts --------------------------------------------------------------------------------------------------------


def contacts(period_minutes: int) -> dict[str, list[Row]]:
    periods: list[Row] = [
        {"tv_id": int(tv_id), "queue_id": int(queue), "period_at": at(start)}
        | dict(zip(("handled", "talk_s", "hold_s", "work_s"), map(int, amounts), strict=True))
        for tv_id, queue, start, *amounts in lines(AGENT_PERIODS)
    ]
    sums: dict[tuple[int, datetime], Counter[str]] = {}
    for row in periods:
        found = sums.setdefault((row["queue_id"], row["period_at"]), Counter())
        found.update({name: row[name] for name in ("handled", "talk_s", "hold_s", "work_s")})
    return {
        "ct_forecast": [forecast(*line, period_minutes=period_minutes) for line in lines(FORECASTS)],
        "queue_period": [queue_period(sums, *line) for line in lines(QUEUE_PERIODS)],
        "agent_period": periods,
    }


def queue_period(
    sums: Mapping[tuple[int, datetime], Counter[str]], queue: str, start: str, lost: str, in_time: str, wait: str
) -> Row:
    """What the agents did (WM-109), and contacts that were lost; as many abandoned as half of these."""
    done = sums.get((int(queue), at(start)), Counter())
    return {
        "queue_id": int(queue),
        "period_at": at(start),
        "received": done["handled"] + int(lost),
        "handled": done["handled"],
        "abandoned": int(lost) // 2,
        "in_time": int(in_time),
        "talk_s": done["talk_s"],
        "hold_s": done["hold_s"],
        "work_s": done["work_s"],
        "wait_s": int(wait),
    }


def forecast(ct_id: str, start: str, *amounts: str, period_minutes: int) -> Row:
    received, handled, aht_s, occ = map(Decimal, amounts[:4])
    req = Fraction(received) * Fraction(aht_s) / (60 * period_minutes) / (Fraction(occ) / 100)  # WM-112
    rev, commit = (None if text == "-" else Decimal(text) for text in amounts[4:])
    return {
        "ct_id": int(ct_id),
        "period_at": at(start),
        "received": received,
        "handled": handled,
        "aht_s": aht_s,
        "req": Decimal(round(req * 10000)).scaleb(-4),
        "occ": int(occ),
        "rev_plan_req": rev,
        "commit_plan_req": commit,
    }


# -- time off --------------------------------------------------------------------------------------------------------


def time_off() -> dict[str, list[Row]]:
    odd = '23/24 <carry> | "&" \\\n\u0001'
    rules = [
        (3, "2024", "2024-01-01", "2024-12-31", "minutes"),
        (3, "Sommer é", "2024-05-15", "2024-08-31", "minutes"),
        (3, "Counted in days", "2024-01-01", "2024-12-31", "days"),
        (3, "Lifetime", "2024-01-01", "2999-12-31", "minutes"),
        (4, odd, "2023-07-01", "2024-05-24", "minutes"),
        (4, "2024", "2024-01-01", "2024-12-31", "minutes"),
    ]
    balances = [
        (1001, 3, "2024", 9600, 480),
        (1001, 3, "Counted in days", 25, 0),
        (1003, 3, "2024", 60, 0),
        (1004, 3, "2024", 9600, 0),
        (1008, 4, odd, 4800, -60),
    ]
    days = [
        *((1001, 3, "2024", text, 480) for text in ("2024-02-01", "2024-05-25", "2024-05-26", "2024-06-03")),
        *((1001, 3, "2024", text, 240) for text in ("2024-06-04", "2024-12-31")),
        (1001, 3, "Sommer é", "2024-05-25", 15),
        (1001, 3, "Counted in days", "2024-05-25", 480),
        (1001, 3, "Lifetime", FAR.isoformat(), 60),
        (1003, 3, "2024", "2024-06-05", 480),  # more than allotted
        (1004, 3, "2024", "2024-05-25", 480),  # deleted
        (1005, 3, "2024", "2024-05-27", 480),  # without balance
        (1008, 4, odd, "2024-05-24", 60),
        (1008, 4, "2024", "2024-05-24", 30),
        (1012, 3, "2024", "2024-05-21", 480),  # in no MU any more
        (1017, 3, "2024", "2024-05-21", 480),  # in no MU yet
    ]
    return {
        "time_off_group": [
            {"group_id": 3, "name": "Full time"},
            {"group_id": 4, "name": 'Part|time & <co> "x"\n\u0001'},
            {"group_id": 5, "name": "Without rules"},
        ],
        "time_off_rule": [
            {"group_id": group, "rule": rule, "from_date": day(first), "last_date": day(last), "unit": unit}
            for group, rule, first, last, unit in rules
        ],
        "time_off_balance": [
            {"tv_id": tv_id, "group_id": group, "rule": rule, "allotted": allotted, "carried_over": carried}
            for tv_id, group, rule, allotted, carried in balances
        ],
        "time_off_day": [
            {"tv_id": tv_id, "group_id": group, "rule": rule, "day": day(text), "minutes": minutes}
            for tv_id, group, rule, text, minutes in days
        ],
    }
