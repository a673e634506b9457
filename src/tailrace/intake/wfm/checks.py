"""What must hold between the rows of the WFM tables: keys, references, and what the server relies on (WM-101 to 106).

Each check is a query for the rows that break it, over the tables as they would be after the load. It is written so
that a table of millions of rows is scanned or joined once; nothing is computed in Python for single rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tailrace.catalog.model import Column
from tailrace.catalog.wfm import VIEW_TABLE, Reference, WfmTable, load_wfm_tables
from tailrace.formats.base import quote_name, quote_text
from tailrace.intake.wfm.staging import CUSTOMER, ROW

# The tables of what users may View, and the key of each (SS-107, SS-033).
ENTITIES = {
    "mu": ("management_unit", "mu_id"),
    "ct": ("contact_type", "ct_id"),
    "eg": ("enterprise_group", "eg_id"),
    "bu": ("business_unit", "bu_id"),
    "tog": ("time_off_group", "group_id"),
}
# Texts that are copied to PostgreSQL, which has no NUL.
_COPIED = {
    **{table: "name" for table, _ in ENTITIES.values()},
    "data_group": "name",
    "code_attribute": "name",
    "time_off_rule": "rule",
}
_FOREVER = "DATE 'infinity'"


@dataclass(frozen=True, slots=True)
class Check:
    """A query for rows of `table` that break a rule, and the words for it.

    `rows` selects the row's number, its key in words and the value at fault; `problem` has `{}` for that value.
    `reads` are the other tables it depends on.
    """

    table: str
    column: str
    problem: str
    rows: str
    reads: tuple[str, ...] = ()

    @property
    def tables(self) -> frozenset[str]:
        """All tables it depends on."""
        return frozenset((self.table, *self.reads))


@cache
def all_checks() -> tuple[Check, ...]:
    """List all checks, by table."""
    return tuple(check for table in load_wfm_tables().values() for check in _checks_of(table))


def _checks_of(table: WfmTable) -> Iterator[Check]:
    yield from _rules(table)
    yield from _uniqueness(table)
    yield from (_reference(table, reference) for reference in table.references)
    match table.name:
        case "customer":
            yield _one_row()
        case "agent_mu":
            yield _one_unit_at_a_time()
        case "schedule":
            yield _unit_of_the_day()
        case "schedule_part":
            yield _overlap(table)
            yield _within_the_day()
        case "activity":
            yield _overlap(table)
        case "ct_forecast" | "queue_period" | "agent_period":
            yield from _periods(table)
        case _ if table.name == VIEW_TABLE:
            yield from _views()


# -- a row by itself ----------------------------------------------------------------------------------------------


def _rules(table: WfmTable) -> Iterator[Check]:
    """Yield what each row must fulfil, whatever the others are."""
    yield _rule(table, CUSTOMER.name, f"{CUSTOMER.name} <> (FROM own)", "{} is not the tenant's customer id (WM-001)")
    yield from (_closed_list(table, column) for column in table.columns if column.enum_closed)
    names = {column.name for column in table.columns}
    if "created_at" in names:
        yield _rule(table, "changed_at", "changed_at < created_at", "{} lies before created_at (WM-106)")
        yield _rule(table, "deleted_at", "deleted_at < changed_at", "{} lies before changed_at (WM-106)")
    if "tz" in names:
        yield _rule(table, "tz", "tz NOT IN (SELECT tz FROM zones)", "{} is not a time zone of IANA (WM-104)")
    if (table.name, *table.key) in {(name, key) for name, key in ENTITIES.values()}:
        yield _rule(table, table.key[0], f"{table.key[0]} < 1", "{} is not a number from 1")
    if table.name in _COPIED:
        name = _COPIED[table.name]
        yield _rule(table, name, f"contains({name}, chr(0))", "{} holds the character U+0000")
    if table.name in ("schedule_part", "activity"):
        for column in ("start_at", "stop_at"):
            odd = f"{column} <> date_trunc('minute', {column})"
            yield _rule(table, column, odd, "{} is not a whole minute (WM-002)")
        yield _rule(table, "stop_at", "stop_at <= start_at", "{} does not lie after start_at (WM-002)")
    if table.name == "imported_open":
        yield _rule(table, "step", "step NOT BETWEEN 0 AND 191", "{} is not a number from 0 to 191")
    if table.name == "code_value":
        yield _rule(table, "value", "value = ''", "must not be empty (WM-106)")


def _rule(table: WfmTable, column: str, wrong: str, problem: str) -> Check:
    rows = f"SELECT {ROW}, {_key_of(table)}, CAST({column} AS VARCHAR) FROM {table.name} t WHERE {wrong}"
    return Check(table.name, column, problem, rows)


def _closed_list(table: WfmTable, column: Column) -> Check:
    allowed = ", ".join(map(quote_text, column.enum))
    wrong = f"CAST({column.name} AS VARCHAR) NOT IN ({allowed})"
    return _rule(table, column.name, wrong, f"{{}} is not one of {', '.join(column.enum)}")


def _key_of(table: WfmTable) -> str:
    """Write a row's key in words."""
    return f"concat_ws(', ', {', '.join(f't.{name}' for name in table.key)})" if table.key else "''"


