"""Servers besides the two of tests/conftest.py, and a quicker HTTP client."""

from collections.abc import Callable, Iterator
from functools import partial

import httpx2
import pytest

from conformance.wire import listening_at
from service import Caller, Service, start_service

# An operator's own dataset: its range column may be empty, its key too.
_EVENTS = """
name = "events"
version = "1"
permission_id = "events"
range_column = "When"
order_by = ["When", "Key", "source:number"]
columns = [
  { name = "Key", type = "text" },
  { name = "When", type = "datetime" },
  { name = "Count", type = "integer" },
]
"""


@pytest.fixture(autouse=True, scope="package")
def _quick_requests() -> Iterator[None]:
    """All is plain HTTP here: no request need read the certificate store, which takes longer than its answer."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("request", "get"):
            patch.setattr(httpx2, name, partial(getattr(httpx2, name), verify=False))
        yield


@pytest.fixture(params=["documented", pytest.param("live", marks=[pytest.mark.slow, pytest.mark.share])])
def service(request: pytest.FixtureRequest) -> Service:
    """Take the server of each profile in turn; the second one in the long suites."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="package")
def _refused_callers() -> dict[str, Caller]:
    return {}


@pytest.fixture
def idle(service: Service, _refused_callers: dict[str, Caller]) -> Caller:
    """Take a caller of the profile's server whose requests are all refused, so that tests may share it."""
    if service.url not in _refused_callers:
        _refused_callers[service.url] = service.caller()
    return _refused_callers[service.url]


@pytest.fixture(scope="session")
def tuned(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run a server whose settings are not as they come (annex C), with a dataset of the operator's."""
    folder = tmp_path_factory.mktemp("tuned")
    (folder / "catalog").mkdir()
    (folder / "catalog" / "events.toml").write_text(_EVENTS)
    settings = {
        "SERVER__PUBLIC_URL": "https://tailrace.example",
        "CXONE__AREA": "eu1",
        "CXONE__EXTENSION_CANCEL": "off",
        "CXONE__LINK_LIFE_S": "5",
        "CXONE__MAX_RANGE_DAYS": "31",
        "CXONE__MAX_UNFINISHED_JOBS": "3",
        "CXONE__MIN_INTERVAL_S": "0",
        "CXONE__ONE_USER_PER_TENANT": "off",
        "CXONE__PARTIAL_ENTITIES": "hide",
        "CXONE__RESULT_RETENTION_H": "48",
        "CXONE__JOB_RECORD_DAYS": "3",
        "CXONE__SIMULATED_LATENCY_S": "1800",
        "CXONE__SPREADSHEET_SAFE": "on",
    }
    with start_service(
        folder, new_database(), **{f"TAILRACE_{name}": text for name, text in settings.items()}
    ) as server:
        server.url = listening_at(server)
        yield server
