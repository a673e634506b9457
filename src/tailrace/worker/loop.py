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
from types import FrameType
from typing import Any

import structlog

from tailrace.database.pool import Connection
from tailrace.errors import DatabaseUnavailable, ExtractionFailed, TailraceError, TookTooLong
from tailrace.jobs import queue, shares
from tailrace.jobs.model import CHANNEL
from tailrace.jobs.queue import Slots
from tailrace.runtime import Runtime
from tailrace.worker.housekeeping import Housekeeping
from tailrace.worker.process import ChildProcess
from tailrace.worker.protocol import Removal
from tailrace.worker.runs import HAND_BACK, JobRun, Run, ShareRun
from tailrace.worker.sources import engines_of

_DRAIN_SECONDS = 25.0


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
        self._removing: list[ChildProcess] = []
        self._runs: list[Run] = []
        self._listener: Connection | None = None
        self._stops = 0
        self._look_at = 0.0
        self._listened_at = time.monotonic()

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
                continue
            run.serve(self._runtime)
            if self._is_due(run):
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

    def _is_due(self, run: Run) -> bool:
        """Renew each second, to tell of progress, and at a third of a short lease."""
        return time.monotonic() - run.renewed_at >= min(self._options.lease_s / 3, 1.0)

    def _check(self, run: Run) -> None:
        """End an attempt that is past the job's deadline, or whose child has gone silent.

        While a statement kept us waiting nobody listened, so that time says nothing of the child.
        """
        now = time.monotonic()
        if run.outcome is not None:
            return
        if now > run.deadline:
            self._end(run, TookTooLong.code, "past the deadline")
        elif self._listened_at - run.heard_at > self._options.lease_s:
            self._end(run, ExtractionFailed.code, "the child process is silent")

    def _end(self, run: Run, code: str, reason: str) -> None:
        run.outcome = code
        self._discard(run.child)
        self._log.warning(f"{run.word}_ended", **run.facts, code=code, reason=reason)

    def _settle(self, run: Run) -> None:
        """Write an outcome to the database; if it cannot be reached, the next round tries again."""
        settled = run.settle(self._runtime.database)
        self._log.info(settled.event, **run.facts, **settled.facts)
        self._runs.remove(run)
        self._look_at = 0.0
        if settled.event == run.lost:
            self._remove(run.unwanted)

    def _renew(self, run: Run) -> None:
        run.renewed_at = time.monotonic()
        if not run.renew(self._runtime.database, self._options.lease_s):
            self._log.info(run.lost, **run.facts)
            self._discard(run.child)
            self._runs.remove(run)
            self._remove(run.unwanted)

    # -- claiming -------------------------------------------------------------------------------------------------

    def _claim_all(self) -> None:
        """Take jobs, and a share of another worker's job where there is room and no job to take."""
        database, name, lease_s = self._runtime.database, self._name, self._options.lease_s
        for dialect, slots in self._slots.items():
            while self._has_room(dialect):
                lease = queue.claim(database, dialect, slots, name, lease_s)
                if lease is None:
                    break
                self._start(JobRun(lease, self._next_child()))
            if self._may_help(dialect):
                share = shares.claim(database, dialect, name, lease_s)
                if share is not None:
                    self._start(ShareRun(share.job, self._next_child(), share=share))

    def _has_room(self, dialect: str) -> bool:
        """Tell whether one more run of a dialect may begin; each dialect has slots of its own (SS-604)."""
        return sum(run.lease.dialect == dialect for run in self._runs) < self._options.slots

    def _may_help(self, dialect: str) -> bool:
        """One share at a time is as much as one more machine: what it may do at once is `worker.threads`."""
        helping = any(isinstance(run, ShareRun) for run in self._runs)
        return bool(self._options.share_slices) and not helping and self._has_room(dialect)

    def _start(self, run: Run) -> None:
        self._runs.append(run)
        self._log.info(run.begun, **run.facts, tenant=str(run.lease.tenant_id))
        try:
            run.begin(self._runtime)
        except DatabaseUnavailable:
            # Not the job's fault, so it costs no attempt; it goes back when the database is there again.
            run.outcome = HAND_BACK
            self._release(run.child)
            raise
        except Exception as error:  # noqa: BLE001 - a job that cannot begin, whyever, must not end the worker
            self._fail(run, error)

    def _fail(self, run: Run, error: Exception) -> None:
        """End what cannot begin."""
        run.outcome = error.code if isinstance(error, ExtractionFailed) else ExtractionFailed.code
        reason = str(error) if isinstance(error, TailraceError) else f"{type(error).__name__}: {error}"
        self._log.warning(f"{run.word}_refused", **run.facts, code=run.outcome, reason=reason)
        if isinstance(error, TailraceError):
            self._release(run.child)
        else:
            self._discard(run.child)

    # -- children -------------------------------------------------------------------------------------------------

    def _new_child(self) -> ChildProcess:
        child = ChildProcess(engines_of(self._runtime.settings), self._runtime.settings.testing.fault)
        self._selector.register(child, selectors.EVENT_READ, child)
        return child

    def _next_child(self) -> ChildProcess:
        return self._idle.pop() if self._idle else self._new_child()

    def _keep_one_spare(self) -> None:
        """Have one child ready, as starting one takes longer than a small job; more than one only cost memory."""
        if not self._idle and any(map(self._has_room, self._slots)):
            self._idle.append(self._new_child())
        while len(self._idle) > 1:
            self._discard(self._idle[0])

    def _discard(self, child: ChildProcess) -> None:
        """End a child; one that is ended already stays so, and its closed pipe has no descriptor any more."""
        with suppress(KeyError, ValueError):
            self._selector.unregister(child)
        for children in (self._idle, self._removing):
            if child in children:
                children.remove(child)
        child.close()

    def _hear(self, child: ChildProcess) -> None:
        messages, ended = child.read()
        run = next((run for run in self._runs if run.child is child), None)
        for message in messages:
            if run is not None:
                run.heard_at = time.monotonic()
                self._take(run, message)
            elif message["event"] == "object_removed" and child in self._removing:
                self._removing.remove(child)
                self._release(child)
        if ended:
            self._discard(child)
            if run is not None and run.outcome is None:
                self._end(run, ExtractionFailed.code, "the child process ended")

    def _take(self, run: Run, message: dict[str, Any]) -> None:
        match message["event"]:
            case "done":
                run.outcome = run.read(message["result"])
                self._release(run.child)
            case "failed":
                run.outcome = message["code"]
                self._log.warning(f"{run.word}_failed", **run.facts, reason=message["reason"])
                # Whatever went wrong may have left the process short of memory, or of something else.
                self._discard(run.child)
            case _:
                run.hear(message)

    def _remove(self, key: str | None) -> None:
        """Let a child with nothing to do remove an object that nobody wants, if there is one."""
        if key is not None:
            child = self._next_child()
            # Nobody's until it says that it has: a store that does not answer would hold up whoever gave it a task.
            self._removing.append(child)
            child.remove(Removal(key, self._runtime.settings.storage.kind, self._runtime.storage_options))

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
        began = time.monotonic()
        for key, _ in self._selector.select(timeout):
            match key.data:
                case ChildProcess() as child:
                    self._hear(child)
                case socket.socket() as wake:
                    with suppress(BlockingIOError):
                        wake.recv(4096)
                case _:
                    self._hear_notification()
        # What was said before is heard; of later we know nothing yet, least of all if we have stood still meanwhile.
        self._listened_at = began

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
        """Write down what has ended, hand back what has not, and end all children.

        Not when a fault ends this worker: a job that is the cause must run out of attempts, so its lease runs out.
        """
        for run in list(self._runs) if self._stops else ():
            with suppress(DatabaseUnavailable):
                if run.outcome in (None, HAND_BACK):
                    run.hand_back(self._runtime.database)
                    self._log.info(run.handed_back, job=str(run.lease.job_id))
                else:
                    self._settle(run)
        for child in [*self._idle, *self._removing, *(run.child for run in self._runs)]:
            child.close()
        self._drop_listener()
        self._selector.close()
        signal.set_wakeup_fd(-1)
