"""The second belt: with any tenant filter left out of any statement, no foreign row is met or changed."""

import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, LiteralString, cast
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.errors import InsufficientPrivilege
from structlog.testing import capture_logs

import tailrace
from isolation.two_tenants import FILTER, OF_TENANTS, OURS, THEIRS, Filter, Filtering, build, calls, observe
from tailrace.access.tenants import create_tenant
from tailrace.access.users import create_user, list_users
from tailrace.database.migrate import migrate
from tailrace.database.pool import Database
from tailrace.database.tenant_role import find_role
from tailrace.errors import AlreadyExists
from tailrace.jobs.queue import Slots, claim

pytestmark = pytest.mark.long

NAMES = sorted(calls(Path()))
# A sign-in: it has just found out whose user this is, and compares a secret that the tenants' role may not read.
SIGN_IN = "WHERE tenant_id = %(tenant)s AND id = %(user)s AND active AND password_hash = %(password)s"
FORBIDDEN = (
    "CREATE TABLE mine (a int)",
    "CREATE SCHEMA mine",
    "CREATE ROLE mine",
    "ALTER TABLE jobs DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE jobs ADD COLUMN mine int",
    "DROP POLICY one_tenant ON jobs",
    "CREATE POLICY mine ON jobs USING (true)",
    "DROP TABLE jobs",
    "TRUNCATE jobs",
    "DELETE FROM jobs",
    "DELETE FROM users",
    "UPDATE jobs SET tenant_id = id",
    "UPDATE tenants SET customer_id = 1",
    "INSERT INTO tenants (name, customer_id) VALUES ('mine', 1)",
    "SELECT password_hash FROM users",
    "SELECT secret_sha256 FROM access_keys",
    "SELECT secret_sha256 FROM sessions",
    "SELECT key FROM signing_keys",
    "SELECT FROM access_tokens",
    "SELECT FROM oauth_clients",
    "SELECT FROM job_shares",
    "INSERT INTO migrations (name) VALUES ('mine')",
)


@pytest.fixture(scope="module")
def database_url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture(scope="module")
def plain(database_url: str) -> Iterator[Database]:
    database = Database(database_url, size=2)
    yield database
    database.close()


@pytest.fixture
def filtering(database_url: str) -> Iterator[Filtering]:
    database = Filtering(database_url)
    yield database
    database.close()


@pytest.fixture
def as_role(database_url: str, plain: Database) -> Iterator[psycopg.Connection[Any]]:
    """Connect as the role of the tenants' statements, without a tenant."""
    build(plain)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(text(f'SET ROLE "{role_of(plain)}"'))
        yield connection


def role_of(database: Database) -> str:
    with database.transaction() as connection:
        return find_role(connection)


def text(statement: str) -> LiteralString:
    return cast("LiteralString", statement)


def filters_of(filtering: Filtering) -> list[Filter]:
    """List the filters of the statements that the last call ran."""
    statements = dict.fromkeys(statement for statement, _ in filtering.run)
    return [(statement, n) for statement in statements for n, _ in enumerate(FILTER.finditer(statement))]


def check_every_filter(filtering: Filtering, plain: Database, call: Callable[[Database], Any]) -> None:
    expected = observe(filtering, plain, call)
    assert (expected.foreign, expected.changed) == ((), False)
    for one in filters_of(filtering):
        filtering.left_out = one
        assert observe(filtering, plain, call) == expected, one
        filtering.left_out = None


@pytest.mark.parametrize("name", NAMES)
def test_without_any_one_filter_no_foreign_row_is_met(filtering, plain, tmp_path, name):
    check_every_filter(filtering, plain, calls(tmp_path)[name])


def test_each_filter_left_out_would_show_without_the_belt(filtering, plain, tmp_path):
    """What the test above looks at does show foreign rows; and it leaves out every filter that the source has."""
    filtering.belt = False
    left_out, shown = set[Filter](), set[Filter]()
    for call in calls(tmp_path).values():
        expected = observe(filtering, plain, call)
        for one in set(filters_of(filtering)) - shown:
            filtering.left_out = one
            left_out.add(one)
            shown |= {one} if observe(filtering, plain, call) != expected else set()
            filtering.left_out = None
    assert left_out - shown == set()
    statements = [statement for statement, _ in shown]
    assert [one for one in filters_in_source() if not any(one in statement for statement in statements)] == [SIGN_IN]


