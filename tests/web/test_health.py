"""/healthz and /readyz tell the truth, soon, and nothing more than a word."""

import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from service import EXAMPLE, JOBS, poll
from web.outages import no_database, no_store, read_only_database, silent_database

pytestmark = pytest.mark.long

READY = {"status": "ready", "checks": {"database": "ok", "migrations": "ok", "storage": "ok"}}


def ask(server):
    answer = server.request("GET", "/readyz")
    assert answer.headers["content-type"] == "application/json"
    assert ("retry-after" in answer.headers) == (answer.status_code == 503)
    return answer.status_code, answer.json()


def wait_for(server, status, **checks):
    """Ask until the answer is this one; any other must be one of the two that may come before it."""
    expected = (status, {"status": "ready" if status == 200 else "not ready", "checks": {**READY["checks"], **checks}})
    poll(lambda: ask(server) == expected, pause_seconds=0.1)


def test_ready(server):
    assert ask(server) == (200, READY)
    answer = server.request("GET", "/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "checks": {}})


def test_not_ready_without_the_database(server):
    with no_database(server):
        wait_for(server, 503, database="unreachable", migrations="unknown")
        assert server.request("GET", "/healthz").status_code == 200
    wait_for(server, 200)


def test_not_ready_while_the_database_is_silent_and_told_within_the_deadline(server):
    with silent_database(server):
        wait_for(server, 503, database="unreachable", migrations="unknown")
        started = time.monotonic()
        for _ in range(20):
            assert ask(server)[0] == 503
        # Twenty who each waited for two seconds would take forty.
        assert time.monotonic() - started < 30
    wait_for(server, 200)


def test_told_while_all_threads_wait_for_the_database(start):
    server = start(TAILRACE_SERVER__THREADS="2")
    caller = server.caller()
    waiting = "SELECT count(*) AS number FROM pg_locks WHERE NOT granted AND relation = 'jobs'::regclass"
    with ThreadPoolExecutor(8) as threads, psycopg.connect(server.environment["DATABASE_URL"]) as operator:
        operator.execute("LOCK jobs")
        asked = [threads.submit(caller.request, "GET", JOBS) for _ in range(8)]
        poll(lambda: server.database.execute(waiting)[0].number >= 2)
        started = time.monotonic()
        assert server.request("GET", "/healthz").status_code == 200
        assert ask(server) == (200, READY)
        # Two at a time, each of whom the database makes wait for ten seconds, would take half a minute.
        assert time.monotonic() - started < 8
        operator.rollback()
        assert {answer.result().status_code for answer in asked} == {200}


def test_not_ready_while_the_database_takes_no_writes(server):
    caller = server.caller()
    with read_only_database(server):
        wait_for(server, 503, database="read_only")
        answer = caller.request("POST", JOBS, json=EXAMPLE)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    wait_for(server, 200)
    assert caller.wait(caller.submit())["status"] == "SUCCEEDED"


def test_not_ready_while_migrations_are_behind(server):
    [row] = server.database.execute("DELETE FROM migrations WHERE name LIKE '0005%' RETURNING name")
    wait_for(server, 503, migrations="behind")
    server.database.execute("DELETE FROM migrations WHERE name = '9999_future.sql'")
    server.database.execute("INSERT INTO migrations (name) VALUES (%(name)s)", {"name": row.name})
    wait_for(server, 200)


def test_a_newer_database_is_no_reason(server):
    server.database.execute("INSERT INTO migrations (name) VALUES ('9999_future.sql')")
    wait_for(server, 200)
    server.database.execute("DELETE FROM migrations WHERE name = '9999_future.sql'")


def test_not_ready_without_the_store(server):
    wait_for(server, 200)
    with no_store(server):
        wait_for(server, 503, storage="unreachable")
    wait_for(server, 200)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_nothing_is_noted_about_who_asks(server, path):
    before = server.database.execute("SELECT name, value FROM counters")
    server.request("GET", path, headers={"Authorization": "Bearer nonsense", "Cookie": "JSESSIONID=nonsense"})
    assert server.database.execute("SELECT name, value FROM counters") == before
