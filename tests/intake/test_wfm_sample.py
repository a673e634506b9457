"""A sample contact centre keeps the invariants of the WFM data model, whatever its size, dates and seed.

The checks count what is at fault. They take local days from Python's zone database; the generator takes DuckDB's.
"""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import duckdb
import pytest

from tailrace.catalog.wfm import VIEW_TABLE, WfmTable, load_wfm_tables
from tailrace.intake.store import stored_type
from tailrace.intake.wfm.sample import make_sample

pytestmark = [pytest.mark.slow, pytest.mark.share]

TABLES = [table for table in load_wfm_tables().values() if table.name != VIEW_TABLE]
YEAR = {
    "start": date(2026, 1, 1),
    "end": date(2027, 1, 31),
    "present": datetime(2026, 11, 22, 10, 13, 14, tzinfo=UTC),
    "name": 'Harbour "Ferries" & L\'Île $seed',
}
LARGE = {**YEAR, "agents": 200, "seed": 20261122, "start": date(2025, 11, 1), "end": date(2026, 12, 31)}
AHEAD = {"present": datetime(2024, 2, 29, tzinfo=UTC), "end": date(2026, 2, 15)}
CENTRES = {
    # What test data must have is in these two (WM-115).
    "small": {**YEAR, "agents": 30, "seed": 1},
    "large": LARGE,
    # Sizes and dates nobody would choose: the invariants hold for them, too, but not everything occurs in them.
    "one agent": {**YEAR, "agents": 1, "seed": 5, "end": date(2026, 2, 28)},
    "two months": {**YEAR, "agents": 20, "seed": 6, "start": date(2026, 3, 1), "end": date(2026, 4, 30)},
    "one day": {**YEAR, "agents": 25, "seed": 7, "start": date(2026, 9, 6), "end": date(2026, 9, 6)},
    "all ahead": {**YEAR, "agents": 22, "seed": 8, **AHEAD},
}
LARGE_PARAM = pytest.param("large", marks=pytest.mark.slow)
ENTITIES = ("enterprise_group", "business_unit", "management_unit", "contact_type")
FAR_OFF = "DATE '9999-12-31'"
TIME_OFF = "('VACATION', 'PERSONAL', 'FLEX DAY')"


@pytest.fixture(scope="module")
def made() -> dict[str, duckdb.DuckDBPyConnection]:
    """Keep the centres of this module, each made when first asked for."""
    return {}


@pytest.fixture(params=["small", "one agent", "two months", "one day", "all ahead", LARGE_PARAM])
def centre(request, made) -> duckdb.DuckDBPyConnection:
    return find_centre(made, request.param)


@pytest.fixture(params=["small", LARGE_PARAM])
def full(request, made) -> duckdb.DuckDBPyConnection:
    return find_centre(made, request.param)


def find_centre(made: dict[str, duckdb.DuckDBPyConnection], name: str) -> duckdb.DuckDBPyConnection:
    if name not in made:
        made[name] = duckdb.connect()
        made[name].execute("SET TimeZone = 'UTC'")
        make_sample(made[name], **CENTRES[name])
        add_days(made[name], CENTRES[name])
    return made[name]


def add_days(connection: duckdb.DuckDBPyConnection, wish: dict) -> None:
    """Add the wish as `given`, and the local days of MUs and CTs as `mu_day` and `ct_day`, with their instants."""
    given = [wish["start"], wish["end"], wish["present"].replace(tzinfo=None)]
    connection.execute("CREATE TABLE given AS SELECT ? AS first, ? AS last, ? AS present", given)
    connection.execute("CREATE TABLE local_day (tz VARCHAR, day DATE, start_at TIMESTAMP, stop_at TIMESTAMP)")
    days = [wish["start"] + timedelta(days=n) for n in range(-5, (wish["end"] - wish["start"]).days + 40)]
    for (zone,) in rows(connection, "SELECT tz FROM management_unit UNION SELECT tz FROM contact_type"):
        starts = [day_start(day, ZoneInfo(zone)) for day in days]
        columns = ", ".join(f"unnest(?::{kind}[])" for kind in ("DATE", "TIMESTAMP", "TIMESTAMP"))
        connection.execute(
            f"INSERT INTO local_day SELECT ?, * FROM (SELECT {columns})", [zone, days[:-1], starts[:-1], starts[1:]]
        )
    for unit, table in (("mu", "management_unit"), ("ct", "contact_type")):
        query = f"SELECT {unit}_id, local_day.* FROM {table} JOIN local_day USING (tz)"
        connection.execute(f"CREATE TABLE {unit}_day AS {query}")


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """Find the first instant of a local date (WM-003) by looking at every quarter of an hour around it."""
    instant = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC) - timedelta(hours=3)
    while instant.astimezone(zone).date() < day:
        instant += timedelta(minutes=15)
    return instant.replace(tzinfo=None)


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple]:
    return connection.execute(query).fetchall()


