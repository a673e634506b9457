"""The queue's real SQL against a model of it in plain Python: any order of verbs and of times that pass."""

from collections import Counter
from dataclasses import dataclass
from uuid import UUID, uuid4

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

from model.history import FINAL, MOST_ATTEMPTS, check_moves, check_slots, read_history
from model.queue_of import DIALECTS, empty, make_tenant, order_of, result_of, slots_of
from sizes import sizes
from tailrace.errors import TailraceError, UnknownJob
from tailrace.jobs import queue, results
from tailrace.jobs.submit import Caller, Rules, submit
from tailrace.web.smartsync.answers import describe_export

TENANTS, USERS = 3, 2
SLOTS = {"cxone": (3, 2), "smartsync": (2, 1)}
LIMITS = slots_of(SLOTS)
INTERVAL = 3600
STRICT = {
    "cxone": Rules(INTERVAL, one_user_per_tenant=True, max_unfinished_jobs=3),
    "smartsync": Rules(max_waiting_jobs=2),
}
ORDER = {"WAITING": 0, "RUNNING": 1}  # whatever comes after these is an end
PAST, FAR = "now() - interval '1 second'", "now() + interval '1 hour'"


@dataclass
class Job:
    dialect: str
    tenant: int
    user: int
    state: str = "queued"
    attempt: int = 0
    epoch: int = 0
    claimed: bool = False
    paused: bool = False
    lease_over: bool = False
    deadline_over: bool = False
    result_over: bool = False
    record_over: bool = False
    purged: bool = False
    error: str | None = None
    key: str | None = None

    def end(self, state, error=None):
        self.state, self.error = state, error

    @property
    def shown(self):
        return "expired" if self.state == "succeeded" and self.result_over else self.state


