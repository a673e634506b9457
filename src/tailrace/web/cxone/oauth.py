"""The OAuth 2.0 token endpoint and its neighbours (sections 1.3 and 1.4 of the specification)."""

from base64 import b64decode
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from fastapi import APIRouter, Request
from starlette.responses import Response

from tailrace.access.clients import check_client
from tailrace.access.keys import KeyOwner, authenticate
from tailrace.access.refresh import end_sign_in, use_refresh_token
from tailrace.access.tokens import ACCESS_SECONDS, REFRESH_SECONDS, TokenSet
from tailrace.errors import NotAuthenticated, RequestInvalid, TooManyAttempts, UnknownClient
from tailrace.web.cxone import schema
from tailrace.web.cxone.authentication import Bearer, token_answer
from tailrace.web.cxone.body import read_object
from tailrace.web.errors import JsonAnswer, Refusal
from tailrace.web.requests import Address, Body, State
from tailrace.web.state import WebState

router = APIRouter(tags=["Authentication"])

_FORM = "application/x-www-form-urlencoded"
_NO_CACHE = {"Pragma": "no-cache"}
_BASIC = {"WWW-Authenticate": 'Basic realm="tailrace"', **_NO_CACHE}


@router.post(
    "/public/user/refresh",
    summary="Exchange a refresh token for new tokens",
    operation_id="refreshToken",
    responses=schema.responses(200, schema.REFRESHED, 400, 401, 413, 503),
    openapi_extra=schema.request_body(schema.REFRESH),
)
def refresh(state: State, body: Body) -> JsonAnswer:
    """The old refresh token can be used again for a minute, in case the answer is lost."""
    token = read_object(body).get("token")
    if token is None or token == "":
        raise RequestInvalid("Invalid request", details=("Missing required field: 'token'",))
    if not isinstance(token, str):
        raise RequestInvalid("Invalid request", details=("Field 'token' must be a string",))
    sign_in = use_refresh_token(state.runtime.database, token)
    tokens = state.tokens.issue(sign_in.owner, sign_in.client_id, sign_in.id)
    return JsonAnswer(
        {
            "token": tokens.access_token,
            "refreshToken": tokens.refresh_token,
            "tokenExpirationTimeSec": ACCESS_SECONDS,
            "refreshTokenExpirationTimeSec": REFRESH_SECONDS,
            "sessionId": None,
        }
    )


@router.post(
    "/auth/token",
    summary="OAuth 2.0 token endpoint",
    operation_id="oauthToken",
    responses=schema.responses(200, schema.TOKEN, 400, 401, 413, 429, 503),
    openapi_extra={"requestBody": {"required": True, "content": {_FORM: {"schema": schema.OAUTH}}}},
)
def grant_token(request: Request, state: State, body: Body, address: Address) -> JsonAnswer:
    """Grants `password`, with an access key for user name and password, and `refresh_token`."""
    form = _read_form(request, body)
    match form.get("grant_type"):
        case "password":
            client = _prove_client(request, state, form)
            owner = _owner(state, form, address)
            tokens = state.tokens.issue(owner, client)
        case "refresh_token":
            tokens = _refreshed(request, state, form)
        case None | "":
            raise _refusal("oauth_invalid_request")
        case _:
            raise _refusal("unsupported_grant_type")
    return JsonAnswer(token_answer(tokens), headers=_NO_CACHE)


_ENDED: dict[int | str, dict[str, Any]] = {204: {"description": "Ended."}, **schema.refusals(401)}


@router.get(
    "/auth/endsession",
    status_code=204,
    summary="End a sign-in",
    operation_id="endSession",
    responses=_ENDED,
    openapi_extra=schema.SECURED,
)
@router.post(
    "/auth/endsession",
    status_code=204,
    summary="End a sign-in",
    operation_id="endSessionByPost",
    responses=_ENDED,
    openapi_extra=schema.SECURED,
)
def end_session(state: State, caller: Bearer) -> Response:
    """Revokes the access token and the refresh tokens of the same sign-in."""
    end_sign_in(state.runtime.database, caller.token_id)
    return Response(status_code=204, headers=_NO_CACHE)


