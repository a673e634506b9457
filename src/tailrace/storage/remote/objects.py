"""Objects in a store reached over the network, through obstore; every call has a deadline."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from tailrace.errors import StorageUnavailable
from tailrace.storage.base import BLOCK_BYTES, StoredObject, Writer
from tailrace.storage.remote.upload import Upload

# A store may refuse to go on sending what has been deleted; who began to download in time shall come to the end.
_GRACE = timedelta(hours=1)
_LONGEST_DOWNLOAD = timedelta(days=1)
_MOST_RETRIES = 10
# What a fault says of itself, most telling first: the store's own code, the status, what went wrong on the way.
_REASONS = (re.compile(r"<Code>(\w+)</Code>"), re.compile(r"status code: (\d+)"), re.compile(r"\bkind: (Timeout|\w+)"))

RemoteStore = AzureStore | GCSStore | S3Store


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a connection, one request, and all tries of it may take, in seconds."""

    connect: int
    request: int
    retry: int

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> "Deadlines":
        """Take those of a store's options."""
        return cls(options["connect_timeout_s"], options["timeout_s"], options["retry_timeout_s"])

    def for_requests(self, *, allow_http: bool) -> dict[str, Any]:
        """Say to obstore how long short requests may take."""
        return self._config(allow_http, timeout=f"{self.request}s")

    def for_downloads(self, *, allow_http: bool) -> dict[str, Any]:
        """Say to obstore that a whole download may take long, but no single step of it."""
        return self._config(allow_http, timeout=_LONGEST_DOWNLOAD, read_timeout=f"{self.request}s")

    def _config(self, allow_http: bool, **limits: Any) -> dict[str, Any]:  # noqa: FBT001 - passed on by name above
        return {
            "client_options": {"allow_http": allow_http, "connect_timeout": f"{self.connect}s", **limits},
            "retry_config": {"max_retries": _MOST_RETRIES, "retry_timeout": timedelta(seconds=self.retry)},
        }


class ObjectStorage:
    """What a store does through obstore, its objects below a prefix; signing and sweeping are left to its own file."""

    grace = _GRACE

    def __init__(self, store: RemoteStore, reading: RemoteStore) -> None:
        """Take the store twice, `reading` with the limits of downloads; nothing is asked of it yet."""
        self._store, self._reading = store, reading

    @contextmanager
    def create(self, key: str) -> Iterator[Writer]:
        """Upload in parts while the bytes come; the store makes the object of them at the end."""
        upload = Upload(self._store, checked(key))
        try:
            yield upload
            upload.finish()
        except (BaseError, OSError) as error:
            raise StorageUnavailable(f"The result cannot be written: {reason_of(error)}") from error
        finally:
            upload.abandon()

    def size(self, key: str) -> int:
        """Tell an object's size in bytes."""
        with _reading():
            return obstore.head(self._store, checked(key))["size"]

    def read(self, key: str, start: int, end: int) -> Iterator[bytes]:
        """Yield a part of an object in large blocks, from one request that is answered before this returns."""
        if start >= end:
            return iter(())
        with _reading():
            found = obstore.get(self._reading, checked(key), options={"range": (start, end)})
            return _cut(found.stream(min_chunk_size=BLOCK_BYTES), end - start)

    def delete(self, key: str) -> None:
        """Remove an object."""
        try:
            obstore.delete(self._store, checked(key))
        except FileNotFoundError as error:
            # A store that lacks the object says nothing or this; one that lacks the bucket has lost more.
            if reason_of(error) == "NoSuchBucket":
                raise StorageUnavailable("The result cannot be removed: NoSuchBucket") from error
        except (BaseError, OSError) as error:
            raise StorageUnavailable(f"The result cannot be removed: {reason_of(error)}") from error

    def list_objects(self) -> Iterator[StoredObject]:
        """Yield every object below the prefix."""
        try:
            for batch in obstore.list(self._store):
                for found in batch:
                    yield StoredObject(found["path"], found["size"], found["last_modified"])
        except (BaseError, OSError) as error:
            raise StorageUnavailable(f"The results cannot be listed: {reason_of(error)}") from error


def checked(key: str) -> str:
    """Refuse a key that leads out of the prefix."""
    if any(part in {"", ".", ".."} for part in key.split("/")):
        raise StorageUnavailable("The key leads out of the store")
    return key


def reason_of(error: Exception) -> str:
    """Say in a word what went wrong; the whole text would name keys of accounts and fill pages."""
    text = str(error)
    found = next((match for match in (pattern.search(text) for pattern in _REASONS) if match), None)
    return found[1] if found else type(error).__name__


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise StorageUnavailable("The result is not in the store") from error
    except (BaseError, OSError) as error:
        raise StorageUnavailable(f"The result cannot be read: {reason_of(error)}") from error


def _cut(chunks: Any, left: int) -> Iterator[bytes]:
    """Cut what comes into blocks of the usual size; too little of it is a fault."""
    with _reading():
        for chunk in chunks:
            data = memoryview(chunk)
            left -= len(data)
            for start in range(0, len(data), BLOCK_BYTES):
                yield bytes(data[start : start + BLOCK_BYTES])
    if left > 0:
        raise StorageUnavailable("The result is shorter than it was")
