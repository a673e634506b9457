"""A simulated service: workers that stall, die and come back round the queue's real SQL, on the test's own clock.

All that happens follows from one number. What must be true is asked of the rows, before and after each verb, in
Python that shares nothing with the product's SQL.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from model.history import FINAL, check_ends, check_moves, check_slots, read_history
from model.queue_of import DIALECTS, empty, result_of, slots_of
from model.simulated_clients import HOUR, SECOND, Clients
from tailrace.database.pool import Database
from tailrace.errors import DatabaseUnavailable
from tailrace.jobs import queue, results
from tailrace.jobs.model import Lease, Result

WORKERS = 3
SLOTS = {"cxone": (4, 2), "smartsync": (3, 1)}
LEASE_SECONDS = 30
LEAVINGS_MILLISECONDS = 5_400_000
# How often each event happens.
EVENTS = {
    "submit": 22,
    "work": 55,
    "look": 8,
    "cancel": 3,
    "freeze": 4,
    "thaw": 4,
    "die": 3,
    "come_back": 4,
    "stop": 3,
    "wait": 10,
    "jump": 2,
    "sweep": 4,
    "fault": 5,
    "cut": 1,
}
# A statement fails, as when the server goes away in the midst of it: nothing of it is done.
FAULT = """
CREATE TABLE fault (armed boolean);
CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF EXISTS (SELECT FROM fault) THEN
        RAISE EXCEPTION 'terminating connection due to the test' USING ERRCODE = '57P01';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER fail_once AFTER INSERT OR UPDATE ON jobs FOR EACH STATEMENT EXECUTE FUNCTION fail_once();
