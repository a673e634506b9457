"""Logs: one event a fact, as text for people or JSON for machines; no bodies, no query strings, no secrets."""

import logging
import select
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


# For a reader that is slow; one that has stood still for so long is not waited for again until it goes on.
_PATIENCE_MS = 500


class _StandardError:
    """Standard error as it is when something is written, not as it was when logs were configured.

    What it does not take is lost: a full disk, or a reader that has died or stands still, must end or hold up nobody
    who has something to tell.
    """

    def __init__(self) -> None:
        self._patience_ms = _PATIENCE_MS

    def write(self, text: str) -> int:
        with suppress(OSError):
            if self._takes():
                sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            if self._takes():
                sys.stderr.flush()

    def _takes(self) -> bool:
        """Tell whether a line can be written without waiting for a reader."""
        poll = select.poll()
        try:
            poll.register(sys.stderr.fileno(), select.POLLOUT)
            takes = bool(poll.poll(self._patience_ms))
        except OSError:  # what has no descriptor cannot stand still
            return True
        self._patience_ms = _PATIENCE_MS if takes else 0
        return takes


def configure_logs(level: str, shape: str) -> None:
    """Send events to standard error; `shape` is `text` or `json`."""
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if shape == "json"
        else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _write_exception,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _StandardError())),
        cache_logger_on_first_use=False,
    )
    logging.lastResort = _Plain()


def _write_exception(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Write where an exception comes from and of what kind it is; its words may quote a request or a row."""
    error = event.pop("exc_info", None)
    if isinstance(error, BaseException):
        event["exception"] = "\n".join(_places(error))
    return event


def _places(error: BaseException) -> Iterator[str]:
    if cause := error.__cause__ or error.__context__:
        yield from _places(cause)
        yield "which led to:"
    for place in traceback.extract_tb(error.__traceback__):
        yield f"  {place.filename}, line {place.lineno}, in {place.name}"
    yield type(error).__qualname__


class _Plain(logging.StreamHandler[TextIO]):
    """Writes what libraries log when nobody has said how, without the words of exceptions."""

    def __init__(self) -> None:
        super().__init__(cast("TextIO", _StandardError()))
        self.setLevel(logging.WARNING)

    def format(self, record: logging.LogRecord) -> str:
        """Write the event, and of an exception only its kind: we write where it comes from."""
        kind = record.exc_info[0] if record.exc_info else None
        return f"{record.name}: {record.getMessage().strip()}" + (f" ({kind.__qualname__})" if kind else "")
