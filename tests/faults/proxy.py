"""A TCP proxy that does to a connection what networks do, switched while it runs. It knows no protocol,
but for the words in which an HTTP server says that it cannot serve.
"""

import socket
import struct
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

# What happens to bytes: passed on; connections refused; cut after so many bytes; swallowed in both directions, or in
# the direction from the server (`deaf`) or to it (`mute`); passed on late; every HTTP request of a new connection
# answered with a status.
Mode = Literal["pass", "refuse", "cut", "black_hole", "deaf", "mute", "slow", "answer"]
_BLOCK = 65_536
_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Listens on a port of its own and passes on to a TCP address or a Unix socket."""

    def __init__(self, target: "tuple[str, int] | Path") -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._mode: Mode = "pass"
        self._left = 0
        self._slow_seconds = 0.0
        self._status = 0
        self._open: set[socket.socket] = set()
        self._forgotten: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def switch(self, mode: Mode, *, after: int = 0, seconds: float = 0.0, status: int = 0) -> None:
        """Change what happens from now on, to connections that are open too.

        `after` so many bytes, late by so many `seconds`, or with that `status`.
        """
        with self._lock:
            self._left, self._slow_seconds, self._status = after, seconds, status
            self._mode = mode

    def heal(self) -> None:
        """Pass on again; connections whose bytes were swallowed are of no use any more and are cut."""
        harmless = self._mode in ("pass", "slow")
        self.switch("pass")
        if not harmless:
            self.sever()

    def sever(self) -> None:
        """Cut all connections, as a firewall that has forgotten them."""
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.shutdown(socket.SHUT_RDWR)

    def forget(self) -> None:
        """Swallow whatever comes on the connections there are, and tell nobody; new ones are passed on."""
        with self._lock:
            self._forgotten |= self._open

    @property
    def connections(self) -> int:
        with self._lock:
            return len(self._open) // 2

    def close(self) -> None:
        self._listener.close()
        self.sever()

    # -- threads ------------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._mode == "answer":
                threading.Thread(target=self._answer, args=(client,), daemon=True).start()
                continue
            server = None if self._mode == "refuse" else self._connect()
            if server is None:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                client.close()
                continue
            with self._lock:
                self._open |= {client, server}
            for source, target, mute in ((client, server, "mute"), (server, client, "deaf")):
                threading.Thread(target=self._pump, args=(source, target, mute), daemon=True).start()

    def _connect(self) -> "socket.socket | None":
        unix = isinstance(self._target, Path)
        server = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        try:
            server.connect(str(self._target) if unix else self._target)
        except OSError:
            server.close()
            return None
        return server

    def _answer(self, client: socket.socket) -> None:
        """Say the status to one request, once all of it has come, and end the connection."""
        with suppress(OSError), client, client.makefile("rb") as request:
            length = 0
            while line := request.readline().strip().lower():
                if line.startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            request.read(length)
            client.sendall(b"HTTP/1.1 %d On purpose\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % self._status)

    def _pump(self, source: socket.socket, target: socket.socket, swallowing: str) -> None:
        with suppress(OSError):
            while block := source.recv(_BLOCK):
                if not self._pass_on(block, target, swallowing):
                    break
        for end in (source, target):
            with self._lock:
                self._open.discard(end)
                self._forgotten.discard(end)
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()

    def _pass_on(self, block: bytes, target: socket.socket, swallowing: str) -> bool:
        """Do to a block what the mode says; False: the connection ends here."""
        mode = self._mode
        if mode in ("black_hole", swallowing) or target in self._forgotten:
            return True
        if mode == "slow":
            time.sleep(self._slow_seconds)
        if mode == "cut":
            with self._lock:
                allowed, self._left = min(len(block), self._left), max(0, self._left - len(block))
            target.sendall(block[:allowed])
            return allowed == len(block)
        target.sendall(block)
        return True
