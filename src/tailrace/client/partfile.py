"""A download in progress: a file under a temporary name beside its target, measured while it is written."""

import os
import secrets
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self


class PartFile:
    """A context manager for `.NAME.part-<random>`: published onto the target as a whole, or removed."""

    def __init__(self, target: Path) -> None:
        """Create the empty file; raises OSError."""
        self._target = target
        self._path = target.with_name(f".{target.name}.part-{secrets.token_hex(4)}")
        self._file = self._path.open("xb")
        self._start()

    def __enter__(self) -> Self:
        """Return the file itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Remove what was not published."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def _start(self) -> None:
        self.size = 0
        self._digest = sha256()

    def restart(self) -> None:
        """Forget everything written so far; raises OSError."""
        self._file.seek(0)
        self._file.truncate()
        self._start()

    def write(self, chunk: bytes) -> None:
        """Append bytes and measure them; raises OSError."""
        self._file.write(chunk)
        self.size += len(chunk)
        self._digest.update(chunk)

    def sha256(self) -> bytes:
        """Compute the digest of the bytes written so far."""
        return self._digest.digest()

    def publish(self) -> None:
        """Put the file in the target's place, safe from a power cut from then on; raises OSError."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._path.replace(self._target)
        _sync_folder(self._target.parent)


def _sync_folder(folder: Path) -> None:
    """Make the new name itself last; systems that cannot open a folder do that on their own."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