def count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    """Count the rows of a query."""
    return rows(connection, f"SELECT count(*) FROM ({query})")[0][0]


# -- the tables as such -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_has_its_columns_types_key_and_references(made, table: WfmTable) -> None:
    for connection in (find_centre(made, "small"), find_centre(made, "one day")):
        described = [(row[0], row[1]) for row in rows(connection, f"DESCRIBE {table.name}")]
        assert described == [(column.name, stored_type(column)) for column in table.columns]
        for column in table.columns:
            assert column.nullable or not count(connection, f"FROM {table.name} WHERE {column.name} IS NULL")
            for (value,) in rows(connection, f"SELECT DISTINCT {column.name}::VARCHAR FROM {table.name}"):
                assert not column.enum or value in column.enum
        key = ", ".join(table.key) or "'one row'"
        assert count(connection, f"SELECT {key} FROM {table.name} GROUP BY {key} HAVING count(*) > 1") == 0
        for reference in table.references:
            there = " AND ".join(f"{name} IS NOT NULL" for name in reference.columns)
            own = f"SELECT {', '.join(reference.columns)} FROM {table.name} WHERE {there}"
            assert count(connection, f"{own} EXCEPT SELECT {', '.join(reference.key)} FROM {reference.table}") == 0


def test_nothing_is_left_but_the_tables() -> None:
    connection = duckdb.connect()
    make_sample(connection, **CENTRES["one day"])
    assert {name for (name,) in rows(connection, "SHOW TABLES")} == {table.name for table in TABLES}
    assert count(connection, "FROM duckdb_functions() WHERE NOT internal") == 0


@pytest.mark.req("WM-004")
def test_every_table_has_rows_and_every_optional_column_is_empty_for_some(full) -> None:
    for table in TABLES:
        for column in table.columns:
            assert count(full, f"FROM {table.name} WHERE {column.name} IS NOT NULL") > 0, (table.name, column.name)
            if column.nullable:
                assert count(full, f"FROM {table.name} WHERE {column.name} IS NULL") > 0, (table.name, column.name)


@pytest.mark.req("WM-002")
def test_schedules_and_activity_are_whole_minutes_and_dates_end_after_they_begin(centre) -> None:
    for table in ("schedule_part", "activity"):
        whole = "epoch_us(start_at) % 60000000 = 0 AND epoch_us(stop_at) % 60000000 = 0"
        assert count(centre, f"FROM {table} WHERE NOT ({whole} AND start_at < stop_at)") == 0
    for table in ("agent_mu", "agent_acd"):
        assert count(centre, f"FROM {table} WHERE to_date <= from_date") == 0


# -- invariants ---------------------------------------------------------------------------------------------------


@pytest.mark.req("WM-101")
def test_nobody_does_two_things_at_a_time(centre) -> None:
    for table in ("schedule_part", "activity"):
        before = "lag(stop_at) OVER (PARTITION BY tv_id ORDER BY start_at)"
        assert count(centre, f"FROM (SELECT start_at, {before} AS free_at FROM {table}) WHERE start_at < free_at") == 0


