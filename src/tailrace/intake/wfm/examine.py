"""Runs the checks between rows over the tables as they would be after a load, and words what they find."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from tailrace.catalog.wfm import WfmTable, load_derivations, load_wfm_tables
from tailrace.errors import LoadRefused
from tailrace.formats.base import quote_name
from tailrace.intake.faults import ValueFault, word_faults
from tailrace.intake.inputs import Input, reopened
from tailrace.intake.kinds import place_in
from tailrace.intake.refusal import SHOWN, Refusal, problems_of, quoted, share_out
from tailrace.intake.store import stored_type
from tailrace.intake.wfm.checks import Check, all_checks
from tailrace.intake.wfm.staging import CUSTOMER, ROW
from tailrace.intake.wfm.state import State

# What ICU knows beside the names of IANA: three letters that mean something else elsewhere, and forms long given up.
_NO_ZONES = [
    *("ACT", "AET", "AGT", "ART", "AST", "BET", "BST", "CAT", "CNT", "CST", "CTT", "EAT", "ECT", "IET", "IST", "JST"),
    *("MIT", "NET", "NST", "PLT", "PNT", "PRT", "PST", "SST", "VST", "Factory"),
]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: rows (number, key in words, value at fault), the first of them, and the number of all."""

    check: Check
    rows: Sequence[tuple[int | None, str, str | None]]
    total: int


@dataclass(slots=True)
class Problems:
    """What is wrong with each file, by table."""

    shown: dict[str, list[str]] = field(default_factory=dict)
    total: int = 0

    def add(self, table: str, shown: Iterable[str], total: int) -> None:
        """Take the first problems of a file and the number of all."""
        self.shown.setdefault(table, []).extend(shown)
        self.total += total

    def take(self, table: str, refusal: LoadRefused) -> None:
        """Take what a refusal of the file says."""
        self.add(table, *problems_of(refusal))

    def refusal(self, name: str) -> Refusal:
        """Word all of it, in the order of the tables."""
        ordered = [self.shown[table] for table in load_wfm_tables() if table in self.shown]
        return Refusal(name, tuple(share_out(ordered)), self.total)


# -- the tables as they would be ----------------------------------------------------------------------------------


def make_tables(
    connection: duckdb.DuckDBPyConnection,
    opened: ExitStack,
    state: State,
    stored: Mapping[str, Path],
    staged: Mapping[str, Path],
) -> None:
    """Make each table a view: of the staged rows where there are any, else of the stored ones, else empty.

    Beside them: `own` (the customer id), `users` and `zones`, and the macros of the derivations. The files stay open
    as long as `opened`, so that nobody can remove them.
    """
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_external_file_cache = false")  # goes by names, and those of open files come again
    for derivation in load_derivations():
        if derivation.kind == "macro":
            connection.execute(f"CREATE MACRO {derivation.head} AS ({derivation.sql})")
    connection.execute("CREATE TABLE own AS SELECT ?::BIGINT AS customer_id", [state.customer_id])
    connection.execute("CREATE TABLE users AS SELECT unnest(?::VARCHAR[]) AS name", [list(state.users)])
    connection.execute(
        "CREATE TABLE zones AS SELECT name AS tz FROM pg_timezone_names()"
        " WHERE name NOT LIKE 'SystemV/%' AND NOT list_contains(?::VARCHAR[], name)",
        [_NO_ZONES],
    )
    for name, table in load_wfm_tables().items():
        path = staged.get(name) or stored.get(name)
        columns = _columns(table, numbered=name in staged)
        relation = _readable(opened, path) if path else "(SELECT 1) WHERE false"
        connection.execute(
            f"CREATE VIEW {quote_name(name)} AS SELECT {columns if path else _no(table)} FROM {relation}"
        )


def _columns(table: WfmTable, *, numbered: bool) -> str:
    names = [quote_name(column.name) for column in table.columns]
    own = (ROW, CUSTOMER.name)
    return ", ".join([*(own if numbered else (f"NULL::BIGINT AS {name}" for name in own)), *names])


def _no(table: WfmTable) -> str:
    columns = [f"NULL::{stored_type(column)} AS {quote_name(column.name)}" for column in (*table.columns, CUSTOMER)]
    return ", ".join([f"NULL::BIGINT AS {ROW}", *columns])


def _readable(opened: ExitStack, path: Path) -> str:
    file = opened.enter_context(path.open("rb"))
    return f"read_parquet('/proc/self/fd/{file.fileno()}')"  # its path may hold pattern characters


# -- what they break ----------------------------------------------------------------------------------------------


def examine(connection: duckdb.DuckDBPyConnection, fresh: frozenset[str], unsound: frozenset[str]) -> list[Finding]:
    """Run the checks that a load of the `fresh` tables may break, but those that need an `unsound` file.

    Rows loaded before are looked at last, and not where the file they depend on is faulty anyway.
    """
    checks = [check for check in all_checks() if check.tables & fresh and not check.tables & unsound]
    found = [finding for check in checks if check.table in fresh for finding in _run(connection, check)]
    faulty = {finding.check.table for finding in found}
    kept = [check for check in checks if check.table not in fresh and not check.tables & faulty]
    return [*found, *(finding for check in kept for finding in _run(connection, check))]


def _run(connection: duckdb.DuckDBPyConnection, check: Check) -> list[Finding]:
    """Return what a check finds, or nothing."""
    [(total,)] = connection.execute(f"SELECT count(*) FROM ({check.rows})").fetchall()
    if not total:
        return []
    rows = connection.execute(f"FROM ({check.rows}) ORDER BY ALL LIMIT {SHOWN}").fetchall()
    return [Finding(check, rows, total)]


def word_findings(problems: Problems, findings: Sequence[Finding], fresh: Mapping[str, Input], scratch: Path) -> None:
    """Add findings to the problems of the files: by line where the row is in a file, by key where it was there."""
    for name, source in fresh.items():
        own = [finding for finding in findings if finding.check.table == name]
        if own:
            problems.add(name, _word_rows(source, own, scratch), sum(finding.total for finding in own))
    for finding in findings:
        if finding.check.table not in fresh:
            blamed = next(table for table in finding.check.reads if table in fresh)
            problems.add(blamed, _kept(fresh[blamed].name, finding), finding.total)


def _word_rows(source: Input, findings: Sequence[Finding], scratch: Path) -> list[str]:
    """Word the first faults of a file by row; one of the table as a whole has none and comes first."""
    faults, whole = list[ValueFault](), list[str]()
    for check, (row, _, value) in ((finding.check, row) for finding in findings for row in finding.rows):
        if row is None:
            whole.append(f"{source.name}: {_word(check, value)}")
        else:
            faults.append(ValueFault(row, check.column, _word(check, value)))
    first = sorted(faults, key=lambda fault: fault.row)[:SHOWN]
    with reopened(source, scratch) as path:
        return whole + word_faults(source.name, first, place_in(source, path))


def _kept(file: str, finding: Finding) -> list[str]:
    check = finding.check
    return [
        f"{file}: {check.table} (loaded before), key {quoted(key)}, column '{check.column}': {_word(check, value)}"
        for _, key, value in finding.rows
    ]


def _word(check: Check, value: str | None) -> str:
    return check.problem.replace("{}", quoted(value or ""))
