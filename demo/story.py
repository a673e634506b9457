"""Tells what the demo does: numbered steps, the requests it sends, and a bar while it waits (lines elsewhere)."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

_LINE_EVERY_SECONDS = 2
_console = Console(highlight=False, soft_wrap=True)
_steps = iter(range(1, 100))


class ShowDone(Protocol):
    """What a wait is told: so much done of so much in all; `total` 0 when that is not known."""

    def __call__(self, done: int, total: int) -> None:
        """Show it."""


def step(title: str) -> None:
    """Begin the next step."""
    _console.print(f"\n[bold]{next(_steps)}. {escape(title)}[/bold]")


def say(text: str) -> None:
    """Add a line to the step."""
    _console.print(f"   {escape(text)}")


def say_quietly(text: str) -> None:
    """Add a line that one may skip."""
    _console.print(f"   [dim]{escape(text)}[/dim]")


def fail(text: str) -> None:
    """Say why the demo ends here."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        f"\n[bold red]The demo failed:[/bold red] {escape(text)}"
    )


@contextmanager
def bar(label: str, unit: str) -> Iterator[ShowDone]:
    """Show a wait as a bar that disappears at its end; without a terminal as a line now and then."""
    if not sys.stdout.isatty():
        yield _Lines(label, unit).show
        return
    columns = (
        TextColumn("   {task.description}"),
        BarColumn(),
        TextColumn("{task.fields[amount]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=_console, transient=True) as bars:
        task = bars.add_task(label, total=None, amount="")

        def show(done: int, total: int) -> None:
            amount = f"{done:,} of {total:,} {unit}" if total else ""
            bars.update(task, completed=done, total=total or None, amount=amount)

        yield show


class _Lines:
    """One line at the start of a wait, then one every few seconds."""

    def __init__(self, label: str, unit: str) -> None:
        self._label = label
        self._unit = unit
        self._next_at = 0.0

    def show(self, done: int, total: int) -> None:
        if time.monotonic() < self._next_at:
            return
        self._next_at = time.monotonic() + _LINE_EVERY_SECONDS
        say(f"{self._label} ... {done:,} of {total:,} {self._unit}" if total else f"{self._label} ...")
