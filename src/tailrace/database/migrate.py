"""Brings the database's tables up to date: numbered SQL files, each run once, under a lock."""

from functools import cache
from importlib.resources import files

import structlog
from psycopg.errors import UndefinedTable

from tailrace.database.pool import Database
from tailrace.database.tenant_role import make_role
from tailrace.errors import DatabaseUnavailable

# Any constant will do, as long as no other program locks the same number in this database.
_LOCK = 7_414_651_001


def migrate(database: Database) -> list[str]:
    """Run the migrations that have not run yet and return their names; safe from many processes at once.

    Also sees to the role for statements of one tenant; where it cannot be had, an event says so.

    Raises DatabaseUnavailable when the database holds migrations this version does not know.
    """
    scripts = _scripts()
    with database.transaction() as connection:
        connection.execute("SET LOCAL statement_timeout = '5min'")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, run_at timestamptz NOT NULL DEFAULT now())"
        )
        done = {row.name for row in connection.execute("SELECT name FROM migrations")}
        if unknown := sorted(done - scripts.keys()):
            raise DatabaseUnavailable(
                f"The database was set up by a newer Tailrace (it has {unknown[-1]}); update this one."
            )
        missing = [name for name in scripts if name not in done]
        for name in missing:
            connection.execute(scripts[name].encode())
            connection.execute("INSERT INTO migrations (name) VALUES (%s)", [name])
        wanting = make_role(connection, anew=bool(missing))
    if wanting:
        log = structlog.get_logger()
        (log.info if wanting["policies_apply"] else log.warning)("tenant_role_missing", **wanting)
    return missing


def is_behind(database: Database) -> bool:
    """Tell whether a migration of this version has not run yet."""
    try:
        done = {row.name for row in database.execute("SELECT name FROM migrations")}
    except UndefinedTable:
        return True
    return not _scripts().keys() <= done


@cache
def _scripts() -> dict[str, str]:
    """Read the migrations, by name, in their order."""
    scripts = {path.name: path.read_text(encoding="utf-8") for path in (files(__package__) / "migrations").iterdir()}
    return {name: scripts[name] for name in sorted(scripts) if name.endswith(".sql")}
