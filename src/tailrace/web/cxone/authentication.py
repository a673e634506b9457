"""Sign-in with an access key, and the bearer token of every other request (CX-101 to CX-118)."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from tailrace.access.keys import authenticate
from tailrace.access.tokens import Principal, TokenSet
from tailrace.database.together import Query
from tailrace.errors import NotAuthenticated, RequestInvalid
from tailrace.web.cxone import schema
from tailrace.web.cxone.body import read_object
from tailrace.web.errors import JsonAnswer
from tailrace.web.requests import Address, Body, State
from tailrace.web.state import WebState

router = APIRouter(tags=["Authentication"])

_SCHEME = "bearer"
_LONGEST_CREDENTIAL = 256


@router.post(
    "/authentication/v1/token/access-key",
    summary="Exchange an access key for a token",
    operation_id="createToken",
    responses=schema.responses(200, schema.TOKEN, 400, 401, 413, 429, 503),
    openapi_extra=schema.request_body(schema.ACCESS_KEY),
)
def create_token(state: State, body: Body, address: Address) -> JsonAnswer:
    """The access token is good for an hour; take a new one whenever you like."""
    members = read_object(body)
    faults: list[str] = []
    key_id = _credential(members, "accessKeyId", faults)
    secret = _credential(members, "accessKeySecret", faults)
    if faults:
        raise RequestInvalid("Invalid request", details=tuple(faults))
    return JsonAnswer(token_answer(state.tokens.issue(authenticate(state.runtime.database, key_id, secret, address))))


def _credential(members: Mapping[str, Any], name: str, faults: list[str]) -> str:
    """Read a credential; one that no key could have is refused like any wrong one, not as a fault of form."""
    value = members.get(name)
    if value is None or value == "":
        faults.append(f"Missing required field: '{name}'")
    elif not isinstance(value, str):
        faults.append(f"Field '{name}' must be a string")
    elif len(value) > _LONGEST_CREDENTIAL or not (value.isascii() and value.isprintable()):
        return ""
    else:
        return value
    return ""


def token_answer(tokens: TokenSet) -> dict[str, object]:
    """Write the tokens as every sign-in answers with them (CX-112)."""
    return {
        "access_token": tokens.access_token,
        "token_type": "Bearer",
        "expires_in": tokens.expires_in,
        "refresh_token": tokens.refresh_token,
        "id_token": tokens.id_token,
    }


def bearer(request: Request, state: State) -> Principal:
    """Tell who calls by the `Authorization` header alone (CX-101, CX-103); raises NotAuthenticated."""
    principal = state.tokens.verify(_read_token(request))
    request.state.tenant_id = principal.tenant_id
    return principal


Bearer = Annotated[Principal, Depends(bearer)]


def read_as(request: Request, state: WebState) -> Principal:
    """Tell who reads, and count it; raises NotAuthenticated, and TooManyReads above the ceiling (CX-019)."""
    caller = bearer(request, state)
    state.reads.count(caller.token_id)
    return caller


def read_and_ask(request: Request, state: WebState, ask: Callable[[UUID], Query]) -> tuple[Principal, list[Any]]:
    """Tell who reads like `read_as`, and what a query of its tenant finds, at the cost of one round trip."""
    caller, found = state.tokens.verify_and_ask(_read_token(request), ask)
    request.state.tenant_id = caller.tenant_id
    state.reads.count(caller.token_id)
    return caller, found


def _read_token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != _SCHEME or not token.strip():
        raise NotAuthenticated("Unauthorized")
    return token.strip()
