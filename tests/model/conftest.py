"""What the tests of this folder share: one database, in which every move of a job is noted."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from model.history import note_history
from tailrace.database.pool import Database


@pytest.fixture(scope="module")
def house(new_database: Callable[[], str]) -> Iterator[Database]:
    """Open a database for a file's tests, each of which empties it; commits need not reach the disk here."""
    url = new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET synchronous_commit = off".encode())
    database = Database(url, size=2)
    note_history(database)
    yield database
    database.close()
