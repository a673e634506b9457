"""Waits: for a job to end, asking at growing intervals, and for a rule that refuses for now to let one through."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import httpx2

from tailrace.client.answers import retry_after
from tailrace.client.progress import Progress, ProgressCallback
from tailrace.errors import ClientError, ComeBackLater, ServerUnreachable

_PAUSE_GROWTH = 1.5
# Asking for a status may be repeated at will, so a restart of the server is waited out.
_PATIENCE_WITH_OUTAGES_SECONDS = 60
_LONGEST_REQUESTED_PAUSE_SECONDS = 60
# A patient call gives up when the rules have refused it for this long.
_PATIENCE_WITH_RULES_SECONDS = 600

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Pauses:
    """How long to pause between two questions: at first, and at last."""

    first_seconds: float
    longest_seconds: float


def wait_for_end(
    ask: Callable[[], httpx2.Response],
    take: Callable[[httpx2.Response], bool],
    pauses: Pauses,
    timeout_seconds: float | None,
    job_id: str,
) -> None:
    """Ask until `take` says of an answer that the job has ended, for `timeout_seconds` at most (None: without end).

    A server that does not answer is asked again for a minute. Raises ClientError when the time is over, and what `ask`
    and `take` raise.
    """
    deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    pause, answered_at = pauses.first_seconds, time.monotonic()
    while True:
        asked_to_wait = 0.0
        response = _ask(ask, answered_at)
        if response is None:
            asked_to_wait = pauses.longest_seconds
        elif _comes_later(response, answered_at):
            asked_to_wait = min(retry_after(response), _LONGEST_REQUESTED_PAUSE_SECONDS)
        else:
            answered_at = time.monotonic()
            if take(response):
                return
        _sleep_until(deadline, max(pause, asked_to_wait), job_id)
        pause = min(pause * _PAUSE_GROWTH, pauses.longest_seconds)


def submit_patiently(submit: Callable[[], Made], progress: ProgressCallback | None) -> Made:
    """Submit until no rule refuses it for now, for ten minutes at most; raises what `submit` raises."""
    deadline = time.monotonic() + _PATIENCE_WITH_RULES_SECONDS
    while True:
        try:
            return submit()
        except ComeBackLater as refusal:
            if time.monotonic() + refusal.retry_after_seconds > deadline:
                raise
            if progress:
                progress(Progress("waiting", 0, None))
            time.sleep(refusal.retry_after_seconds)


def _ask(ask: Callable[[], httpx2.Response], answered_at: float) -> httpx2.Response | None:
    """Ask once; None when there was no answer, but the last one is recent."""
    try:
        return ask()
    except ServerUnreachable:
        if time.monotonic() - answered_at > _PATIENCE_WITH_OUTAGES_SECONDS:
            raise
        return None


def _comes_later(response: httpx2.Response, answered_at: float) -> bool:
    """Tell whether an answer only says to ask again."""
    if response.status_code == httpx2.codes.SERVICE_UNAVAILABLE:
        return time.monotonic() - answered_at <= _PATIENCE_WITH_OUTAGES_SECONDS
    return response.status_code == httpx2.codes.TOO_MANY_REQUESTS


def _sleep_until(deadline: float | None, seconds: float, job_id: str) -> None:
    """Sleep, but not beyond the deadline; raises ClientError when it is reached."""
    left = seconds if deadline is None else deadline - time.monotonic()
    if left <= 0:
        raise ClientError(f"Job {job_id} is still running after the time given; it runs on and keeps its id.")
    time.sleep(min(seconds, left))
