"""The error answers of the SmartSync dialect: one table (SS-006), and which error is which row of it."""

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

# case: status and text.
CASES: dict[str, tuple[int, str]] = {
    "invalid_request": (400, "One or more request validations failed"),
    "unauthorized": (401, "Unauthorized"),
    "forbidden": (403, "Forbidden"),
    "not_found": (404, "Not Found"),
    "job_not_found": (404, "Job id is not found"),
    "results_expired": (404, "Job results have expired"),
    "method_not_allowed": (405, "Method Not Allowed"),
    "not_acceptable": (406, "Not Acceptable"),
    "job_has_ended": (409, "Job has already ended"),
    "payload_too_large": (413, "Request Entity Too Large"),
    "unsupported_media_type": (415, "Unsupported Media Type"),
    "too_many_attempts": (429, "Too many login attempts"),
    "too_many_requests": (429, "Too many requests"),
    "too_many_jobs": (429, "Too many jobs waiting"),
    "internal_error": (500, "Internal Server Error"),
    "unavailable": (503, "Service Unavailable"),
}
# SS-406: the documentation prints this status in the body of a 404, and profile `live` says the same.
_PRINTED_IN_LIVE = {"job_not_found": 401}
_UNAVAILABLE_SECONDS = "5"


def answer(refusal: Refusal, profile: str) -> Response:
    """Write a refusal as the envelope of SS-005; a case the table does not know is an internal error."""
    case = refusal.case if refusal.case in CASES else "internal_error"
    status, message = CASES[case]
    printed = _PRINTED_IN_LIVE.get(case, status) if profile == "live" else status
    body: dict[str, object] = {"message": message, "status": printed}
    if refusal.details:
        body["details"] = list(refusal.details)
    return JsonAnswer(body, status, refusal.headers)


def refusal_for(error: TailraceError) -> Refusal:  # noqa: PLR0911 - one return a case
    """Tell which case an error is; its own sentence is for other readers and never shown here (SS-010)."""
    match error:
        case NotAuthenticated():
            return Refusal("unauthorized")
        case NotPermitted():
            return Refusal("forbidden")
        case UnknownJob():
            return Refusal("job_not_found")
        case UnknownDataset():
            return Refusal("not_found")
        case RequestInvalid():
            return Refusal("invalid_request", details=error.details)
        case ComeBackLater():
            return Refusal(error.code, headers={"Retry-After": str(error.retry_after_seconds)})
        case DatabaseUnavailable() | StorageUnavailable():
            return Refusal("unavailable", headers={"Retry-After": _UNAVAILABLE_SECONDS})
        case _:
            return Refusal("internal_error")
