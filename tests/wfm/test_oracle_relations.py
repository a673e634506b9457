"""The small contact centre keeps the rules of the data, and the oracle's records the relations of WM-401 to WM-409."""

import csv
import tomllib
from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any
from zoneinfo import available_timezones

import pytest

from wfm.asking import CATALOGUE, SMALL, ask, find
from wfm.oracle import Record
from wfm.oracle_data import World, in_force
from wfm.oracle_time import DAY, MINUTE, day_start, local_date
from wfm.tables import as_csv_folder, small

pytestmark = pytest.mark.long

SCHEMA = tomllib.loads((CATALOGUE / "wfm/tables.toml").read_text())
TABLES = small(user="zoe")
WORLD = World(SMALL, ask())
YEAR: dict[str, Any] = {"first": "2024-01-01", "last": "2024-12-31", "run_at": datetime(2025, 2, 1)}


# -- the data --------------------------------------------------------------------------------------------------------


def test_every_table_is_there_with_its_columns():
    assert set(TABLES) == set(SCHEMA)
    for table, rows in TABLES.items():
        assert rows
        for row in rows:
            assert list(row.keys() ^ SCHEMA[table]["columns"].keys()) == []


PYTHON = {"integer": int, "text": str, "date": date, "boolean": bool, "instant": datetime, "decimal": Decimal}


@pytest.mark.parametrize("table", SCHEMA)
def test_values_have_the_type_of_their_column(table):
    for name, kind in SCHEMA[table]["columns"].items():
        base, optional = kind.removesuffix("?").split("(")[0], kind.endswith("?")
        for row in TABLES[table]:
            value = row[name]
            assert (value is None and optional) or type(value) is PYTHON[base], (table, name, value)
            if isinstance(value, Decimal):
                assert -value.as_tuple().exponent <= int(kind.split("(")[1].rstrip(")?"))


@pytest.mark.parametrize("table", SCHEMA)
def test_keys_are_unique_and_references_are_met(table):
    schema, rows = SCHEMA[table], TABLES[table]
    keys = [tuple(row[name] for name in schema["key"]) for row in rows]
    assert len(set(keys)) == len(keys)
    for names, other, other_names in schema.get("references", ()):
        known = {tuple(row[name] for name in other_names) for row in TABLES[other]}
        used = {tuple(row[name] for name in names) for row in rows}
        assert {key for key in used if None not in key} <= known


def test_a_nul_stands_only_in_columns_that_stay_in_files():
    held = {(table, name) for table, rows in TABLES.items() for row in rows for name in row if "\0" in str(row[name])}
    assert held == {("agent", "first_name"), ("agent", "ssn"), ("agent_data", "value")}


@pytest.mark.parametrize("table", ["schedule_part", "activity"])
def test_parts_of_an_agent_never_overlap(table):  # WM-101, WM-002
    stop_at: dict[int, datetime] = {}
    for row in sorted(SMALL[table], key=lambda row: (row["tv_id"], row["start_at"])):
        assert stop_at.get(row["tv_id"], datetime(1970, 1, 1)) <= row["start_at"] < row["stop_at"]
        assert row["start_at"].second == row["stop_at"].second == 0
        stop_at[row["tv_id"]] = row["stop_at"]


def test_schedules_lie_in_the_48_hours_and_the_mu_of_their_date():  # WM-102, WM-103
    for part in SMALL["schedule_part"]:
        schedule = WORLD.schedules[part["tv_id"], part["sched_date"]]
        first_at = day_start(part["sched_date"], WORLD.tz(schedule["mu_id"]))
        assert first_at <= part["start_at"]
        assert part["stop_at"] <= first_at + timedelta(hours=48)
    for row in SMALL["schedule"]:
        members = [m["mu_id"] for m in WORLD.memberships[row["tv_id"]] if in_force(m, row["sched_date"])]
        assert members == [row["mu_id"]]