@pytest.mark.req("WM-102")
def test_a_schedule_part_begins_on_its_date_or_later_and_ends_within_48_hours(centre) -> None:
    parts = """SELECT 1 FROM schedule_part p JOIN schedule USING (tv_id, sched_date)
        LEFT JOIN mu_day d ON d.mu_id = schedule.mu_id AND d.day = sched_date"""
    right = "p.start_at >= d.start_at AND p.stop_at <= d.start_at + INTERVAL 48 HOURS"
    assert count(centre, f"{parts} WHERE NOT coalesce({right}, false)") == 0


@pytest.mark.req("WM-103")
def test_an_agent_is_in_one_mu_and_scheduled_there(centre) -> None:
    before = f"lag(coalesce(to_date, {FAR_OFF})) OVER (PARTITION BY tv_id ORDER BY from_date)"
    assert count(centre, f"FROM (SELECT from_date, {before} AS free_on FROM agent_mu) WHERE from_date < free_on") == 0
    member = f"""SELECT 1 FROM agent_mu m WHERE m.tv_id = s.tv_id AND m.mu_id = s.mu_id
        AND sched_date >= from_date AND sched_date < coalesce(to_date, {FAR_OFF})"""
    assert count(centre, f"FROM schedule s WHERE NOT EXISTS ({member})") == 0
    assert count(centre, "FROM schedule, given WHERE sched_date NOT BETWEEN first AND last") == 0


@pytest.mark.req("WM-104")
def test_zones_are_known_and_periods_begin_with_the_local_day(centre) -> None:
    zones = {zone for (zone,) in rows(centre, "SELECT DISTINCT tz FROM local_day")}
    assert zones <= available_timezones()
    assert zones <= {zone for (zone,) in rows(centre, "SELECT name FROM pg_timezone_names()")}
    queues = "JOIN queue USING (queue_id)"
    for periods in ("ct_forecast", f"queue_period {queues}", f"agent_period {queues}"):
        distinct = f"SELECT DISTINCT ct_id, period_at FROM {periods}"
        placed = f"""SELECT (epoch_us(period_at) - epoch_us(d.start_at)) % (period_minutes * 60000000) AS off
            FROM ({distinct}) p CROSS JOIN customer
            LEFT JOIN ct_day d ON d.ct_id = p.ct_id AND period_at >= d.start_at AND period_at < d.stop_at"""
        assert count(centre, f"FROM ({placed}) WHERE off IS DISTINCT FROM 0") == 0


@pytest.mark.req("WM-105")
def test_names_are_unique_without_regard_to_case(centre) -> None:
    for table, name in (("data_group", "name"), ("code_attribute", "name"), ("time_off_rule", "group_id || rule")):
        assert count(centre, f"SELECT 1 FROM {table} GROUP BY lower({name}) HAVING count(*) > 1") == 0


@pytest.mark.req("WM-106")
def test_values_are_not_empty_and_changes_follow_one_another(centre) -> None:
    assert count(centre, "FROM code_value WHERE value = ''") == 0
    for table in (*ENTITIES, "agent"):
        ended = "coalesce(deleted_at, changed_at)"
        right = f"created_at <= changed_at AND changed_at <= {ended} AND {ended} <= present"
        assert count(centre, f"FROM {table}, given WHERE NOT ({right})") == 0
    # A date before the present day is one of a change; later ones were noted before.
    days = """SELECT tv_id, from_date AS day FROM agent_mu UNION ALL SELECT tv_id, to_date FROM agent_mu
        UNION ALL SELECT tv_id, from_date FROM agent_acd UNION ALL SELECT tv_id, to_date FROM agent_acd
        UNION ALL SELECT tv_id, from_date FROM agent_data"""
    late = "day < present::DATE AND changed_at < day"
    assert count(centre, f"SELECT 1 FROM ({days}) JOIN agent USING (tv_id), given WHERE {late}") == 0


@pytest.mark.req("WM-107")
def test_shares_add_up_to_one(centre) -> None:
    for one, share in (("mu_id", "open_share"), ("ct_id", "contact_share")):
        assert count(centre, f"SELECT {one} FROM allocation GROUP BY {one} HAVING sum({share}) <> 1") == 0
        assert count(centre, f"FROM allocation WHERE {share} <> round({share}, 5) OR {share} < 0") == 0


