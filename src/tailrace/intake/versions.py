"""Finds the columns that an input file follows, or says what keeps it from the nearest version of its dataset."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tailrace.catalog.model import Column, Dataset, Table
from tailrace.intake.store import ROW_KEY_VALUE

_HIDDEN = "source:"


@dataclass(frozen=True, slots=True)
class Follows:
    """The column each cell of an input belongs to, in the input's order."""

    columns: tuple[Column, ...]


class Wanted(Protocol):
    """The columns an input may have."""

    @property
    def usual(self) -> int:
        """How many an input has as a rule; for one whose header cannot be read."""

    def match(self, names: Sequence[str], *, ordered: bool) -> Follows | tuple[str, ...]:
        """Find the columns of these names; `ordered` says that their order is told by places alone, as in CSV.

        Returns the problems where they do not fit; each begins with `, column N: ` or `: `.
        """


@dataclass(frozen=True, slots=True)
class OneOf:
    """The columns of one of a dataset's versions.

    A hidden key may be there as `source:NAME`, after the other columns where order counts. The problems told are those
    against the nearest version.
    """

    versions: Sequence[Dataset]

    @property
    def usual(self) -> int:
        """The columns of the newest version."""
        return len(self.versions[-1].columns)

    def match(self, names: Sequence[str], *, ordered: bool) -> Follows | tuple[str, ...]:
        """Find the version; `ordered` also wants its order."""
        candidates = []
        for dataset in reversed(self.versions):
            expected = [*dataset.columns, *(hidden for hidden in hidden_columns(dataset) if hidden.name in names)]
            title = f"{dataset.name} version {dataset.version}"
            found = match_names(title, expected, names, ordered=ordered)
            if isinstance(found, Follows):
                return found
            candidates.append(found)
        return min(candidates, key=len)


@dataclass(frozen=True, slots=True)
class Named:
    """Columns told by their names alone, in any order; the `optional` ones may be missing. `title` is for messages."""

    title: str
    columns: Sequence[Column]
    optional: frozenset[str]

    @property
    def usual(self) -> int:
        """All columns."""
        return len(self.columns)

    def match(self, names: Sequence[str], *, ordered: bool) -> Follows | tuple[str, ...]:  # noqa: ARG002 - any order
        """Find the columns."""
        expected = [column for column in self.columns if column.name in names or column.name not in self.optional]
        return match_names(self.title, expected, names, ordered=False)


def hidden_columns(dataset: Dataset) -> list[Column]:
    """Describe a dataset's hidden keys as columns of an input: text that must have a value."""
    columns = (column for column in dataset.order_columns() if column.name.startswith(_HIDDEN))
    return [column.model_copy(update={"nullable": False}) for column in columns]


def keys_to_fill(versions: Sequence[Dataset], table: Table, given: Sequence[str]) -> dict[str, str]:
    """Name the hidden keys that an input does not give, to be filled with the row key.

    Only where the key is stored as text; another stays NULL, and the row key alone decides the order.
    """
    hidden = {key for dataset in versions for key in dataset.hidden_keys} - set(given)
    others = {column.source for column in table.columns if column.type != "text"}
    return dict.fromkeys(sorted(hidden - others), ROW_KEY_VALUE)


def match_names(
    title: str, columns: Sequence[Column], names: Sequence[str], *, ordered: bool
) -> Follows | tuple[str, ...]:
    """Match names with columns that must all be there, once each; `ordered`: and in this order."""
    by_name = {column.name: column for column in columns}
    problems = _compare(title, list(by_name), names, ordered=ordered)
    return problems or Follows(tuple(by_name[name] for name in names))


def _compare(title: str, expected: list[str], names: Sequence[str], *, ordered: bool) -> tuple[str, ...]:
    problems, seen = [], set[str]()
    for place, name in enumerate(names, 1):
        where = f", column {place}: '{name}'"
        if name in seen:
            problems.append(f"{where} appears twice")
        elif name not in expected:
            problems.append(f"{where} is not a column of {title}")
        seen.add(name)
    problems += [f": column '{name}' of {title} is missing" for name in expected if name not in seen]
    if ordered:
        problems += _misplaced(expected, names, title)
    return tuple(problems)


def _misplaced(expected: list[str], names: Sequence[str], title: str) -> list[str]:
    common = [name for name in dict.fromkeys(names) if name in expected]
    right = [name for name in expected if name in common]
    return [
        f", column {names.index(name) + 1}: '{name}' is out of place; {title} has '{wanted}' there"
        for name, wanted in zip(common, right, strict=True)
        if name != wanted
    ]
