"""Results in a container of Azure Blob Storage, through obstore; the server sends them to clients."""

from collections.abc import Mapping
from typing import Any

from obstore.exceptions import BaseError
from obstore.store import AzureStore

from tailrace.errors import StorageUnavailable
from tailrace.storage.remote.objects import ServedStorage


def open_store(options: Mapping[str, Any]) -> ServedStorage:
    """Open a container; nothing is asked of it yet.

    Options: `bucket` (the container), `prefix`, `connect_timeout_s`, `timeout_s`, `retry_timeout_s`, `allow_http`; and
    `endpoint`, `access_key_id` (the account), `secret_access_key` (its key), for each of which None means what the
    machine gives.
    """
    return ServedStorage(_open, options)


def _open(options: Mapping[str, Any], limits: Mapping[str, Any]) -> AzureStore:
    names = {"endpoint": "endpoint", "access_key_id": "account_name", "secret_access_key": "account_key"}
    given = {ours: options[name] for name, ours in names.items() if options[name]}
    try:
        return AzureStore(options["bucket"], prefix=options["prefix"], **given, **limits)
    except (BaseError, ValueError) as error:
        raise StorageUnavailable(f"The store cannot be opened: {type(error).__name__}") from error
