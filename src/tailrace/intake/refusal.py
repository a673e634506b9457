"""Words for a refusal: file, place and problem of each fault, a few in full and the number of all."""

from collections.abc import Iterable
from itertools import islice

from tailrace.catalog.model import Column
from tailrace.errors import LoadRefused
from tailrace.intake.values import WANTED

SHOWN = 20
_LONGEST_VALUE = 60


def refuse(name: str, details: Iterable[str], total: int | None = None) -> LoadRefused:
    """Make the error that refuses a file: the first details, and how many more there are.

    `total` counts all problems where `details` has only the first of them.
    """
    details = iter(details)
    shown = tuple(islice(details, SHOWN))
    total = len(shown) + sum(1 for _ in details) if total is None else total
    more = (f"… and {total - len(shown)} more",) if total > len(shown) else ()
    problems = "1 problem" if total == 1 else f"{total} problems"
    return LoadRefused(f"{name}: {problems}; nothing was loaded.", details=(*shown, *more))


def describe_value(column: Column, value: object) -> str:
    """Say what is wrong with a value; that of a column with personal data is not repeated."""
    if value is None:
        return "must have a value"
    wanted = WANTED[column.type]
    if column.type == "decimal":
        digits = column.precision - column.stored_scale
        wanted += f" of at most {digits} digits before and {column.stored_scale} after the point"
    if column.type == "boolean":
        wanted = f"{column.true_text} or {column.false_text}"
    return f"{'the value' if column.pii else quoted(str(value))} is not {wanted}"


def quoted(text: str) -> str:
    """Show a text on one line, cut where it is long."""
    cut = "…" if len(text) > _LONGEST_VALUE else ""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[:_LONGEST_VALUE])
    return f"'{shown}{cut}'"
