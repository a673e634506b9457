"""Results in a bucket of Google Cloud Storage, through obstore; the server sends them to clients."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from obstore.exceptions import BaseError
from obstore.store import GCSStore

from tailrace.errors import StorageUnavailable
from tailrace.storage.remote.objects import Deadlines, ObjectStorage


def open_store(options: Mapping[str, Any]) -> "GCSStorage":
    """Open a bucket; nothing is asked of it yet.

    Options: `bucket`, `prefix`, `connect_timeout_s`, `timeout_s`, `retry_timeout_s`, `allow_http`; and `endpoint` and
    `credentials_file`, for each of which None means Google's own ways.
    """
    return GCSStorage(options)


class GCSStorage(ObjectStorage):
    """The objects of a bucket below a prefix."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Take the options of `open_store`."""
        limits, allow_http = Deadlines.read(options), options["allow_http"]
        super().__init__(
            _open(options, limits.for_requests(allow_http=allow_http)),
            _open(options, limits.for_downloads(allow_http=allow_http)),
        )

    def sign(self, key: str, life_seconds: int, filename: str, media_type: str) -> None:
        """Sign nothing: such a link could not say how the file is called (CX-510), so the server sends it."""

    def abort_unfinished(self, before: datetime) -> int:  # noqa: ARG002 - a face
        """Do nothing: what was never ended is not kept for more than a week, and not shown to anybody."""
        return 0


def _open(options: Mapping[str, Any], limits: Mapping[str, Any]) -> GCSStore:
    given: dict[str, Any] = {}
    if options["endpoint"]:
        given["base_url"] = str(options["endpoint"]).rstrip("/")
    if options["credentials_file"]:
        given["service_account"] = str(options["credentials_file"])
    try:
        return GCSStore(options["bucket"], prefix=options["prefix"], **given, **limits)
    except (BaseError, ValueError, OSError) as error:
        raise StorageUnavailable(f"The store cannot be opened: {type(error).__name__}") from error
