"""Migrations: each once, from however many processes; a newer database is left alone."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from threading import Barrier
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tailrace.database.migrate import migrate
from tailrace.database.pool import Database
from tailrace.errors import DatabaseUnavailable

pytestmark = pytest.mark.long

AT_ONCE = 8
PROGRAM = """
import sys
from tailrace.database.migrate import migrate
from tailrace.database.pool import Database
database = Database(sys.argv[1], size=1, timeout_seconds=60)
sys.stdin.read()
print(" ".join(migrate(database)))
database.close()
"""
NAMES = sorted(path.name for path in files("tailrace.database").joinpath("migrations").iterdir())


@pytest.fixture
def empty_url(postgres):
    name = f"tailrace_empty_{uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield make_conninfo(postgres, dbname=name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def migrate_from(conninfo):
    database = Database(conninfo, size=1, timeout_seconds=60)
    try:
        return migrate(database)
    finally:
        database.close()


def recorded(conninfo):
    with psycopg.connect(conninfo) as connection:
        return [row[0] for row in connection.execute("SELECT name FROM migrations ORDER BY run_at, name")]


def test_threads_migrate_at_once(empty_url):
    together = Barrier(AT_ONCE)

    def run(_):
        together.wait()
        return migrate_from(empty_url)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = list(pool.map(run, range(AT_ONCE)))
    assert [names for names in done if names] == [NAMES]
    assert recorded(empty_url) == NAMES


def test_processes_migrate_at_once(empty_url):
    command = [sys.executable, "-c", PROGRAM, empty_url]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(AT_ONCE)
    ]
    for process in processes:
        process.stdin.close()
    done = [process.stdout.read().split() for process in processes]
    for process in processes:
        process.stdout.close()
        assert process.wait(60) == 0
    assert [names for names in done if names] == [NAMES]
    assert recorded(empty_url) == NAMES


def test_a_second_time_nothing_happens(empty_url):
    assert migrate_from(empty_url) == NAMES
    assert migrate_from(empty_url) == []


def test_a_newer_database_is_refused_and_left_as_it_is(database, database_url):
    database.execute("INSERT INTO migrations (name) VALUES ('9999_later.sql')")
    with pytest.raises(DatabaseUnavailable, match=r"newer Tailrace .*9999_later\.sql"):
        migrate(database)
    assert set(recorded(database_url)) == {*NAMES, "9999_later.sql"}


def test_a_migration_that_fails_leaves_nothing_behind(empty_url):
    with psycopg.connect(empty_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE jobs (id int)")  # stands in the way
    with pytest.raises(psycopg.Error):
        migrate_from(empty_url)
    with psycopg.connect(empty_url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert tables == [("jobs",)]
