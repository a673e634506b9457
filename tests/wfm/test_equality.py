"""Every exporter in every format it lists: the product's bytes against the oracle's rows through the plain writers."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from tailrace.catalog.wfm import VIEW_TABLE, load_wfm_tables
from wfm.asking import SMALL, ask, exporter
from wfm.oracle import EXPORTERS, Wanted, rows_of
from wfm.product import SAMPLE_PRESENT, chosen, for_customer
from wfm.writers import count_replaced, page, write

GROUPS = [(row["group_id"], row["name"]) for row in SMALL["data_group"]]
CTS = [row["ct_id"] for row in SMALL["contact_type"]]
BUS = [row["bu_id"] for row in SMALL["business_unit"]]
PLACES = {"mu": "management_unit", "ct": "contact_type"}
WHOLE_YEAR = ("2024-01-01", "2024-12-31")
FORMATS = [(name, form) for name in EXPORTERS for form in exporter(name)["formats"]]
LONG = [pytest.mark.slow, pytest.mark.share]
# One format of each exporter in every run, the others in the long suites.
ONE_AND_ALL = [
    pytest.param(name, form, marks=() if form == exporter(name)["formats"][0] else LONG) for name, form in FORMATS
]


def wanted_of(name, dates=WHOLE_YEAR, **more):
    """Ask for all there is."""
    scope = exporter(name)["scope"]
    asked: dict[str, Any] = {}
    if scope == "bu_ct":
        asked = {"mu_ids": (), "ct_ids": CTS}
    elif scope == "time_off_group":
        asked = {"mu_ids": (), "include_all": True}
    if name == "agent-export":
        asked["record_type"] = "changedAgent"
    return ask(*dates, **(asked | more))


def compare(centre, name, form, wanted, *, fields=None, date_format=None, time_format="24", **how):
    """Compare the whole, two pages and the number of replaced characters; returns the records."""
    made = centre.export(
        name,
        wanted,
        form,
        date_format=date_format or "",
        time_format=time_format,
        fields=chosen(fields, GROUPS),
        keep_empty=how.get("keep_empty", False),
        header=not how.get("exclude_header", False),
    )
    records = rows_of(name, SMALL, for_customer(wanted, centre))
    how |= {"output_format": form, "date_format": date_format, "time_format": time_format, "fields": fields}
    how |= {"data_groups": GROUPS, "record_type": wanted.record_type}
    assert made.data.decode() == write(exporter(name), records, **how).decode()
    assert made.result.rows == len(records)
    if form != "JSON":
        assert made.result.replaced == count_replaced(exporter(name), records, **_styled(how))
    if records:
        last = len(records)
        for start, count in {(1, last), (1, 1), (last, 5), (max(1, last // 2), 3)}:
            assert made.page(start, count).decode() == page(exporter(name), records, start, count, **how).decode()
    return records


def _styled(how):
    order = ("output_format", "date_format", "time_format", "fields", "data_groups", "exclude_header", "keep_empty")
    return {name: how.get(name, False) for name in (*order, "record_type")}


@pytest.mark.req("WM-301", "WM-302", "WM-304", "WM-305", "WM-306", "WM-307", "WM-308", "WM-309", "WM-310", "WM-311")
@pytest.mark.req("WM-312", "WM-313", "WM-314", "WM-315", "WM-316", "WM-317", "WM-318", "WM-319", "WM-320")
@pytest.mark.req("WM-201", "WM-202", "WM-203", "WM-204", "WM-205", "WM-206", "WM-207", "WM-208", "WM-209", "WM-210")
@pytest.mark.req("SS-927", "WM-005", "WM-211", "WM-212", "SS-802", "SS-803", "SS-804", "SS-510")
@pytest.mark.parametrize(("name", "form"), ONE_AND_ALL)
def test_a_year_of_everything(small_centre, name, form):
    records = compare(small_centre, name, form, wanted_of(name), date_format="mmddyyyy" if form == "PIPE" else None)
    assert records, "the tables hold something for every exporter"


@pytest.mark.slow
@pytest.mark.share
@pytest.mark.parametrize("date_format", ["mmddyy", "ddmmyy", "ddmmyyyy", "yyyymmdd", "yyyyddmm", "yyddmm", "yymmdd"])
@pytest.mark.req("SS-901", "SS-902", "SS-903")
def test_dates_and_times_in_every_layout(small_centre, date_format):
    for form in ("PIPE", "JSON"):
        wanted = wanted_of("agent-schedule-detail")
        compare(small_centre, "agent-schedule-detail", form, wanted, date_format=date_format, time_format="12")


@pytest.mark.slow
@pytest.mark.share
@pytest.mark.req("SS-824", "SS-825")
@pytest.mark.parametrize("name", [name for name, form in FORMATS if form == "JSON"])
def test_empty_members_may_be_kept(small_centre, name):
    compare(small_centre, name, "JSON", wanted_of(name), keep_empty=True)


@pytest.mark.req("SS-702", "SS-704", "SS-706", "SS-707", "SS-708", "SS-812", "SS-813")
@pytest.mark.parametrize("form", ["PIPE", "JSON"])
def test_fields_choose_and_order_columns(small_centre, form):
    first, second = GROUPS[0][1], GROUPS[-1][1]
    fields = [{"name": "minutes"}, {"name": "agentData", "value": second}, {"name": "date"}]
    fields += [{"name": "agentData", "value": first}, {"name": "agentName"}, {"name": "agentData", "value": first}]
    wanted = wanted_of("agent-schedule-summary")
    compare(small_centre, "agent-schedule-summary", form, wanted, fields=fields, date_format="yyyymmdd")


@pytest.mark.slow
@pytest.mark.share
@pytest.mark.req("SS-703", "SS-710", "SS-836", "SS-826", "SS-827", "SS-924", "SS-925", "WM-320")
@pytest.mark.parametrize("form", ["XML", "JSON"])
@pytest.mark.parametrize("record_type", ["newAgent", "changedAgent"])
@pytest.mark.parametrize(
    "fields",
    [
        [{"name": "id", "attributes": {"idType": "ssn"}}, {"name": "rank"}, {"name": "firstName"}],
        [{"name": "agentData", "value": GROUPS[0][1]}, {"name": "acdList"}],
        [{"name": "availListDateRange"}, {"name": "name"}, {"name": "useAvailability"}],
    ],
    ids=["parts", "lists", "groups"],
)
def test_agents_with_chosen_fields(small_centre, form, record_type, fields):
    if record_type == "newAgent":
        fields = [field for field in fields if field["name"] != "id"]
    wanted = wanted_of("agent-export", record_type=record_type)
    for keep in (False, True) if form == "JSON" else (False,):
        compare(small_centre, "agent-export", form, wanted, fields=fields, keep_empty=keep)


@pytest.mark.slow
@pytest.mark.share
@pytest.mark.req("WM-303", "SS-915", "SS-219")
@pytest.mark.parametrize("disable", [False, True], ids=["cut", "whole"])
@pytest.mark.parametrize("modified", [None, datetime(2024, 3, 1), datetime(2030, 1, 1)], ids=["all", "some", "none"])
def test_schedules_cut_and_whole(small_centre, disable, modified):
    more = {"disable_midnight_cut_off": disable, "last_modified_at": modified}
    for dates in (WHOLE_YEAR, ("2024-05-22", "2024-05-23"), ("2024-03-09", "2024-03-11")):
        compare(
            small_centre,
            "agent-schedule-detail",
            "PIPE",
            wanted_of("agent-schedule-detail", dates, **more),
            date_format="yyyymmdd",
        )


@pytest.mark.slow
@pytest.mark.share
@pytest.mark.req("SS-816", "SS-822", "SS-835")
@pytest.mark.parametrize(("name", "form"), FORMATS)
def test_nothing_to_write(small_centre, name, form):
    wanted = wanted_of(name, ("1970-01-01", "1970-01-02"))
    assert compare(small_centre, name, form, wanted, date_format="mmddyyyy") == []
    if form == "PIPE":
        compare(small_centre, name, form, wanted, date_format="mmddyyyy", exclude_header=True)


@pytest.mark.slow
@pytest.mark.req("WM-212", "SS-916", "SS-912", "SS-919", "SS-920", "SS-921", "SS-922", "SS-923")
@pytest.mark.parametrize(("name", "form"), FORMATS)
def test_every_week_by_itself(small_centre, name, form):
    """Cut the year into ranges of odd lengths, ask for each MU or CT alone and for the others, by other codes."""
    first, number = date(2024, 1, 1), 0
    while first < date(2024, 12, 31):
        last = first + timedelta(days=(1, 0, 6, 12, 29)[number % 5])
        wanted = wanted_of(name, (first.isoformat(), last.isoformat()))
        wanted = replace(wanted, run_at=datetime(2024, 6, 3, 12) + timedelta(days=(number % 3 - 1) * 40))
        if exporter(name)["scope"] == "mu":
            wanted = replace(
                wanted, mu_ids=[[*wanted.mu_ids][number % len(wanted.mu_ids)]] if number % 2 else [1, 2, 5]
            )
        if exporter(name)["scope"] == "bu_ct":
            wanted = replace(wanted, ct_ids=CTS[number % 2 :: 2], bu_ids=BUS[:1] if number % 3 else ())
        attributes = [row["name"] for row in SMALL["code_attribute"]]
        wanted = replace(wanted, attribute=attributes[number % len(attributes)])
        compare(small_centre, name, form, wanted, date_format="mmddyyyy", time_format=("12", "24")[number % 2])
        first, number = last + timedelta(days=1), number + 1


@pytest.fixture(scope="module")
def sample_tables(sample_centre):
    return {name: sample_centre.stored(name) for name in load_wfm_tables() if name != VIEW_TABLE}


@pytest.mark.slow
@pytest.mark.share
@pytest.mark.req("WM-212", "SS-911", "SS-912", "SS-917", "SS-919", "SS-920", "SS-922")
@pytest.mark.parametrize("name", EXPORTERS)
@pytest.mark.parametrize(
    ("first", "last"),
    [("2026-10-31", "2026-11-02"), ("2026-09-05", "2026-09-07"), ("2026-11-20", "2026-11-24")],
    ids=["clocks back", "clocks forward", "present"],
)
def test_a_made_up_centre(sample_centre, sample_tables, name, first, last):
    scope, form = exporter(name)["scope"], exporter(name)["formats"][-1]
    ids = {table: [row[f"{table}_id"] for row in sample_tables[place]] for table, place in PLACES.items()}
    asked = {"mu": {"mu_ids": ids["mu"]}, "bu_ct": {"ct_ids": ids["ct"]}, "time_off_group": {"include_all": True}}
    more = {"record_type": "newAgent", **asked[scope]} if name == "agent-export" else asked[scope]
    dates = date.fromisoformat(first), date.fromisoformat(last)
    wanted = for_customer(Wanted(*dates, SAMPLE_PRESENT, **more), sample_centre)
    made = sample_centre.export(name, wanted, form)
    records = rows_of(name, sample_tables, wanted)
    groups = [(row["group_id"], row["name"]) for row in sample_tables["data_group"]]
    how = {"output_format": form, "data_groups": groups, "record_type": wanted.record_type}
    assert made.data.decode() == write(exporter(name), records, **how).decode()
