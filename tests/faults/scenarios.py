"""The matrix: what goes wrong, where, and with whose job. A list of data; `plays.py` says how each kind is played.

A kind is a play with a dialect and a store.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

DIALECTS = ("cxone", "smartsync")


@dataclass(frozen=True)
class Scenario:
    """`play` is in `plays.py`; `ends` are the states that the job may end in, `code` why it may fail."""

    play: str
    dialect: str
    point: str = ""
    deed: str = ""
    ends: tuple[str, ...] = ("succeeded",)
    code: str = ""
    store: str = "local"

    @property
    def id(self) -> str:
        where = "" if self.store == "local" else self.store
        return "-".join(filter(None, (where, self.dialect, self.play, self.point, self.deed)))


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
# Of an object that is uploaded in parts, as only a large one is.
PARTS = ("store.part",)
STORE_WAYS = ("refuse", "500", "503", "cut", "black_hole", "deaf", "mute")
NETWORK = ("sever", "refuse", "black_hole", "kill_postgres")


def points(dialect: str) -> tuple[str, ...]:
    return WORKER + CHILD + OWN_CHILD[dialect]


def at_work() -> Iterator[Scenario]:
    """The worker or its child is struck at a point, or something else is while it stands there."""
    for dialect in DIALECTS:
        for point in points(dialect):
            for deed in ("kill", "freeze_till_done", "freeze_till_claimed"):
                yield Scenario("strike", dialect, point, deed)
            # Among the others, as a server that is killed time and again is given up.
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
        # Its child has done the job, and the worker has yet to hear of it.
        yield Scenario("strike", dialect, "worker.started", "drain_when_done")
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
        for point in ("store.write", "store.sync"):
            yield Scenario("strike", dialect, point, "kill")
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
        yield Scenario("late_read", dialect, "store.read", "sweep")
        yield Scenario("hand_out", dialect, "store.read", "kill")
        for point in ("housekeeping.begun", "store.delete", "housekeeping.removed", "housekeeping.midway"):
            for deed in ("kill", "freeze", "raise"):
                yield Scenario("housekeeping", dialect, point, deed)


def clocks() -> Iterator[Scenario]:
    """What must be done within a time is measured, without any ageing."""
    for dialect in DIALECTS:
        yield Scenario("recovery", dialect, "", "kill")
        yield Scenario("recovery", dialect, "", "kill_postgres")


def in_s3() -> Iterator[Scenario]:
    """The same with results in S3: the process that uploads is struck, the way to the store, or its server."""
    for dialect in DIALECTS:
        for scenario in (*_struck_at_an_upload(dialect), *_bad_ways(dialect), *_kept_in_s3(dialect)):
            yield replace(scenario, store="s3")


def _struck_at_an_upload(dialect: str) -> Iterator[Scenario]:
    parts = PARTS if dialect == "cxone" else ()
    for point in (*parts, "child.first_block", "child.before_complete", "store.finish", "child.complete"):
        for deed in ("kill", "freeze_till_done", "freeze_till_claimed"):
            yield Scenario("strike", dialect, point, deed)
    for point in (*parts, "store.finish"):
        for deed in ("drain", "drain_at_once", "cancel"):
            ends = ("cancelled",) if deed == "cancel" else ("succeeded",)
            yield Scenario("strike", dialect, point, deed, ends=ends)
    for point in ("worker.before_finish", "worker.finished"):
        yield Scenario("strike", dialect, point, "kill")
    for point in (*parts, "child.complete"):
        yield Scenario("outage", dialect, point, "kill_postgres")
    yield Scenario("store", dialect, "child.first_block", "oom")
    for point in (*parts, "store.finish"):
        yield Scenario("poison", dialect, point, "kill", ends=("failed",), code="internal")


def _bad_ways(dialect: str) -> Iterator[Scenario]:
    for point in (*(PARTS if dialect == "cxone" else ()), "store.finish"):
        for deed in (*STORE_WAYS, "slow", "kill_store"):
            yield Scenario("store_outage", dialect, point, deed)
    # The object is complete, and cannot be looked at.
    for deed in ("refuse", "503"):
        yield Scenario("store_outage", dialect, "child.complete", deed)
    for deed in ("refuse", "500", "black_hole"):
        yield Scenario("away", dialect, "", deed, ends=("failed",), code="storage_unavailable")
    for deed in STORE_WAYS:
        yield Scenario("download", dialect, "", deed)


def _kept_in_s3(dialect: str) -> Iterator[Scenario]:
    yield Scenario("retention", dialect, "store.delete", "errno:EACCES")
    for deed in ("dead", "refuse", "503", "black_hole"):
        yield Scenario("retention", dialect, "", deed)
    for point in ("housekeeping.removed", "housekeeping.midway"):
        for deed in ("kill", "freeze"):
            yield Scenario("housekeeping", dialect, point, deed)


SCENARIOS = [
    scenario
    for part in (at_work, shared, at_the_door, poison, stores, networks, keeping, clocks, in_s3)
    for scenario in part()
]
# What waits for a time-out, or for a server to start: left to the whole.
LONG_PLAYS = {"recovery", "half_open", "away", "weather"}
LONG_DEEDS = {"black_hole", "deaf", "mute", "kill_store"}


def share_of(scenarios: list[Scenario]) -> Iterator[str]:
    """A third of what is quick, of every kind: the first of it, the fourth, and so on."""
    met: Counter[tuple[str, ...]] = Counter()
    for scenario in scenarios:
        if scenario.play in LONG_PLAYS or scenario.deed in LONG_DEEDS:
            continue
        kind = (scenario.play, scenario.dialect, scenario.store)
        if met[kind] % 3 == 0:
            yield scenario.id
        met[kind] += 1


SHARE = frozenset(share_of(SCENARIOS))
