"""The queue against a model of it in a few lines of Python: any order of verbs, by holders new and old."""

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

from tailrace.jobs import queue
from tailrace.jobs.model import MAX_ATTEMPTS

TENANTS, TOTAL, PER_TENANT = 3, 3, 2
FINAL = {"succeeded", "failed", "cancelled"}


@dataclass
class Job:
    tenant: int
    state: str = "queued"
    attempt: int = 0
    epoch: int = 0
    paused: bool = False
    late: bool = False
    error: str | None = None


class Machine(RuleBasedStateMachine):
    """`house` is set by the test; every example begins with tenants of its own."""

    house = None
    jobs = Bundle("jobs")
    leases = Bundle("leases")

    def __init__(self):
        super().__init__()
        self.tenants = sorted(self.house.tenant() for _ in range(TENANTS))
        self.served = [0] * TENANTS
        self.turns = 0
        self.model = {}

    def teardown(self):
        self.house.database.execute("DELETE FROM tenants")

    @rule(target=jobs, tenant=st.integers(0, TENANTS - 1))
    def submit(self, tenant):
        job = self.house.submit(self.tenants[tenant])
        self.model[job] = Job(tenant)
        return job

    @rule(target=leases)
    def claim(self):
        lease = self.house.claim(TOTAL, PER_TENANT)
        expected = self._next()
        assert (lease and lease.job_id) == expected
        if lease is None:
            return multiple()
        job = self.model[expected]
        self.turns += 1
        self.served[job.tenant] = self.turns
        job.state, job.late = "running", False
        job.attempt, job.epoch = job.attempt + 1, job.epoch + 1
        assert (lease.attempt, lease.epoch) == (job.attempt, job.epoch)
        return lease

    def _next(self):
        """Tell the oldest job of the tenant with a free slot that was served longest ago."""
        busy = [
            sum(job.state == "running" and job.tenant == one for job in self.model.values()) for one in range(TENANTS)
        ]
        if sum(busy) >= TOTAL:
            return None
        waiting = [(key, job) for key, job in self.model.items() if job.state == "queued" and not job.paused]
        ready = [(self.served[job.tenant], job.tenant, key) for key, job in waiting if busy[job.tenant] < PER_TENANT]
        turn = min(((served, tenant) for served, tenant, _ in ready), default=None)
        return next((key for served, tenant, key in ready if (served, tenant) == turn), None)

    def _held(self, lease):
        job = self.model[lease.job_id]
        return job if job.state == "running" and job.epoch == lease.epoch else None

    @rule(lease=leases)
    def renew(self, lease):
        job = self._held(lease)
        assert queue.renew(self.house.database, lease, 30, 1, 2) is (job is not None)
        if job:
            job.late = False

    @rule(lease=leases)
    def finish(self, lease):
        job = self._held(lease)
        assert queue.finish(self.house.database, lease, self.house.result(lease)) is (job is not None)
        if job:
            job.state = "succeeded"

    @rule(lease=leases, final=st.booleans())
    def give_up(self, lease, final):
        job = self._held(lease)
        assert queue.give_up(self.house.database, lease, "storage_unavailable", final=final) is (job is not None)
        if job and (final or job.attempt == MAX_ATTEMPTS):
            job.state, job.error = "failed", "storage_unavailable"
        elif job:
            job.state, job.paused = "queued", True
            self.house.set(lease.job_id, "retry_at = now() + interval '1 hour'")  # the model has no clock

    @rule(lease=leases)
    def hand_back(self, lease):
        job = self._held(lease)
        assert queue.hand_back(self.house.database, lease) is (job is not None)
        if job:
            job.state, job.attempt = "queued", job.attempt - 1

    @rule(job=jobs)
    def cancel(self, job):
        known = self.model[job]
        if known.state not in FINAL:
            known.state, known.error = "cancelled", "cancelled"
            known.epoch += 1
        assert queue.cancel(self.house.database, self.tenants[known.tenant], job) == known.state
        assert queue.cancel(self.house.database, self.tenants[known.tenant - 1], job) is None

    @rule(job=jobs)
    def let_the_lease_end(self, job):
        if self.model[job].state == "running":
            self.house.end_lease(job)
            self.model[job].late = True

    @rule(job=jobs)
    def let_the_pause_end(self, job):
        if self.model[job].paused:
            self.house.set(job, "retry_at = now()")
            self.model[job].paused = False

    @rule()
    def recover(self):
        late = {key: job for key, job in self.model.items() if job.state == "running" and job.late}
        for job in late.values():
            job.state = "failed" if job.attempt == MAX_ATTEMPTS else "queued"
            job.error = "internal" if job.state == "failed" else None
            job.paused = False
        touched = queue.recover(self.house.database)
        assert dict(touched) == {key: job.state for key, job in late.items()}

    @invariant()
    def rows_are_as_in_the_model(self):
        rows = self.house.database.execute("SELECT * FROM jobs")
        found = {row.id: (row.state, row.attempt, row.epoch, row.error_code) for row in rows}
        assert found == {key: (job.state, job.attempt, job.epoch, job.error) for key, job in self.model.items()}
        keys = [row.result_key for row in rows if row.result_key]
        assert len(set(keys)) == sum(row.state == "succeeded" for row in rows)

    @invariant()
    def slots_are_kept(self):
        running = [job.tenant for job in self.model.values() if job.state == "running"]
        assert len(running) <= TOTAL
        assert all(running.count(tenant) <= PER_TENANT for tenant in running)


def run(house, monkeypatch, examples, steps):
    monkeypatch.setattr(Machine, "house", house)
    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    how = settings(max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=checks)
    run_state_machine_as_test(Machine, settings=how)


def test_any_order_of_verbs_does_as_the_model(house, monkeypatch):
    run(house, monkeypatch, examples=60, steps=30)


@pytest.mark.slow
def test_very_many_orders_of_verbs_do_as_the_model(house, monkeypatch):
    run(house, monkeypatch, examples=300, steps=80)
