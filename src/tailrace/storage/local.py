"""Results in a folder: listed, measured and deleted through obstore; written and read by ourselves.

obstore's own local writer takes 4.6 times as long as a plain file, its reader ten times as long as large reads.
"""

import errno
import fcntl
import mmap
import os
import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore

from tailrace.errors import StorageUnavailable
from tailrace.faults import fault_point
from tailrace.storage.base import BLOCK_BYTES, StoredObject

_UNFINISHED = ".part"
_TRIES = 10
# Large enough for the disk to be quick, and a multiple of its blocks.
_PIECE_BYTES = 2 * 2**20


def open_store(options: Mapping[str, Any]) -> "LocalStorage":
    """Open a folder as a store, making it if need be; option `folder`."""
    folder = Path(options["folder"])
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return LocalStorage(folder)
    except (OSError, BaseError) as error:
        raise StorageUnavailable(f"The results folder cannot be used: {error}") from error


class LocalStorage:
    """A folder whose files are the objects; a key's parts are its folders."""

    grace = timedelta(0)

    def __init__(self, folder: Path) -> None:
        """Take a folder that is there."""
        self._folder = folder
        self._store = LocalStore(folder)

    @contextmanager
    def create(self, key: str) -> Iterator["_FileWriter"]:
        """Write under another name, and give the file its own when it is safe on disk."""
        path = self._path(key)
        unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}{_UNFINISHED}")
        try:
            with _open_new(unfinished) as file, ThreadPoolExecutor(1, "disk") as disk:
                writer = _FileWriter(file, disk)
                yield writer
                writer.finish()
                fault_point("store.sync")
                os.fsync(file.fileno())
            fault_point("store.rename")
            unfinished.rename(path)
            _sync_folder(path.parent)
        except OSError as error:
            raise _unwritable(error) from error
        finally:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
            self._remove_empty_folders(path)

    def size(self, key: str) -> int:
        """Tell a file's size in bytes."""
        self._path(key)
        try:
            return obstore.head(self._store, key)["size"]
        except (BaseError, OSError) as error:
            raise StorageUnavailable("The result is not in the store") from error

    def read(self, key: str, start: int, end: int) -> Iterator[bytes]:
        """Yield a part of a file in large blocks; a file deleted meanwhile is still read to its end."""
        try:
            fault_point("store.read")
            file = self._path(key).open("rb", buffering=0)
            file.seek(start)
        except OSError as error:
            raise StorageUnavailable("The result is not in the store") from error
        return _read_blocks(file, end - start)

    def delete(self, key: str) -> None:
        """Remove a file, and its folders when they are empty then."""
        path = self._path(key)
        try:
            fault_point("store.delete")
            with suppress(FileNotFoundError, NotFoundError):
                obstore.delete(self._store, key)
        except (BaseError, OSError) as error:
            raise StorageUnavailable("The result cannot be removed") from error
        self._remove_empty_folders(path)

    def list_objects(self) -> Iterator[StoredObject]:
        """Yield every file of the folder."""
        for batch in obstore.list(self._store):
            for found in batch:
                yield StoredObject(found["path"], found["size"], found["last_modified"])

    def sign(self, key: str, life_seconds: int, filename: str, media_type: str) -> None:
        """Sign nothing: the server does, and sends the bytes itself."""

    def abort_unfinished(self, before: datetime) -> int:  # noqa: ARG002 - a face
        """Do nothing: unfinished files are listed."""
        return 0

    def _remove_empty_folders(self, path: Path) -> None:
        for folder in path.parents:
            if folder == self._folder.resolve() or not _remove_if_empty(folder):
                break

    def _path(self, key: str) -> Path:
        path = (self._folder / key).resolve()
        if not path.is_relative_to(self._folder.resolve()):
            raise StorageUnavailable("The key leads out of the store")
        return path


class _FileWriter:
    """Appends to an unbuffered file, past the kernel's cache: in whole pieces, and what is left in the end.

    Copying into the cache costs as much as a third of the rendering does, and would drive out what others read.
    """

    def __init__(self, file: Any, disk: Executor) -> None:
        """Take a file, and who waits for the disk: one thread, so that pieces are written in order."""
        self._file, self._disk = file, disk
        # Anonymous memory begins where a page does, which writing past the cache asks for.
        self._piece, self._next = (memoryview(mmap.mmap(-1, _PIECE_BYTES)) for _ in range(2))
        self._held = 0
        self._writing: Future[None] | None = None

    def write(self, data: memoryview | bytes) -> None:
        """Append all of the data."""
        rest = memoryview(data).cast("B")
        try:
            fault_point("store.write")
            while rest:
                taken = min(len(rest), _PIECE_BYTES - self._held)
                self._piece[self._held : self._held + taken] = rest[:taken]
                self._held += taken
                rest = rest[taken:]
                if self._held == _PIECE_BYTES:
                    self._hand_on()
        except OSError as error:
            raise _unwritable(error) from error

    def finish(self) -> None:
        """Write what is left; raises OSError."""
        self._wait()
        self._set_direct(wanted=False)
        self._write(self._piece[: self._held])

    def _hand_on(self) -> None:
        """Let a full piece be written while the next is filled."""
        self._wait()
        self._set_direct(wanted=True)
        self._writing = self._disk.submit(self._write, self._piece)
        self._piece, self._next, self._held = self._next, self._piece, 0

    def _wait(self) -> None:
        if self._writing is not None:
            self._writing.result()

    def _write(self, rest: memoryview) -> None:
        """Write a piece; a write may take only a part, and not every file system can skip the cache."""
        while rest:
            try:
                rest = rest[self._file.write(rest) :]
            except OSError as error:
                if error.errno != errno.EINVAL or not self._set_direct(wanted=False):
                    raise

    def _set_direct(self, *, wanted: bool) -> bool:
        """Write past the cache from now on, or through it; tells whether that is a change."""
        number, direct = self._file.fileno(), getattr(os, "O_DIRECT", 0)
        flags = fcntl.fcntl(number, fcntl.F_GETFL)
        changed = flags | direct if wanted else flags & ~direct
        with suppress(OSError):
            fcntl.fcntl(number, fcntl.F_SETFL, changed)
        return changed != flags


def _unwritable(error: OSError) -> StorageUnavailable:
    return StorageUnavailable(f"The result cannot be written: {error.strerror}")


def _open_new(path: Path) -> Any:
    """Open a new file for raw writing; tries again when another removed the folder, empty as it was, meanwhile."""
    for _ in range(_TRIES):
        # mkdir too says that a folder exists which was removed while it looked. The file's own name is random.
        with suppress(FileNotFoundError, FileExistsError):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            return path.open("xb", buffering=0)
    raise StorageUnavailable("The result cannot be written: its folder keeps being removed")


def _read_blocks(file: "BinaryIO | Any", left: int) -> Iterator[bytes]:
    with file:
        while left > 0:
            block = file.read(min(BLOCK_BYTES, left))
            if not block:
                raise StorageUnavailable("The result is shorter than it was")
            left -= len(block)
            yield block


def _sync_folder(folder: Path) -> None:
    """Make the file's name as durable as its bytes."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_if_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True