@pytest.mark.parametrize("minutes", [15, 30])
def test_zones_are_known_and_periods_lie_on_their_raster(minutes):  # WM-104
    assert {row["tz"] for table in ("management_unit", "contact_type") for row in SMALL[table]} <= available_timezones()
    for table in ("ct_forecast", "queue_period", "agent_period"):
        for row in small(period_minutes=minutes)[table]:
            ct_id = row["ct_id"] if table == "ct_forecast" else WORLD.queues[row["queue_id"]]["ct_id"]
            tz = WORLD.cts[ct_id]["tz"]
            assert (row["period_at"] - day_start(local_date(row["period_at"], tz), tz)) % (
                minutes * MINUTE
            ) == 0 * MINUTE


def test_names_times_and_shares():  # WM-105, WM-106, WM-107
    for table, names in {
        "data_group": ["name"],
        "code_attribute": ["name"],
        "time_off_rule": ["group_id", "rule"],
    }.items():
        found = [tuple(str(row[name]).casefold() for name in names) for row in SMALL[table]]
        assert len(set(found)) == len(found)
    assert all(row["value"] for row in SMALL["code_value"])
    for table in ("agent", "management_unit", "contact_type", "business_unit", "enterprise_group"):
        for row in SMALL[table]:
            assert row["created_at"] <= row["changed_at"] <= (row["deleted_at"] or row["changed_at"])
    for one, share in (("mu_id", "open_share"), ("ct_id", "contact_share")):
        sums: Counter[int] = Counter()
        for row in SMALL["allocation"]:
            sums[row[one]] += row[share]
        assert set(sums.values()) == {Decimal(1)}


def test_contacts_add_up():  # WM-109, WM-110, WM-112
    done: dict[Any, Counter[str]] = {}
    for row in SMALL["agent_period"]:
        place = row["queue_id"], row["period_at"]
        done.setdefault(place, Counter()).update({n: row[n] for n in ("handled", "talk_s", "hold_s", "work_s")})
        acd_id = WORLD.queues[row["queue_id"]]["acd_id"]
        assert any(a["tv_id"] == row["tv_id"] and a["acd_id"] == acd_id for a in SMALL["agent_acd"])
        assert any(
            a["tv_id"] == row["tv_id"]
            and a["start_at"] < row["period_at"] + 30 * MINUTE
            and row["period_at"] < a["stop_at"]
            for a in SMALL["activity"]
        )
    for row in SMALL["queue_period"]:
        sums = done.pop((row["queue_id"], row["period_at"]), Counter())
        assert all(row[name] == sums[name] for name in ("handled", "talk_s", "hold_s", "work_s"))
        assert row["handled"] + row["abandoned"] <= row["received"]
        assert row["in_time"] <= row["handled"]
    assert not done
    for row in SMALL["ct_forecast"]:
        assert row["handled"] <= row["received"]
        assert 1 <= row["occ"] <= 100


def test_the_files_hold_the_tables(tmp_path):
    folder = as_csv_folder(SMALL, tmp_path / "wfm")
    assert {path.stem for path in folder.iterdir()} == set(SMALL)
    text = (folder / "agent.csv").read_bytes().decode()
    header, _, third = (row for n, row in enumerate(csv.reader(StringIO(text, newline=""))) if n in (0, 1, 3))
    assert header == list(SMALL["agent"][0])
    assert (third[0], third[header.index("last_name")]) == ("1003", "#Hash")
    lines = (folder / "management_unit.csv").read_bytes().decode().split("\n")
    assert lines[:2] == [
        "mu_id,name,tz,eg_id,bu_id,created_at,changed_at,deleted_at",
        '1,"Lyon","Europe/Paris",1,1,2023-01-01T00:00:00Z,2023-01-01T00:00:00Z,',
    ]
    assert (folder / "agent_data.csv").read_text().count('1001,9,2024-05-23,""\n') == 1
    assert (folder / "agent_data.csv").read_text().count("1003,7,2024-05-22,\n") == 1


# -- the relations ---------------------------------------------------------------------------------------------------


def sums(rows: Iterable[Record], by: str, of: str) -> Counter[tuple[Any, ...]]:
    found: Counter[tuple[Any, ...]] = Counter()
    for row in rows:
        found[tuple(row[name] for name in by.split())] += row[of]
    return found


