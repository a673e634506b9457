"""The error answers of the Data Extraction API (section 9 of the specification): one table, two profiles."""

from collections.abc import Mapping

from starlette.responses import Response

from tailrace.errors import (
    ComeBackLater,
    DatabaseUnavailable,
    IdempotencyInProgress,
    IdempotencyMismatch,
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
    "idempotency_in_progress": (409, 409, "A request with this Idempotency-Key is being handled"),
    "idempotency_mismatch": (422, 422, "Idempotency-Key was used with another request"),
    "extraction_failed": (500, 500, "Internal error while extracting data"),
    "sync_timeout": (500, 500, "The extraction did not finish in time. Use POST jobs"),
    "link_expired": (403, 403, "The link has expired"),
    "link_invalid": (403, 403, "The link is not valid"),
    "internal_error": (500, 500, "Internal Server Error"),
    "unavailable": (503, 503, "Service unavailable. Wait and try again"),
}
# The token endpoint's own errors (CX-139, CX-140): status, OAuth code, text.
OAUTH_CASES: dict[str, tuple[int, str, str]] = {
    "oauth_invalid_request": (400, "invalid_request", "The request is not valid"),
    "invalid_client": (401, "invalid_client", "The client is not valid"),
    "invalid_grant": (400, "invalid_grant", "The access key is not valid"),
    "unsupported_grant_type": (400, "unsupported_grant_type", "The grant type is not supported"),
    "unsupported_response_type": (400, "unsupported_response_type", "The response type is not supported"),
    "oauth_too_many_attempts": (429, "too_many_attempts", "Too many failed attempts. Wait and try again"),
}
_UNAVAILABLE_SECONDS = "5"


def answer(refusal: Refusal, profile: str) -> Response:
    """Write a refusal as the profile wants it (CX-901, CX-902)."""
    if refusal.case in OAUTH_CASES:
        return _answer_oauth(refusal, profile)
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


def _answer_oauth(refusal: Refusal, profile: str) -> Response:
    status, code, text = OAUTH_CASES[refusal.case]
    message = refusal.message or text
    if profile == "live":
        if refusal.case == "invalid_grant":
            return JsonAnswer({"message": "Unauthorized"}, 401, refusal.headers)
        return JsonAnswer({"message": message}, status, refusal.headers)
    body = {"message": message, "error": code, "errorDescription": message, "error_description": message}
    return JsonAnswer(body, status, refusal.headers)


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
        case IdempotencyInProgress() | IdempotencyMismatch():
            return Refusal(error.code)
        case DatabaseUnavailable() | StorageUnavailable():
            return Refusal("unavailable", headers={"Retry-After": _UNAVAILABLE_SECONDS})
        case _:
            return Refusal("internal_error")


def _retry_after(seconds: int) -> Mapping[str, str]:
    return {"Retry-After": str(seconds)}
