"""Claiming: in turn between tenants, oldest first within one, never beyond the slots."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier, Event
from time import monotonic

import pytest

from tailrace.errors import DatabaseUnavailable
from tailrace.jobs import queue
from tailrace.jobs.queue import Slots

THREADS = 8
RUNNING = """
    SELECT count(*) AS everyone, coalesce(max(jobs), 0) AS fullest
    FROM (SELECT count(*) OVER (PARTITION BY tenant_id) AS jobs FROM jobs WHERE state = 'running') AS counted
"""


def test_an_empty_queue_gives_nothing(house):
    assert house.claim() is None


def test_a_claim_tells_what_to_do_and_until_when(house):
    tenant = house.tenant()
    job = house.submit(tenant)
    lease = house.claim(lease_seconds=45)
    assert (lease.job_id, lease.tenant_id, lease.dataset) == (job, tenant, "qm-workflows")
    assert (lease.attempt, lease.epoch) == (1, 1)
    assert 3590 < lease.remaining_seconds <= 3600
    row = house.row(job)
    assert (row.state, row.attempt, row.worker, row.slices_done, row.slices_total) == ("running", 1, "w", 0, None)
    assert (row.lease_until - row.claimed_at).total_seconds() == 45
    assert row.started_at == row.claimed_at
    assert (row.deadline_at - row.started_at).total_seconds() == 3600
    assert house.claim() is None


def test_a_tenants_jobs_go_oldest_first(house):
    tenant = house.tenant()
    jobs = [house.submit(tenant) for _ in range(5)]
    assert [house.claim().job_id for _ in range(5)] == jobs


def test_a_tenant_with_a_hundred_jobs_does_not_starve_the_others(house):
    large = house.tenant()
    for _ in range(100):
        house.submit(large)
    taken = [house.claim(per_tenant=200).tenant_id for _ in range(10)]
    small = [house.tenant() for _ in range(3)]
    for tenant in small:
        house.submit(tenant)
        house.submit(tenant)
    taken = [house.claim(total=200, per_tenant=200).tenant_id for _ in range(8)]
    assert Counter(taken) == {large: 2, **dict.fromkeys(small, 2)}
    assert set(taken[:3]) == set(small), "those never served come first"
    assert taken[3] == large, "then the one served longest ago"
    assert set(taken[4:7]) == set(small)


def test_turns_are_taken_round_and_round(house):
    tenants = [house.tenant() for _ in range(4)]
    for tenant in tenants:
        for _ in range(5):
            house.submit(tenant)
    taken = [house.claim().tenant_id for _ in range(20)]
    first = taken[:4]
    assert set(first) == set(tenants)
    assert taken == first * 5


def test_a_tenant_without_a_free_slot_is_passed_over(house):
    busy, idle = house.tenant(), house.tenant()
    for tenant in (busy, busy, busy, idle):
        house.submit(tenant)
    taken = Counter(house.claim(per_tenant=1).tenant_id for _ in range(2))
    assert taken == {busy: 1, idle: 1}
    assert house.claim(per_tenant=1) is None


def test_slots_in_all(house):
    for _ in range(5):
        house.submit(house.tenant())
    leases = [house.claim(total=3) for _ in range(4)]
    assert leases[3] is None
    assert queue.finish(house.database, leases[0], house.result(leases[0]))
    assert house.claim(total=3) is not None
    assert house.claim(total=3) is None


def test_another_dialect_has_its_own_queue_and_slots(house, database):
    tenant = house.tenant()
    ours, theirs = house.submit(tenant), house.submit(tenant, dialect="smartsync")
    assert house.claim(total=1).job_id == ours
    assert house.claim(total=1) is None
    lease = queue.claim(database, "smartsync", Slots(1, 1), "w", 30)
    assert lease.job_id == theirs


def test_a_job_that_waits_for_its_next_attempt_is_passed_over(house):
    tenant = house.tenant()
    waiting, ready = house.submit(tenant), house.submit(tenant)
    house.set(waiting, "retry_at = now() + interval '1 minute'")
    assert house.claim().job_id == ready
    assert house.claim() is None
    house.set(waiting, "retry_at = now()")
    assert house.claim().job_id == waiting


@pytest.mark.parametrize(("total", "per_tenant"), [(4, 2), (1, 1), (5, 3)])
def test_slots_are_never_exceeded_by_many_who_claim_at_once(house, total, per_tenant):
    tenants = [house.tenant() for _ in range(4)]
    jobs = [house.submit(tenant) for tenant in tenants for _ in range(8)]
    together = Barrier(THREADS)

    def work(_):
        together.wait()
        claimed = []
        while house.database.execute("SELECT id FROM jobs WHERE state = 'queued'"):
            lease = house.claim(total, per_tenant)
            if lease is not None:
                [row] = house.database.execute(RUNNING)
                assert row.everyone <= total
                assert row.fullest <= per_tenant
                claimed.append(lease.job_id)
                assert queue.finish(house.database, lease, house.result(lease))
        return claimed

    with ThreadPoolExecutor(THREADS) as pool:
        claimed = [job for part in pool.map(work, range(THREADS)) for job in part]
    assert sorted(claimed) == sorted(jobs), "each once"


def test_nobody_gets_a_job_twice_when_all_claim_at_once(house):
    tenants = [house.tenant() for _ in range(3)]
    jobs = [house.submit(tenant) for tenant in tenants for _ in range(10)]
    together = Barrier(THREADS)

    def work(_):
        together.wait()
        return list(iter(house.claim, None))

    with ThreadPoolExecutor(THREADS) as pool:
        leases = [lease for part in pool.map(work, range(THREADS)) for lease in part]
    assert sorted(lease.job_id for lease in leases) == sorted(jobs)
    assert {(lease.attempt, lease.epoch) for lease in leases} == {(1, 1)}
    by_time = house.database.execute("SELECT tenant_id FROM jobs ORDER BY claimed_at, created_at")
    assert all(count == 10 for count in Counter(row.tenant_id for row in by_time).values())


class FrozenSlots:
    """Slots that hold up who claims with them after it has taken the lock, as SIGSTOP would."""

    total = 9

    def __init__(self):
        self.reached, self.release = Event(), Event()

    @property
    def per_tenant(self):
        self.reached.set()
        assert self.release.wait(60)
        return 9


def test_one_who_freezes_while_claiming_does_not_stop_the_others(house, database):
    jobs = [house.submit(house.tenant()) for _ in range(2)]
    slots = FrozenSlots()
    with ThreadPoolExecutor(1) as pool:
        frozen = pool.submit(queue.claim, database, "cxone", slots, "frozen", 30)
        assert slots.reached.wait(60)
        began = monotonic()
        assert {house.claim().job_id for _ in range(2)} == set(jobs)
        assert monotonic() - began < 8, "within a lease, whatever froze"
        slots.release.set()
        with pytest.raises(DatabaseUnavailable):
            frozen.result()


def test_the_epoch_grows_with_every_claim(house):
    house.submit(house.tenant())
    epochs = []
    for _ in range(3):
        lease = house.claim()
        epochs.append(lease.epoch)
        house.end_lease(lease.job_id)
        queue.recover(house.database)
    assert all(earlier < later for earlier, later in pairwise(epochs))
