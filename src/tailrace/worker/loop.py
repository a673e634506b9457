"""The worker: claims jobs, runs each in a child process, keeps the leases, and publishes results by pointer.

One thread does it all, woken by its children, by notifications, by signals and by the clock; what it may not lose is
in the database, so that it can be killed at any point.
"""

import os
import secrets
import selectors
import signal
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any

import structlog

from tailrace.database.pool import Connection
from tailrace.errors import (
    DatabaseUnavailable,
    ExtractionFailed,
    PermissionWithdrawn,
    ResultTooLarge,
    TailraceError,
    TookTooLong,
)
from tailrace.faults import fault_point
from tailrace.jobs import queue
from tailrace.jobs.model import CHANNEL, Lease, Result
from tailrace.jobs.queue import Slots
from tailrace.runtime import Runtime
from tailrace.worker.housekeeping import Housekeeping
from tailrace.worker.process import ChildProcess
from tailrace.worker.tasks import make_task

_FINAL = {ResultTooLarge.code, TookTooLong.code, PermissionWithdrawn.code}
_DRAIN_SECONDS = 25.0
# The outcome of an attempt that did not begin and is not the job's fault.
_HAND_BACK = "handed_back"


@dataclass(slots=True)
class _Run:
    """A job in work: its lease, its child, signs of life (monotonic seconds), and how it ended."""

    lease: Lease
    child: ChildProcess
    heard_at: float
    renewed_at: float
    deadline: float
    done: int = 0
    total: int | None = None
    outcome: Result | str | None = None  # a result, or the code of a failure