@pytest.mark.req("WM-108")
def test_around_a_change_of_mu_there_is_nothing(centre) -> None:
    instants = """SELECT old.tv_id, d.start_at AS change_at FROM agent_mu old
        JOIN agent_mu new ON new.tv_id = old.tv_id AND new.from_date >= old.to_date
        JOIN mu_day d ON d.mu_id IN (old.mu_id, new.mu_id) AND d.day IN (old.to_date, new.from_date)"""
    near = "start_at < change_at + INTERVAL 24 HOURS AND stop_at > change_at - INTERVAL 24 HOURS"
    for table in ("schedule_part", "activity"):
        assert count(centre, f"SELECT 1 FROM {table} JOIN ({instants}) USING (tv_id) WHERE {near}") == 0


@pytest.mark.req("WM-109")
def test_what_agents_handled_is_what_queues_tell(centre) -> None:
    names = ("handled", "talk_s", "hold_s", "work_s")
    sums = f"SELECT queue_id, period_at, {', '.join(f'sum({name}) AS {name}' for name in names)} FROM agent_period"
    same = " AND ".join(f"coalesce(a.{name}, 0) = q.{name}" for name in names)
    both = f"({sums} GROUP BY ALL) a FULL JOIN queue_period q USING (queue_id, period_at)"
    assert count(centre, f"SELECT 1 FROM {both} WHERE NOT coalesce({same}, false)") == 0
    assert count(centre, "FROM queue_period WHERE handled + abandoned > received OR in_time > handled") == 0
    assert count(centre, "FROM queue_period WHERE least(abandoned, in_time, wait_s) < 0") == 0
    assert count(centre, f"FROM agent_period WHERE least({', '.join(names)}) < 0") == 0


@pytest.mark.req("WM-110")
def test_contacts_come_to_agents_who_are_open_and_logged_on(centre) -> None:
    assert rows(centre, "SELECT period_minutes FROM customer") == [(15,)]  # as the next query has it
    first, last = "time_bucket(INTERVAL 15 MINUTES, start_at)", "stop_at - INTERVAL 1 MINUTE"
    opened = f"""SELECT tv_id, unnest(generate_series({first}, {last}, INTERVAL 15 MINUTES)) AS period_at
        FROM activity JOIN activity_code USING (code) WHERE is_open"""
    assert count(centre, f"SELECT tv_id, period_at FROM agent_period EXCEPT ({opened})") == 0
    # "On that date" in the zone of the agent's MU, and in that of the queue's CT as well.
    within = "period_at >= d.start_at AND period_at < d.stop_at"
    in_mu = f"""SELECT p.tv_id, p.queue_id, d.day FROM agent_period p JOIN agent_mu m USING (tv_id)
        JOIN mu_day d ON d.mu_id = m.mu_id AND d.day >= m.from_date AND d.day < coalesce(m.to_date, {FAR_OFF})
        WHERE {within}"""
    in_ct = f"""SELECT tv_id, queue_id, d.day FROM agent_period JOIN queue USING (queue_id)
        JOIN ct_day d ON d.ct_id = queue.ct_id AND {within}"""
    logon = f"""SELECT 1 FROM agent_acd a JOIN queue q USING (acd_id) WHERE a.tv_id = c.tv_id
        AND q.queue_id = c.queue_id AND c.day >= a.from_date AND c.day < coalesce(a.to_date, {FAR_OFF})"""
    for contacts in (in_mu, in_ct):
        assert count(centre, f"FROM (SELECT DISTINCT * FROM ({contacts})) c WHERE NOT EXISTS ({logon})") == 0


@pytest.mark.req("WM-111")
def test_what_happened_lies_before_the_present(centre) -> None:
    assert count(centre, "FROM activity, given WHERE stop_at > present") == 0
    for table in ("queue_period", "agent_period"):
        assert count(centre, f"FROM {table}, given WHERE period_at + INTERVAL 15 MINUTES > present") == 0


