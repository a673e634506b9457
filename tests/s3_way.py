"""A way to a server that can be shut: connections through it are kept, but say nothing any more, or are cut."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

_BLOCK_BYTES = 65_536


class Way:
    """Passes bytes between clients and a server until it is told otherwise."""

    def __init__(self, endpoint: str, heard: list[bytes] | None = None) -> None:
        """Pass bytes; what clients say is put into `heard` if given."""
        to = urlsplit(endpoint)
        self._heard = heard
        self._to = (to.hostname, to.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open = threading.Event()
        self._open.set()
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def fall_silent(self) -> None:
        """Pass nothing on from now on, and cut nothing."""
        self._open.clear()

    def go_on(self) -> None:
        """Pass on what comes over new connections."""
        self._open.set()

    def cut(self) -> None:
        """Cut all connections, and every new one."""
        self._open.clear()
        self._listener.close()
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._ends.append(client)
                if self._open.is_set():
                    server = socket.create_connection(self._to)
                    self._ends.append(server)
                    threading.Thread(target=self._pass, args=(client, server, self._heard), daemon=True).start()
                    threading.Thread(target=self._pass, args=(server, client), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket, heard: list[bytes] | None = None) -> None:
        with suppress(OSError):
            while block := one.recv(_BLOCK_BYTES):
                if not self._open.is_set():
                    return
                if heard is not None:
                    heard.append(block)
                other.sendall(block)
            other.shutdown(socket.SHUT_WR)


@contextmanager
def way_to(endpoint: str, heard: list[bytes] | None = None) -> Iterator[Way]:
    """Make a way to a server, cut at the end; what clients say is put into `heard` if given."""
    way = Way(endpoint, heard)
    try:
        yield way
    finally:
        way.cut()
