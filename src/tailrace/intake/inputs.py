"""Opens input files and reads them once in Python: content hash, and the structure of text files."""

import gzip
import hashlib
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from tailrace.errors import LoadRefused
from tailrace.intake.structure import Structure

Kind = Literal["csv", "parquet", "ndjson"]
Progress = Callable[[str, int, int], None]

_ENDINGS: dict[str, Kind] = {".csv": "csv", ".parquet": "parquet", ".ndjson": "ndjson", ".jsonl": "ndjson"}
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Input:
    """A file to be loaded, as it was when it was read.

    `sha256` is that of the unpacked content, `stamp` tells when the file changes; `structure` is meant for CSV (its
    `longest` for NDJSON too), `lines` counts line ends.
    """

    path: Path
    name: str
    kind: Kind
    packed: bool
    sha256: str
    stamp: tuple[int, ...]
    structure: Structure
    lines: int


def inspect(path: Path, progress: Progress | None = None) -> Input:
    """Read a file from end to end; `progress` hears its name, the bytes read and the bytes there are.

    Raises LoadRefused when it cannot be read, is empty, or has an ending nobody knows.
    """
    kind, packed = _kind_of(path)
    digest, structure, lines, size = hashlib.sha256(), Structure(), 0, 0
    with _reading(path) as file:
        stamp = stamp_of(file)
        with unpacked(file, packed=packed) as content:
            while block := content.read(_BLOCK):
                size += len(block)
                digest.update(block)
                lines += block.count(b"\n")
                if kind == "csv":
                    structure.feed(block)
                else:
                    structure.measure(block, ends_record=b"\n" in block)
                if progress:
                    progress(path.name, file.tell(), stamp[1])
    structure.finish()
    if size == 0:
        raise LoadRefused(f"{path.name}: the file is empty; nothing was loaded.")
    return Input(path, path.name, kind, packed, digest.hexdigest(), stamp, structure, lines)


@contextmanager
def reopened(source: Input, scratch: Path) -> Iterator[str]:
    """Lend a name under which DuckDB can read the file's content, unpacked; it holds no pattern characters.

    Raises LoadRefused when the file has changed since it was inspected, also while it was lent.
    """
    with _reading(source.path) as file:
        if stamp_of(file) != source.stamp:
            raise _changed(source)
        if not source.packed:
            yield f"/proc/self/fd/{file.fileno()}"
        else:
            plain = scratch / "unpacked"
            with plain.open("wb") as target, unpacked(file, packed=True) as content:
                while block := content.read(_BLOCK):
                    target.write(block)
            with plain.open("rb") as content:
                yield f"/proc/self/fd/{content.fileno()}"
        if stamp_of(file) != source.stamp:
            raise _changed(source)


def stamp_of(file: IO[bytes]) -> tuple[int, ...]:
    """Say what changes when a file does; the second number is its size."""
    found = os.fstat(file.fileno())
    return (found.st_ino, found.st_size, found.st_mtime_ns)


@contextmanager
def unpacked(file: IO[bytes], *, packed: bool) -> Iterator[IO[bytes]]:
    """Read a gzip file's content, or the file as it is; damage becomes LoadRefused."""
    if not packed:
        yield file
        return
    try:
        with gzip.open(file, "rb") as content:
            yield content  # type: ignore[misc]  # a GzipFile reads like any file
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise LoadRefused(f"{Path(file.name).name}: the gzip file is damaged ({error}); nothing was loaded.") from error


def _changed(source: Input) -> LoadRefused:
    return LoadRefused(f"{source.name}: the file changed while it was being read; nothing was loaded.")


def _kind_of(path: Path) -> tuple[Kind, bool]:
    packed = path.suffix.lower() == ".gz"
    ending = Path(path.stem if packed else path.name).suffix.lower()
    kind = _ENDINGS.get(ending)
    if kind is None or (packed and kind == "parquet"):
        raise LoadRefused(
            f"{path.name}: the file's name must end in .csv, .parquet or .ndjson"
            " (also .jsonl, and .csv.gz, .ndjson.gz, .jsonl.gz); nothing was loaded."
        )
    return kind, packed


@contextmanager
def _reading(path: Path) -> Iterator[IO[bytes]]:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            what = "a folder" if path.is_dir() else "not a plain file"
            raise LoadRefused(f"{path.name or path}: this is {what}; nothing was loaded.")
        file = path.open("rb")
    except OSError as error:
        raise LoadRefused(f"{path}: {error.strerror}; nothing was loaded.") from error
    with file:
        yield file
