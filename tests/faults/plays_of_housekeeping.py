"""Results past their time, and housekeeping that dies, freezes, or cannot do what it should."""

from concurrent.futures import ThreadPoolExecutor

from faults.play import Play
from faults.plays_of_store import break_store, bucket_of
from faults.site import PATIENCE_SECONDS, state_of
from service import poll


def _expired(play: Play) -> None:
    play.site.work()
    play.job = play.client.submit()
    play.neighbour.submit()
    play.settle()
    _age(play, "24 hours 1 second")


def _age(play: Play, span: str) -> None:
    """Let a result's job have ended so much earlier."""
    play.site.sql(
        "UPDATE jobs SET finished_at = finished_at - %s::interval, result_until = result_until - %s::interval"
        " WHERE id = %s",
        *(span, span, play.job),
    )


def _let_grace_pass(play: Play) -> None:
    """What is fetched from the store itself is kept for an hour more, for who has begun to."""
    if play.scenario.store == "s3":
        _age(play, "1 hour")


def retention(play: Play) -> None:
    """Past its time a result is refused, whoever is dead; and it goes as soon as it can."""
    _expired(play)
    key = play.row().result_key
    _check_refused(play)
    if play.scenario.store == "s3":
        assert play.site.sweep().popen.wait(PATIENCE_SECONDS) == 0
        assert key in play.site.store.list_keys()
        _let_grace_pass(play)
    if play.scenario.deed != "dead":
        _sweep_in_vain(play)
        assert key in play.site.store.list_keys()
        _check_refused(play)
    assert play.site.sweep().popen.wait(PATIENCE_SECONDS) == 0
    assert key not in play.site.store.list_keys()
    _forget(play)


def _sweep_in_vain(play: Play) -> None:
    """Have a round of housekeeping while nothing can be removed."""
    if play.scenario.point:
        play.site.sweep(f"{play.scenario.point}={play.scenario.deed}").end()
        return
    bucket = bucket_of(play)
    break_store(bucket, play.scenario.deed)
    assert play.site.sweep().popen.wait(PATIENCE_SECONDS) != 0
    bucket.network.heal()


def _check_refused(play: Play) -> None:
    assert play.job is not None
    status, data = play.client.fetch(play.job)
    assert (status == 200, data == play.client.expected) == (False, False)


def late_read(play: Play) -> None:
    """A result is swept between the look at its job and the opening of its file: that is too late, and no outage."""
    play.site.work()
    play.job = play.client.submit()
    play.neighbour.submit()
    play.settle()
    play.site.serve(play.order(f"pause:{play.gate}"))
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(play.client.fetch, play.job)
        play.await_mark()
        _age(play, "24 hours 1 second")
        assert play.site.sweep().popen.wait(PATIENCE_SECONDS) == 0
        play.gate.touch()
        assert reading.result()[0] == {"cxone": 403, "smartsync": 404}[play.client.dialect]
    _forget(play)


def housekeeping(play: Play) -> None:
    """Housekeeping that dies or freezes half-way is taken over, and does no harm when it wakes."""
    _expired(play)
    _let_grace_pass(play)
    deed = play.scenario.deed
    first = play.site.sweep(play.order("stop" if deed == "freeze" else deed))
    play.await_mark()
    if deed == "freeze":
        poll(lambda: state_of(first.pid) == "T")
        # Its transaction holds the lock; PostgreSQL ends one that stands still.
        idle = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'"
        play.site.sql(idle)
    else:
        first.popen.wait(PATIENCE_SECONDS)
    second = play.site.sweep()
    assert second.popen.wait(PATIENCE_SECONDS) == 0
    first.end()
    assert play.row().result_key not in play.site.store.list_keys()
    assert play.row().result_purged_at is not None
    _forget(play)


def _forget(play: Play) -> None:
    """Its result is gone as it should be: no link is to be had of it any more."""
    _check_refused(play)
    play.client.accepted.discard(play.job)
