"""A clock of the test's own for one database, so that hours pass in an instant and a run can be had again.

The product's statements say `now()` and `clock_timestamp()` without a schema. Where another schema comes before
PostgreSQL's own in the search path, they find these here instead. The time is kept in a sequence, as one that a
transaction that fails does not take back.
"""

import psycopg

from tailrace.database.pool import Database

_CLOCK = """
CREATE SCHEMA clock;
CREATE SEQUENCE clock.milliseconds START 1600000000000;
SELECT nextval('clock.milliseconds');
CREATE FUNCTION clock.now() RETURNS timestamptz STABLE LANGUAGE sql
    AS 'SELECT to_timestamp(last_value / 1000.0) FROM clock.milliseconds';
CREATE FUNCTION clock.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql
    AS 'SELECT to_timestamp(last_value / 1000.0) FROM clock.milliseconds';
GRANT USAGE ON SCHEMA clock TO PUBLIC;  -- the role of one tenant's statements has a clock too
GRANT SELECT ON SEQUENCE clock.milliseconds TO PUBLIC;
ALTER TABLE jobs ALTER created_at SET DEFAULT clock.now(), ALTER retry_at SET DEFAULT clock.now();
"""


def take_over(url: str) -> None:
    """Let a database tell the test's time to all who connect from now on."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_CLOCK)
        connection.execute(
            f"ALTER DATABASE {connection.info.dbname} SET search_path = clock, public, pg_catalog".encode()
        )


def advance(database: Database, milliseconds: int) -> None:
    database.execute(
        "SELECT setval('clock.milliseconds', last_value + %(by)s) FROM clock.milliseconds", {"by": milliseconds}
    )
