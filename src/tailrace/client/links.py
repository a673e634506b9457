"""Keeps signed links out of logs: whoever reads one could download the result."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import httpx2

_hiding: ContextVar[bool] = ContextVar("tailrace_hiding_links", default=False)


@contextmanager
def hidden_from_logs() -> Iterator[None]:
    """Cut URLs down to their host in what httpx2 logs inside this block and thread.

    httpx2 logs every request with its whole URL once a program logs at level INFO.
    """
    logger = logging.getLogger("httpx2")
    if not any(isinstance(known, _HideLinks) for known in logger.filters):
        logger.addFilter(_HideLinks())
    hiding = _hiding.set(True)
    try:
        yield
    finally:
        _hiding.reset(hiding)


class _HideLinks(logging.Filter):
    """Changes nothing outside the block above."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, its URLs cut down."""
        if _hiding.get() and isinstance(record.args, tuple):
            record.args = tuple(_shorten(value) for value in record.args)
        return True


def _shorten(value: object) -> object:
    return f"{value.scheme}://{value.host}/..." if isinstance(value, httpx2.URL) else value