# -- rows of one table --------------------------------------------------------------------------------------------


def _uniqueness(table: WfmTable) -> Iterator[Check]:
    """Yield that keys are there once, names also without regard to case where WM-105 says so."""
    match table.name:
        case "code_attribute":
            yield _unique(table, ("lower(name)",), "is there already (WM-105)")
        case "time_off_rule":
            yield _unique(table, ("group_id", "lower(rule)"), "is there already (WM-105)")
        case _ if table.key:
            yield _unique(table, table.key, "is there already")
    if table.name == "data_group":
        yield _unique(table, ("lower(name)",), "is there already (WM-105)", "name")


def _unique(table: WfmTable, terms: tuple[str, ...], problem: str, column: str = "") -> Check:
    column = column or table.key[-1]
    value = f"CAST(t.{column} AS VARCHAR)" if column not in table.key else _key_of(table)
    names = [f"k{place}" for place in range(len(terms))]
    keys = ", ".join(f"{term} AS {name}" for term, name in zip(terms, names, strict=True))
    twice = f"SELECT {keys}, min({ROW}) AS first FROM {table.name} GROUP BY {', '.join(terms)} HAVING count(*) > 1"
    alike = " AND ".join(f"{term} = {name}" for term, name in zip(terms, names, strict=True))
    rows = f"SELECT t.{ROW}, {_key_of(table)}, {value} FROM {table.name} t JOIN ({twice}) ON {alike} AND {ROW} > first"
    return Check(table.name, column, f"{{}} {problem}", rows)


def _one_row() -> Check:
    rows = f"SELECT max({ROW}), '', NULL FROM customer HAVING count(*) <> 1"
    return Check("customer", "name", "the table must have one row", rows)


def _overlap(table: WfmTable) -> Check:
    """What starts before the one before it has stopped; where any two overlap, two neighbours do."""
    before = "lag(stop_at) OVER (PARTITION BY tv_id ORDER BY start_at, stop_at)"
    keys = ", ".join(dict.fromkeys((*table.key, "start_at")))
    rows = (
        f"SELECT {ROW}, {_key_of(table)}, CAST(start_at AS VARCHAR)"
        f" FROM (SELECT {ROW}, {keys}, {before} AS stopped_at FROM {table.name}) t WHERE start_at < stopped_at"
    )
    return Check(table.name, "start_at", "at {} the agent's one before it has not stopped yet (WM-101)", rows)


def _one_unit_at_a_time() -> Check:
    """A membership without any day, which ends where it begins, overlaps none."""
    until = f"coalesce(to_date, {_FOREVER})"
    rows = f"""
        SELECT {ROW}, concat_ws(', ', tv_id, from_date), CAST(from_date AS VARCHAR)
        FROM (SELECT *, lag({until}) OVER (PARTITION BY tv_id ORDER BY from_date, {until}) AS left_at
              FROM agent_mu WHERE {until} > from_date)
        WHERE from_date < left_at"""
    return Check("agent_mu", "from_date", "on {} the agent has not left the management unit before (WM-103)", rows)


# -- rows of several tables ---------------------------------------------------------------------------------------


