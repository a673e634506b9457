"""Shares: each is rendered by a helper or by the job's own worker, and late helpers change nothing."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tailrace.jobs import queue, shares
from tailrace.jobs.model import Rendered

CONTENT = {"slices": [{"start": 1, "end": 2}]}
WRITES = {
    "renew": lambda house, share: shares.renew(house.database, share, 30),
    "finish": lambda house, share: shares.finish(house.database, share, 10, 1),
    "leave": lambda house, share: shares.leave(house.database, share),
}


def offered(house, numbers=(1, 2, 3)):
    lease = house.running()
    assert shares.offer(house.database, lease, dict.fromkeys(numbers, CONTENT)) == len(numbers)
    return lease


def claim(house, worker="helper", dialect="cxone"):
    return shares.claim(house.database, dialect, worker, 30.0)


def rows(house):
    return house.database.execute("SELECT * FROM job_shares ORDER BY job_id, number")


def row(house, share):
    where = "SELECT * FROM job_shares WHERE job_id = %(job)s AND epoch = %(epoch)s AND number = %(number)s"
    names = {"job": share.job.job_id, "epoch": share.job.epoch, "number": share.number}
    [found] = house.database.execute(where, names)
    return found


def end_lease(house):
    house.database.execute("UPDATE job_shares SET lease_until = now() - interval '1 second' WHERE state = 'taken'")


def take(house, lease, number):
    return shares.take(house.database, lease, number)


# -- offering and claiming ----------------------------------------------------------------------------------------


def test_helpers_take_shares_from_the_end(house):
    lease = offered(house)
    taken = [claim(house, f"helper-{number}") for number in range(3)]
    assert [share.number for share in taken] == [3, 2, 1]
    assert claim(house) is None
    assert {share.job.job_id for share in taken} == {lease.job_id}
    assert {share.job.epoch for share in taken} == {lease.epoch}
    assert taken[0].content == CONTENT
    assert taken[0].job.request == lease.request
    assert (taken[0].job.tenant_id, taken[0].job.claimed_at) == (lease.tenant_id, lease.claimed_at)
    assert taken[0].key.startswith(f"{lease.tenant_id}/{lease.job_id}/1-")
    assert taken[0].key.endswith(".share-3")


def test_no_share_is_claimed_twice_by_helpers_at_once(house):
    offered(house, range(1, 41))
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda number: claim(house, f"helper-{number}"), range(40)))
    assert sorted(share.number for share in taken if share) == sorted({share.number for share in taken if share})
    while share := claim(house):
        taken.append(share)
    assert sorted(share.number for share in taken if share) == list(range(1, 41))


def test_a_worker_does_not_help_itself_nor_in_another_dialect(house):
    offered(house)
    assert claim(house, worker="w") is None
    assert claim(house, dialect="smartsync") is None


def test_the_tenant_that_is_helped_least_comes_first(house):
    first, second = offered(house), offered(house)
    assert [claim(house).job.job_id for _ in range(4)] == [first.job_id, second.job_id] * 2


def test_an_offer_counts_once_and_only_while_the_job_is_held(house):
    lease = offered(house)
    assert shares.offer(house.database, lease, {1: CONTENT, 4: CONTENT}) == 1
    house.end_lease(lease.job_id)
    assert shares.offer(house.database, lease, {5: CONTENT}) == 1, "nobody came"
    queue.recover(house.database)
    assert shares.offer(house.database, lease, {6: CONTENT}) == 0
    assert claim(house) is None


def test_no_helper_comes_to_a_job_whose_worker_gives_no_sign_of_life(house):
    lease = offered(house)
    house.end_lease(lease.job_id)
    assert claim(house) is None


# -- meeting ------------------------------------------------------------------------------------------------------


def test_what_nobody_has_begun_is_rendered_by_the_jobs_own_worker(house):
    lease = offered(house)
    assert take(house, lease, 3) == "render"
    assert claim(house).number == 2
    assert take(house, lease, 99) == "render", "a share that nobody knows of"


def test_what_a_helper_has_rendered_is_appended(house):
    lease = offered(house)
    share = claim(house)
    assert take(house, lease, 3) == "wait"
    assert shares.finish(house.database, share, 1234, 56)
    assert take(house, lease, 3) == Rendered(share.key, 1234, 56)


def test_a_helper_that_gives_up_is_not_followed_by_another(house):
    lease = offered(house, (1,))
    assert shares.leave(house.database, claim(house))
    assert claim(house) is None
    assert take(house, lease, 1) == "render"


def test_a_helper_without_a_sign_of_life_is_not_waited_for(house):
    lease = offered(house, (1,))
    share = claim(house)
    end_lease(house)
    assert take(house, lease, 1) == "render"
    assert row(house, share).key == share.key, "its object is remembered"


def test_a_helper_may_be_late_if_nobody_came(house):
    lease = offered(house, (1,))
    share = claim(house)
    end_lease(house)
    assert shares.renew(house.database, share, 30)
    assert take(house, lease, 1) == "wait"


# -- fencing ------------------------------------------------------------------------------------------------------


def taken_over(house, lease, _share):
    end_lease(house)
    assert take(house, lease, 1) == "render"


def given_up(house, _lease, share):
    assert shares.leave(house.database, share)


def handed_over(house, _lease, share):
    assert shares.finish(house.database, share, 7, 7)


def swept(house, lease, share):
    queue.cancel(house.database, lease.tenant_id, lease.job_id)
    for left in shares.leavings(house.database):
        shares.forget(house.database, left.job_id, left.epoch, left.number)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("fate", [taken_over, given_up, handed_over, swept])
def test_a_late_helper_changes_nothing(house, fate, write):
    lease = offered(house, (1,))
    share = claim(house)
    fate(house, lease, share)
    before = rows(house)
    assert write(house, share) is False
    assert rows(house) == before


def cancelled(house, lease):
    queue.cancel(house.database, lease.tenant_id, lease.job_id)


def ended(house, lease):
    assert queue.finish(house.database, lease, house.result(lease))


def claimed_by_another(house, lease):
    house.end_lease(lease.job_id)
    queue.recover(house.database)
    assert house.claim().epoch > lease.epoch


@pytest.mark.parametrize("fate", [cancelled, ended, claimed_by_another])
def test_when_the_attempt_is_over_so_are_its_shares(house, fate):
    lease = offered(house)
    share = claim(house)
    fate(house, lease)
    before = rows(house)
    assert not shares.renew(house.database, share, 30)
    assert not shares.finish(house.database, share, 1, 1)
    assert take(house, lease, 1) == "render"
    assert rows(house) == before
    assert claim(house) is None
    assert {left.number for left in shares.leavings(house.database)} == {1, 2, 3}
    assert [left.key for left in shares.leavings(house.database) if left.key] == [share.key]


def test_shares_of_a_job_at_work_are_no_leavings(house):
    lease = offered(house)
    claim(house)
    take(house, lease, 1)
    assert shares.leavings(house.database) == []


def test_an_attempt_forgets_what_has_no_object(house):
    lease, other = offered(house), offered(house)
    share = claim(house)
    shares.forget_unused(house.database, lease)
    assert [(one.job_id, one.number) for one in rows(house) if one.job_id == lease.job_id] == [(lease.job_id, 3)]
    assert len([one for one in rows(house) if one.job_id == other.job_id]) == 3
    shares.forget(house.database, lease.job_id, lease.epoch, share.number)
    assert {one.job_id for one in rows(house)} == {other.job_id}


def test_a_jobs_record_takes_its_shares_along(house):
    lease = offered(house)
    house.database.execute("DELETE FROM jobs WHERE id = %(id)s", {"id": lease.job_id})
    assert rows(house) == []
