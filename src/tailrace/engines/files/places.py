"""Where files are: this machine's folders, and buckets."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from tailrace.buckets import Deadlines, open_bucket, reason_of
from tailrace.engines.files.patterns import Found, Place
from tailrace.errors import SourceUnavailable

_MOST_FOLDERS, _MOST_FILES = 200, 20_000


class Folders:
    """Files of this machine."""

    def list_folder(self, folder: str) -> tuple[list[str], list[Found]]:
        """List the folders and files in a folder; nothing where there is none."""
        folders, files = [], []
        with _listing(folder):
            try:
                entries = sorted(os.scandir(f"{folder}/"), key=lambda entry: entry.name)
            except (FileNotFoundError, NotADirectoryError):
                return [], []
            for entry in entries:
                if entry.is_dir():
                    folders.append(f"{folder}/{entry.name}")
                else:
                    files.append(stamp(f"{folder}/{entry.name}"))
        return folders, files

    def list_below(self, folder: str) -> Iterator[Found]:
        """List all files in a folder and below; a link to a folder is not followed."""
        folders, files = self.list_folder(folder)
        yield from files
        for inner in folders:
            if not Path(inner).is_symlink():
                yield from self.list_below(inner)

    def find(self, path: str) -> Found | None:
        """Look for one file."""
        with _listing(path):
            return stamp(path) if Path(path).is_file() else None

    def check(self, folder: str) -> None:
        """Raises SourceUnavailable unless a folder can be listed."""
        with _listing(folder):
            os.scandir(f"{folder}/").close()


def stamp(path: str) -> Found:
    """Say how a file is now; raises OSError."""
    found = Path(path).stat()
    return Found(path, found.st_size, f"{found.st_ino}-{found.st_mtime_ns}")


class Buckets:
    """Files in buckets; a path begins with `s3://` and the bucket."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Take the options of `open_bucket` and `Deadlines`; nothing is asked yet."""
        self._options = options
        self._open: dict[str, S3Store] = {}

    def list_folder(self, folder: str) -> tuple[list[str], list[Found]]:
        """List the folders and files in a folder; nothing where there is none."""
        bucket, prefix = split(folder)
        with _listing(folder):
            found = obstore.list_with_delimiter(self._bucket(bucket), prefix or None)
            folders = [f"s3://{bucket}/{inner}" for inner in found["common_prefixes"]]
            return folders, [_found(bucket, one) for one in found["objects"]]

    def list_below(self, folder: str) -> Iterator[Found]:
        """List all files in a folder and below."""
        bucket, prefix = split(folder)
        with _listing(folder):
            for batch in obstore.list(self._bucket(bucket), prefix or None):
                yield from (_found(bucket, one) for one in batch)

    def find(self, path: str) -> Found | None:
        """Look for one file."""
        bucket, key = split(path)
        self.check(path)
        with _listing(path):
            try:
                return _found(bucket, obstore.head(self._bucket(bucket), key))
            except FileNotFoundError:
                return None

    def check(self, folder: str) -> None:
        """Raises SourceUnavailable unless a folder can be listed: asks for one name in it."""
        bucket, prefix = split(folder)
        with _listing(folder):
            next(iter(obstore.list(self._bucket(bucket), prefix or None, chunk_size=1)), None)

    def read(self, file: Found, start: int, end: int) -> bytes:
        """Read a part of a file that is still the one that was listed; raises obstore's errors and OSError."""
        bucket, key = split(file.path)
        options = {"range": (start, end), "if_match": file.stamp}
        data = bytes(obstore.get(self._bucket(bucket), key, options=options).bytes())  # type: ignore[arg-type]
        if len(data) != end - start:
            raise EOFError
        return data

    def _bucket(self, name: str) -> S3Store:
        if name not in self._open:
            options = self._options
            limits = Deadlines.read(options).for_downloads(allow_http=options["allow_http"])
            self._open[name] = open_bucket(options, name, limits)
        return self._open[name]


def split(path: str) -> tuple[str, str]:
    """Part a path into bucket and key."""
    bucket, _, key = path.removeprefix("s3://").partition("/")
    return bucket, key


def _found(bucket: str, one: Mapping[str, Any]) -> Found:
    return Found(f"s3://{bucket}/{one['path']}", one["size"], one["e_tag"] or "")


class Glance:
    """A place of which no more is listed than a look needs, however large it is."""

    def __init__(self, place: Place) -> None:
        """Take a whole place."""
        self._place, self._folders = place, _MOST_FOLDERS

    def list_folder(self, folder: str) -> tuple[list[str], list[Found]]:
        """List the folders and files in a folder; nothing after many folders."""
        self._folders -= 1
        return self._place.list_folder(folder) if self._folders >= 0 else ([], [])

    def list_below(self, folder: str) -> Iterator[Found]:
        """List many files in a folder and below."""
        return islice(self._place.list_below(folder), _MOST_FILES)

    def find(self, path: str) -> Found | None:
        """Look for one file."""
        return self._place.find(path)

    def check(self, folder: str) -> None:
        """Raises SourceUnavailable unless a folder can be listed."""
        self._place.check(folder)


@contextmanager
def _listing(folder: str) -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError, ValueError) as error:
        word = error.strerror if isinstance(error, OSError) and error.strerror else reason_of(error)
        raise SourceUnavailable(f"'{folder}' cannot be listed: {word}") from error
