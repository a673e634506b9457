"""A client and the peer it talks to."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from fault_peer import SECRET, Peer, make_handler

from tailrace.client import DataExtraction


@pytest.fixture
def peer() -> Iterator[Peer]:
    """Run a peer until the test ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    told = Peer(server.server_address[1])
    server.RequestHandlerClass = make_handler(told)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield told
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def api(peer: Peer) -> Iterator[DataExtraction]:
    """Open a client of the peer."""
    with DataExtraction(peer.url, "key-id", SECRET, timeout_seconds=5) as client:
        yield client
