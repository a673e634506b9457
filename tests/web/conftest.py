"""A server whose jobs are only ever moved by the tests."""

from collections.abc import Callable, Iterator

import pytest

from service import Service, start_service


@pytest.fixture(scope="module")
def server(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run a server that notices a lost database soon."""
    settings = {"TAILRACE_DATABASE__TIMEOUT_S": "1", "TAILRACE_CXONE__MIN_INTERVAL_S": "0"}
    with start_service(tmp_path_factory.mktemp("monitored"), new_database(), **settings) as service:
        yield service
