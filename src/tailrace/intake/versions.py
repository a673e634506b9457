"""Finds the version of a dataset that an input file follows, or says what keeps it from the nearest one."""

from collections.abc import Sequence
from dataclasses import dataclass

from tailrace.catalog.model import Column, Dataset, Table
from tailrace.intake.store import ROW_KEY_VALUE

_HIDDEN = "source:"


@dataclass(frozen=True, slots=True)
class Follows:
    """The version an input follows and the column each of its cells belongs to, in the input's order."""

    dataset: Dataset
    columns: tuple[Column, ...]


def find_version(versions: Sequence[Dataset], names: Sequence[str], *, ordered: bool) -> Follows | tuple[str, ...]:
    """Match column names with the versions of a dataset; `ordered` also wants the version's order.

    A hidden key may be there as `source:NAME`, after the other columns where order counts. Returns the problems
    against the nearest version where none fits; each begins with `, column N: ` or `: `.
    """
    candidates = []
    for dataset in reversed(versions):
        expected = [*dataset.columns, *(hidden for hidden in hidden_columns(dataset) if hidden.name in names)]
        problems = _compare(dataset, [column.name for column in expected], names, ordered=ordered)
        if not problems:
            by_name = {column.name: column for column in expected}
            return Follows(dataset, tuple(by_name[name] for name in names))
        candidates.append(problems)
    return min(candidates, key=len)


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


def _compare(dataset: Dataset, expected: list[str], names: Sequence[str], *, ordered: bool) -> tuple[str, ...]:
    title = f"{dataset.name} version {dataset.version}"
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