class Worker:
    """Runs jobs until it is told to stop."""

    def __init__(self, runtime: Runtime, slots: Mapping[str, Slots]) -> None:
        """Take the runtime and how many jobs of each dialect run at once in the whole service."""
        self._runtime = runtime
        self._slots = slots
        self._options = runtime.settings.worker
        self._name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._log = structlog.get_logger().bind(worker=self._name)
        self._selector = selectors.DefaultSelector()
        self._idle: list[ChildProcess] = []
        self._runs: list[_Run] = []
        self._listener: Connection | None = None
        self._stops = 0
        self._look_at = 0.0

    def run(self) -> None:
        """Work until SIGTERM or Ctrl-C, then finish what runs; a second signal hands it back at once."""
        wake, self._wake = socket.socketpair()
        wake.setblocking(False)
        self._wake.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        self._selector.register(wake, selectors.EVENT_READ, wake)
        housekeeping = Housekeeping(self._runtime)
        housekeeping.start()
        self._log.info("worker_started", slots=self._options.slots)
        try:
            self._run_until_stopped()
        finally:
            self._close()
            housekeeping.stop()
            self._log.info("worker_stopped")

    def _run_until_stopped(self) -> None:
        drain_until = None
        while True:
            if self._stops:
                drain_until = drain_until or time.monotonic() + _DRAIN_SECONDS
                if not self._runs or self._stops > 1 or time.monotonic() > drain_until:
                    return
            try:
                self._work()
            except DatabaseUnavailable as error:
                self._log.warning("database_unavailable", reason=str(error))
                self._drop_listener()
                self._ensure_database()
            self._wait()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stops += 1

    # -- one round ------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Write down what has happened, then take what there is room for."""
        for run in list(self._runs):
            self._check(run)
            if run.outcome is not None:
                self._settle(run)
            elif self._is_due(run):
                self._renew(run)
        if self._stops:
            return
        self._listen()
        self._keep_one_spare()
        if time.monotonic() >= self._look_at:
            for job_id, state in queue.recover(self._runtime.database):
                self._log.warning("job_recovered", job=str(job_id), state=state)
            self._claim_all()
            self._look_at = time.monotonic() + self._options.poll_s

    def _is_due(self, run: _Run) -> bool:
        """Renew each second, to tell of progress, and at a third of a short lease."""
        return time.monotonic() - run.renewed_at >= min(self._options.lease_s / 3, 1.0)

    def _check(self, run: _Run) -> None:
        """End an attempt that is past the job's deadline, or whose child has gone silent."""
        now = time.monotonic()
        if run.outcome is not None:
            return
        if now > run.deadline:
            self._end(run, TookTooLong.code, "past the deadline")
        elif now - run.heard_at > self._options.lease_s:
            self._end(run, ExtractionFailed.code, "the child process is silent")

    def _end(self, run: _Run, code: str, reason: str) -> None:
        run.outcome = code
        self._discard(run.child)
        self._log.warning(
            "attempt_ended", job=str(run.lease.job_id), attempt=run.lease.attempt, code=code, reason=reason
        )

    def _settle(self, run: _Run) -> None:
        """Write an outcome to the database; if it cannot be reached, the next round tries again."""
        lease, database = run.lease, self._runtime.database
        if isinstance(run.outcome, Result):
            fault_point("worker.before_finish")
            held = queue.finish(database, lease, run.outcome)
            fault_point("worker.finished")
            facts: dict[str, Any] = {"rows": run.outcome.rows, "bytes": run.outcome.bytes}
        elif run.outcome == _HAND_BACK:
            held = queue.hand_back(database, lease)
            facts = {"code": _HAND_BACK}
        else:
            code = run.outcome or ExtractionFailed.code
            held = queue.give_up(database, lease, code, final=code in _FINAL)
            facts = {"code": code}
        event = "attempt_finished" if held else "lease_lost"
        if held and run.outcome == _HAND_BACK:
            event = "job_handed_back"
        self._log.info(event, job=str(lease.job_id), tenant=str(lease.tenant_id), attempt=lease.attempt, **facts)
        self._runs.remove(run)
        self._look_at = 0.0

    def _renew(self, run: _Run) -> None:
        run.renewed_at = time.monotonic()
        fault_point("worker.renew")
        if not queue.renew(self._runtime.database, run.lease, self._options.lease_s, run.done, run.total):
            self._log.info("lease_lost", job=str(run.lease.job_id), attempt=run.lease.attempt)
            self._discard(run.child)
            self._runs.remove(run)

    # -- claiming -------------------------------------------------------------------------------------------------

    def _claim_all(self) -> None:
        for dialect, slots in self._slots.items():
            while self._running(dialect) < self._options.slots:
                lease = queue.claim(self._runtime.database, dialect, slots, self._name, self._options.lease_s)
                if lease is None:
                    break
                self._start(lease)

    def _running(self, dialect: str) -> int:
        """Count the jobs of a dialect that this worker runs; each dialect has slots of its own (SS-604)."""
        return sum(run.lease.dialect == dialect for run in self._runs)

    def _start(self, lease: Lease) -> None:
        now = time.monotonic()
        child = self._idle.pop() if self._idle else self._new_child()
        run = _Run(lease, child, heard_at=now, renewed_at=now, deadline=now + lease.remaining_seconds)
        self._runs.append(run)
        self._log.info("job_claimed", job=str(lease.job_id), tenant=str(lease.tenant_id), attempt=lease.attempt)
        try:
            fault_point("worker.claimed")
            child.start(make_task(self._runtime, lease))
            fault_point("worker.started")
        except DatabaseUnavailable:
            # Not the job's fault, so it costs no attempt; it goes back when the database is there again.
            run.outcome = _HAND_BACK
            self._release(child)
            raise
        except Exception as error:  # noqa: BLE001 - a job that cannot begin, whyever, must not end the worker
            self._fail(run, error)

    def _fail(self, run: _Run, error: Exception) -> None:
        """End an attempt that cannot begin."""
        run.outcome = error.code if isinstance(error, ExtractionFailed) else ExtractionFailed.code
        reason = str(error) if isinstance(error, TailraceError) else f"{type(error).__name__}: {error}"
        self._log.warning("attempt_refused", job=str(run.lease.job_id), code=run.outcome, reason=reason)
        if isinstance(error, TailraceError):
            self._release(run.child)
        else:
            self._discard(run.child)

    # -- children -------------------------------------------------------------------------------------------------

    def _new_child(self) -> ChildProcess:
        child = ChildProcess(self._runtime.settings.testing.fault)
        self._selector.register(child, selectors.EVENT_READ, child)
        return child

    def _keep_one_spare(self) -> None:
        """Have one child ready, as starting one takes longer than a small job; more than one only cost memory."""
        if not self._idle and any(self._running(dialect) < self._options.slots for dialect in self._slots):
            self._idle.append(self._new_child())
        while len(self._idle) > 1:
            self._discard(self._idle[0])

    def _discard(self, child: ChildProcess) -> None:
        """End a child; one that is ended already stays so, and its closed pipe has no descriptor any more."""
        with suppress(KeyError, ValueError):
            self._selector.unregister(child)
        if child in self._idle:
            self._idle.remove(child)
        child.close()

    def _hear(self, child: ChildProcess) -> None:
        messages, ended = child.read()
        run = next((run for run in self._runs if run.child is child), None)
        for message in messages:
            if run is not None:
                run.heard_at = time.monotonic()
                self._take(run, message)
        if ended:
            self._discard(child)
            if run is not None and run.outcome is None:
                self._end(run, ExtractionFailed.code, "the child process ended")

    def _take(self, run: _Run, message: dict[str, Any]) -> None:
        match message["event"]:
            case "progress":
                run.done, run.total = message["done"], message["total"]
            case "done":
                run.outcome = Result(**message["result"])
                self._release(run.child)
            case "failed":
                run.outcome = message["code"]
                self._log.warning(
                    "attempt_failed", job=str(run.lease.job_id), attempt=run.lease.attempt, reason=message["reason"]
                )
                # Whatever went wrong may have left the process short of memory, or of something else.
                self._discard(run.child)

    def _release(self, child: ChildProcess) -> None:
        """Keep a child for the next job, unless it has run so many that its memory should be given back."""
        if child.jobs >= self._options.jobs_per_child:
            self._discard(child)
        else:
            self._idle.append(child)

    # -- waiting --------------------------------------------------------------------------------------------------

    def _wait(self) -> None:
        """Sleep until a child, a notification or a signal speaks, or until the next thing is due."""
        unsettled = any(run.outcome is not None for run in self._runs)
        timeout = self._options.poll_s if not self._runs or unsettled else min(self._options.poll_s, 1.0)
        for key, _ in self._selector.select(timeout):
            match key.data:
                case ChildProcess() as child:
                    self._hear(child)
                case socket.socket() as wake:
                    with suppress(BlockingIOError):
                        wake.recv(4096)
                case _:
                    self._hear_notification()

    def _listen(self) -> None:
        """Open the connection that hears of new jobs; it is a hint, so nothing rests on it."""
        if self._listener is None:
            self._listener = self._runtime.database.listen(CHANNEL)
            self._selector.register(self._listener.fileno(), selectors.EVENT_READ, None)
            self._look_at = 0.0

    def _hear_notification(self) -> None:
        """A job came, went or was cancelled: look at the queue and at the leases now."""
        try:
            if self._listener is not None:
                list(self._listener.notifies(timeout=0))
        except Exception as error:  # noqa: BLE001 - whatever broke this connection, a new one mends it
            self._log.warning("listener_lost", reason=type(error).__name__)
            self._drop_listener()
        self._look_at = 0.0
        for run in self._runs:
            run.renewed_at = 0.0

    def _drop_listener(self) -> None:
        if self._listener is not None:
            # By what was registered, as a connection that is closed does not tell its descriptor any more.
            for key in list(self._selector.get_map().values()):
                if key.data is None:
                    self._selector.unregister(key.fileobj)
            with suppress(Exception):
                self._listener.close()
            self._listener = None

    def _ensure_database(self) -> None:
        try:
            self._runtime.ensure_database()
        except TailraceError as error:
            self._log.error("database_not_started", reason=str(error))

    def _close(self) -> None:
        """Hand back what has not ended, and end all children.

        Not when a fault ends this worker: a job that is the cause must run out of attempts, so its lease runs out.
        """
        for run in self._runs:
            with suppress(DatabaseUnavailable):
                if self._stops and run.outcome in (None, _HAND_BACK):
                    queue.hand_back(self._runtime.database, run.lease)
                    self._log.info("job_handed_back", job=str(run.lease.job_id))
        for child in [*self._idle, *(run.child for run in self._runs)]:
            child.close()
        self._drop_listener()
        self._selector.close()
        signal.set_wakeup_fd(-1)
