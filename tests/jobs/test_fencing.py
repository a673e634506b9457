"""Fencing: who has lost a lease changes nothing, whatever it tries and whoever came after it."""

from datetime import timedelta

import pytest

from tailrace.jobs import queue
from tailrace.jobs.model import MAX_ATTEMPTS

WRITES = {
    "renew": lambda house, lease: queue.renew(house.database, lease, 30, 7, 9),
    "finish": lambda house, lease: queue.finish(house.database, lease, house.result(lease)),
    "give_up": lambda house, lease: queue.give_up(house.database, lease, "internal", final=False),
    "give_up for good": lambda house, lease: queue.give_up(house.database, lease, "result_too_large", final=True),
    "hand_back": lambda house, lease: queue.hand_back(house.database, lease),
}


def recovered(house, lease):
    house.end_lease(lease.job_id)
    assert queue.recover(house.database) == [(lease.job_id, "queued")]


def claimed_by_another(house, lease):
    recovered(house, lease)
    assert house.claim().epoch > lease.epoch


def finished_by_another(house, lease):
    recovered(house, lease)
    successor = house.claim()
    assert queue.finish(house.database, successor, house.result(successor))


def handed_back_and_claimed(house, lease):
    assert queue.hand_back(house.database, lease)
    assert house.claim().attempt == lease.attempt


def cancelled(house, lease):
    assert queue.cancel(house.database, lease.tenant_id, lease.job_id) == "cancelled"


def given_up(house, lease):
    assert queue.give_up(house.database, lease, "internal", final=False)


FATES = [recovered, claimed_by_another, finished_by_another, handed_back_and_claimed, cancelled, given_up]


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("fate", FATES)
def test_an_older_holder_changes_nothing(house, fate, write):
    lease = house.running()
    fate(house, lease)
    before = house.row(lease.job_id)
    assert write(house, lease) is False
    assert house.row(lease.job_id) == before


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_the_holder_may_write_even_late_if_nobody_came(house, write):
    lease = house.running()
    house.end_lease(lease.job_id)
    assert write(house, lease) is True


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_an_end_is_an_end(house, write):
    lease = house.running()
    assert queue.finish(house.database, lease, house.result(lease))
    before = house.row(lease.job_id)
    assert write(house, lease) is False
    assert house.row(lease.job_id) == before


def test_writes_touch_no_other_job(house):
    other = house.running()
    before = house.row(other.job_id)
    for write in WRITES.values():
        assert write(house, house.running())
    assert house.row(other.job_id) == before


def test_renewing_prolongs_and_tells_progress(house):
    lease = house.running()
    house.end_lease(lease.job_id)
    assert queue.renew(house.database, lease, 50, 3, 8)
    row = house.row(lease.job_id)
    [clock] = house.database.execute("SELECT now() AS now")
    assert timedelta(seconds=45) < row.lease_until - clock.now <= timedelta(seconds=50)
    assert (row.slices_done, row.slices_total) == (3, 8)
    assert queue.recover(house.database) == []


def test_finishing_publishes_everything_at_once(house):
    lease = house.running()
    queue.renew(house.database, lease, 30, 7, 8)
    result = house.result(lease)
    assert queue.finish(house.database, lease, result)
    row = house.row(lease.job_id)
    assert (row.state, row.lease_until, row.error_code) == ("succeeded", None, None)
    stored = (row.result_key, row.result_bytes, row.result_rows, row.result_sha256)
    assert stored == (result.key, result.bytes, result.rows, result.sha256)
    assert row.slices_done == row.slices_total == 8
    assert row.result_until - row.finished_at == timedelta(hours=24)
    assert row.record_until - row.finished_at == timedelta(days=7)


@pytest.mark.req("CX-709")
def test_a_failed_attempt_waits_twice_as_long_each_time_and_ends_after_three(house):
    lease = house.running()
    for attempt, pause in ((1, 1), (2, 2)):
        assert lease.attempt == attempt
        assert queue.give_up(house.database, lease, "source_unavailable", final=False)
        row = house.row(lease.job_id)
        assert (row.state, row.error_code, row.finished_at, row.record_until) == ("queued", None, None, None)
        [clock] = house.database.execute("SELECT now() AS now")
        assert 0 < (row.retry_at - clock.now).total_seconds() <= pause
        assert house.claim() is None
        house.set(lease.job_id, "retry_at = now()")
        lease = house.claim()
    assert lease.attempt == MAX_ATTEMPTS == 3
    assert queue.give_up(house.database, lease, "source_unavailable", final=False)
    row = house.row(lease.job_id)
    assert (row.state, row.error_code) == ("failed", "source_unavailable")
    assert row.record_until - row.finished_at == timedelta(days=7)


def test_a_final_fault_ends_at_once(house):
    lease = house.running()
    assert queue.give_up(house.database, lease, "result_too_large", final=True)
    row = house.row(lease.job_id)
    assert (row.state, row.error_code, row.attempt, row.result_key) == ("failed", "result_too_large", 1, None)


def test_handing_back_costs_no_attempt(house):
    lease = house.running()
    for _ in range(5):
        assert queue.hand_back(house.database, lease)
        lease = house.claim()
        assert lease.attempt == 1
    assert lease.epoch == 6


@pytest.mark.req("CX-709")
def test_the_deadline_is_one_for_all_attempts(house):
    lease = house.running()
    deadline = house.row(lease.job_id).deadline_at
    house.set(lease.job_id, "deadline_at = deadline_at - interval '10 minutes'")
    queue.hand_back(house.database, lease)
    again = house.claim()
    assert lease.remaining_seconds - again.remaining_seconds >= 600
    assert house.row(lease.job_id).deadline_at == deadline - timedelta(minutes=10)
