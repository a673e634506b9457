"""Connections that die are replaced at once, and outages have one name."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from faults.proxy import Proxy
from service import poll
from tailrace.database.pool import Database
from tailrace.database.together import Query
from tailrace.errors import DatabaseUnavailable

pytestmark = pytest.mark.long


def test_after_all_connections_were_ended_the_next_statement_works(database, database_url):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: database.execute("SELECT pg_sleep(0.05)"), range(8)))
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
    assert [row.answer for row in database.execute("SELECT 1 AS answer")] == [1]


def test_a_connection_ended_while_it_waits_in_a_transaction_is_an_outage(database):
    def wait_too_long() -> None:
        with database.transaction() as connection:
            connection.execute("SET LOCAL idle_in_transaction_session_timeout = 1")
            # The server ends the session; the socket has something to read then.
            connection.wait(psycopg.generators.notifies(connection.pgconn), timeout=5)
            connection.execute("SELECT 1")

    with pytest.raises(DatabaseUnavailable):
        wait_too_long()


@pytest.mark.parametrize("conninfo", ["postgresql://nobody@127.0.0.1:1/none", "host=/nowhere dbname=x"])
def test_a_server_that_is_not_there_is_an_outage(conninfo):
    database = Database(conninfo, timeout_seconds=1)
    with pytest.raises(DatabaseUnavailable, match="PostgreSQL cannot be reached"):
        database.execute("SELECT 1")
    database.close()


def test_an_unreadable_address_is_told_at_once():
    with pytest.raises(DatabaseUnavailable, match="DATABASE_URL cannot be read"):
        Database("postgresql://[broken")


def test_a_connection_ended_during_a_statement_for_a_tenant_is_an_outage(database):
    end = """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE query LIKE 'SELECT pg_sleep(9%' AND datname = current_database()
        """
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(database.execute, "SELECT pg_sleep(9)", tenant=uuid4())
        poll(lambda: database.execute(end))
        with pytest.raises(DatabaseUnavailable):
            asked.result()
    assert [row.answer for row in database.execute("SELECT 1 AS answer", tenant=uuid4())] == [1]


def test_a_server_that_takes_packets_and_does_not_answer_is_an_outage(database_url):
    parts = conninfo_to_dict(database_url)
    host, port = str(parts["host"]), int(str(parts.get("port", 5432)))
    proxy = Proxy(Path(host) / f".s.PGSQL.{port}" if host.startswith("/") else (host, port))
    database = Database(make_conninfo(database_url, host="127.0.0.1", port=proxy.port), timeout_seconds=2)
    try:
        assert database.execute("SELECT 1 AS answer")[0].answer == 1
        proxy.switch("black_hole")
        with pytest.raises(DatabaseUnavailable, match="no answer within 3 seconds"):
            database.execute("SELECT 1")
        proxy.heal()
        assert database.execute("SELECT 1 AS answer")[0].answer == 1
    finally:
        database.close()
        proxy.close()


def test_statements_for_a_tenant_outlive_a_rollback(database):
    """After one psycopg has the server forget all that was prepared, at the next statement of its own."""

    def fail() -> None:
        with database.transaction() as connection:
            for _ in range(9):  # until psycopg prepares it
                connection.execute("SELECT 2 AS answer")
            raise KeyError

    for _ in range(2):
        assert [row.answer for row in database.execute("SELECT 1 AS answer", tenant=uuid4())] == [1]
        with pytest.raises(KeyError):
            fail()
        assert [row.answer for row in database.execute("SELECT 1 AS answer", tenant=uuid4())] == [1]
        database.execute("SELECT 3")


def test_a_connection_whose_prepared_statements_are_gone_is_replaced(database):
    """Something between us may have given the session to another, or a table has got other columns."""
    ask = partial(database.execute, "SELECT 1 AS answer", tenant=uuid4())
    ask()
    with database.transaction() as connection:
        connection.execute("DEALLOCATE ALL")
    with pytest.raises(psycopg.errors.InvalidSqlStatementName):
        ask()
    assert [row.answer for row in ask()] == [1]


def test_a_statement_that_fails_leaves_the_connection_as_it_was(database):
    tenant = uuid4()
    for wrong in ("SELECT 1 / %(zero)s", "SELECT wrong"):
        with pytest.raises(psycopg.Error):
            database.execute(wrong, {"zero": 0}, tenant=tenant)
        assert [row.answer for row in database.execute("SELECT 1 AS answer", tenant=tenant)] == [1]
    make = Query("INSERT INTO sign_in_failures (subject) VALUES (%(tenant)s) RETURNING 1", {"tenant": str(tenant)})
    with pytest.raises(psycopg.errors.DivisionByZero):
        database.execute_both(make, Query("SELECT 1 / %(zero)s", {"zero": 0}), tenant=tenant)
    assert database.execute("SELECT FROM sign_in_failures WHERE subject = %(id)s", {"id": str(tenant)}) == []


def test_both_statements_are_one_transaction_and_only_the_second_is_for_the_tenant(database):
    who = "SELECT txid_current() AS number, current_setting('tailrace.tenant', true) AS tenant, %(a)s::int AS a"
    tenant = uuid4()
    for a in (1, 2):
        [first], [second] = database.execute_both(Query(who, {"a": a}), Query(who, {"a": -a}), tenant=tenant)
        assert first.number == second.number
        assert (first.tenant or "", second.tenant) == ("", str(tenant))
        assert (first.a, second.a) == (a, -a)


def test_a_server_that_takes_no_writes_is_an_outage(database):
    def write() -> None:
        with database.transaction() as connection:
            connection.execute("SET TRANSACTION READ ONLY")
            connection.execute("CREATE TABLE refused ()")

    with pytest.raises(DatabaseUnavailable, match="read-only"):
        write()
    assert not database.is_read_only()
