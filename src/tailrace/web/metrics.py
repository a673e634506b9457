"""`GET /metrics`, for monitoring."""

import ipaddress

from fastapi import APIRouter, Request
from starlette.responses import Response

from tailrace.web.errors import Refusal
from tailrace.web.requests import State, address_of

router = APIRouter(tags=["Health"])

_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Whoever asks through a proxy on this machine may be anywhere.
_SIGNS_OF_A_PROXY = ("forwarded", "via", "x-forwarded-for", "x-real-ip")


@router.get(
    "/metrics",
    summary="Figures for monitoring",
    operation_id="metrics",
    response_class=Response,
    responses={
        200: {"description": "Prometheus' text form.", "content": {"text/plain": {"schema": {"type": "string"}}}},
        404: {"description": "Not for you; `server.metrics` says for whom."},
    },
)
def metrics(request: Request, state: State) -> Response:
    """No names, no ids, no personal data."""
    readers = state.runtime.settings.server.metrics
    if readers == "off" or (readers == "loopback" and not _is_near(request)):
        raise Refusal("not_found")
    return Response(state.measures.write(), media_type=_MEDIA_TYPE)


def _is_near(request: Request) -> bool:
    """Tell whether a program on this machine asks, and asks for itself."""
    try:
        near = ipaddress.ip_address(address_of(request)).is_loopback
    except ValueError:
        near = False
    return near and not any(name in request.headers for name in _SIGNS_OF_A_PROXY)
