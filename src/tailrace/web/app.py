"""The HTTP application: the dialects' routes, what all answers share, and the OpenAPI document."""

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import structlog
from anyio import to_thread
from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from tailrace import __version__
from tailrace.access.signing import load_signing_keys
from tailrace.access.tokens import Tokens
from tailrace.errors import TailraceError
from tailrace.plugins import load_plugin
from tailrace.runtime import Runtime
from tailrace.settings import Settings
from tailrace.web import downloads, health, metrics
from tailrace.web.cxone import authentication, discovery, jobs, oauth, sync
from tailrace.web.cxone import errors as cxone_errors
from tailrace.web.envelope import Envelope
from tailrace.web.errors import Refusal
from tailrace.web.measures import Measures, RequestCounts
from tailrace.web.paths import OneSpelling, Paths
from tailrace.web.probes import Probes
from tailrace.web.smartsync import authentication as sessions
from tailrace.web.smartsync import entities, exporters
from tailrace.web.smartsync import errors as smartsync_errors
from tailrace.web.state import ReadCeiling, WebState

_API = "/data-extraction/v1"
_SMARTSYNC = "/SMARTSync"
_SMARTSYNC_API = f"{_SMARTSYNC}/services/rs"
# Beginnings of paths that are taken for the routes' own.
_SPELLINGS = {"/data-extraction/V1(?=/)": _API, "(?i:/smartsync)(?=/)": _SMARTSYNC}
# Requests for the status of exports, of one session in ten seconds, by the second (SS-408).
_POLLS_PER_SECOND = 20


class _Enveloped(FastAPI):
    """Puts the envelope around everything, the answer to a fault in the server included (CX-015, CX-016)."""

    def build_middleware_stack(self) -> ASGIApp:
        """Wrap the framework's own stack."""
        enveloped = Envelope(super().build_middleware_stack(), self.state.paths, self.state.requests.note)
        return OneSpelling(enveloped, _SPELLINGS)


class _Dialect(NamedTuple):
    """How one wire API answers what went wrong, on the paths that begin with `prefix`."""

    prefix: str
    answer: Callable[[Refusal], Response]
    refusal_for: Callable[[TailraceError], Refusal]


def create_app(runtime: Runtime, public_url: str) -> FastAPI:
    """Make the application for a runtime; links and tokens name `public_url`."""
    settings = runtime.settings
    keys = load_signing_keys(runtime.database)
    app = bare_app(settings.server.threads)
    probes = Probes(runtime)
    app.state.web = WebState(
        runtime=runtime,
        public_url=public_url,
        tokens=Tokens(runtime.database, keys, issuer=public_url, area=settings.cxone.area),
        link_key=keys.link,
        storage=load_plugin("tailrace.storage", settings.storage.kind).open_store(runtime.storage_options),
        reads=ReadCeiling(settings.cxone.read_limit_per_s),
        polls=ReadCeiling(_POLLS_PER_SECOND),
        probes=probes,
        measures=Measures(runtime, app.state.requests, probes),
    )
    _answer_faults(app, _dialects(settings))
    return app


def _dialects(settings: Settings) -> list[_Dialect]:
    """List the dialects; the last one answers on all paths that are no other's."""
    ours, theirs = settings.smartsync.profile, settings.cxone.profile
    return [
        _Dialect(
            _SMARTSYNC + "/", lambda refusal: smartsync_errors.answer(refusal, ours), smartsync_errors.refusal_for
        ),
        _Dialect("", lambda refusal: cxone_errors.answer(refusal, theirs), cxone_errors.refusal_for),
    ]


def bare_app(threads: int = 1) -> FastAPI:
    """Make the application with its routes alone: enough to describe it. Requests run in `threads` threads."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = threads
        yield

    app = _Enveloped(redirect_slashes=False, docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    # Routes are looked for in this order: what is asked for most comes first.
    for router in (jobs.router, sync.router):
        app.include_router(router, prefix=_API)
    for router in (authentication.router, oauth.router, discovery.router):
        app.include_router(router)
    for router in (sessions.router, entities.router, exporters.router):
        app.include_router(router, prefix=_SMARTSYNC_API)
    app.include_router(downloads.router)
    app.include_router(health.router)
    app.include_router(metrics.router)
    app.get("/openapi.json", include_in_schema=False)(lambda: describe_api(app))
    app.state.waits_until = math.inf
    app.state.requests = RequestCounts()
    app.state.paths = Paths(describe_api(app)["paths"])
    return app


def describe_api(app: FastAPI) -> dict[str, Any]:
    """Write the OpenAPI document; the framework's own 422, which never occurs, is left out."""
    document = get_openapi(
        title="Tailrace",
        version=__version__,
        summary="Bulk data extraction: the CXone Data Extraction API and the SmartSync Export APIs.",
        routes=app.routes,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
    schemas = document.setdefault("components", {})
    schemas.pop("schemas", None)
    schemas["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "session": {"type": "apiKey", "in": "cookie", "name": "JSESSIONID"},
    }
    return document


def _answer_faults(app: FastAPI, dialects: list[_Dialect]) -> None:
    """Turn everything that is raised into the dialect's own error answer, never the framework's."""
    paths: Paths = app.state.paths

    def spoken(request: Request) -> _Dialect:
        return next(dialect for dialect in dialects if request.url.path.startswith(dialect.prefix))

    def refused(request: Request, refusal: Exception) -> Response:
        dialect = spoken(request)
        return dialect.answer(_as_refusal(refusal, dialect))

    def failed(request: Request, error: Exception) -> Response:
        log = structlog.get_logger()
        log.error("internal_error", correlation=request.state.correlation_id, exc_info=error)
        return spoken(request).answer(Refusal("internal_error"))

    def not_routed(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        answer = spoken(request).answer
        if status == 405:  # noqa: PLR2004 - the status itself
            allowed = ", ".join(sorted(paths.methods(request.url.path)))
            return answer(Refusal("method_not_allowed", headers={"Allow": allowed}))
        return answer(Refusal("not_found" if status == 404 else "invalid_request"))  # noqa: PLR2004

    handlers: dict[Any, Callable[[Request, Exception], Response]] = {
        TailraceError: refused,
        Refusal: refused,
        HTTPException: not_routed,
        Exception: failed,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def _as_refusal(error: Exception, dialect: _Dialect) -> Refusal:
    if isinstance(error, Refusal):
        return error
    return dialect.refusal_for(error) if isinstance(error, TailraceError) else Refusal("internal_error")
