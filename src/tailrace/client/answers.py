"""Reads the server's answers and turns refusals into errors; both wire profiles are understood."""

from collections.abc import Mapping
from typing import Any

import httpx2

from tailrace.errors import (
    ClientError,
    ComeBackLater,
    NotAuthenticated,
    NotPermitted,
    RequestInvalid,
    ServerUnreachable,
    TailraceError,
    TenantBusy,
    TooManyJobs,
    TooSoon,
)

_RULES: Mapping[str, type[ComeBackLater]] = {
    "rate_limited": TooSoon,
    "tenant_busy": TenantBusy,
    "too_many_jobs": TooManyJobs,
}
_LONGEST_MESSAGE = 500
# A rule may not make a client wait for longer than the documents of any rule allow for.
_LONGEST_WAIT_SECONDS = 3600


def read_json(response: httpx2.Response) -> Any:
    """Read the body as JSON; raises ClientError."""
    try:
        return response.json()
    except ValueError:
        raise ClientError(
            f"The server's answer to {name_step(response)} is not JSON; is this a Tailrace server?"
        ) from None


def check_answer(response: httpx2.Response, unknown: type[TailraceError]) -> None:
    """Raise what a refusal means; `unknown` is what a 404 stands for.

    Raises NotAuthenticated, NotPermitted, ComeBackLater, RequestInvalid, ServerUnreachable, ClientError or `unknown`.
    """
    if response.is_success:
        return
    body = read_body(response)
    message = read_message(response, body)
    match response.status_code:
        case 400:
            raise RequestInvalid(message, details=read_details(body))
        case 401:
            raise NotAuthenticated("The server did not accept the access key or token.")
        case 403 | 429 if "Retry-After" in response.headers:
            seconds = retry_after(response)
            raise _RULES.get(str(body.get("error")), ComeBackLater)(message, retry_after_seconds=seconds)
        case 403:
            raise NotPermitted(message)
        case 404:
            raise unknown(message)
        case 503:
            raise ServerUnreachable(f"The server is not ready: {message}")
        case status:
            raise ClientError(f"The server answered {name_step(response)} with {status}: {message}")


def retry_after(response: httpx2.Response) -> int:
    """Tell how many seconds the server asks to wait: at least 1, at most an hour."""
    text = response.headers.get("Retry-After", "")
    return min(max(int(text), 1), _LONGEST_WAIT_SECONDS) if text.isascii() and text.isdigit() else 1


def name_step(response: httpx2.Response) -> str:
    """Name the request by method and path; the query may hold a signature and is left out."""
    return f"{response.request.method} {response.request.url.path}"


def read_body(response: httpx2.Response) -> dict[str, Any]:
    """Read the body as a JSON object; anything else counts as an empty one."""
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def read_message(response: httpx2.Response, body: Mapping[str, Any]) -> str:
    """Take the server's own words, or else name the status."""
    message = body.get("message")
    if isinstance(message, str) and message:
        return message[:_LONGEST_MESSAGE]
    return f"{response.status_code} {response.reason_phrase}".strip()


def read_details(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Take the single faults a refusal lists."""
    details = body.get("details")
    return tuple(str(detail)[:_LONGEST_MESSAGE] for detail in details) if isinstance(details, list) else ()