class Machine(RuleBasedStateMachine):
    """Every example begins with tenants of its own; the model has no clock, times pass when a rule says so."""

    house = None
    steps = 0
    jobs = Bundle("jobs")
    leases = Bundle("leases")
    dialects = st.sampled_from(DIALECTS)
    tenants_of = st.integers(0, TENANTS - 1)
    users_of = st.integers(0, USERS - 1)

    def __init__(self):
        super().__init__()
        self.tenants = sorted(uuid4() for _ in range(TENANTS))
        self.users = [[uuid4() for _ in range(USERS)] for _ in self.tenants]
        for tenant, users in zip(self.tenants, self.users, strict=True):
            make_tenant(self.house, tenant, users)
        self.model: dict[UUID, Job] = {}
        self.gone: set[UUID] = set()
        self.recent: set[tuple[str, int]] = set()  # who had a request accepted within the interval
        self.served: dict[tuple[str, int], int] = {}
        self.turns = 0
        self.seen: dict[UUID, int] = {}
        self.events: Counter[str] = Counter()

    def teardown(self):
        try:
            history = read_history(self.house)
            check_moves(history)
            check_slots(history, SLOTS)
        finally:
            empty(self.house)

    # -- clients --------------------------------------------------------------------------------------------------

    @rule(target=jobs, dialect=dialects, tenant=tenants_of, user=users_of, strict=st.booleans())
    def submit(self, dialect, tenant, user, strict):
        expected = self._refusal(dialect, tenant, user) if strict else None
        caller = Caller(self.tenants[tenant], self.users[tenant][user])
        try:
            job = submit(self.house, caller, order_of(dialect), STRICT[dialect] if strict else Rules())
        except TailraceError as refused:
            job, refusal = None, refused.code
        else:
            refusal = None
        assert refusal == expected
        if job is None:
            return multiple()
        self.recent.add((dialect, tenant))
        self.model[job] = Job(dialect, tenant, user)
        return job

    def _refusal(self, dialect, tenant, user):
        open_jobs = [
            job
            for job in self.model.values()
            if (job.dialect, job.tenant) == (dialect, tenant) and job.state not in FINAL
        ]
        if dialect == "smartsync":
            return "too_many_jobs" if sum(job.state == "queued" for job in open_jobs) >= 2 else None
        if any(job.user != user for job in open_jobs):
            return "tenant_busy"
        if (dialect, tenant) in self.recent:
            return "rate_limited"
        return "too_many_jobs" if len(open_jobs) >= 3 else None

    @rule(job=jobs)
    def cancel(self, job):
        known = self.model.get(job)
        if known and known.state not in FINAL:
            known.end("cancelled", "cancelled")
            known.epoch += 1
        tenant = known.tenant if known else 0
        assert queue.cancel(self.house, self.tenants[tenant], job) == (known and known.state)
        assert queue.cancel(self.house, self.tenants[tenant - 1], job) is None

    @rule(job=jobs)
    def look(self, job):
        """A job is seen by its maker's tenant and dialect alone, until its record's time is over."""
        known = self.model.get(job)
        for dialect in DIALECTS:
            for number, tenant in enumerate(self.tenants):
                own = known and (known.dialect, known.tenant) == (dialect, number) and not known.record_over
                try:
                    found = results.view_job(self.house, tenant, dialect, job)
                except UnknownJob:
                    assert not own
                else:
                    assert own
                    assert (found.state, found.error_code) == (known.shown, known.error)
                    assert found.result_key == known.key

    @rule(job=jobs)
    def download(self, job):
        known = self.model.get(job)
        if known and known.key:
            found = results.find_download(self.house, known.key, "99999999999999")
            assert (found and found.id) == (None if known.result_over else job)
            assert results.find_download(self.house, known.key, "1") is None

    # -- workers --------------------------------------------------------------------------------------------------

    @rule(target=leases, dialect=dialects)
    def claim(self, dialect):
        lease = queue.claim(self.house, dialect, LIMITS[dialect], "w", 30)
        expected = self._next(dialect)
        assert (lease and lease.job_id) == expected
        if lease is None:
            return multiple()
        job = self.model[expected]
        self.turns += 1
        self.served[dialect, job.tenant] = self.turns
        job.state, job.lease_over, job.claimed = "running", False, True
        job.attempt, job.epoch = job.attempt + 1, job.epoch + 1
        assert (lease.attempt, lease.epoch, lease.dialect) == (job.attempt, job.epoch, dialect)
        assert (lease.tenant_id, lease.user_id) == (self.tenants[job.tenant], self.users[job.tenant][job.user])
        assert (lease.remaining_seconds <= 0) == job.deadline_over
        return lease

    def _next(self, dialect):
        """Tell the oldest job of the tenant with a free slot that was served longest ago."""
        of_dialect = [(key, job) for key, job in self.model.items() if job.dialect == dialect]
        busy = [job.tenant for _, job in of_dialect if job.state == "running"]
        total, per_tenant = SLOTS[dialect]
        ready = [
            (self.served.get((dialect, job.tenant), 0), job.tenant, age, key)
            for age, (key, job) in enumerate(of_dialect)
            if job.state == "queued" and not job.paused and busy.count(job.tenant) < per_tenant
        ]
        return min(ready)[-1] if ready and len(busy) < total else None

    def _held(self, lease):
        """The job, if the lease still counts."""
        job = self.model.get(lease.job_id)
        return job if job and job.state == "running" and job.epoch == lease.epoch else None

    def _written(self, lease):
        """The job, if a write of the lease's holder counts; one that does not is counted as such."""
        if (job := self._held(lease)) is None:
            known = self.model.get(lease.job_id)
            self.events["fenced:cancelled" if known and known.state == "cancelled" else "fenced:taken_over"] += 1
        return job

    @rule(lease=leases)
    def renew(self, lease):
        job = self._written(lease)
        assert queue.renew(self.house, lease, 30, 1, 2) is (job is not None)
        if job:
            job.lease_over = False

    @rule(lease=leases, number=st.integers(0, 1))
    def finish(self, lease, number):
        job = self._written(lease)
        result = result_of(lease, number)
        assert queue.finish(self.house, lease, result) is (job is not None)
        if job:
            job.end("succeeded")
            job.key = result.key

    @rule(lease=leases, final=st.booleans())
    def give_up(self, lease, final):
        job = self._written(lease)
        assert queue.give_up(self.house, lease, "storage_unavailable", final=final) is (job is not None)
        if job:
            self.events["attempt_failed:storage_unavailable"] += 1
        if job and (final or job.attempt == MOST_ATTEMPTS):
            job.end("failed", "storage_unavailable")
        elif job:
            job.state, job.paused = "queued", True
            self._set(lease.job_id, f"retry_at = {FAR}")

    @rule(lease=leases)
    def hand_back(self, lease):
        job = self._written(lease)
        assert queue.hand_back(self.house, lease) is (job is not None)
        if job:
            job.state, job.attempt, job.paused = "queued", job.attempt - 1, False

    @rule()
    def recover(self):
        touched = {}
        for key, job in self.model.items():
            if job.state == "running" and job.lease_over:
                out = job.attempt == MOST_ATTEMPTS
                self.events["recovered"] += 1
            elif job.state == "queued" and job.deadline_over:
                out = False
            else:
                continue
            if job.deadline_over or out:
                job.end("failed", "took_too_long" if job.deadline_over else "internal")
            else:
                job.state, job.paused = "queued", False
            touched[key] = job.state
        assert dict(queue.recover(self.house)) == touched

    @rule(target=leases, lease=leases, verb=st.sampled_from(["renew", "finish", "give_up", "hand_back"]))
    def take_over(self, lease, verb):
        """A worker is silent for too long; another comes, who may get its job; then the first one goes on."""
        if self._held(lease) is None:
            return multiple()
        self.age(lease.job_id, "lease")
        self.recover()
        successor = self.claim(lease.dialect)
        getattr(self, verb)(lease, **{"finish": {"number": 0}, "give_up": {"final": True}}.get(verb, {}))
        return successor

    # -- housekeeping ---------------------------------------------------------------------------------------------

    @rule(most=st.integers(1, 5))
    def purge(self, most):
        overdue = {key for key, job in self.model.items() if job.shown == "expired" and not job.purged}
        found = results.overdue_results(self.house, most)
        assert len(found) == min(most, len(overdue))
        assert {one.job_id for one in found} <= overdue
        for one in found:
            assert one.key == self.model[one.job_id].key
            results.note_purged(self.house, one.job_id)
            self.model[one.job_id].purged = True

    @rule()
    def remove_old_records(self):
        old = {
            key
            for key, job in self.model.items()
            if job.record_over and (job.state in {"failed", "cancelled"} or job.purged)
        }
        assert results.remove_old_records(self.house) == len(old)
        for key in old:
            del self.model[key]
        self.gone |= old

    @rule()
    def ask_what_is_published(self):
        """What housekeeping asks before it removes an object."""
        keys = [job.key for job in self.model.values() if job.key]
        assert results.published_keys(self.house, [*keys, "no/such/key"]) == set(keys)
        unfinished = {key for key, job in self.model.items() if job.state not in FINAL}
        assert results.unfinished_jobs(self.house, [*self.model, *self.gone]) == unfinished

    # -- time -----------------------------------------------------------------------------------------------------

    def _set(self, job, assignment):
        self.house.execute(f"UPDATE jobs SET {assignment} WHERE id = %(id)s", {"id": job})

    @rule(job=jobs, what=st.sampled_from(["lease", "deadline", "pause", "result", "record"]))
    def age(self, job, what):
        """Let one of a job's times pass, if it has that time."""
        known = self.model.get(job)
        if known is None:
            return
        if what == "lease" and known.state == "running":
            known.lease_over = True
            self._set(job, f"lease_until = {PAST}")
        elif what == "deadline" and known.claimed:
            known.deadline_over = True
            self._set(job, f"deadline_at = {PAST}")
        elif what == "pause" and known.paused:
            known.paused = False
            self._set(job, "retry_at = now()")
        elif what == "result" and known.state == "succeeded":
            known.result_over = True
            self._set(job, f"result_until = {PAST}")
        elif what == "record" and known.state in FINAL:
            known.record_over = True
            self._set(job, f"record_until = {PAST}")

    @rule(dialect=dialects, tenant=tenants_of)
    def let_the_interval_pass(self, dialect, tenant):
        self.house.execute(
            "UPDATE tenant_turns SET accepted_at = accepted_at - interval '1 hour'"
            " WHERE tenant_id = %(tenant)s AND dialect = %(dialect)s",
            {"tenant": self.tenants[tenant], "dialect": dialect},
        )
        self.recent.discard((dialect, tenant))

    # -- what holds at any time -----------------------------------------------------------------------------------

    @invariant()
    def rows_are_as_in_the_model(self):
        type(self).steps += 1
        rows = self.house.execute(
            "SELECT id, state::text, attempt, epoch, error_code, result_key, result_purged_at IS NOT NULL AS purged,"
            " lease_until IS NOT NULL AS leased FROM jobs"
        )
        assert {row.id: tuple(row)[1:] for row in rows} == {
            key: (job.state, job.attempt, job.epoch, job.error, job.key, job.purged, job.state == "running")
            for key, job in self.model.items()
        }
        assert all(job.attempt <= MOST_ATTEMPTS for job in self.model.values())

    @invariant()
    def events_are_counted(self):
        assert {row.name: row.value for row in self.house.execute("SELECT * FROM counters")} == dict(self.events)

    @invariant()
    def statuses_never_go_back(self):
        """As a SmartSync client sees them: WAITING, RUNNING, an end that stays (SS-405)."""
        for number, tenant in enumerate(self.tenants):
            for user in self.users[number]:
                for job in results.view_own_jobs(self.house, tenant, user, "smartsync"):
                    status = describe_export(job, "documented")["status"]
                    rank = ORDER.get(status, 2 + hash(status) % 1000)
                    before = self.seen.setdefault(job.id, rank)
                    assert rank == before or (rank > before and before < 2), (job.id, status)
                    self.seen[job.id] = rank


@sizes("examples, length, steps", (25, 40, 500), share=(20, 80, 1_000), whole=(200, 80, 10_000))
def test_any_order_of_verbs_and_times_does_as_the_model(house, monkeypatch, examples, length, steps):
    """So many examples of so many steps at most; `steps` in all must really have been made."""
    monkeypatch.setattr(Machine, "house", house)
    monkeypatch.setattr(Machine, "steps", 0)
    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    how = settings(
        max_examples=examples,
        stateful_step_count=length,
        deadline=None,
        suppress_health_check=checks,
        print_blob=True,
    )
    run_state_machine_as_test(Machine, settings=how)
    assert Machine.steps >= steps
