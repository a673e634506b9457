"""One test in several sizes: small in every run, larger in the share of the long suites, whole in the long suites."""

from typing import Any

import pytest


def sizes(names: str, few: Any = None, *, share: Any, whole: Any) -> pytest.MarkDecorator:
    """Give a test its sizes as arguments; without `few` it is left to the long suites and their share."""
    slow = pytest.mark.slow
    small = [] if few is None else [pytest.param(*_each(few), id="few")]
    middle = pytest.param(*_each(share), id="share", marks=[slow, pytest.mark.share])
    return pytest.mark.parametrize(names, [*small, middle, pytest.param(*_each(whole), id="whole", marks=slow)])


def _each(size: Any) -> tuple[Any, ...]:
    return size if isinstance(size, tuple) else (size,)
