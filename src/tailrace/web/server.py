"""Listens: one socket, uvicorn behind it, requests in threads."""

import asyncio
import gc
import signal
import socket
import time
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from tailrace.errors import AddressInUse

_DRAIN_SECONDS = 20
# So long before they are over, what only waits gives up: it would be cut off without an answer.
_ANSWER_SECONDS = 10
_BACKLOG = 1024


def listen(host: str, port: int) -> socket.socket:
    """Open the socket; raises AddressInUse when the address is taken or not allowed."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AddressInUse(f"Cannot listen on {host} port {port}: {reason}.") from error
    # Connections inherit it; without it every answer on a kept-alive connection waits some 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def serve_app(app: FastAPI, listener: socket.socket, on_ready: Callable[[], None], proxies: str = "") -> None:
    """Answer requests until SIGTERM or Ctrl-C, then let those under way end.

    `proxies` are the addresses whose word on who calls is believed, joined by commas.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        lifespan="on",
        timeout_graceful_shutdown=_DRAIN_SECONDS,
        timeout_keep_alive=30,
    )
    # What has been made by now lives as long as we do: no need to look through it for garbage, request by request.
    gc.freeze()
    # uvicorn ends by raising the signal again for whoever listened before; here nobody needs it twice.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: None)
    asyncio.run(_Server(config, app, on_ready).serve(sockets=[listener]))


class _Server(uvicorn.Server):
    """Tells when requests are accepted, and from when on those who only wait should give up."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._app, self._on_ready = app, on_ready

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain: let requests under way end, those that wait for something else first."""
        self._app.state.waits_until = time.monotonic() + _DRAIN_SECONDS - _ANSWER_SECONDS
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._on_ready()