def filters_in_source() -> list[str]:
    """List the filters in the product's SQL, each with what stands around it in its line."""
    files = sorted(Path(tailrace.__file__).parent.rglob("*.py"))
    pattern = r"[^\"'{}\n]*tenant_id = (?:%\(\w+\)s|%s)[^\"'{}\n]*"
    return [one.strip() for file in files for one in re.findall(pattern, file.read_text(encoding="utf-8"))]


def test_every_table_of_tenants_is_under_both_policies(plain):
    tables = [row.name for row in plain.execute(OF_TENANTS)]
    found = plain.execute(
        """
        SELECT relname AS name, relrowsecurity AND relforcerowsecurity AS forced,
               array(SELECT polname::text FROM pg_policy WHERE polrelid = pg_class.oid ORDER BY 1) AS policies
        FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname = ANY(%(tables)s) ORDER BY 1
        """,
        {"tables": tables},
    )
    assert len(tables) == 15
    assert [tuple(row) for row in found] == [(name, True, ["one_tenant", "whole_service"]) for name in tables]


# -- the role -----------------------------------------------------------------------------------------------------


def test_without_a_tenant_the_role_sees_and_writes_nothing(as_role, plain):
    for row in plain.execute(OF_TENANTS):
        if row.name == "job_shares":  # it may not even look there
            continue
        counted = as_role.execute(text(f"SELECT count(*) FROM {row.name}")).fetchone()
        assert counted == (0,), row.name
    with pytest.raises(InsufficientPrivilege, match="row-level security"):
        as_role.execute("INSERT INTO wfm_code_attributes VALUES (%s, 'mine')", [OURS.id])


def test_with_a_tenant_the_role_writes_for_no_other(as_role):
    as_role.execute("SELECT set_config('tailrace.tenant', %s, false)", [str(OURS.id)])
    as_role.execute("INSERT INTO wfm_code_attributes VALUES (%s, 'mine')", [OURS.id])
    with pytest.raises(InsufficientPrivilege, match="row-level security"):
        as_role.execute("INSERT INTO wfm_code_attributes VALUES (%s, 'mine')", [THEIRS.id])


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_the_role_may_not(as_role, statement):
    as_role.execute("SELECT set_config('tailrace.tenant', %s, false)", [str(OURS.id)])
    with pytest.raises(InsufficientPrivilege):
        as_role.execute(text(statement))


def test_the_role_owns_nothing_and_cannot_sign_in(plain):
    [row] = plain.execute(
        """
        SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolcanlogin OR rolreplication AS may,
               (SELECT count(*) FROM pg_shdepend WHERE refobjid = pg_roles.oid AND deptype = 'o') AS owned,
               (SELECT count(*) FROM pg_auth_members WHERE member = pg_roles.oid) AS member_of
        FROM pg_roles WHERE rolname = %(role)s
        """,
        {"role": role_of(plain)},
    )
    assert tuple(row) == (False, 0, 0)


# -- the scope ----------------------------------------------------------------------------------------------------


def test_the_scope_ends_with_its_transaction(database_url, plain):
    build(plain)
    who = "SELECT current_user AS who, current_setting('tailrace.tenant', true) AS tenant"
    database = Database(database_url, size=1)
    try:
        [before] = database.execute(who)
        [within] = database.execute(who, tenant=OURS.id)
        assert within == (role_of(plain), str(OURS.id))
        with database.transaction(tenant=THEIRS.id) as connection:
            assert connection.execute(who).fetchone() == (role_of(plain), str(THEIRS.id))
        with pytest.raises(psycopg.errors.DivisionByZero):
            database.execute("SELECT 1 / 0", tenant=OURS.id)
        with pytest.raises(AlreadyExists):
            create_user(database, OURS.tenant, "maria")
        assert database.execute(who) == [(before.who, "")]
    finally:
        database.close()


