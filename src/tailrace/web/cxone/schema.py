"""How the routes are described in the OpenAPI document; what they do is in the routes."""

from typing import Any, get_args

from tailrace.settings import FormatOffered

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_DATE: Schema = {"type": "string", "format": "date", "examples": ["2019-05-22"]}
_UUID: Schema = {"type": "string", "format": "uuid"}
_STATUS: Schema = {"type": "string", "enum": ["RUNNING", "SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"]}


def _object(required: tuple[str, ...], **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


ACCESS_KEY = _object(("accessKeyId", "accessKeySecret"), accessKeyId=_TEXT, accessKeySecret=_TEXT)
TOKEN = _object(
    ("access_token", "token_type", "expires_in", "refresh_token", "id_token"),
    access_token=_TEXT,
    token_type={"type": "string", "const": "Bearer"},
    expires_in={"type": "integer", "description": "Seconds."},
    refresh_token=_TEXT,
    id_token=_TEXT,
)
EXPORT_REQUEST = _object(
    ("entityName", "version", "startDate", "endDate"),
    entityName={"type": "string", "examples": ["qm-workflows"]},
    version={"type": "string", "examples": ["3"]},
    startDate=_DATE,
    endDate={**_DATE, "examples": ["2019-05-29"], "description": "The date from which to stop; not before startDate."},
    format={
        "type": "string",
        "enum": ["csv", *get_args(FormatOffered)],
        "default": "csv",
        "description": "What the file shall be (an extension): known only for datasets that offer more than CSV.",
    },
)
LINK = _object(("url",), url={"type": "string", "format": "uri"})
REFRESH = _object(("token",), token=_TEXT)
REFRESHED = _object(
    ("token", "refreshToken", "tokenExpirationTimeSec", "refreshTokenExpirationTimeSec", "sessionId"),
    token=_TEXT,
    refreshToken=_TEXT,
    tokenExpirationTimeSec={"type": "integer"},
    refreshTokenExpirationTimeSec={"type": "integer"},
    sessionId={"type": "null"},
)
OAUTH = _object(
    ("grant_type",),
    grant_type={"type": "string", "enum": ["password", "refresh_token"]},
    username=_TEXT,
    password=_TEXT,
    refresh_token=_TEXT,
    client_id=_TEXT,
    client_secret=_TEXT,
)
IDEMPOTENCY_KEY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same request sent again with the same key within 24 hours makes no second job (an extension).",
    "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
}
JOB_ID = _UUID
JOBS = _object(("jobs",), jobs={"type": "array", "items": _object(("id", "status"), id=_UUID, status=_STATUS)})
_RESULT: Schema = {
    "type": "object",
    "description": "`url` when the job succeeded, `errorMessage` when it did not.",
    "properties": {
        "url": {"type": "string", "format": "uri"},
        "errorMessage": {"type": ["string", "null"]},
        "messageError": {"type": ["string", "null"]},
    },
}
JOB = _object(("jobStatus",), jobStatus=_object(("id", "status", "result"), id=_UUID, status=_STATUS, result=_RESULT))
ERROR = _object(
    ("message",),
    message=_TEXT,
    error=_TEXT,
    errorDescription=_TEXT,
    details={"type": "array", "items": _TEXT},
)

_WORDS = {
    400: "The request is not valid; `details` names every fault.",
    401: "The credential is missing or not valid.",
    403: "The user lacks the permission.",
    404: "No such entity, version or job.",
    405: "The method is not offered here.",
    409: "The job is not running, or a request with this Idempotency-Key is being handled.",
    422: "The Idempotency-Key was used with another request.",
    413: "The request body is larger than 65,536 bytes.",
    416: "The range lies outside the file.",
    429: "Refused by a rule for now; `Retry-After` says for how many seconds.",
    500: "A fault in the server.",
    503: "The database or the store cannot be reached; `Retry-After` says when to try again.",
}


def responses(success: int, body: Schema, *errors: int) -> dict[int | str, dict[str, Any]]:
    """Describe the answers of a route."""
    answers: dict[int | str, dict[str, Any]] = {success: {"description": "Success.", "content": _json(body)}}
    return answers | refusals(*errors, 500)


def refusals(*errors: int) -> dict[int | str, dict[str, Any]]:
    """Describe the refusals of a route."""
    return {status: {"description": _WORDS[status], "content": _json(ERROR)} for status in errors}


def request_body(body: Schema) -> dict[str, Any]:
    """Describe the body of a request."""
    return {"requestBody": {"required": True, "content": _json(body)}}


def _json(body: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": body}}


SECURED: dict[str, Any] = {"security": [{"bearer": []}]}
