"""Reads what the SmartSync Export APIs answer and turns refusals into errors; both wire profiles are understood."""

import httpx2

from tailrace.client.answers import name_step, read_body, read_details, read_message, retry_after
from tailrace.client.smartsync.refusals import (
    ExportFailed,
    JobHasEnded,
    NotFinished,
    NotSignedIn,
    Refused,
    RequestRefused,
    ResultExpired,
    TryLater,
)
from tailrace.errors import ServerUnreachable

# SS-506 to SS-509; matched by what does not change when the sentence is worded a little differently.
_FAILED, _CANCELED, _EXPIRED = "has failed", "canceled", "expired"


def check_answer(response: httpx2.Response, unknown: type[Refused] = Refused) -> None:
    """Raise what a refusal means; `unknown` is what a 404 stands for.

    The HTTP status counts, not the one in the body: profile `live` writes another there (SS-406). Raises Refused and
    its kinds, and ServerUnreachable.
    """
    status = response.status_code
    if response.is_success:
        return
    body = read_body(response)
    message = read_message(response, body)
    match status:
        case 400:
            raise RequestRefused(message, status=status, details=read_details(body))
        case 401:
            raise NotSignedIn("The server knows no such session, or it has ended.", status=status)
        case 404 if _EXPIRED in message:
            raise ResultExpired(message, status=status)
        case 404 if unknown is not Refused:
            raise unknown(message, status=status)
        case 409:
            raise JobHasEnded(message, status=status)
        case 429:
            raise TryLater(message, status=status, retry_after_seconds=retry_after(response))
        case 503:
            raise ServerUnreachable(f"The server is not ready: {message}")
        case _:
            raise Refused(f"The server answered {name_step(response)} with {status}: {message}", status=status)


def check_result(response: httpx2.Response, unknown: type[Refused]) -> None:
    """Raise what an answer means that is not the result; 206 says that there is none, or none yet.

    Raises ExportFailed, NotFinished, and what `check_answer` raises.
    """
    if response.status_code != httpx2.codes.PARTIAL_CONTENT:
        return check_answer(response, unknown)
    message = read_message(response, read_body(response))
    if _FAILED in message or _CANCELED in message:
        raise ExportFailed(message)
    raise NotFinished(message, status=response.status_code, retry_after_seconds=retry_after(response))
