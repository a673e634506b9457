"""What is known while the parameters of one request are read, and what was read of them so far."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tailrace.access.choices import Choices
from tailrace.catalog.exporter import Exporter
from tailrace.web.smartsync.faults import Faults

_T = TypeVar("_T")


@dataclass
class Reading:
    """One request as it is read.

    `given` are the parameters that the exporter takes, as the client wrote them, those that are null left out (SS-204);
    `values` those read without a fault. `documented` is the profile in which what does not fit is refused.
    """

    exporter: Exporter
    choices: Choices
    max_range_days: int
    documented: bool
    given: Mapping[str, Any]
    faults: Faults = field(default_factory=Faults)
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def output_format(self) -> str | None:
        """The output format in capitals; None as long as it is not known."""
        return self.values.get("outputFormat")


def find_named(name: str, among: Iterable[_T], name_of: Callable[[_T], str]) -> _T | None:
    """Find by name whatever its case; one of just that spelling comes first (SS-705, SS-721)."""
    alike = [one for one in among if name_of(one).lower() == name.lower()]
    exact = [one for one in alike if name_of(one) == name]
    return next(iter(exact or alike), None)
