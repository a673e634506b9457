"""The file behind a signed link, from the server's own store (section 5 of the specification)."""

import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from tailrace.errors import StorageUnavailable
from tailrace.jobs import results
from tailrace.jobs.kinds import media_type
from tailrace.jobs.results import Download
from tailrace.web.errors import Refusal
from tailrace.web.requests import State
from tailrace.web.state import WebState

router = APIRouter(tags=["Download"])

_ONE_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_LONGEST_POSITION = 18
_BYTES = {"schema": {"type": "string", "format": "binary"}}
_FILES: dict[str, Any] = {
    "text/csv": {"schema": {"type": "string"}},
    "application/x-ndjson": {"schema": {"type": "string"}},
    "application/gzip": _BYTES,
    "application/zstd": _BYTES,
    "application/vnd.apache.parquet": _BYTES,
}


@router.get(
    "/downloads/{key:path}",
    summary="Fetch a result through its signed link",
    operation_id="download",
    responses={
        200: {"description": "The whole file.", "content": _FILES},
        206: {"description": "The range asked for."},
        403: {"description": "The link is too old, changed or unknown."},
        404: {"description": "No link looks like this."},
        416: {"description": "The range lies outside the file."},
    },
)
def download(key: str, request: Request, state: State, expires: str = "", signature: str = "") -> Response:
    """The link itself is the permission; what counts is the moment the request starts."""
    if not results.is_signed(state.link_key, key, expires, signature):
        raise Refusal("link_invalid")
    found = results.find_download(state.runtime.database, key, expires)
    if found is None:
        raise Refusal("link_expired")
    etag = f'"{found.sha256}"'
    headers = _headers(found, etag)
    if _matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    span = _asked_range(request, etag, found.bytes)
    if span is None:
        blocks = _open(state, key, expires, 0, found.bytes)
        return StreamingResponse(blocks, 200, {**headers, "Content-Length": str(found.bytes)})
    start, end = span
    if start >= end:
        raise Refusal("range_not_satisfiable", headers={"Content-Range": f"bytes */{found.bytes}", "ETag": etag})
    part = {"Content-Range": f"bytes {start}-{end - 1}/{found.bytes}", "Content-Length": str(end - start)}
    return StreamingResponse(_open(state, key, expires, start, end), 206, {**headers, **part})


def _open(state: WebState, key: str, expires: str, start: int, end: int) -> Iterator[bytes]:
    """Open a part of the file; one that is gone because its time ran out since it was found is refused as too old."""
    try:
        return state.storage.read(key, start, end)
    except StorageUnavailable:
        if results.find_download(state.runtime.database, key, expires) is None:
            raise Refusal("link_expired") from None
        raise


def _headers(found: Download, etag: str) -> dict[str, str]:
    return {
        "Content-Type": media_type(found.format),
        "Content-Disposition": f'attachment; filename="{results.name_file(found)}"',
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Repr-Digest": f"sha-256=:{b64encode(bytes.fromhex(found.sha256)).decode()}:",
    }


def _matches(header: str | None, etag: str) -> bool:
    """Compare as If-None-Match does, which takes a weakened tag for its strong one."""
    return header is not None and (
        header.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in header.split(","))
    )


def _asked_range(request: Request, etag: str, size: int) -> tuple[int, int] | None:
    """Read `Range`: None for the whole file; start and end, start not before end when it cannot be satisfied.

    Several ranges, or an unreadable one, get the whole file (CX-508); so does one that `If-Range` rules out.
    """
    found = _ONE_RANGE.fullmatch(request.headers.get("range", "").strip())
    condition = request.headers.get("if-range")
    if found is None or (condition is not None and condition.strip() != etag):
        return None
    first, last = (_position(text) for text in found.groups())
    if first is not None:
        if last is not None and last < first:
            return None
        return first, size if last is None else min(last + 1, size)
    if last is None:
        return None
    return (max(0, size - last), size) if last else (size, size)


def _position(digits: str) -> int | None:
    """Read a place in a file, None when there is no digit; one beyond any file's end may have any length."""
    if not digits:
        return None
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) <= _LONGEST_POSITION else 10**_LONGEST_POSITION