"""


@dataclass
class Run:
    """An attempt at work: how many slices are left, and what is to be written when none is."""

    lease: Lease
    left: int
    ending: str
    result: Result | None = None


@dataclass
class Worker:
    name: str
    alive: bool = True
    frozen: bool = False
    runs: list[Run] = field(default_factory=list)


class Simulation(Clients):
    """One run: events in an order drawn by chance, then the end that all must come to."""

    def __init__(self, database: Database, seed: int) -> None:
        super().__init__(database, seed)
        self.slots = slots_of(SLOTS)
        self.workers = [Worker(f"w{number}") for number in range(WORKERS)]
        self.removed: set[UUID] = set()
        self.served: dict[tuple[str, UUID], int] = {}  # when each tenant had its last turn
        self.turns = 0
        self.number = 0

    def run(self, events: int) -> None:
        names, weights = list(EVENTS), list(EVENTS.values())
        for event in self.chance.choices(names, weights, k=events):
            self.pass_time(self.chance.randrange(1, 300))
            getattr(self, event)()
        self.settle()

    # -- workers --------------------------------------------------------------------------------------------------

    def _pick(self, condition: Callable[[Worker], bool]) -> Worker | None:
        fitting = [worker for worker in self.workers if condition(worker)]
        return self.chance.choice(fitting) if fitting else None

    def work(self) -> None:
        worker = self._pick(lambda one: one.alive and not one.frozen)
        if worker:
            self.round_of(worker)

    def round_of(self, worker: Worker) -> None:
        """One look of a worker: its runs first, then the leases of others, then new jobs."""
        try:
            for run in list(worker.runs):
                self._go_on(worker, run)
            for job, state in sorted(queue.recover(self.database), key=lambda one: self._short(one[0])):
                self.note(worker.name, "recovered", self._short(job), state)
            for dialect in DIALECTS:
                self._claim(worker, dialect)
        except DatabaseUnavailable:
            self.note(worker.name, "lost the database")  # and tries again in its next round

    def _go_on(self, worker: Worker, run: Run) -> None:
        self.pass_time(1)
        if run.left:
            run.left -= 1
            write = partial(queue.renew, self.database, run.lease, LEASE_SECONDS, 1, 2)
            if not self._fenced(worker, run, "renew", write):
                worker.runs.remove(run)
            return
        if run.ending == "finish":
            self._upload(run)
            write = partial(queue.finish, self.database, run.lease, run.result)
        else:
            final = run.ending == "result_too_large"
            write = partial(queue.give_up, self.database, run.lease, run.ending, final=final)
        self._fenced(worker, run, run.ending, write)
        # Sometimes the answer is lost on its way: the worker tries again, as if nothing had been done.
        if self.chance.random() > 0.1:
            worker.runs.remove(run)

    def _upload(self, run: Run) -> None:
        """Put an object into the store; only its first bytes, should the worker go away, are never there."""
        if run.result is None:
            self.number += 1
            run.result = result_of(run.lease, self.number)
            self.objects[run.result.key] = run.result, self.clock

    def _fenced(self, worker: Worker, run: Run, verb: str, write: Callable[[], bool]) -> bool:
        """A verb works for the holder of the lease; for anybody else it changes nothing."""
        before = self._row(run.lease.job_id)
        held = before is not None and before.state == "running" and before.epoch == run.lease.epoch
        done = write()
        self.note(worker.name, verb, self._short(run.lease.job_id), run.lease.epoch, "done" if done else "lease lost")
        assert done is held
        if not held:
            assert self._row(run.lease.job_id) == before
        return done

    def _claim(self, worker: Worker, dialect: str) -> None:
        self.pass_time(1)  # else two turns might be taken at the same time
        ready = self._ready(dialect)
        lease = queue.claim(self.database, dialect, self.slots[dialect], worker.name, LEASE_SECONDS)
        assert (lease and lease.job_id) == ready
        if lease:
            self.turns += 1
            self.served[dialect, lease.tenant_id] = self.turns
            assert all(run.lease.epoch != lease.epoch for run in self._runs_of(lease.job_id))
            endings = ["finish"] * 7 + ["storage_unavailable"] * 2 + ["result_too_large"]
            worker.runs.append(Run(lease, self.chance.randrange(4), self.chance.choice(endings)))
            self.note(worker.name, "claimed", self._short(lease.job_id), lease.attempt, lease.epoch)

    def _runs_of(self, job: UUID) -> list[Run]:
        return [run for worker in self.workers for run in worker.runs if run.lease.job_id == job]

    def _ready(self, dialect: str) -> UUID | None:
        """Tell whose turn it is: the oldest job of the tenant with a free slot that was served longest ago."""
        rows = self.database.execute(
            "SELECT j.id, j.tenant_id, j.state::text, j.created_at, j.retry_at <= now() AS due"
            " FROM jobs j WHERE dialect = %(dialect)s"
            " AND state IN ('queued', 'running')",
            {"dialect": dialect},
        )
        busy = [row.tenant_id for row in rows if row.state == "running"]
        total, per_tenant = SLOTS[dialect]
        free = [
            (self.served.get((dialect, row.tenant_id), 0), row.tenant_id, row.created_at, row.id)
            for row in rows
            if row.state == "queued" and row.due and busy.count(row.tenant_id) < per_tenant
        ]
        return min(free)[-1] if free and len(busy) < total else None

    # -- what befalls them ----------------------------------------------------------------------------------------

    def freeze(self) -> None:
        if worker := self._pick(lambda one: one.alive and not one.frozen):
            worker.frozen = True
            self.note(worker.name, "froze with", len(worker.runs))

    def thaw(self) -> None:
        if worker := self._pick(lambda one: one.frozen):
            worker.frozen = False
            self.note(worker.name, "goes on with", len(worker.runs))

    def die(self) -> None:
        if worker := self._pick(lambda one: one.alive):
            worker.alive, worker.frozen, worker.runs = False, False, []
            self.note(worker.name, "died")

    def come_back(self) -> None:
        if worker := self._pick(lambda one: not one.alive):
            self.number += 1
            worker.alive, worker.name = True, f"w{self.number}"
            self.note(worker.name, "came")

    def stop(self) -> None:
        """A worker is told to stop and hands back what it runs."""
        if worker := self._pick(lambda one: one.alive and not one.frozen):
            for run in worker.runs:
                self.see(run.lease.job_id)
                self._fenced(worker, run, "hand back", partial(queue.hand_back, self.database, run.lease))
                self.see(run.lease.job_id)
            worker.alive, worker.runs = False, []

    def wait(self) -> None:
        self.pass_time(self.chance.choice([SECOND, 5 * SECOND, 31 * SECOND]))

    def jump(self) -> None:
        self.pass_time(self.chance.choice([600 * SECOND, 2 * HOUR, 25 * HOUR, 49 * HOUR, 8 * 24 * HOUR]))
        self.note("the clock jumped")

    def fault(self) -> None:
        """The statements of one event fail."""
        event = self.chance.choice([self.submit, self.work, self.cancel, self.sweep])
        self.note("statements fail")
        before = self.database.execute("SELECT * FROM jobs ORDER BY id")
        with self._failing():
            event()
        if event != self.sweep:
            assert self.database.execute("SELECT * FROM jobs ORDER BY id") == before

    @contextmanager
    def _failing(self) -> Iterator[None]:
        self.database.execute("INSERT INTO fault VALUES (true)")
        try:
            yield
        except DatabaseUnavailable:
            self.note("the database could not be reached")
        finally:
            self.database.execute("DELETE FROM fault")

    def cut(self) -> None:
        """All connections are cut between two statements; nobody need notice."""
        self.note("connections cut")
        self.database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'tailrace'"
        )

    # -- housekeeping ---------------------------------------------------------------------------------------------

    def sweep(self) -> None:
        """What housekeeping does, with the same questions to the database; removals may fail."""
        for overdue in results.overdue_results(self.database, 3):
            if self.chance.random() < 0.8:
                row = self._row(overdue.job_id)
                assert row.result_key == overdue.key
                self.objects.pop(overdue.key, None)
                results.note_purged(self.database, overdue.job_id)
                self.note("purged", self._short(overdue.job_id))
        before = {row.id: row for row in self.database.execute("SELECT * FROM jobs")}
        results.remove_old_records(self.database)
        after = {row.id for row in self.database.execute("SELECT id FROM jobs")}
        for job in before.keys() - after:
            assert before[job].state in FINAL
            assert before[job].state != "succeeded" or before[job].result_purged_at
            self.removed.add(job)
        old = [key for key, (_, at) in self.objects.items() if at < self.clock - LEAVINGS_MILLISECONDS]
        published = results.published_keys(self.database, old)
        at_work = results.unfinished_jobs(self.database, [UUID(key.split("/")[1]) for key in old])
        for key in old:
            if key not in published and UUID(key.split("/")[1]) not in at_work:
                del self.objects[key]

    # -- the end --------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """All come back and the clock goes on: then every accepted job must come to an end."""
        self.note("settling")
        for worker in self.workers:
            worker.alive, worker.frozen = True, False
        for number in range(1000):
            if not self.database.execute("SELECT 1 FROM jobs WHERE state IN ('queued', 'running') LIMIT 1"):
                break
            self.round_of(self.workers[number % WORKERS])
            self.pass_time(3 * SECOND)
        self.check()

    def check(self) -> None:
        history = read_history(self.database)
        check_moves(history)
        check_slots(history, SLOTS)
        check_ends(self.database)
        rows = {row.id: row for row in self.database.execute("SELECT *, result_until > now() AS kept FROM jobs")}
        assert rows.keys() | self.removed == self.accepted.keys()
        assert not rows.keys() & self.removed
        assert sum(move.old is None for move in history) == len(self.accepted)
        for row in rows.values():
            assert not (row.kept and row.result_purged_at)
            if row.kept:
                result, _ = self.objects[row.result_key]
                told = (row.result_bytes, row.result_rows, row.result_sha256)
                assert told == (result.bytes, result.rows, result.sha256)
        self._check_leavings()

    def _check_leavings(self) -> None:
        """After a week and two sweeps there is no object and no record left."""
        for dialect, by in (("results", 25 * HOUR), ("records", 8 * 24 * HOUR)):
            self.pass_time(by)
            self.note("aged", dialect)
            for _ in range(100):
                if not results.overdue_results(self.database, 1):
                    break
                self.sweep()
        self.sweep()
        assert not self.objects
        assert not self.database.execute("SELECT 1 FROM jobs")

    def close(self) -> None:
        self.database.execute("DELETE FROM fault")
        empty(self.database)
