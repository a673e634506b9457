"""What every route reads from a request: its body within bounds, the state, who calls from where."""

from collections.abc import Callable, Coroutine
from inspect import iscoroutinefunction, signature
from typing import Annotated, Any, cast

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from tailrace.web.errors import Refusal
from tailrace.web.state import WebState

_MOST_BYTES = 65_536


# What waits for nothing is asynchronous: a plain function would be handed to a thread, which takes longer than itself.
async def web_state(request: Request) -> WebState:
    """Find the state of this process."""
    return cast("WebState", request.app.state.web)


async def read_body(request: Request) -> bytes:
    """Read the body; one of more than 65,536 bytes is refused as soon as that is known (CX-013)."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > _MOST_BYTES:
        raise Refusal("payload_too_large")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise Refusal("payload_too_large")
    return bytes(body)


def address_of(request: Request) -> str:
    """Tell the address a request came from."""
    return request.client.host if request.client else ""


async def caller_address(request: Request) -> str:
    """Tell the address the request came from."""
    return address_of(request)


State = Annotated[WebState, Depends(web_state)]
Body = Annotated[bytes, Depends(read_body)]
Address = Annotated[str, Depends(caller_address)]


class PlainRoute(APIRoute):
    """A route that hands request, state and parts of the path on as they are, when its function takes nothing else.

    The framework would work out for each request what a function takes, longer than the database takes for a status.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Make what answers a request."""
        answer = self.endpoint
        if iscoroutinefunction(answer) or {*signature(answer).parameters} != {
            "request",
            "state",
            *self.param_convertors,
        }:
            return super().get_route_handler()

        async def handle(request: Request) -> Response:
            state = await web_state(request)
            return await run_in_threadpool(answer, request=request, state=state, **request.path_params)

        return handle
