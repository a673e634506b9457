"""What monitoring is told of jobs, and that what should be rare is counted once each time it happens."""

from contextlib import suppress

import pytest

from tailrace.jobs import queue
from tailrace.jobs.monitoring import count_events, count_jobs


@pytest.fixture
def happened(database):
    """How often events have happened since the test began."""
    before = count_events(database, 1800, 43_200)
    return lambda name: count_events(database, 1800, 43_200).get(name, 0) - before.get(name, 0)


def counted(database, state):
    return next(one for one in count_jobs(database) if one.state == state)


def test_a_lost_lease_is_counted_as_taken_over(house, database, happened):
    lease = house.running()
    house.end_lease(lease.job_id)
    queue.recover(database)
    assert not queue.renew(database, lease, 30, 0, None)
    assert not queue.finish(database, lease, house.result(lease))
    assert not queue.give_up(database, lease, "internal", final=False)
    assert not queue.hand_back(database, lease)
    assert happened("fenced:taken_over") == 4
    assert happened("fenced:cancelled") == happened("attempt_failed:internal") == 0


def test_a_cancelled_job_is_counted_apart(house, database, happened):
    lease = house.running()
    queue.cancel(database, lease.tenant_id, lease.job_id)
    assert not queue.renew(database, lease, 30, 0, None)
    assert (happened("fenced:cancelled"), happened("fenced:taken_over")) == (1, 0)


def test_a_write_that_holds_is_no_event(house, database, happened):
    lease = house.running()
    assert queue.renew(database, lease, 30, 1, 2)
    assert queue.finish(database, lease, house.result(lease))
    queue.recover(database)
    assert happened("fenced:taken_over") == happened("recovered") == 0


def test_every_recovered_job_is_counted_once(house, database, happened):
    leases = [house.running() for _ in range(3)]
    for lease in leases:
        house.end_lease(lease.job_id)
    assert len(queue.recover(database)) == 3
    assert queue.recover(database) == []
    assert happened("recovered") == 3


def test_a_waiting_job_past_its_deadline_is_not_recovered(house, database, happened):
    job = house.submit(house.tenant())
    house.set(job, "deadline_at = now() - interval '1 second'")
    assert queue.recover(database) == [(job, "failed")]
    assert happened("recovered") == 0


def test_failed_attempts_are_counted_by_code(house, database, happened):
    lease = house.running()
    assert queue.give_up(database, lease, "source_unavailable", final=False)
    assert happened("attempt_failed:source_unavailable") == 1


def test_an_event_of_a_transaction_that_fails_is_not_counted(house, database, happened):
    lease = house.running()
    house.end_lease(lease.job_id)
    database.execute("ALTER TABLE jobs ADD CONSTRAINT broken CHECK (state <> 'queued') NOT VALID")
    with suppress(Exception):
        queue.recover(database)
    database.execute("ALTER TABLE jobs DROP CONSTRAINT broken")
    assert house.row(lease.job_id).state == "running"
    assert happened("recovered") == 0


def test_ages_are_those_of_the_oldest(house, database):
    tenant = house.tenant()
    young, old = house.submit(tenant), house.submit(tenant)
    house.set(old, "created_at = now() - interval '100 seconds'")
    found = counted(database, "queued")
    assert found.jobs == 2
    assert 100 <= found.waiting < 200
    assert (found.overdue, found.unpurged) == (0, 0)
    house.set(young, "created_at = now() - interval '300 seconds'")
    assert 300 <= counted(database, "queued").waiting < 400


def test_a_lease_is_overdue_from_its_end_on(house, database):
    lease = house.running()
    assert counted(database, "running").overdue == 0
    house.set(lease.job_id, "lease_until = now() - interval '50 seconds'")
    assert 50 <= counted(database, "running").overdue < 150


def test_retention_lags_until_the_file_is_gone(house, database):
    lease = house.running()
    queue.finish(database, lease, house.result(lease))
    assert (counted(database, "succeeded").unpurged, counted(database, "succeeded").stored_bytes) == (0, 10)
    house.set(lease.job_id, "result_until = now() - interval '60 seconds'")
    assert 60 <= counted(database, "expired").unpurged < 160
    assert counted(database, "expired").stored_bytes == 10
    house.set(lease.job_id, "result_purged_at = now()")
    assert (counted(database, "expired").unpurged, counted(database, "expired").stored_bytes) == (0, 0)


def test_jobs_of_more_than_one_attempt_are_counted(house, database):
    lease = house.running()
    assert counted(database, "running").repeated == 0
    house.set(lease.job_id, "attempt = 2")
    assert counted(database, "running").repeated == 1
