"""The error answers of the Data Extraction API (section 9 of the specification): one table, two profiles."""

from collections.abc import Mapping

from starlette.responses import Response

from tailrace.errors import (
    ComeBackLater,
    DatabaseUnavailable,
    NotAuthenticated,
    NotPermitted,
    RequestInvalid,
    StorageUnavailable,
    TailraceError,
    UnknownDataset,
    UnknownJob,
)
from tailrace.web.errors import JsonAnswer, Refusal

# case: status in profile `documented`, in `live`, and the text (CX-906); the case is also the `error` member.
CASES: dict[str, tuple[int, int, str]] = {
    "invalid_request": (400, 400, "Invalid request"),
    "unauthorized": (401, 401, "Unauthorized"),
    "forbidden": (403, 403, "User does not have permission to view job status"),
    "not_found": (404, 404, "Not found"),
    "method_not_allowed": (405, 405, "Method not allowed"),
    "job_not_running": (409, 409, "Job is not running"),
    "payload_too_large": (413, 413, "Request body is too large"),
    "range_not_satisfiable": (416, 416, "The range lies outside the file"),
    "rate_limited": (429, 403, "Only one request to extract data is allowed in 30 seconds. Wait and try again"),
    "tenant_busy": (429, 403, "Another user of this tenant is extracting data. Wait and try again"),
    "too_many_jobs": (429, 403, "Too many jobs of this tenant are running. Wait and try again"),
    "too_many_requests": (429, 429, "Too many requests. Wait and try again"),
    "too_many_attempts": (429, 429, "Too many failed attempts. Wait and try again"),
    "link_expired": (403, 403, "The link has expired"),
    "link_invalid": (403, 403, "The link is not valid"),
    "internal_error": (500, 500, "Internal Server Error"),
    "unavailable": (503, 503, "Service unavailable. Wait and try again"),
}
_UNAVAILABLE_SECONDS = "5"


def answer(refusal: Refusal, profile: str) -> Response:
    """Write a refusal as the profile wants it (CX-901, CX-902)."""
    documented, live, text = CASES[refusal.case]
    message = refusal.message or text
    if profile == "live":
        if refusal.details:
            message = f"{message}: {'; '.join(refusal.details)}"
        return JsonAnswer({"message": message}, live, refusal.headers)
    body: dict[str, object] = {"message": message, "error": refusal.case, "errorDescription": message}
    if refusal.case == "invalid_request":
        body["details"] = list(refusal.details)
    return JsonAnswer(body, documented, refusal.headers)


def refusal_for(error: TailraceError) -> Refusal:  # noqa: PLR0911 - one return a case
    """Tell which case an error is; one that callers can do nothing about is an internal error without words."""
    match error:
        case NotAuthenticated():
            return Refusal("unauthorized", headers={"WWW-Authenticate": "Bearer"})
        case NotPermitted():
            return Refusal("forbidden", error.message)
        case UnknownDataset() | UnknownJob():
            return Refusal("not_found", error.message)
        case RequestInvalid():
            return Refusal("invalid_request", details=error.details)
        case ComeBackLater():
            return Refusal(error.code, error.message, headers=_retry_after(error.retry_after_seconds))
        case DatabaseUnavailable() | StorageUnavailable():
            return Refusal("unavailable", headers={"Retry-After": _UNAVAILABLE_SECONDS})
        case _:
            return Refusal("internal_error")


def _retry_after(seconds: int) -> Mapping[str, str]:
    return {"Retry-After": str(seconds)}