def test_a_statement_for_a_tenant_is_one_round_trip(database_url, plain):
    database = Database(database_url, size=1)
    try:
        database.execute("SELECT 1", tenant=OURS.id)
        with tempfile.TemporaryFile("w+") as trace:
            with database._pool.connection() as connection:
                connection.pgconn.trace(trace.fileno())
            database.execute("SELECT 1", tenant=OURS.id)
            with database._pool.connection() as connection:
                connection.pgconn.untrace()
            trace.seek(0)
            assert trace.read().count("ReadyForQuery") == 1
    finally:
        database.close()


# -- an operator's database ---------------------------------------------------------------------------------------


@pytest.fixture
def owner(postgres: str) -> Iterator[Callable[[str], tuple[str, str]]]:
    """Make databases that belong to a role which is no superuser; gives its name and the connection string."""
    made: list[str] = []
    with psycopg.connect(postgres, autocommit=True) as server:
        if not server.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()[0]:
            pytest.skip("takes a superuser, to make roles")

        def make(rights: str) -> tuple[str, str]:
            made.append(f"operator_{uuid4().hex[:8]}")
            server.execute(text(f"CREATE ROLE {made[-1]} LOGIN PASSWORD 'secret' {rights}"))
            server.execute(text(f"CREATE DATABASE {made[-1]} OWNER {made[-1]} TEMPLATE template0"))
            return made[-1], make_conninfo(postgres, dbname=made[-1], user=made[-1], password="secret")

        yield make
        for name in made:
            server.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
            server.execute(text(f"DROP ROLE IF EXISTS {name}_one_tenant"))
            server.execute(text(f"DROP ROLE {name}"))


@pytest.fixture
def opened() -> Iterator[Callable[[str], tuple[Database, Filtering]]]:
    made: list[Database] = []

    def open_both(conninfo: str) -> tuple[Database, Filtering]:
        made.extend((plain := Database(conninfo, size=2), filtering := Filtering(conninfo)))
        return plain, filtering

    yield open_both
    for database in made:
        database.close()


def test_where_the_owner_may_make_roles_the_role_is_made(owner, opened):
    name, conninfo = owner("CREATEROLE")
    plain, filtering = opened(conninfo)
    with capture_logs() as logs:
        migrate(plain)
    assert logs == []
    assert role_of(plain) == f"{name}_one_tenant"
    check_every_filter(filtering, plain, calls(Path())["users"])


def test_without_the_role_the_policies_alone_hold(owner, opened, tmp_path):
    name, conninfo = owner("")
    plain, filtering = opened(conninfo)
    with capture_logs() as logs:
        migrate(plain)
    [event] = logs
    assert (event["event"], event["log_level"]) == ("tenant_role_missing", "info")
    assert (event["role"], event["policies_apply"]) == (f"{name}_one_tenant", True)
    for call in calls(tmp_path).values():
        check_every_filter(filtering, plain, call)
    assert claim(plain, "cxone", Slots(1, 1), "w", 30.0) is not None


def test_a_role_made_later_by_hand_is_taken(postgres, owner, opened):
    name, conninfo = owner("")
    plain, _ = opened(conninfo)
    migrate(plain)
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute(text(f"CREATE ROLE {name}_one_tenant NOLOGIN"))
        server.execute(text(f"GRANT {name}_one_tenant TO {name}"))
    with capture_logs() as logs:
        migrate(plain)
    assert (logs, role_of(plain)) == ([], f"{name}_one_tenant")
    tenant = create_tenant(plain, "Harbour Ferries")
    create_user(plain, tenant, "maria")
    assert [user.name for user in list_users(plain, tenant)] == ["maria"]


def test_an_owner_above_the_policies_is_warned(owner, opened):
    _, conninfo = owner("BYPASSRLS")
    plain, _ = opened(conninfo)
    with capture_logs() as logs:
        migrate(plain)
    [event] = logs
    assert (event["log_level"], event["policies_apply"]) == ("warning", False)


def test_a_role_of_that_name_that_may_sign_in_is_not_taken(postgres, owner, opened):
    name, conninfo = owner("")
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute(text(f"CREATE ROLE {name}_one_tenant LOGIN"))
        server.execute(text(f"GRANT {name}_one_tenant TO {name}"))
    plain, _ = opened(conninfo)
    with capture_logs() as logs:
        migrate(plain)
    assert logs[0]["reason"] == "a role of that name may sign in or see everything"
    assert role_of(plain) == "none"
