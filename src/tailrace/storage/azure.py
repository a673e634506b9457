"""Results in a container of Azure Blob Storage, through obstore; the server sends them to clients."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from obstore.exceptions import BaseError
from obstore.store import AzureStore

from tailrace.errors import StorageUnavailable
from tailrace.storage.remote.objects import Deadlines, ObjectStorage


def open_store(options: Mapping[str, Any]) -> "AzureStorage":
    """Open a container; nothing is asked of it yet.

    Options: `bucket` (the container), `prefix`, `connect_timeout_s`, `timeout_s`, `retry_timeout_s`, `allow_http`; and
    `endpoint`, `access_key_id` (the account), `secret_access_key` (its key), for each of which None means what the
    machine gives.
    """
    return AzureStorage(options)


class AzureStorage(ObjectStorage):
    """The blobs of a container below a prefix."""

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
        """Do nothing: blocks of a blob that was never ended are kept for a week, and not shown to anybody."""
        return 0


def _open(options: Mapping[str, Any], limits: Mapping[str, Any]) -> AzureStore:
    names = {"endpoint": "endpoint", "access_key_id": "account_name", "secret_access_key": "account_key"}
    given = {ours: options[name] for name, ours in names.items() if options[name]}
    try:
        return AzureStore(options["bucket"], prefix=options["prefix"], **given, **limits)
    except (BaseError, ValueError) as error:
        raise StorageUnavailable(f"The store cannot be opened: {type(error).__name__}") from error
