"""What a worker has in work: jobs, and shares of other workers' jobs; how each is kept, ended, and written down."""

import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from tailrace.database.pool import Database
from tailrace.errors import DatabaseUnavailable, ExtractionFailed, PermissionWithdrawn, ResultTooLarge, TookTooLong
from tailrace.faults import fault_point
from tailrace.jobs import queue, shares
from tailrace.jobs.model import Lease, Rendered, Result
from tailrace.jobs.shares import ShareLease
from tailrace.runtime import Runtime
from tailrace.worker.process import ChildProcess
from tailrace.worker.sharing import describe_taken
from tailrace.worker.tasks import make_share_task, make_task, write_contents

# The outcome of a run that did not begin and is not the job's fault.
HAND_BACK = "handed_back"
_FINAL = {ResultTooLarge.code, TookTooLong.code, PermissionWithdrawn.code}


class Settled(NamedTuple):
    """What was written down: an event for the log, and its facts."""

    event: str
    facts: dict[str, Any]


@dataclass(slots=True)
class Run(ABC):
    """Something in work: the job's lease, the child, signs of life (monotonic seconds), and how it ended."""

    lease: Lease
    child: ChildProcess
    heard_at: float = field(default_factory=time.monotonic)
    renewed_at: float = field(default_factory=time.monotonic)
    deadline: float = field(init=False)
    done: int = 0
    total: int | None = None
    outcome: Result | Rendered | str | None = None  # what came of it, or the code of a failure
    # What it is called in the log, and what is said there when it is begun, lost, and handed back.
    word: ClassVar[str]
    begun: ClassVar[str]
    lost: ClassVar[str]
    handed_back: ClassVar[str]

    def __post_init__(self) -> None:
        self.deadline = self.heard_at + self.lease.remaining_seconds

    @property
    def facts(self) -> dict[str, Any]:
        """What the log says of it."""
        return {"job": str(self.lease.job_id), "attempt": self.lease.attempt}

    @property
    def unwanted(self) -> str | None:
        """The object that nobody wants when the run is lost, and that housekeeping would not find soon."""
        return None

    def hear(self, message: dict[str, Any]) -> None:
        """Take a message of the child: here, of its progress."""
        if message["event"] == "progress":
            self.done, self.total = message["done"], message["total"]

    def serve(self, runtime: Runtime) -> None:  # noqa: B027 - a share's child asks for nothing
        """Do what the child has asked for."""

    @abstractmethod
    def begin(self, runtime: Runtime) -> None:
        """Give the child its task."""

    @abstractmethod
    def read(self, result: dict[str, Any]) -> Result | Rendered:
        """Read what the child says has come of it."""

    @abstractmethod
    def renew(self, database: Database, lease_seconds: float) -> bool:
        """Prolong the claim; False means that it is lost."""

    @abstractmethod
    def settle(self, database: Database) -> Settled:
        """Write the outcome down."""

    @abstractmethod
    def hand_back(self, database: Database) -> None:
        """Let somebody else do it."""


