"""A world of two tenants on the server of each profile."""

from collections.abc import Iterator

import pytest

from isolation.world import World, make_world
from service import Service


@pytest.fixture(scope="module")
def _worlds() -> dict[str, World]:
    return {}


@pytest.fixture(params=["documented", pytest.param("live", marks=pytest.mark.slow)])
def world(request: pytest.FixtureRequest, _worlds: dict[str, World]) -> Iterator[World]:
    """Take the world on the server of each profile, the same for all tests; failed sign-ins are forgiven after each."""
    service: Service = request.getfixturevalue(request.param)
    if service.url not in _worlds:
        _worlds[service.url] = make_world(service)
    yield _worlds[service.url]
    service.database.execute("DELETE FROM sign_in_failures")
