"""Shows files in buckets to DuckDB, which asks for them as fsspec's file systems are asked."""

import io
from datetime import UTC, datetime
from typing import Any

from fsspec import AbstractFileSystem
from obstore.exceptions import BaseError, PreconditionError

from tailrace.buckets import reason_of
from tailrace.engines.files.patterns import Found
from tailrace.engines.files.places import Buckets

PROTOCOL = "tailrace"
_SOME_TIME = datetime(2000, 1, 1, tzinfo=UTC)


def to_url(path: str) -> str:
    """Name a file in a bucket for DuckDB, by a protocol that no extension of its own claims."""
    return f"{PROTOCOL}://{path.removeprefix('s3://')}"


def from_url(url: str) -> str:
    """Undo `to_url`."""
    return f"s3://{url.removeprefix(f'{PROTOCOL}://')}" if url.startswith(f"{PROTOCOL}://") else url


class BucketFiles(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """The files of a scan, and no others; each is read as it was listed, or not at all."""

    protocol = PROTOCOL
    cachable = False

    def __init__(self, buckets: Buckets, files: dict[str, Found]) -> None:
        """Take where files are, and those there are, which may become more."""
        super().__init__()
        self._buckets, self._files = buckets, files
        self._fault: str | None = None

    def open(self, path: str, mode: str = "rb", **_: Any) -> "_File":  # noqa: ARG002 never for anything but reading
        """Open a file."""
        return _File(self, self._found(path))

    def glob(self, path: str, **_: Any) -> list[str]:
        """Every name is meant as it is."""
        return [path]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Tell a file's size."""
        return {"name": path, "size": self._found(path).size, "type": "file"}

    def modified(self, path: str) -> datetime:  # noqa: ARG002
        """No file changes while it is read."""
        return _SOME_TIME

    def exists(self, path: str, **_: Any) -> bool:
        """Tell whether a file was listed."""
        return from_url(path) in self._files

    def read(self, file: Found, start: int, end: int) -> bytes:
        """Read a part of a file."""
        try:
            return self._buckets.read(file, start, end)
        except (BaseError, OSError, EOFError) as error:
            self._fault = f"'{file.path}' {_what(error)}"
            raise OSError(self._fault) from error

    def take_fault(self) -> str | None:
        """Say why a file could not be read last, once."""
        fault, self._fault = self._fault, None
        return fault

    def _found(self, path: str) -> Found:
        return self._files[from_url(path)]


def _what(error: Exception) -> str:
    if isinstance(error, PreconditionError):
        return "is another than it was"
    return "is gone" if isinstance(error, FileNotFoundError) else f"cannot be read: {reason_of(error)}"


class _File(io.RawIOBase):
    """A file in a bucket, read in parts from any place."""

    def __init__(self, files: BucketFiles, file: Found) -> None:
        self._files, self._file, self._at = files, file, 0
        self.size = file.size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = self.size if size < 0 else min(self._at + size, self.size)
        data = self._files.read(self._file, self._at, end) if end > self._at else b""
        self._at += len(data)
        return data
