"""A SmartSync client and the peer it talks to."""

from collections.abc import Iterator

import pytest
from smartsync_peer import JOB_ID, PASSWORD, SmartPeer, run_peer

from tailrace.client import ExportJob, SmartSync


@pytest.fixture
def peer() -> Iterator[SmartPeer]:
    """Run a peer until the test ends."""
    with run_peer() as told:
        yield told


@pytest.fixture
def api(peer: SmartPeer) -> Iterator[SmartSync]:
    """Open a client of the peer."""
    with SmartSync(peer.url, customer_id=7, user="reporting", password=PASSWORD, timeout_seconds=5) as client:
        yield client


@pytest.fixture
def job(api: SmartSync) -> ExportJob:
    """Find a completed export."""
    return api.job(JOB_ID)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note the pauses the client takes, which then take no time."""
    pauses: list[float] = []
    monkeypatch.setattr("tailrace.client.waiting.time.sleep", pauses.append)
    return pauses
