"""Words for a refusal: file, place and problem of each fault, a few in full and the number of all."""

from collections.abc import Iterable, Sequence
from itertools import islice

from tailrace.catalog.model import Column
from tailrace.errors import LoadRefused
from tailrace.intake.values import WANTED

SHOWN = 20
_LONGEST_VALUE = 60
_NOTHING = "; nothing was loaded."


class Refusal(LoadRefused):
    """A refusal that counts: `shown` are the first problems, `total` is the number of all."""

    def __init__(self, name: str, shown: tuple[str, ...], total: int) -> None:
        """Word the refusal of `name`."""
        more = (f"… and {total - len(shown)} more",) if total > len(shown) else ()
        problems = "1 problem" if total == 1 else f"{total} problems"
        super().__init__(f"{name}: {problems}{_NOTHING}", details=(*shown, *more))
        self.shown, self.total = shown, total


def refuse(name: str, details: Iterable[str], total: int | None = None) -> Refusal:
    """Make the error that refuses a file: the first details, and how many more there are.

    `total` counts all problems where `details` has only the first of them.
    """
    details = iter(details)
    shown = tuple(islice(details, SHOWN))
    total = len(shown) + sum(1 for _ in details) if total is None else total
    return Refusal(name, shown, total)


def problems_of(refusal: LoadRefused) -> tuple[tuple[str, ...], int]:
    """Tell the first problems behind a refusal and the number of all."""
    if isinstance(refusal, Refusal):
        return refusal.shown, refusal.total
    return (refusal.message.removesuffix(_NOTHING).removesuffix("."),), 1


def share_out(problems: Sequence[Sequence[str]], most: int = SHOWN) -> list[str]:
    """Choose what is shown of several files' problems: in their order, but none is left out for another's many."""
    rounds = [(place, file) for file, some in enumerate(problems) for place in range(len(some))]
    chosen = sorted((file, place) for place, file in sorted(rounds)[:most])
    return [problems[file][place] for file, place in chosen]


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
