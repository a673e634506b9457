"""How the dialect's routes are described in the OpenAPI document; what they do is in the routes."""

from typing import Any

Schema = dict[str, Any]
Responses = dict[int | str, dict[str, Any]]

_TEXT: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "integer"}
_RETRY_AFTER: Schema = {"description": "Seconds to wait.", "schema": _WHOLE}


def object_of(required: tuple[str, ...], **properties: Schema) -> Schema:
    """Describe an object with some members that must be there."""
    return {"type": "object", "properties": properties, "required": list(required)}


LOGIN = object_of(
    ("customerId", "userName", "password", "locale"),
    customerId={**_WHOLE, "description": "The tenant's number.", "examples": [1]},
    userName=_TEXT,
    password={**_TEXT, "format": "password"},
    locale={**_TEXT, "pattern": "^[a-z]{2}_[A-Z]{2}$", "examples": ["en_US"], "description": "Has no effect."},
)
SESSION = object_of(("jsessionId",), jsessionId={**_TEXT, "pattern": r"^[A-Za-z0-9]{32}\.[A-Za-z0-9_-]{1,32}$"})
ENTITIES: Schema = {
    "type": "array",
    "items": object_of(
        ("entityType", "id", "name", "status"),
        entityType={**_TEXT, "enum": ["ct", "mu", "eg", "bu"]},
        id=_WHOLE,
        name=_TEXT,
        status={**_TEXT, "enum": ["ADD", "CHANGE", "DELETE"]},
    ),
}
ENTITY_TYPE = {
    "name": "entityType",
    "in": "query",
    "required": True,
    "description": "Types to list, joined by commas: `ct`, `mu`, `eg`, `bu`.",
    "schema": _TEXT,
    "example": "mu,ct",
}
TIMESTAMP = {
    "name": "timestamp",
    "in": "query",
    "required": False,
    "description": "Only what was added, changed or deleted at or after it: `yyyy.MM.ddTHH:mm:ss.SSSZ`, `Z` being the "
    "letter or an offset such as `+0100`.",
    "schema": _TEXT,
    "example": "2024.05.22T00:00:00.000Z",
}
ERROR = object_of(
    ("message", "status"), message=_TEXT, status=_WHOLE, details={"type": "array", "items": _TEXT, "minItems": 1}
)

_WORDS = {
    400: "The request is not valid; `details` names every fault.",
    401: "There is no live session, or the login is wrong.",
    403: "A browser sent the request for a page of another site.",
    404: "No such exporter or job, or its result has expired.",
    406: "The result is of a type that `Accept` does not name.",
    409: "The job has already ended.",
    413: "The request body is larger than 65,536 bytes.",
    415: "The body is not `application/json`.",
    429: "Refused for now; `Retry-After` says for how many seconds.",
    500: "A fault in the server.",
    503: "The database or the store cannot be reached; `Retry-After` says when to try again.",
}
_WAITING = (429, 503)


def responses(success: int, body: Schema | None, *errors: int) -> Responses:
    """Describe the answers of a route; without `body` success has none."""
    good: dict[str, Any] = {"description": "Success.", **({"content": json_content(body)} if body else {})}
    return {success: good} | refusals(*errors, 500)


def refusals(*errors: int) -> Responses:
    """Describe the refusals of a route."""
    return {
        status: {
            "description": _WORDS[status],
            "content": json_content(ERROR),
            **({"headers": {"Retry-After": _RETRY_AFTER}} if status in _WAITING else {}),
        }
        for status in errors
    }


def request_body(body: Schema) -> dict[str, Any]:
    """Describe the body of a request."""
    return {"requestBody": {"required": True, "content": json_content(body)}}


def json_content(body: Schema) -> dict[str, Any]:
    """Describe content that is JSON."""
    return {"application/json": {"schema": body}}


SECURED: dict[str, Any] = {"security": [{"session": []}]}
