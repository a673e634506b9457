"""What a caller is told while it waits."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an extraction or export is.

    While `waiting`, `done` and `total` count slices of the job; while `downloading`, bytes. `total` is None as long
    as it is not known. An export is `waiting` for its turn, then `running`; how far it is is not told.
    """

    stage: Literal["waiting", "running", "downloading"]
    done: int
    total: int | None


ProgressCallback = Callable[[Progress], None]
