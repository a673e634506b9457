"""Shows how far something is: a bar on a terminal, a line now and then elsewhere; always on stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from tailrace.cli.output import printable

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from tailrace.client import Progress, ProgressCallback

_LINE_EVERY_SECONDS = 5
_REDRAW_EVERY_SECONDS = 0.05
_STAGES = {"waiting": "Waiting for the extraction", "downloading": "Downloading"}
_EXPORT_STAGES = {"waiting": "Waiting for its turn", "running": "Running the export", "downloading": "Downloading"}
# Nothing is known of how far these are.
_UNMEASURED = {_EXPORT_STAGES["waiting"], _EXPORT_STAGES["running"]}

# Takes a stage, how much of it is done and how much there is in all (None: not known).
Show = Callable[[str, int, int | None], None]


@contextmanager
def shown_extraction(*, quiet: bool) -> "Iterator[ProgressCallback | None]":
    """Give the callback an extraction tells its progress; None when nothing shall be shown."""
    with _shown(quiet=quiet) as show:
        yield _for_extraction(show) if show else None


@contextmanager
def shown_export(*, quiet: bool) -> "Iterator[ProgressCallback | None]":
    """Give the callback an export tells its progress; shown on a terminal only, for results may go into a pipe."""
    with _shown(quiet=quiet or not sys.stderr.isatty()) as show:
        yield _for_export(show) if show else None


@contextmanager
def noted_interruption() -> Iterator[None]:
    """Say of a Ctrl-C that nothing was saved, and let it through."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("Interrupted; nothing was saved.", err=True)
        raise


@contextmanager
def shown_load(*, quiet: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """Give the callback a load tells its progress: file name, bytes done, bytes in all; None to show nothing."""
    with _shown(quiet=quiet) as show:
        yield _for_load(show) if show else None


def _for_extraction(show: Show) -> "ProgressCallback":
    def tell(progress: "Progress") -> None:
        # The last slice is not the end: until the server says so, nothing claims to be complete.
        ending = progress.stage == "waiting" and progress.done == progress.total
        show(_STAGES[progress.stage], progress.done, None if ending else progress.total)

    return tell


def _for_export(show: Show) -> "ProgressCallback":
    def tell(progress: "Progress") -> None:
        show(_EXPORT_STAGES[progress.stage], progress.done, progress.total)

    return tell


def _for_load(show: Show) -> Callable[[str, int, int], None]:
    def tell(name: str, done: int, total: int) -> None:
        show(f"Loading {printable(name)}", done, total)

    return tell


@contextmanager
def _shown(*, quiet: bool) -> Iterator[Show | None]:
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bars() as bars:
            yield _Bar(bars).show
    else:
        yield _Lines().show


class _Lines:
    """Plain lines: one at the start of a stage, then one every few seconds."""

    def __init__(self) -> None:
        self._stage = ""
        self._next_at = 0.0

    def show(self, stage: str, done: int, total: int | None) -> None:
        """Print a line if it is time for one."""
        now = time.monotonic()
        if stage == self._stage and now < self._next_at:
            return
        self._stage, self._next_at = stage, now + _LINE_EVERY_SECONDS
        amount = _amount(stage, done, total)
        typer.echo(f"{stage}: {amount}" if amount else stage, err=True)


class _Bar:
    """One bar a stage."""

    def __init__(self, bars: "Bars") -> None:
        self._bars = bars
        self._stage = ""
        self._next_at = 0.0

    def show(self, stage: str, done: int, total: int | None) -> None:
        """Move the bar; a new stage begins a new one."""
        now = time.monotonic()
        if stage != self._stage:
            self._stage = stage
            self._task = self._bars.add_task(stage, total=total, amount="")
        elif now < self._next_at and done != total:
            return
        self._next_at = now + _REDRAW_EVERY_SECONDS
        self._bars.update(self._task, completed=done, total=total, amount=_amount(stage, done, total))


def _bars() -> "Bars":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    # No markup: a file's name may look like it.
    label = TextColumn("{task.description}", markup=False)
    columns = (label, BarColumn(), TextColumn("{task.fields[amount]}"), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _amount(stage: str, done: int, total: int | None) -> str:
    """Write `3 of 8 slices` or `1.5 of 20.0 MB`, or nothing when nothing is known."""
    if stage == _STAGES["waiting"]:
        return f"{done} of {total} slices" if total else ""
    if stage in _UNMEASURED:
        return ""
    return f"{done / 1e6:.1f} of {total / 1e6:.1f} MB" if total is not None else f"{done / 1e6:.1f} MB"
