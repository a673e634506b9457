"""The servers of both profiles, and people who are signed in."""

from collections.abc import Iterator

import pytest

from conformance.smartsync.wire import Person, make_person
from service import Service


@pytest.fixture(params=["documented", pytest.param("live", marks=[pytest.mark.slow, pytest.mark.share])])
def service(request: pytest.FixtureRequest) -> Service:
    """Take the server of each profile in turn; few points differ, so `live` is for the long suites."""
    server: Service = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def person(service: Service) -> Person:
    """Take somebody of a new tenant who is signed in and may View nothing, on the server of each profile in turn."""
    return make_person(service)


@pytest.fixture(scope="package")
def _nobodies() -> dict[str, Person]:
    return {}


@pytest.fixture
def idle(service: Service, _nobodies: dict[str, Person]) -> Person:
    """Take somebody whose requests change nothing, so that tests may share them."""
    if service.url not in _nobodies:
        _nobodies[service.url] = make_person(service)
    return _nobodies[service.url]


@pytest.fixture(autouse=True)
def _forgiven(documented: Service, live: Service) -> Iterator[None]:
    """Let no failed login count against other tests, which come from the same address."""
    yield
    for server in (documented, live):
        server.database.execute("DELETE FROM sign_in_failures")