@pytest.mark.req("WM-111")
def test_plans_lie_before_and_after_the_present(full) -> None:
    for table, day in (("schedule", "sched_date"), ("ct_forecast", "period_at::DATE"), ("time_off_day", "day")):
        [(first, last)] = rows(full, f"SELECT min({day}), max({day}) FROM {table}")
        [(start, end)] = rows(full, "SELECT first, last FROM given")
        assert first - start <= timedelta(days=20)
        assert end - last <= timedelta(days=20)


@pytest.mark.req("WM-112")
def test_required_agents_follow_from_received_contacts(centre) -> None:
    assert count(centre, "FROM ct_forecast WHERE handled > received OR occ NOT BETWEEN 1 AND 100") == 0
    assert count(centre, "FROM ct_forecast WHERE least(handled, aht_s, req, rev_plan_req, commit_plan_req) < 0") == 0
    wanted = "received::DOUBLE * aht_s / (60 * period_minutes) / (occ / 100.0)"
    assert count(centre, f"FROM ct_forecast, customer WHERE abs(req - {wanted}) > 0.01") == 0


@pytest.mark.req("WM-113")
def test_time_off_lies_within_its_rule_and_under_a_code_of_time_off(centre) -> None:
    right = "coalesce(day BETWEEN from_date AND last_date AND minutes > 0, false)"
    assert count(centre, f"FROM time_off_day LEFT JOIN time_off_rule USING (group_id, rule) WHERE NOT {right}") == 0
    # Whether the schedule of the day is meant, or what is scheduled from midnight to midnight.
    parts = f"""SELECT bool_or(p.code IN {TIME_OFF}) AS off FROM time_off_day o JOIN schedule_part p
        ON p.tv_id = o.tv_id AND p.sched_date BETWEEN o.day - 2 AND o.day + 2
        JOIN schedule s ON s.tv_id = p.tv_id AND s.sched_date = p.sched_date
        JOIN mu_day d ON d.mu_id = s.mu_id AND d.day = o.day"""
    for on_the_day in ("s.sched_date = o.day", "p.start_at < d.stop_at AND p.stop_at > d.start_at"):
        assert count(centre, f"FROM ({parts} WHERE {on_the_day} GROUP BY o.tv_id, o.day) WHERE NOT off") == 0


@pytest.mark.req("WM-114")
def test_codes_have_an_exported_value_shared_or_none(centre) -> None:
    assert count(centre, "FROM code_attribute WHERE name = 'EXC_EXPORT'") == 1
    values = "FROM code_value WHERE attribute = 'EXC_EXPORT'"
    assert count(centre, f"SELECT value {values} GROUP BY value HAVING count(*) > 1") > 0
    assert count(centre, f"SELECT code FROM activity_code EXCEPT SELECT code {values}") > 0


@pytest.mark.req("WM-115")
def test_there_is_one_of_each_kind_of_agent(full) -> None:
    history = "SELECT tv_id FROM activity INTERSECT SELECT tv_id FROM schedule INTERSECT SELECT tv_id FROM agent_period"
    moved = """SELECT tv_id FROM schedule JOIN management_unit USING (mu_id), given WHERE sched_date < present::DATE
        GROUP BY tv_id HAVING count(DISTINCT mu_id) > 1 AND count(DISTINCT tz) > 1"""
    acds = "SELECT tv_id FROM agent_acd WHERE to_date IS NULL GROUP BY tv_id HAVING count(DISTINCT acd_id) = 2"
    kinds = {
        "deleted": f"SELECT 1 FROM agent JOIN ({history}) USING (tv_id) WHERE deleted_at IS NOT NULL",
        "moved": moved,
        "without logon": "SELECT tv_id FROM schedule EXCEPT SELECT tv_id FROM agent_acd",
        "two ACDs": acds,
        "without ids": "FROM agent WHERE ssn IS NULL AND external_id IS NULL",
        "new": "SELECT 1 FROM agent JOIN schedule USING (tv_id), given WHERE created_at > first + INTERVAL 10 DAYS",
        "late logon": """SELECT 1 FROM agent JOIN agent_acd a USING (tv_id), given
            GROUP BY tv_id, created_at, first HAVING min(from_date) > greatest(created_at + INTERVAL 5 DAYS, first)""",
    }
    assert [kind for kind, query in kinds.items() if not count(full, query)] == []


