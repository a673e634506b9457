"""What all tests share: a real PostgreSQL, an empty database for each test, and real servers to talk to."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import LiteralString, Self, cast
from uuid import uuid4

import psycopg
import pytest
from hypothesis import settings
from psycopg.conninfo import make_conninfo

from s3_server import S3Server, shared_s3_server
from service import Service, start_service
from tailrace.database.embedded import EmbeddedPostgres
from tailrace.database.migrate import migrate
from tailrace.database.pool import Database

# How long a test takes is the machine's affair.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of a long module into the share of the long suites, but those that are slow themselves."""
    for item in items:
        if item.get_closest_marker("long") and not item.get_closest_marker("slow"):
            item.add_marker("slow")
            item.add_marker("share")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Name a PostgreSQL: DATABASE_URL, or the private one of a folder that all test processes of a run share."""
    given = os.environ.get("DATABASE_URL")
    if given:
        yield given
        return
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    with EmbeddedPostgres(shared / "postgres-data") as conninfo:
        # The machine does not lose its power in the middle of a test: nothing need reach the disk.
        for setting in ("fsync = off", "full_page_writes = off"):
            _administer(conninfo, f"ALTER SYSTEM SET {setting}")
        _administer(conninfo, "SELECT pg_reload_conf()")
        yield conninfo


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Name an S3 server that all test processes of a run share."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    with shared_s3_server(shared / "s3-server") as server:
        yield server


@pytest.fixture(scope="session")
def new_database(postgres: str) -> Iterator[Callable[[], str]]:
    """Make empty, migrated databases; they are dropped at the end of the run."""
    made: list[str] = []
    template = f"tailrace_template_{uuid4().hex}"
    _administer(postgres, f"CREATE DATABASE {template}")
    database = Database(make_conninfo(postgres, dbname=template), size=1)
    migrate(database)
    database.close()

    def make() -> str:
        made.append(f"tailrace_test_{uuid4().hex}")
        _administer(postgres, f"CREATE DATABASE {made[-1]} TEMPLATE {template}")
        return make_conninfo(postgres, dbname=made[-1])

    yield make
    # The private server goes with its folder; in somebody else's we leave nothing behind.
    for name in (*made, template) if os.environ.get("DATABASE_URL") else ():
        _administer(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database_url(new_database: Callable[[], str]) -> str:
    """Name an empty, migrated database of the test's own."""
    return new_database()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Open an empty, migrated database of the test's own."""
    database = Database(database_url, size=8)
    yield database
    database.close()


@pytest.fixture(scope="session")
def documented(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run a server with all settings as they come, profile `documented`."""
    with start_service(tmp_path_factory.mktemp("documented"), new_database()) as service:
        yield service


@pytest.fixture(scope="session")
def live(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run a server in profile `live` of both APIs."""
    folder = tmp_path_factory.mktemp("live")
    profiles = {"TAILRACE_CXONE__PROFILE": "live", "TAILRACE_SMARTSYNC__PROFILE": "live"}
    with start_service(folder, new_database(), **profiles) as service:
        yield service


@pytest.fixture
def start(new_database: Callable[[], str], tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Start servers of the test's own; keyword arguments are their environment."""
    with pytest.MonkeyPatch.context(), _Started(tmp_path, new_database) as started:
        yield started.start


class _Started:
    def __init__(self, folder: Path, new_database: Callable[[], str]) -> None:
        self._folder, self._new_database = folder, new_database
        self._services: list[object] = []

    def start(self, **environment: str) -> Service:
        number = len(self._services)
        context = start_service(self._folder / f"service-{number}", self._new_database(), **environment)
        self._services.append(context)
        return context.__enter__()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for context in reversed(self._services):
            context.__exit__(None, None, None)  # type: ignore[attr-defined]


def _administer(postgres: str, statement: str) -> None:
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(cast("LiteralString", statement))
