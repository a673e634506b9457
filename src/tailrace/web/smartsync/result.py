"""The answer to a request for a result: the whole of it or a page, as it is or compressed (section 5)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from uuid import UUID

from fastapi import Request
from starlette.responses import Response, StreamingResponse

from tailrace.errors import StorageUnavailable
from tailrace.jobs import results
from tailrace.jobs.model import JobView
from tailrace.web.errors import Refusal
from tailrace.web.smartsync.answers import describe_missing
from tailrace.web.smartsync.negotiation import choose_type, takes_gzip
from tailrace.web.smartsync.paging import Page, PageBody, compress, open_page, read_page
from tailrace.web.smartsync.submission import DIALECT
from tailrace.web.state import WebState

# What `Content-Encoding` says in each profile (SS-504).
_GZIP = {"documented": "gzip", "live": "GZIP"}


def send_result(request: Request, state: WebState, tenant_id: UUID, job: JobView) -> Response:
    """Send a job's output, or say why there is none; a `Range` is not looked at (SS-505)."""
    if job.state == "expired":
        raise Refusal("results_expired")
    if job.state != "succeeded" or job.result_key is None:
        return describe_missing(job)
    content_type = choose_type(job.format, request.headers.getlist("accept"))
    if content_type is None:
        raise Refusal("not_acceptable")
    packed = takes_gzip(request.headers.getlist("accept-encoding"))
    headers = {"Content-Type": content_type, "Vary": "Accept-Encoding"}
    if packed:
        headers["Content-Encoding"] = _GZIP[state.runtime.settings.smartsync.profile]
    page = read_page(request.query_params, job.result_rows or 0)
    with _gone_if_expired(state, tenant_id, job):
        if page is None:
            return _send_whole(state, job, headers, packed=packed)
        asked = results.find_request(state.runtime.database, tenant_id, job.id)
        return _send_page(open_page(state.storage, job.result_key, asked, page), page, headers, packed=packed)


@contextmanager
def _gone_if_expired(state: WebState, tenant_id: UUID, job: JobView) -> Iterator[None]:
    """Where a result is not to be had because its time ran out since its job was looked at, say that."""
    try:
        yield
    except StorageUnavailable:
        if results.view_job(state.runtime.database, tenant_id, DIALECT, job.id).state == "expired":
            raise Refusal("results_expired") from None
        raise


def _send_whole(state: WebState, job: JobView, headers: Mapping[str, str], *, packed: bool) -> Response:
    """Send one of the two stored objects as it lies there."""
    key, size = (f"{job.result_key}.gz", job.result_compressed_bytes) if packed else (job.result_key, job.result_bytes)
    if key is None or size is None:
        raise StorageUnavailable("The result is not in the store")
    return _stream(state.storage.read(key, 0, size), headers, size)


def _send_page(body: PageBody, page: Page, headers: Mapping[str, str], *, packed: bool) -> Response:
    """Send some records as a document of their own, compressed on the way; its size is not known then."""
    headers = {**headers, **page.headers}
    return _stream(compress(body.blocks), headers) if packed else _stream(body.blocks, headers, body.size)


def _stream(blocks: Iterator[bytes], headers: Mapping[str, str], size: int | None = None) -> Response:
    length = {} if size is None else {"Content-Length": str(size)}
    return StreamingResponse(blocks, 200, {**headers, **length})