def _reference(table: WfmTable, reference: Reference) -> Check:
    given = " AND ".join(f"t.{column} IS NOT NULL" for column in reference.columns)
    alike = " AND ".join(f"t.{own} = o.{its}" for own, its in zip(reference.columns, reference.key, strict=True))
    value = f"concat_ws(', ', {', '.join(f't.{column}' for column in reference.columns)})"
    rows = (
        f"SELECT t.{ROW}, {_key_of(table)}, CAST({value} AS VARCHAR)"
        f" FROM {table.name} t ANTI JOIN {reference.table} o ON {alike} WHERE {given}"
    )
    return Check(table.name, reference.columns[-1], f"{{}} is not in {reference.table}", rows, (reference.table,))


def _unit_of_the_day() -> Check:
    rows = f"""
        SELECT s.{ROW}, concat_ws(', ', s.tv_id, s.sched_date), CAST(s.mu_id AS VARCHAR)
        FROM schedule s ANTI JOIN (SELECT *, coalesce(to_date, {_FOREVER}) AS until FROM agent_mu) a
        ON a.tv_id = s.tv_id AND a.mu_id = s.mu_id AND a.from_date <= s.sched_date AND a.until > s.sched_date"""
    problem = "{} is not the agent's management unit on sched_date (WM-103)"
    return Check("schedule", "mu_id", problem, rows, ("agent_mu",))


def _within_the_day() -> Check:
    """The zone of each part is that of its schedule's unit; day_start is computed once a zone and date."""
    rows = f"""
        WITH days AS MATERIALIZED (
            SELECT tz, sched_date, day_start(sched_date, tz) AS begins_at FROM (
                SELECT DISTINCT tz, sched_date FROM schedule JOIN management_unit USING (mu_id)
                SEMI JOIN zones USING (tz)
            )
        )
        SELECT p.{ROW}, concat_ws(', ', p.tv_id, p.sched_date, p.start_at), concat(p.start_at, ' to ', p.stop_at)
        FROM schedule_part p JOIN schedule USING (tv_id, sched_date) JOIN management_unit USING (mu_id)
        JOIN days USING (tz, sched_date)
        WHERE p.start_at < begins_at OR p.stop_at > begins_at + INTERVAL 48 HOUR"""
    problem = "{} is not within the 48 hours from the start of sched_date in the management unit's zone (WM-102)"
    return Check("schedule_part", "start_at", problem, rows, ("schedule", "management_unit"))


def _periods(table: WfmTable) -> Iterator[Check]:
    """A period begins a whole number of periods after its local day; computed once a zone and instant (WM-104)."""
    by_queue = table.name != "ct_forecast"
    zoned = f"{table.name} t {'JOIN queue USING (queue_id) ' if by_queue else ''}JOIN contact_type USING (ct_id)"
    reads = ("customer", "contact_type", *(("queue",) if by_queue else ()))
    rows = f"""
        WITH odd AS MATERIALIZED (
            SELECT * FROM (SELECT DISTINCT tz, period_at FROM {zoned} SEMI JOIN zones USING (tz))
            WHERE epoch_us(period_at - day_start(local_date(period_at, tz), tz))
                  % (SELECT 60000000 * min(period_minutes) FROM customer) <> 0
        )
        SELECT t.{ROW}, {_key_of(table)}, CAST(period_at AS VARCHAR) FROM {zoned} SEMI JOIN odd USING (tz, period_at)"""
    problem = "{} is not a whole number of periods after the start of the contact type's day (WM-104)"
    yield Check(table.name, "period_at", problem, rows, reads)
    rows = f"SELECT min({ROW}), '', NULL FROM {table.name} WHERE NOT EXISTS (FROM customer) HAVING count(*) > 0"
    yield Check(table.name, "period_at", "cannot be checked, as customer was not loaded yet", rows, ("customer",))


def _views() -> Iterator[Check]:
    table = load_wfm_tables()[VIEW_TABLE]
    yield _rule(table, "user_id", "user_id NOT IN (SELECT name FROM users)", "{} is not a user of the tenant")
    for kind, (other, key) in ENTITIES.items():
        rows = f"""
            SELECT t.{ROW}, {_key_of(table)}, CAST(entity_id AS VARCHAR)
            FROM (FROM {VIEW_TABLE} WHERE entity_type = {quote_text(kind)}) t
            ANTI JOIN {quote_name(other)} o ON t.entity_id = o.{key}"""
        yield Check(VIEW_TABLE, "entity_id", f"{{}} is not in {other}", rows, (other,))
