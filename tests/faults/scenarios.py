"""The matrix: what goes wrong, where, and with whose job. A list of data; `plays.py` says how each kind is played."""

from collections.abc import Iterator
from dataclasses import dataclass

DIALECTS = ("cxone", "smartsync")


@dataclass(frozen=True)
class Scenario:
    """`play` is a function of `plays.py`; `ends` are the states that the job may end in, `code` why it may fail."""

    play: str
    dialect: str
    point: str = ""
    deed: str = ""
    ends: tuple[str, ...] = ("succeeded",)
    code: str = ""

    @property
    def id(self) -> str:
        return "-".join(filter(None, (self.dialect, self.play, self.point, self.deed)))


# Where a worker and its child may be struck. An exporter's rows are prepared; a range's come in slices.
WORKER = (
    "worker.claim_open",
    "worker.claimed",
    "worker.started",
    "worker.renew",
    "worker.before_finish",
    "worker.finished",
)
CHILD = ("child.source_open", "child.first_block", "child.before_complete", "store.rename", "child.complete")
OWN_CHILD = {"cxone": ("child.slice",), "smartsync": ("child.rows_prepared",)}
API = ("submit.before_insert", "submit.inserted", "submit.committed")
NETWORK = ("sever", "refuse", "black_hole", "kill_postgres")


def points(dialect: str) -> tuple[str, ...]:
    return WORKER + CHILD + OWN_CHILD[dialect]


def at_work() -> Iterator[Scenario]:
    """The worker or its child is struck at a point, or something else is while it stands there."""
    for dialect in DIALECTS:
        for point in points(dialect):
            for deed in ("kill", "freeze_till_done", "freeze_till_claimed"):
                yield Scenario("strike", dialect, point, deed)
        for point in points(dialect):
            yield Scenario("outage", dialect, point, "kill_postgres")
        for point in (*WORKER, "child.first_block", "child.complete"):
            for deed in ("sever", "black_hole"):
                yield Scenario("outage", dialect, point, deed)
        for point in (*WORKER[1:5], "child.source_open", "child.complete"):
            yield Scenario("strike", dialect, point, "raise")
        for point in ("worker.started", "child.first_block", "child.complete"):
            for deed in ("drain", "drain_at_once", "cancel"):
                ends = ("cancelled",) if deed == "cancel" else ("succeeded",)
                yield Scenario("strike", dialect, point, deed, ends=ends)
        yield Scenario("strike", dialect, "worker.finished", "cancel")
        yield Scenario("strike", dialect, "worker.before_finish", "cancel", ends=("cancelled",))


def shared() -> Iterator[Scenario]:
    """A second worker renders slices of a large job, and it or the job's own is struck: only the latter costs."""
    for point in ("share.claimed", "share.slice", "share.complete", "share.before_finish"):
        for deed in ("kill", "freeze"):
            yield Scenario("share", "cxone", point, deed)
    for point in ("share.offered", "share.appended"):
        yield Scenario("share", "cxone", point, "kill")


def at_the_door() -> Iterator[Scenario]:
    """The API is struck while it accepts a job, signs somebody in, or cancels."""
    for dialect in DIALECTS:
        for point in API:
            for deed in ("kill", "raise", "freeze", *NETWORK):
                yield Scenario("accept", dialect, point, deed)
        yield Scenario("sign_in", dialect, "login.started" if dialect == "smartsync" else "token.issued", "kill")
        for point in ("cancel.begun", "cancel.committed"):
            ends = ("succeeded", "cancelled") if point == "cancel.begun" else ("cancelled",)
            yield Scenario("cancel", dialect, point, "kill", ends=ends)


def poison() -> Iterator[Scenario]:
    """A job that ends every attempt is stopped at the third; its neighbours go on."""
    for dialect in DIALECTS:
        for point in ("child.source_open", "child.first_block", "child.complete"):
            for deed in ("kill", "raise", "exit", "oom"):
                yield Scenario("poison", dialect, point, deed, ends=("failed",), code="internal")
        yield Scenario("poison", dialect, "worker.started", "raise", ends=("failed",), code="internal")
        yield Scenario("poison", dialect, "worker.claimed", "kill", ends=("failed",), code="internal")


def stores() -> Iterator[Scenario]:
    """The store fails once, or whenever it is asked; memory or disk run out."""
    for dialect in DIALECTS:
        for point in ("store.write", "store.sync", "store.rename"):
            yield Scenario("store", dialect, point, "errno:ENOSPC")
            yield Scenario("poison", dialect, point, "errno:EIO", ends=("failed",), code="storage_unavailable")
        yield Scenario("store", dialect, "child.source_open", "full")
        yield Scenario("store", dialect, "child.first_block", "oom")
        yield Scenario("poison", dialect, "child.source_open", "full", ends=("failed",), code="storage_unavailable")


def networks() -> Iterator[Scenario]:
    """The way to PostgreSQL is bad while jobs are accepted and run."""
    for dialect in DIALECTS:
        for deed in ("slow", "cut", "deaf", "mute", "refuse", "black_hole", "kill_postgres", "freeze_postgres"):
            yield Scenario("weather", dialect, "", deed)
        yield Scenario("half_open", dialect)


def keeping() -> Iterator[Scenario]:
    """Retention and housekeeping."""
    for dialect in DIALECTS:
        yield Scenario("retention", dialect, "", "dead")
        yield Scenario("retention", dialect, "store.delete", "errno:EACCES")
        for point in ("housekeeping.begun", "housekeeping.removed", "housekeeping.midway"):
            for deed in ("kill", "freeze", "raise"):
                yield Scenario("housekeeping", dialect, point, deed)


def clocks() -> Iterator[Scenario]:
    """What must be done within a time is measured, without any ageing."""
    for dialect in DIALECTS:
        yield Scenario("recovery", dialect, "", "kill")
        yield Scenario("recovery", dialect, "", "kill_postgres")


SCENARIOS = [
    scenario
    for part in (at_work, shared, at_the_door, poison, stores, networks, keeping, clocks)
    for scenario in part()
]
# A third of the matrix, spread over all of it, with what takes long left to the whole.
SHARE = frozenset(scenario.id for scenario in SCENARIOS[::3] if scenario.play not in ("recovery", "half_open"))
