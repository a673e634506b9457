"""What every answer carries, and the one event that every request leaves in the log."""

import re
import time
from collections.abc import Callable
from uuid import uuid4

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tailrace.web.paths import Paths

_CORRELATION = re.compile(rb"[A-Za-z0-9-]{1,64}")
_FIXED = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


class Envelope:
    """Adds `CorrelationId`, `Cache-Control` and `X-Content-Type-Options` to every answer (CX-015, CX-016)."""

    def __init__(self, app: ASGIApp, paths: Paths, count: Callable[[str, str, int, float], None]) -> None:
        """Wrap an application that offers these paths; `count` is told of every request."""
        self._app = app
        self._paths = paths
        self._count = count
        self._log = structlog.get_logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and note how it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        correlation = _correlation_id(scope)
        scope.setdefault("state", {})["correlation_id"] = correlation
        started, status = time.perf_counter(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_FIXED, (b"correlationid", correlation.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            self._note(scope, status, time.perf_counter() - started)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        """The path's template, never the path or the query, which may name or open things."""
        route = self._paths.template(scope["path"])
        self._count(scope["method"], route, status, seconds)
        self._log.info(
            "request",
            method=scope["method"],
            route=route,
            status=status,
            ms=round(seconds * 1000, 1),
            correlation=scope["state"]["correlation_id"],
            **({"tenant": str(scope["state"]["tenant_id"])} if "tenant_id" in scope["state"] else {}),
        )


def _correlation_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"correlationid" and _CORRELATION.fullmatch(value):
            return str(value.decode())
    return str(uuid4())
