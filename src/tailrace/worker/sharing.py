"""The shares of an attempt as its child process sees them: the first is its own, the others are offered to helpers.

Helpers take shares from the end while this process renders from the front, until they meet.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any, Literal, Protocol

from tailrace.engines.base import Slice
from tailrace.faults import fault_point
from tailrace.jobs.model import Rendered, Taken


class Talk(Protocol):
    """How a child process speaks with its worker while it has a task."""

    def say(self, message: dict[str, Any]) -> None:
        """Tell the worker."""

    def hear(self) -> dict[str, Any]:
        """Wait for the worker's next answer."""


class Shares:
    """Slices in groups: one that is rendered here, and those which somebody else may have rendered."""

    def __init__(self, slices: list[Slice], size: int, talk: Talk | None) -> None:
        """Make shares of so many slices; 0, or too few of them for two shares, is one group that is not shared."""
        self._talk = talk if size and len(slices) >= 2 * size else None
        size = size if self._talk else max(1, len(slices))
        self.groups = [slices[start : start + size] for start in range(0, len(slices), size)]

    def offer(self, describe: Callable[[Sequence[Slice]], dict[str, Any]]) -> None:
        """Offer all but the first to helpers."""
        if self._talk is not None:
            contents = {number: describe(group) for number, group in enumerate(self.groups) if number}
            self._talk.say({"event": "offer", "contents": contents})
            fault_point("share.offered")

    def take(self, number: int) -> Taken:
        """Ask what to do with a share; after `wait` there is another answer to hear."""
        if self._talk is None or not number:
            return "render"
        self._talk.say({"event": "take", "number": number})
        return self.hear()

    def hear(self) -> Taken:
        """Wait for an answer."""
        return _read(self._talk.hear()) if self._talk is not None else "render"

    def tell_removed(self, number: int) -> None:
        """Tell that a share's object is in the result, and removed."""
        if self._talk is not None:
            self._talk.say({"event": "removed", "number": number})


def describe_taken(taken: Taken) -> dict[str, Any]:
    """Write an answer as a message."""
    return {"share": asdict(taken) if isinstance(taken, Rendered) else taken}


def is_answer(line: bytes) -> bool:
    """Tell whether a line is an answer, and no order."""
    return line.startswith(b'{"share":')


def _read(message: dict[str, Any]) -> Taken:
    share: dict[str, Any] | Literal["render", "wait"] = message["share"]
    return Rendered(**share) if isinstance(share, dict) else share


def parts_of(slices: Iterable[Slice], source: Sequence[str]) -> tuple[str, ...]:
    """Name the parts of a source that some slices are read from: all, where a slice does not say."""
    slices = tuple(slices)
    if all(part.source for part in slices):
        return tuple(dict.fromkeys(name for part in slices for name in part.source))
    return tuple(source)
