"""Reads the body of a POST, and words its faults (SS-004, SS-301)."""

import json
from collections.abc import Iterator
from typing import Annotated, Any, NoReturn, Self

from fastapi import Depends, Request

from tailrace.errors import RequestInvalid
from tailrace.web.errors import Refusal
from tailrace.web.requests import Body

_MEDIA_TYPE = "application/json"
_LONGEST_ECHO = 100
_INVALID = "The request is not valid"
NOT_AN_OBJECT = "Request body is not a JSON object"


class WrittenNumber(float):
    """A JSON number with a fraction or exponent that knows how it was written."""

    text: str

    def __new__(cls, text: str) -> Self:
        """Read it."""
        number = super().__new__(cls, text)
        number.text = text
        return number


async def refuse_other_sites(request: Request) -> None:
    """Refuse what a browser sends for a page of another site; programs do not say (SS-009)."""
    if not {"same-origin", "none"}.issuperset(request.headers.getlist("sec-fetch-site")):
        raise Refusal("forbidden")


# For `dependencies` of every POST route of the dialect.
SameSite = Depends(refuse_other_sites)


def json_body(request: Request, body: Body) -> bytes:
    """Give the body if it is there and JSON by its type, or has no type; else 415 (SS-004).

    Its size is checked before; in a signature it stands behind `Signed`, which comes between the two (SS-203).
    """
    media_type = request.headers.get("content-type")
    if body and media_type is not None and media_type.partition(";")[0].strip().lower() != _MEDIA_TYPE:
        raise Refusal("unsupported_media_type")
    return body


JsonBody = Annotated[bytes, Depends(json_body)]


def read_object(body: bytes) -> dict[str, Any]:
    """Read one JSON object; raises RequestInvalid for anything else."""
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant, parse_float=WrittenNumber)
    except (UnicodeDecodeError, ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise invalid(NOT_AN_OBJECT)
    return value


def invalid(*faults: str) -> RequestInvalid:
    """Make the error of one or more faults."""
    return RequestInvalid(_INVALID, details=faults)


def missing(name: str) -> str:
    """Word the fault of a required parameter that is absent."""
    return f"Missing required parameter: '{name}'"


def wrong(name: str, value: object) -> str:
    """Word the fault of a value that a parameter cannot have."""
    return f"Invalid {name} value: '{shown(value)}'"


def shown(value: object) -> str:
    """Write a value as it was given, strings bare, other JSON compact, cut to 100 characters."""
    if isinstance(value, str):
        return value[:_LONGEST_ECHO]
    text = ""
    for piece in _compact(value):
        text += piece
        # Not before all is written: a value may be nested deeper than Python calls.
        if len(text) >= _LONGEST_ECHO:
            break
    return text[:_LONGEST_ECHO]


def _compact(value: object) -> Iterator[str]:
    match value:
        case dict():
            for place, (name, member) in enumerate(value.items()):
                yield f"{',' if place else '{'}{_plain(name)}:"
                yield from _compact(member)
            yield "}" if value else "{}"
        case list():
            for place, element in enumerate(value):
                yield "," if place else "["
                yield from _compact(element)
            yield "]" if value else "[]"
        case WrittenNumber():
            yield value.text
        case _:
            yield _plain(value)


def _plain(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