@router.get("/auth/authorize", summary="Not offered", operation_id="authorize", responses=schema.refusals(400))
@router.post("/auth/authorize", summary="Not offered", operation_id="authorizeByPost", responses=schema.refusals(400))
def authorize() -> JsonAnswer:
    """There is no browser sign-in; every request is refused (CX-143)."""
    raise _refusal("unsupported_response_type")


def _read_form(request: Request, body: bytes) -> dict[str, str]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if media_type == _FORM:
            return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100))
    except (UnicodeDecodeError, ValueError):
        pass
    raise _refusal("oauth_invalid_request")


def _prove_client(request: Request, state: WebState, form: Mapping[str, str]) -> str:
    """Check the client's id and secret, from the header or the form (CX-135 to CX-137)."""
    header = _read_basic(request)
    body = (form.get("client_id", ""), form.get("client_secret", ""))
    if header and any(body) and not _agree(header, body):
        raise _refusal("oauth_invalid_request")
    for client_id, secret in header or [body]:
        try:
            check_client(state.runtime.database, client_id, secret)
        except UnknownClient:
            continue
        return client_id
    raise _refusal("invalid_client")


def _agree(header: list[tuple[str, str]], body: tuple[str, str]) -> bool:
    """Both ways at once are fine as long as what the form has says the same."""
    return any(all(given in ("", proven) for given, proven in zip(body, pair, strict=True)) for pair in header)


def _read_basic(request: Request) -> list[tuple[str, str]]:
    """Read HTTP Basic: as it is, then form-decoded, as both are in real use (CX-136)."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return []
    try:
        client_id, colon, secret = b64decode(text.strip(), validate=True).decode("utf-8").partition(":")
    except (ValueError, UnicodeDecodeError):
        raise _refusal("invalid_client") from None
    if not colon:
        raise _refusal("invalid_client")
    return list(dict.fromkeys([(client_id, secret), (unquote_plus(client_id), unquote_plus(secret))]))


def _owner(state: WebState, form: Mapping[str, str], address: str) -> KeyOwner:
    """Find whom the access key of a password grant stands for (CX-132, CX-138)."""
    try:
        return authenticate(state.runtime.database, form.get("username", ""), form.get("password", ""), address)
    except NotAuthenticated:
        raise _refusal("invalid_grant", "The access key is not valid") from None
    except TooManyAttempts as error:
        raise _refusal("oauth_too_many_attempts", headers={"Retry-After": str(error.retry_after_seconds)}) from None


def _refreshed(request: Request, state: WebState, form: Mapping[str, str]) -> TokenSet:
    """Grant new tokens for a refresh token; the client need only be known (CX-133)."""
    given = form.get("client_id")
    client = _known_client(state, [given] if given else [client_id for client_id, _ in _read_basic(request)])
    try:
        sign_in = use_refresh_token(state.runtime.database, form.get("refresh_token", ""), client)
    except NotAuthenticated:
        raise _refusal("invalid_grant", "The refresh token is not valid") from None
    return state.tokens.issue(sign_in.owner, client, sign_in.id)


def _known_client(state: WebState, client_ids: list[str]) -> str:
    """Find the first of these that is a client's id: a header's may have to be decoded (CX-136)."""
    for client_id in client_ids:
        try:
            check_client(state.runtime.database, client_id, None)
        except UnknownClient:
            continue
        return client_id
    raise _refusal("invalid_client")


def _refusal(case: str, message: str = "", headers: Mapping[str, str] | None = None) -> Refusal:
    known = _BASIC if case == "invalid_client" else _NO_CACHE
    return Refusal(case, message, headers={**known, **(headers or {})})