@pytest.mark.parametrize(("kind", "day"), [("schedule", "excdate"), ("activity", "date")])
@pytest.mark.parametrize("attribute", ["EXC_EXPORT", "Pay", 'Odd "name"'])
def test_details_add_up_to_summaries(kind, day, attribute):  # WM-401
    detail = find(f"agent-{kind}-detail", **YEAR, attribute=attribute)
    summary = find(f"agent-{kind}-summary", **YEAR, attribute=attribute)
    names = "muID tvID exceptionCode"
    assert sums(detail, f"{day} {names}", "minutes") == sums(summary, f"date {names}", "minutes")


@pytest.mark.parametrize("attribute", ["EXC_EXPORT", "Pay", 'Odd "name"'])
def test_adherence_adds_up(attribute):  # WM-402, WM-403, WM-404, WM-409
    by = "date muID tvID"
    summary = find("agent-adherence-summary", **YEAR, attribute=attribute)
    for kind, total in (("schedule", "totalSched"), ("activity", "totalAct")):
        minutes = sums(find(f"agent-{kind}-summary", **YEAR, attribute=attribute), by, "minutes")
        assert +sums(summary, by, total) == minutes
        assert +sums(find("agent-activity-and-schedules", **YEAR), by, total) == minutes
    for row in summary:
        day = day_start(row["date"] + DAY, row["TZ"]) - day_start(row["date"], row["TZ"])
        assert max(row["totalSched"], row["totalAct"]) * MINUTE <= day
    for exporter in ("agent-adherence-detail", "agent-adherence-attribute-detail"):
        detail = find(exporter, **YEAR, attribute=attribute)
        for verdict, total in (("IN", "inAdherence"), ("OUT", "outAdherence"), ("UNSCHEDULED", "unschedAct")):
            found = [row for row in detail if row["adherence"] == verdict]
            assert sums(found, by, "minutes") == +sums(summary, by, total)
    parts = find("agent-adherence-attribute-summary", **YEAR, attribute=attribute)
    for total in ("totalSched", "totalAct", "inAdherence"):
        assert sums(parts, by, total) == sums(summary, by, total)


def test_results_add_up():  # WM-405, WM-406
    queues, cts = (find(name, **YEAR, ct_ids=range(10, 15)) for name in ("ct-queue-data", "ct-results"))
    for total in ("actContactsReceived", "actContactsHandled", "actContactsAbandoned"):
        assert sums(queues, "ctID date period", total) == sums(cts, "ctID date period", total)
    detail = find("agent-results-detail", **YEAR)
    for total in ("actContactsHandled", "actTalkTime", "actHoldTime", "actWorkTime"):
        assert sums(detail, "date muID tvID", total) == sums(
            find("agent-results-summary", **YEAR), "date muID tvID", total
        )
        assert sums(detail, "date muID period", total) == sums(find("mu-results", **YEAR), "date muID period", total)


def test_shares_of_a_forecast_add_up():  # WM-407
    for forecast in SMALL["ct_forecast"]:
        tables = {**SMALL, "ct_forecast": [forecast]}
        far = {"first": "2024-01-01", "last": "2999-12-31", "tables": tables}
        whole = find("ct-active-forecast", **far, ct_ids=[10, 11, 12])
        parts = find("mu-forecast", **far)
        name = "fcstContactsReceived"
        assert abs(sum(row[name] for row in whole) - sum(row[name] for row in parts)) <= Decimal("0.01") * len(parts)


def test_opens_add_up_to_the_scheduled_minutes():  # WM-408
    codes = {row["code"] for row in SMALL["activity_code"] if row["is_open"]}
    minutes: Counter[tuple[int, date]] = Counter()
    for part in SMALL["schedule_part"]:
        if part["code"] in codes:
            mu_id = WORLD.schedules[part["tv_id"], part["sched_date"]]["mu_id"]
            minutes[mu_id, part["sched_date"]] += (part["stop_at"] - part["start_at"]) // MINUTE
    opens: Counter[tuple[int, date]] = Counter()
    for row in find("mu-opens", **YEAR, tables={**SMALL, "imported_open": []}):
        opens[row["muID"], row["date"]] += sum(item["openValue"] for item in row["open"])
    assert set(opens) == set(minutes)
    assert all(abs(opens[place] - minutes[place]) <= Decimal("0.0001") * 192 * 2 for place in opens)
