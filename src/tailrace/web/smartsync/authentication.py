"""Login, logout, and the session cookie of every other request (SS-021 to SS-034)."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from tailrace.access.sessions import Lives, Session, end_session, find_session, sign_in
from tailrace.errors import NotAuthenticated
from tailrace.web.errors import JsonAnswer
from tailrace.web.requests import Address, Body, State
from tailrace.web.smartsync import schema
from tailrace.web.smartsync.body import JsonBody, SameSite, invalid, missing, read_object, wrong
from tailrace.web.state import WebState

router = APIRouter(tags=["SmartSync"])

_COOKIE = "JSESSIONID"
_LOCALE = re.compile(r"[a-z]{2}_[A-Z]{2}")
_QUOTED = re.compile(r'"(.*)"')
_MEMBERS: dict[str, Callable[[Any], bool]] = {
    "customerId": lambda value: type(value) is int,
    "userName": lambda value: isinstance(value, str),
    "password": lambda value: isinstance(value, str),
    "locale": lambda value: isinstance(value, str) and bool(_LOCALE.fullmatch(value)),
}


@router.post(
    "/users/v1/login",
    summary="Log in with a password",
    operation_id="login",
    dependencies=[SameSite],
    responses=schema.responses(200, schema.SESSION, 400, 401, 403, 413, 415, 429, 503),
    openapi_extra=schema.request_body(schema.LOGIN),
)
def login(state: State, body: JsonBody, address: Address) -> JsonAnswer:
    """Starts a session: send its id as the cookie `JSESSIONID` with every other request."""
    members = _read_login(body)
    session_id = sign_in(
        state.runtime.database,
        members["customerId"],
        members["userName"],
        members["password"],
        address,
        _lives(state),
    )
    return JsonAnswer({"jsessionId": session_id}, headers={"Set-Cookie": _cookie(state, session_id)})


def session(request: Request, state: State) -> Session:
    """Tell which session a request belongs to, by its cookie alone (SS-029, SS-030); raises NotAuthenticated."""
    found = find_session(state.runtime.database, _read_cookie(request), _lives(state))
    request.state.tenant_id = found.tenant_id
    return found


Signed = Annotated[Session, Depends(session)]


@router.post(
    "/users/v1/logout",
    status_code=204,
    summary="End the session",
    operation_id="logout",
    dependencies=[SameSite],
    response_class=Response,
    responses=schema.responses(204, None, 401, 403, 413, 415, 503),
    openapi_extra=schema.SECURED,
)
def logout(state: State, _within_size: Body, signed: Signed, _json: JsonBody) -> Response:
    """Jobs go on."""
    end_session(state.runtime.database, signed)
    return Response(status_code=204, headers={"Set-Cookie": _cookie(state, "", "; Max-Age=0")})


def _read_login(body: bytes) -> dict[str, Any]:
    """Read the members of a login; raises RequestInvalid with every fault (SS-025)."""
    members = read_object(body)
    absent = [name for name in _MEMBERS if members.get(name) is None]
    faults = [missing(name) for name in absent]
    faults += [
        _wrong(name, members) for name, fits in _MEMBERS.items() if name not in absent and not fits(members[name])
    ]
    if faults:
        raise invalid(*faults)
    return members


def _wrong(name: str, members: Mapping[str, Any]) -> str:
    return "Invalid password value" if name == "password" else wrong(name, members[name])


def _read_cookie(request: Request) -> str:
    """Read the session's cookie, in quotes or not; raises NotAuthenticated when there are different ones.

    Two cookies of the name come from two places: whoever set the other one must not choose the session.
    """
    pairs = ";".join(request.headers.getlist("cookie")).split(";")
    named = {value.strip() for name, _, value in (pair.partition("=") for pair in pairs) if name.strip() == _COOKIE}
    if len(named) != 1:
        raise NotAuthenticated("Unauthorized")
    [value] = named
    quoted = _QUOTED.fullmatch(value)
    return quoted[1] if quoted else value


def _cookie(state: WebState, session_id: str, more: str = "") -> str:
    """Write the cookie of SS-023; it is for both spellings of the routes' first segment."""
    secure = "; Secure" if state.public_url.startswith("https:") else ""
    return f"{_COOKIE}={session_id}{more}; Path=/; HttpOnly; SameSite=Strict{secure}"


def _lives(state: WebState) -> Lives:
    settings = state.runtime.settings.smartsync
    return Lives(settings.session_idle_s, settings.session_max_s)
