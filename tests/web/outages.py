"""Hands that take away what a server needs, and give it back."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from service import Service


@contextmanager
def no_database(service: Service) -> Iterator[None]:
    """Let nobody connect to the server's database, and end the connections there are."""
    conninfo = service.environment["DATABASE_URL"]
    name = conninfo_to_dict(conninfo)["dbname"]
    with psycopg.connect(make_conninfo(conninfo, dbname="postgres"), autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            yield
        finally:
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


@contextmanager
def silent_database(service: Service) -> Iterator[None]:
    """Let statements about migrations wait."""
    with psycopg.connect(service.environment["DATABASE_URL"]) as connection:
        connection.execute("LOCK migrations IN ACCESS EXCLUSIVE MODE")
        yield
        connection.rollback()


@contextmanager
def read_only_database(service: Service) -> Iterator[None]:
    """Let the server's database take no writes, as a standby does."""
    conninfo = service.environment["DATABASE_URL"]
    name = conninfo_to_dict(conninfo)["dbname"]
    with psycopg.connect(make_conninfo(conninfo, dbname="postgres"), autocommit=True) as connection:
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        connection.execute(end, [name])
        try:
            yield
        finally:
            connection.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
            connection.execute(end, [name])


@contextmanager
def no_store(service: Service) -> Iterator[None]:
    """Put a file where the folder of results was."""
    folder = service.data / "results"
    aside = folder.with_name("results-aside")
    folder.rename(aside)
    folder.touch()
    try:
        yield
    finally:
        folder.unlink()
        aside.rename(folder)
