"""Late leases, deadlines, cancelling, retention: what ends a job besides its own end."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from uuid import uuid4

import pytest

from tailrace.errors import UnknownJob
from tailrace.jobs import queue, results

LINK_KEY = b"k" * 32


def succeed(house):
    lease = house.running()
    assert queue.finish(house.database, lease, house.result(lease))
    return lease


def view(house, lease):
    return results.view_job(house.database, lease.tenant_id, "cxone", lease.job_id)


def test_a_lease_that_holds_is_left_alone(house):
    lease = house.running()
    waiting = house.submit(house.tenant())
    assert queue.recover(house.database) == []
    assert house.row(lease.job_id).state == "running"
    assert house.row(waiting).state == "queued"


def test_a_late_lease_is_taken_back_for_at_once(house):
    lease = house.running()
    house.end_lease(lease.job_id)
    assert queue.recover(house.database) == [(lease.job_id, "queued")]
    assert queue.recover(house.database) == []
    again = house.claim()
    assert (again.job_id, again.attempt, again.epoch) == (lease.job_id, 2, lease.epoch + 1)


def test_after_three_late_leases_the_job_fails(house):
    lease = house.running()
    for attempt in (1, 2):
        assert lease.attempt == attempt
        house.end_lease(lease.job_id)
        assert queue.recover(house.database) == [(lease.job_id, "queued")]
        lease = house.claim()
    house.end_lease(lease.job_id)
    assert queue.recover(house.database) == [(lease.job_id, "failed")]
    row = house.row(lease.job_id)
    assert (row.state, row.error_code) == ("failed", "internal")
    assert row.record_until - row.finished_at == timedelta(days=7)


def test_the_deadline_ends_a_job_that_waits(house):
    lease = house.running()
    queue.give_up(house.database, lease, "internal", final=False)
    house.set(lease.job_id, "deadline_at = now() - interval '1 second'")
    assert queue.recover(house.database) == [(lease.job_id, "failed")]
    assert house.row(lease.job_id).error_code == "took_too_long"


def test_the_deadline_ends_a_job_whose_holder_is_gone(house):
    lease = house.running()
    house.set(lease.job_id, "deadline_at = now(), lease_until = now() - interval '1 second'")
    assert queue.recover(house.database) == [(lease.job_id, "failed")]
    assert house.row(lease.job_id).error_code == "took_too_long"


def test_a_job_that_never_ran_has_no_deadline(house):
    job = house.submit(house.tenant())
    house.set(job, "created_at = now() - interval '10 days'")
    assert queue.recover(house.database) == []


def test_many_recover_at_once_and_each_job_once(house):
    leases = [house.running() for _ in range(12)]
    for lease in leases:
        house.end_lease(lease.job_id)
    together = Barrier(6)

    def work(_):
        together.wait()
        return queue.recover(house.database)

    with ThreadPoolExecutor(6) as pool:
        touched = [job for part in pool.map(work, range(6)) for job, _ in part]
    assert sorted(touched) == sorted(lease.job_id for lease in leases)


@pytest.mark.req("CX-421")
def test_cancelling_a_job_that_waits_or_runs(house):
    lease = house.running()
    waiting = house.submit(lease.tenant_id)
    for job in (lease.job_id, waiting):
        assert queue.cancel(house.database, lease.tenant_id, job) == "cancelled"
        row = house.row(job)
        assert (row.state, row.error_code, row.lease_until, row.result_key) == ("cancelled", "cancelled", None, None)
        assert row.record_until - row.finished_at == timedelta(days=7)
    assert house.claim() is None


@pytest.mark.req("CX-423")
def test_cancel_before_finish(house):
    lease = house.running()
    assert queue.cancel(house.database, lease.tenant_id, lease.job_id) == "cancelled"
    assert queue.finish(house.database, lease, house.result(lease)) is False
    assert view(house, lease).state == "cancelled"


@pytest.mark.req("CX-423")
def test_finish_before_cancel(house):
    lease = succeed(house)
    before = house.row(lease.job_id)
    assert queue.cancel(house.database, lease.tenant_id, lease.job_id) == "succeeded"
    assert house.row(lease.job_id) == before


def test_cancel_and_finish_at_once_have_one_winner(house):
    for _ in range(20):
        lease = house.running()
        together = Barrier(2)

        def finish(lease=lease, together=together):
            together.wait()
            return queue.finish(house.database, lease, house.result(lease))

        def cancel(lease=lease, together=together):
            together.wait()
            return queue.cancel(house.database, lease.tenant_id, lease.job_id)

        with ThreadPoolExecutor(2) as pool:
            finished, cancelled = [future.result() for future in (pool.submit(finish), pool.submit(cancel))]
        assert house.row(lease.job_id).state == ("succeeded" if finished else "cancelled")
        # The one who cancels must be told the truth: what the job is, now that it has ended.
        assert cancelled == ("succeeded" if finished else "cancelled")


def test_another_tenant_cannot_cancel_nor_see(house):
    lease = succeed(house)
    stranger = house.tenant()
    assert queue.cancel(house.database, stranger, lease.job_id) is None
    assert queue.cancel(house.database, lease.tenant_id, uuid4()) is None
    for tenant, dialect, job in (
        (stranger, "cxone", lease.job_id),
        (lease.tenant_id, "smartsync", lease.job_id),
        (lease.tenant_id, "cxone", uuid4()),
    ):
        with pytest.raises(UnknownJob):
            results.view_job(house.database, tenant, dialect, job)
    assert results.view_jobs(house.database, stranger, "cxone") == []
    assert queue.list_jobs(house.database, stranger) == []


@pytest.mark.req("CX-705")
def test_a_result_expires_by_the_clock_alone(house):
    lease = succeed(house)
    key = house.result(lease).key
    assert view(house, lease).state == "succeeded"
    assert results.find_download(house.database, key, "99999999999999").id == lease.job_id
    house.set(lease.job_id, "result_until = now()")
    assert view(house, lease).state == "expired"
    assert results.view_jobs(house.database, lease.tenant_id, "cxone") == [(lease.job_id, "expired")]
    assert [job.state for job in queue.list_jobs(house.database, lease.tenant_id)] == ["expired"]
    assert results.find_download(house.database, key, "99999999999999") is None


@pytest.mark.req("CX-708")
def test_a_record_is_gone_by_the_clock_and_removed_when_its_file_is(house):
    lease = succeed(house)
    house.set(lease.job_id, "record_until = now(), result_until = now() - interval '6 days'")
    with pytest.raises(UnknownJob):
        view(house, lease)
    assert results.view_jobs(house.database, lease.tenant_id, "cxone") == []
    assert results.remove_old_records(house.database) == 0, "its file is still there"
    [overdue] = results.overdue_results(house.database, 10)
    assert (overdue.job_id, overdue.key) == (lease.job_id, house.result(lease).key)
    results.note_purged(house.database, lease.job_id)
    assert results.overdue_results(house.database, 10) == []
    assert results.remove_old_records(house.database) == 1
    assert house.database.execute("SELECT id FROM jobs") == []


def test_records_of_jobs_without_a_file_are_removed_in_time(house):
    failed, cancelled, running = house.running(), house.running(), house.running()
    queue.give_up(house.database, failed, "internal", final=True)
    queue.cancel(house.database, cancelled.tenant_id, cancelled.job_id)
    assert results.remove_old_records(house.database) == 0
    house.database.execute("UPDATE jobs SET record_until = now() - interval '1 second' WHERE finished_at IS NOT NULL")
    assert results.remove_old_records(house.database) == 2
    assert [row.id for row in house.database.execute("SELECT id FROM jobs")] == [running.job_id]


def test_overdue_results_come_oldest_first_and_not_too_many(house):
    leases = [succeed(house) for _ in range(4)]
    for number, lease in enumerate(leases[:3]):
        house.set(lease.job_id, f"result_until = now() - interval '{3 - number} hours'")
    assert [one.job_id for one in results.overdue_results(house.database, 2)] == [one.job_id for one in leases[:2]]
    assert len(results.overdue_results(house.database, 10)) == 3


@pytest.mark.req("CX-503", "CX-506")
def test_a_link_lives_as_long_as_told_and_never_beyond_the_result(house):
    lease = succeed(house)
    job = view(house, lease)
    link = results.sign_link(LINK_KEY, job, 30)
    path, _, query = link.partition("?")
    expires, signature = (part.partition("=")[2] for part in query.split("&"))
    assert path == f"/downloads/{house.result(lease).key}"
    assert int(expires) == int((job.read_at + timedelta(seconds=30)).timestamp() * 1000)
    assert results.is_signed(LINK_KEY, house.result(lease).key, expires, signature)
    house.set(lease.job_id, "result_until = now() + interval '5 seconds'")
    job = view(house, lease)
    assert f"expires={int(job.result_until.timestamp() * 1000)}&" in results.sign_link(LINK_KEY, job, 30)


def test_links_are_refused_when_changed_or_late(house):
    lease = succeed(house)
    key = house.result(lease).key
    expires, signature = (
        part.partition("=")[2] for part in results.sign_link(LINK_KEY, view(house, lease), 30).split("?")[1].split("&")
    )
    for wrong in (
        (b"x" * 32, key, expires, signature),
        (LINK_KEY, key + "x", expires, signature),
        (LINK_KEY, key, str(int(expires) + 1), signature),
        (LINK_KEY, key, expires, signature[:-1]),
        (LINK_KEY, key, "", signature),
        (LINK_KEY, key, "٣", signature),
        (LINK_KEY, key, "9" * 15, signature),
        (LINK_KEY, key, expires, "é"),
    ):
        assert results.is_signed(*wrong) is False
    [clock] = house.database.execute("SELECT (extract(epoch FROM now()) * 1000)::bigint AS ms")
    assert results.find_download(house.database, key, str(clock.ms - 1)) is None
    assert results.find_download(house.database, key, str(clock.ms + 29_000)) is not None
    assert results.find_download(house.database, key + "x", expires) is None