@pytest.mark.req("WM-115")
def test_there_is_one_of_each_kind_of_unit_and_rule(full) -> None:
    units, types = "SELECT mu_id FROM management_unit", "SELECT ct_id FROM contact_type"
    at_work, busy = "SELECT mu_id FROM schedule", "SELECT ct_id FROM queue_period JOIN queue USING (queue_id)"
    assert count(full, f"({units} EXCEPT SELECT mu_id FROM allocation) INTERSECT {at_work}") > 0
    for lacking in ("eg_id", "bu_id"):
        assert count(full, f"({units} WHERE {lacking} IS NULL) INTERSECT {at_work}") > 0
        assert count(full, f"({types} WHERE {lacking} IS NULL) INTERSECT {busy}") > 0
    days = "time_off_day JOIN time_off_rule USING (group_id, rule)"
    assert count(full, f"SELECT 1 FROM {days} WHERE unit = 'days'") > 0
    for table in ENTITIES:
        lately = "present - INTERVAL 30 DAYS"
        for state in ("deleted_at > first", f"created_at > {lately}", f"created_at < first AND changed_at > {lately}"):
            assert count(full, f"FROM {table}, given WHERE {state}") > 0, (table, state)


@pytest.mark.req("WM-115")
def test_shifts_run_across_midnight_and_clocks_change_both_ways(full) -> None:
    parts = """SELECT d.tz, s.tv_id FROM schedule_part s JOIN schedule USING (tv_id, sched_date)
        JOIN mu_day d ON d.mu_id = schedule.mu_id AND d.day BETWEEN sched_date AND sched_date + 1"""
    assert count(full, f"{parts} WHERE s.start_at < d.stop_at AND s.stop_at > d.stop_at") > 10
    for hours in (23, 25):
        worked = (
            f"s.start_at < d.stop_at AND s.stop_at > d.start_at AND d.stop_at - d.start_at = INTERVAL {hours} HOURS"
        )
        assert len(rows(full, f"SELECT DISTINCT tz FROM ({parts} WHERE {worked})")) >= 3
    # In Santiago and Beirut, some date begins at one o'clock.
    starts = rows(full, "SELECT tz, start_at FROM mu_day, given WHERE day BETWEEN first AND last")
    assert any(start_at.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).hour == 1 for zone, start_at in starts)


@pytest.mark.req("WM-115")
def test_names_have_odd_characters(full) -> None:
    agents = "SELECT last_name || first_name FROM agent"
    units = " UNION ALL ".join(f"SELECT name FROM {table}" for table in ENTITIES)
    names = "".join(name for (name,) in rows(full, f"{agents} UNION ALL {units}"))
    assert {"'", "é", "|", '"', "&", "<", "\n", "\x01"} <= set(names)


def test_activity_follows_the_schedule_more_or_less(full) -> None:
    # Minutes by agent, counted one by one over some days.
    minutes = """SELECT tv_id, code, unnest(range(start_at, stop_at, INTERVAL 1 MINUTE)) AS minute
        FROM {}, given WHERE start_at BETWEEN present - INTERVAL 20 DAYS AND present - INTERVAL 14 DAYS"""
    both = f"({minutes.format('schedule_part')}) s FULL JOIN ({minutes.format('activity')}) a USING (tv_id, minute)"
    kinds = ("s.code = a.code", "s.code <> a.code", "a.code IS NULL", "s.code IS NULL", "true")
    counts = ", ".join(f"count(*) FILTER ({kind})" for kind in kinds)
    [(alike, other, idle, unplanned, total)] = rows(full, f"SELECT {counts} FROM {both}")
    assert 0.6 < alike / total < 0.95
    assert min(other, idle, unplanned) / total > 0.01
