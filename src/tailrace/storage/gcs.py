"""Results in a bucket of Google Cloud Storage, through obstore; the server sends them to clients."""

from collections.abc import Mapping
from typing import Any

from obstore.exceptions import BaseError
from obstore.store import GCSStore

from tailrace.errors import StorageUnavailable
from tailrace.storage.remote.objects import ServedStorage


def open_store(options: Mapping[str, Any]) -> ServedStorage:
    """Open a bucket; nothing is asked of it yet.

    Options: `bucket`, `prefix`, `connect_timeout_s`, `timeout_s`, `retry_timeout_s`, `allow_http`; and `endpoint` and
    `credentials_file`, for each of which None means Google's own ways.
    """
    return ServedStorage(_open, options)


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
