"""Objects in a store reached over the network, through obstore; every call has a deadline."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from tailrace.buckets import Deadlines, reason_of
from tailrace.errors import StorageUnavailable
from tailrace.faults import fault_point
from tailrace.storage.base import BLOCK_BYTES, StoredObject, Writer
from tailrace.storage.remote.upload import Upload

# A store may refuse to go on sending what has been deleted; who began to download in time shall come to the end.
_GRACE = timedelta(hours=1)

RemoteStore = AzureStore | GCSStore | S3Store


class ObjectStorage:
    """What a store does through obstore, its objects below a prefix; signing and sweeping are left to its own file."""

    grace = _GRACE

    def __init__(self, store: RemoteStore, reading: RemoteStore, writing: RemoteStore | None = None) -> None:
        """Take the store, `reading` with the limits of downloads, `writing` if uploads are to be told otherwise.

        Nothing is asked of it yet.
        """
        self._store, self._reading, self._writing = store, reading, writing or store

    @contextmanager
    def create(self, key: str) -> Iterator[Writer]:
        """Upload in parts while the bytes come; the store makes the object of them at the end."""
        upload = Upload(self._writing, checked(key))
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
            fault_point("store.delete")
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


class ServedStorage(ObjectStorage):
    """A store whose links could not say how the file is called (CX-510), so that the server sends it.

    What was begun and never ended it keeps for a week at most, and shows to nobody.
    """

    def __init__(
        self, open_one: Callable[[Mapping[str, Any], Mapping[str, Any]], RemoteStore], options: Mapping[str, Any]
    ) -> None:
        """Take what opens the store with options and limits, and the options."""
        limits, allow_http = Deadlines.read(options), options["allow_http"]
        super().__init__(
            open_one(options, limits.for_requests(allow_http=allow_http)),
            open_one(options, limits.for_downloads(allow_http=allow_http)),
        )

    def sign(self, key: str, life_seconds: int, filename: str, media_type: str) -> None:
        """Sign nothing."""

    def abort_unfinished(self, before: datetime) -> int:  # noqa: ARG002 - a face
        """Do nothing."""
        return 0


def checked(key: str) -> str:
    """Refuse a key that leads out of the prefix."""
    if any(part in {"", ".", ".."} for part in key.split("/")):
        raise StorageUnavailable("The key leads out of the store")
    return key


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