@dataclass(slots=True)
class JobRun(Run):
    """A job in work; its child may offer slices to helpers, and ask what has become of them."""

    asked: list[dict[str, Any]] = field(default_factory=list)
    awaited: int | None = None
    shared: bool = False
    word: ClassVar[str] = "attempt"
    begun: ClassVar[str] = "job_claimed"
    lost: ClassVar[str] = "lease_lost"
    handed_back: ClassVar[str] = "job_handed_back"

    def begin(self, runtime: Runtime) -> None:
        """Fix what is read, and start."""
        fault_point("worker.claimed")
        self.child.start(make_task(runtime, self.lease))
        fault_point("worker.started")

    def read(self, result: dict[str, Any]) -> Result:
        """Read a result."""
        return Result(**result)

    def renew(self, database: Database, lease_seconds: float) -> bool:
        """Prolong the lease and note progress."""
        fault_point("worker.renew")
        return queue.renew(database, self.lease, lease_seconds, self.done, self.total)

    def hear(self, message: dict[str, Any]) -> None:
        """Note what the child asks for, besides its progress."""
        Run.hear(self, message)
        if message["event"] in {"offer", "take", "removed"}:
            self.asked.append(message)

    def serve(self, runtime: Runtime) -> None:
        """Offer shares, take them back, wait for helpers."""
        while self.asked:
            message = self.asked.pop(0)
            match message["event"]:
                case "offer":
                    self.shared = True
                    shares.offer(runtime.database, self.lease, write_contents(runtime, message["contents"]))
                case "take":
                    self._take(runtime.database, message["number"])
                case "removed":
                    shares.forget(runtime.database, self.lease.job_id, self.lease.epoch, message["number"])
        if self.awaited is not None:
            self._take(runtime.database, self.awaited)

    def _take(self, database: Database, number: int) -> None:
        """Tell the child what to do with a share; without the database it renders it, which is always right."""
        try:
            taken = shares.take(database, self.lease, number)
        except DatabaseUnavailable:
            self.awaited = None
            self.child.answer(describe_taken("render"))
            raise
        if taken != "wait" or self.awaited is None:
            self.child.answer(describe_taken(taken))
        self.awaited = number if taken == "wait" else None

    def settle(self, database: Database) -> Settled:
        """Publish a result, or end the attempt without one."""
        if isinstance(self.outcome, Result):
            fault_point("worker.before_finish")
            held = queue.finish(database, self.lease, self.outcome)
            fault_point("worker.finished")
            facts: dict[str, Any] = {"rows": self.outcome.rows, "bytes": self.outcome.bytes}
        elif self.outcome == HAND_BACK:
            held = queue.hand_back(database, self.lease)
            facts = {"code": HAND_BACK}
        else:
            code = str(self.outcome)
            held = queue.give_up(database, self.lease, code, final=code in _FINAL)
            facts = {"code": code}
        self._forget_shares(database)
        event = self.handed_back if self.outcome == HAND_BACK else "attempt_finished"
        return Settled(event if held else self.lost, {"tenant": str(self.lease.tenant_id), **facts})

    def hand_back(self, database: Database) -> None:
        """Put the job back into the queue."""
        queue.hand_back(database, self.lease)
        self._forget_shares(database)

    def _forget_shares(self, database: Database) -> None:
        """Remove what is left of the shares; what stays is housekeeping's."""
        if self.shared:
            with suppress(DatabaseUnavailable):
                shares.forget_unused(database, self.lease)


@dataclass(slots=True)
class ShareRun(Run):
    """A share of another worker's job in work: whatever goes wrong with it costs the job nothing."""

    share: ShareLease = field(kw_only=True)
    word: ClassVar[str] = "share"
    begun: ClassVar[str] = "share_claimed"
    lost: ClassVar[str] = "share_lost"
    handed_back: ClassVar[str] = "share_left"

    @property
    def facts(self) -> dict[str, Any]:
        """What the log says of it."""
        return {"job": str(self.lease.job_id), "share": self.share.number}

    @property
    def unwanted(self) -> str:
        """The share's object, which may be complete."""
        return self.share.key

    def begin(self, runtime: Runtime) -> None:
        """Start with what the job's own child has planned."""
        fault_point("share.claimed")
        self.child.start(make_share_task(runtime, self.share))

    def read(self, result: dict[str, Any]) -> Rendered:
        """Read what was rendered."""
        return Rendered(**result)

    def renew(self, database: Database, lease_seconds: float) -> bool:
        """Prolong the claim on the share."""
        return shares.renew(database, self.share, lease_seconds)

    def settle(self, database: Database) -> Settled:
        """Hand the object over, or leave the share to the job's own worker."""
        if not isinstance(self.outcome, Rendered):
            code = str(self.outcome or ExtractionFailed.code)
            return Settled(self.handed_back if shares.leave(database, self.share) else self.lost, {"code": code})
        fault_point("share.before_finish")
        facts = {"rows": self.outcome.rows, "bytes": self.outcome.bytes}
        if shares.finish(database, self.share, self.outcome.bytes, self.outcome.rows):
            return Settled("share_finished", facts)
        return Settled(self.lost, facts)

    def hand_back(self, database: Database) -> None:
        """Leave the share to the job's own worker."""
        shares.leave(database, self.share)
