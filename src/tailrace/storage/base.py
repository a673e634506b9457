"""What a store is: objects written once under a key, complete or invisible, read in parts, listed and deleted."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

# Reads are handed on in blocks of this size: large ones cost a tenth of small ones.
BLOCK_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as it is listed; `written_at` in UTC."""

    key: str
    bytes: int
    written_at: datetime


class Writer(Protocol):
    """Takes the bytes of one object."""

    def write(self, data: memoryview | bytes) -> None:
        """Append; raises StorageUnavailable."""


class Storage(Protocol):
    """A store's face; a module in this folder offers `open_store(options)` that returns one.

    `grace` is how long an object is still wanted when its time is over, for those who began to download it in time:
    nothing where one that was deleted is read to its end.
    """

    grace: timedelta

    def create(self, key: str) -> AbstractContextManager[Writer]:
        """Write an object: it exists, whole, when the context ends well, and not at all otherwise."""

    def size(self, key: str) -> int:
        """Tell an object's size in bytes; raises StorageUnavailable when it is not there."""

    def read(self, key: str, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from `start` up to `end`; the object is opened before the first block is asked for."""

    def delete(self, key: str) -> None:
        """Remove an object; no fault when it is gone already; raises StorageUnavailable when it stays."""

    def list_objects(self) -> Iterator[StoredObject]:
        """Yield all objects, and those left behind unfinished where the store shows them as objects."""

    def sign(self, key: str, life_seconds: int, filename: str, media_type: str) -> str | None:
        """Sign a link that lets anybody fetch the object from the store for so long; None where the server must."""

    def abort_unfinished(self, before: datetime) -> int:
        """Remove what was begun before, never ended, and is not listed; returns how many; raises StorageUnavailable."""


class OpenStore(Protocol):
    """What a store's module offers as `open_store`."""

    def __call__(self, options: Mapping[str, Any]) -> Storage:
        """Open the store."""
