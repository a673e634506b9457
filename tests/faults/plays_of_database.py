"""PostgreSQL, or the way to it, is struck: while a process stands at a point, or while jobs are accepted and run."""

import os
import signal
import time
from collections.abc import Callable

from faults.play import Play
from faults.site import PATIENCE_SECONDS
from service import poll


def outage(play: Play) -> None:
    worker = play.site.work(play.order(f"pause:{play.gate}"))
    play.job = play.client.submit()
    play.await_mark()
    play.neighbour.submit()
    break_way(play, lambda: worker.said("database_unavailable", "listener_lost"))
    play.settle()


def break_way(play: Play, felt: Callable[[], bool]) -> None:
    """Break what the deed says, let the process go on, and mend it once that was felt."""
    site, deed = play.site, play.scenario.deed
    if deed == "kill_postgres":
        site.kill_postgres()
        play.gate.touch()
    elif deed == "sever":
        site.network.sever()
        play.gate.touch()
    else:
        site.network.switch(deed)  # type: ignore[arg-type]
        if deed == "refuse":
            site.network.sever()
        play.gate.touch()
        poll(felt, PATIENCE_SECONDS)
        site.network.heal()


# -- bad weather --------------------------------------------------------------------------------------------------


def weather(play: Play) -> None:
    """The network is bad from before the job is accepted until after it has run, or for a while."""
    site, deed = play.site, play.scenario.deed
    worker = site.work()
    poll(lambda: worker.said("worker_started"))
    if deed == "slow":
        site.network.switch("slow", seconds=0.03)
        play.job = play.client.submit()
        play.neighbour.submit()
        site.settle()
    elif deed == "cut":
        site.network.switch("cut", after=6_000)
        play.client.try_submit()
        poll(lambda: worker.said("database_unavailable", "listener_lost"), PATIENCE_SECONDS)
    elif deed == "freeze_postgres":
        frozen = site.freeze_postgres()
        play.client.try_submit()
        poll(lambda: worker.said("database_unavailable"), PATIENCE_SECONDS)
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    else:
        play.client.submit()
        play.gate.touch()
        break_way(play, lambda: worker.said("database_unavailable"))
    site.network.heal()
    play.job = play.client.submit()
    play.neighbour.submit()
    play.settle()


def half_open(play: Play) -> None:
    """All connections are forgotten on the way, and nobody is told: new ones are made, and polling finds the job."""
    worker = play.site.work()
    poll(lambda: worker.said("worker_started") and play.site.network.connections)
    play.site.network.forget()
    play.job = play.client.submit()
    play.neighbour.submit()
    play.settle()


def recovery_of_the_door(play: Play) -> None:
    """P4: PostgreSQL is killed; within ten seconds a job is accepted again, with no hand on it."""
    worker = play.site.work()
    poll(lambda: worker.said("worker_started"))
    play.site.kill_postgres()
    began = time.monotonic()
    play.job = play.client.submit()
    assert time.monotonic() - began < 10
    play.neighbour.submit()
