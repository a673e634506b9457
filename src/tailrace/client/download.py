"""Saves a result: tries again when the connection is lost, leaves a whole file or none."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tailrace.client.partfile import PartFile
from tailrace.errors import ClientError, ComeBackLater, ServerUnreachable

# So many tries in a row that bring no new byte end the download; and so many in all, whatever they bring.
_FRUITLESS_TRIES, _MOST_TRIES = 5, 50
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 5.0
_LONGEST_REQUESTED_PAUSE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Download:
    """A saved result; `rows` does not count the header, `sha256` is in hexadecimal."""

    path: Path
    rows: int
    bytes: int
    sha256: str


class TryEndedError(Exception):
    """A try ended before the end of the file; the message says how, without the link."""


class Transfer(Protocol):
    """The state of one download across its tries."""

    @property
    def reached(self) -> int:
        """Tell the most bytes any try has brought."""

    @property
    def rows(self) -> int:
        """Tell the rows brought, without the header."""

    def run(self) -> None:
        """Try once; raises TryEndedError when another try may help, and OSError."""

    def check(self) -> None:
        """Compare with what the server announced; raises DownloadDamaged."""


def check_target(target: Path) -> None:
    """Refuse a place no file can be saved at, before anything is asked of the server; raises ClientError."""
    if target.is_dir():
        raise ClientError(f"'{target}' is a folder; name a file to save the result as.")
    if not target.parent.is_dir():
        raise ClientError(f"There is no folder '{target.parent}' to save the result in.")


def save_file(target: Path, begin: Callable[[PartFile], Transfer]) -> Download:
    """Save as `target` what the transfer brings that `begin` makes.

    Raises ClientError when the file cannot be written, DownloadDamaged when the bytes are not those announced,
    ServerUnreachable after too many tries, and what the transfer raises.
    """
    check_target(target)
    try:
        with PartFile(target) as part:
            transfer = begin(part)
            try_often(transfer)
            transfer.check()
            part.publish()
            return Download(target, transfer.rows, part.size, part.sha256().hex())
    except OSError as error:
        raise ClientError(f"'{target}' cannot be written: {error.strerror or 'input/output error'}.") from error


def try_often(transfer: Transfer) -> None:
    """Run the transfer until it is complete; raises ServerUnreachable after too many tries."""
    fruitless, pause, reached = 0, _FIRST_PAUSE_SECONDS, 0
    for _ in range(_MOST_TRIES):
        asked_to_wait = 0
        try:
            return transfer.run()
        except ComeBackLater as error:
            fault, asked_to_wait = str(error), min(error.retry_after_seconds, _LONGEST_REQUESTED_PAUSE_SECONDS)
        except (TryEndedError, ServerUnreachable) as error:
            fault = str(error)
        if transfer.reached > reached:
            fruitless, pause, reached = 0, _FIRST_PAUSE_SECONDS, transfer.reached
        fruitless += 1
        if fruitless >= _FRUITLESS_TRIES:
            break
        time.sleep(max(pause, asked_to_wait))
        pause = min(pause * 4, _LONGEST_PAUSE_SECONDS)
    raise ServerUnreachable(f"The download could not be finished: {fault}. Nothing was kept.")
