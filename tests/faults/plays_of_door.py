"""The API is struck while it accepts a job, cancels one, signs somebody in, or hands a result out."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx2

from faults.play import Play
from faults.plays_of_database import break_way
from faults.site import PATIENCE_SECONDS, state_of
from service import poll


def accept(play: Play) -> None:
    """The answer may be lost: whoever asks again with the same key gets one job, the same."""
    site, deed = play.site, play.scenario.deed
    action = {"kill": "kill", "raise": "raise", "freeze": "stop"}.get(deed, f"pause:{play.gate}")
    api = site.serve(play.order(action))
    key = f"key-{play.mark.name}"
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(play.client.try_submit, key)
        play.await_mark()
        if deed == "kill":
            api.popen.wait(PATIENCE_SECONDS)
        elif deed == "freeze":
            poll(lambda: state_of(api.pid) == "T")
            first.exception()
            api.thaw()
        elif deed != "raise":
            break_way(play, first.done)
        first.exception()
    site.serve() if deed == "kill" else None
    site.work()
    play.job = play.client.submit(key)
    play.neighbour.submit()
    play.settle()
    [count] = site.sql("SELECT count(*) AS n FROM jobs WHERE tenant_id = %s", play.client.tenant)
    assert count.n == 1 or play.client.dialect == "smartsync"


def cancel(play: Play) -> None:
    worker = play.site.work(f"child.first_block=pause:{play.gate}")
    api = play.site.serve(play.order(play.scenario.deed))
    play.job = play.client.submit()
    poll(lambda: play.row().state == "running")
    with suppress(httpx2.HTTPError, OSError):
        play.client.stop(play.job)
    api.popen.wait(PATIENCE_SECONDS)
    play.site.serve()
    play.gate.touch()
    play.neighbour.submit()
    play.settle()
    assert worker.alive is False


def sign_in(play: Play) -> None:
    """A session or token that nobody heard of harms nobody: the next sign-in gives one that works."""
    api = play.site.serve(play.order(play.scenario.deed))
    with suppress(httpx2.HTTPError, OSError):
        play.client.sign_in()
    api.popen.wait(PATIENCE_SECONDS)
    play.site.serve()
    play.client.sign_in()
    play.site.work()
    play.job = play.client.submit()
    play.neighbour.submit()
    play.settle()


def hand_out(play: Play) -> None:
    """The API dies while it opens a result: whoever asks again gets it."""
    play.site.work()
    play.job = play.client.submit()
    play.neighbour.submit()
    play.settle()
    api = play.site.serve(play.order(play.scenario.deed))
    with suppress(httpx2.HTTPError, OSError):
        play.client.fetch(play.job)
    api.popen.wait(PATIENCE_SECONDS)
    play.site.serve()
    assert play.client.fetch(play.job) == (200, play.client.expected)
