"""Where results rest is struck: the disk is full, the way to S3 is bad, its server dies."""

from contextlib import suppress

import httpx2

from faults.play import Play
from faults.site import PATIENCE_SECONDS
from faults.stores import Bucket
from service import poll

# More than a request's head, less than a part; and less than the three small objects of an export.
_CUT_BYTES, _CUT_SMALL_BYTES = 1_000_000, 1_500
_SLOW_SECONDS = 0.003
# A store that is back soon costs no attempt at all where requests are tried again for as long as they are by default.
_PATIENT = {"TAILRACE_STORAGE__RETRY_TIMEOUT_S": "60"}


def bucket_of(play: Play) -> Bucket:
    assert isinstance(play.site.store, Bucket)
    return play.site.store


def break_store(bucket: Bucket, deed: str, *, cut_after: int = _CUT_BYTES) -> None:
    """Do to the way to the store what the deed says, from now on."""
    if deed in ("500", "503"):
        bucket.network.switch("answer", status=int(deed))
    else:
        bucket.network.switch(deed, after=cut_after, seconds=_SLOW_SECONDS)  # type: ignore[arg-type]
    if deed in ("500", "503", "refuse"):
        bucket.network.sever()


def store(play: Play) -> None:
    """The store fails once, or a child runs out of memory or disk: the next attempt succeeds."""
    play.site.work(play.order(play.scenario.deed))
    play.job = play.client.submit()
    play.await_mark()
    play.neighbour.submit()
    play.settle()
    assert 2 in (play.row().attempt, *(play.row(job).attempt for job in play.neighbour.accepted))


def store_outage(play: Play) -> None:
    """The store goes away in the midst of an object: the attempt ends in time, and the next one succeeds."""
    bucket, deed = bucket_of(play), play.scenario.deed
    patient = _PATIENT if deed == "kill_store" else {}
    worker = play.site.work(play.order(f"pause:{play.gate}"), **patient)
    play.job = play.client.submit()
    play.await_mark()
    if play.scenario.point == "store.part":
        bucket.await_part()
    if deed == "kill_store":
        bucket.kill()
        play.gate.touch()
        bucket.start_again()
    else:
        break_store(bucket, deed, cut_after=_CUT_BYTES if play.client.dialect == "cxone" else _CUT_SMALL_BYTES)
        play.gate.touch()
        if deed != "slow":
            poll(lambda: worker.said("attempt_failed"), PATIENCE_SECONDS)
            bucket.network.heal()
    # Not before, as the bad way would be its way too.
    play.neighbour.submit()
    play.settle()
    assert play.row().attempt > 1 or deed in {"kill_store", "slow"}


def away(play: Play) -> None:
    """The store is away for longer than three attempts: the job fails, and says why; those after it are well."""
    break_store(bucket_of(play), play.scenario.deed, cut_after=0)
    worker = play.site.work()
    play.job = play.client.submit()

    def over() -> bool:
        play.site.age()
        return bool(play.row().state == "failed")

    poll(over, PATIENCE_SECONDS, 0.05)
    assert play.row().attempt == 3
    bucket_of(play).network.heal()
    play.neighbour.submit()
    play.settle()
    assert worker.popen.returncode == 0


def download(play: Play) -> None:
    """A result that cannot be fetched whole is not said to be; nothing is lost by that, and it is there again later."""
    play.site.work()
    play.job = play.client.submit()
    play.neighbour.submit()
    play.settle()
    bucket = bucket_of(play)
    break_store(bucket, play.scenario.deed, cut_after=_CUT_SMALL_BYTES)
    with suppress(httpx2.HTTPError, OSError):
        status, data = play.client.fetch(play.job)
        assert status != 200, data
    bucket.network.heal()
    assert play.client.fetch(play.job) == (200, play.client.expected)
