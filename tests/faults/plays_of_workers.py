"""A worker or its child is struck, once or at every attempt; how soon its job runs again."""

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2

from faults.play import Play
from faults.plays_of_store import bucket_of
from faults.site import PATIENCE_SECONDS, Process, lives, state_of
from service import poll


def strike(play: Play) -> None:
    deed = play.scenario.deed
    action = {"kill": "kill", "raise": "raise"}.get(deed, "stop" if deed.startswith("freeze") else f"pause:{play.gate}")
    in_parts = play.scenario.point == "store.part"
    worker = play.site.work(play.order(f"pause:{play.gate}" if in_parts else action))
    play.job = play.client.submit()
    struck = play.await_mark()
    if in_parts:
        # Struck by us, when the store has a part.
        bucket_of(play).await_part()
        os.kill(struck, {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP}.get(deed.partition("_")[0], 0))
    play.neighbour.submit()
    {
        "kill": _let_die,
        "raise": _let_die,
        "freeze_till_done": _thaw_after_the_successor,
        "freeze_till_claimed": _thaw_before_the_successor,
        "drain": _drain,
        "drain_at_once": _drain,
        "drain_when_done": _drain,
        "cancel": _cancel,
    }[deed](play, worker, struck)
    play.settle()
    assert play.site.store.uploads() or not (in_parts and deed == "kill"), "nothing was left for housekeeping"


def _let_die(play: Play, worker: Process, struck: int) -> None:
    """A dead child is replaced by its worker, a dead worker by another."""
    if play.scenario.deed == "kill":
        poll(lambda: not lives(struck))
    if play.scenario.point.startswith("worker"):
        worker.popen.wait(PATIENCE_SECONDS) if play.scenario.deed == "kill" else None
        play.gate.touch()
        play.site.work()


def freeze(worker: Process, struck: int) -> None:
    poll(lambda: state_of(struck) in "TXZ")
    worker.freeze()


def _thaw_after_the_successor(play: Play, worker: Process, struck: int) -> None:
    freeze(worker, struck)
    play.site.work()
    play.site.settle()
    before = play.site.rows()
    play.gate.touch()
    worker.end()
    assert play.site.rows() == before, "a zombie changed a row"


def _thaw_before_the_successor(play: Play, worker: Process, struck: int) -> None:
    """Let the zombie wake while the successor has the job in hand, and do whatever it still would."""
    freeze(worker, struck)
    gate = play.site.new_file("gate")
    play.site.work(f"child.first_block=pause:{gate}")

    def taken() -> bool:
        play.site.age()
        return not play.site.sql("SELECT 1 FROM jobs WHERE state = 'queued'") and not _held_by(play, worker)

    poll(taken, PATIENCE_SECONDS)
    before = play.site.sql("SELECT id, state, attempt, epoch, worker FROM jobs ORDER BY id")
    play.gate.touch()
    worker.end()
    after = play.site.sql("SELECT id, state, attempt, epoch, worker FROM jobs ORDER BY id")
    assert after == before, worker.log.read_text()
    gate.touch()


def _held_by(play: Play, worker: Process) -> list[Any]:
    return play.site.sql("SELECT 1 FROM jobs WHERE state = 'running' AND worker LIKE %s", f"%-{worker.pid}-%")


def _drain(play: Play, worker: Process, _struck: int) -> None:
    """A worker told to stop finishes what it has; told twice, it hands it back, and no attempt is lost."""
    if play.scenario.deed == "drain_when_done":
        poll(play.site.store.list_keys)
    worker.send(signal.SIGTERM)
    if play.scenario.deed != "drain":
        poll(lambda: not _pending(worker.pid, signal.SIGTERM))
        worker.send(signal.SIGINT)
    else:
        play.gate.touch()
    if not play.scenario.point.startswith("worker"):
        # It does not wait for a child that stands still.
        assert worker.popen.wait(PATIENCE_SECONDS) == 0
    play.gate.touch()
    assert worker.popen.wait(PATIENCE_SECONDS) == 0
    play.site.work()
    play.site.settle(ageing=False)
    assert play.row().attempt == 1


def _pending(pid: int, number: int) -> bool:
    """Tell whether a process has yet to take a signal."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("S")
    )
    return bool((int(status["SigPnd"], 16) | int(status["ShdPnd"], 16)) >> (number - 1) & 1)


def _cancel(play: Play, _worker: Process, _struck: int) -> None:
    assert play.job is not None
    with suppress(httpx2.HTTPError, OSError):
        play.client.stop(play.job)
    play.gate.touch()


# -- every attempt ends badly -------------------------------------------------------------------------------------


def poison(play: Play) -> None:
    """Only this client's job is poisoned: the neighbour's begins when it is over."""
    site, scenario = play.site, play.scenario
    fault = f"{scenario.point}={scenario.deed}"
    worker = site.work(fault)
    play.job = play.client.submit()

    def over() -> bool:
        nonlocal worker
        if not worker.alive:
            worker = site.work(fault)
        site.age()
        return bool(play.row().state == "failed")

    poll(over, PATIENCE_SECONDS, 0.05)
    assert play.row().attempt == 3
    worker.end()
    site.work()
    play.neighbour.submit()
    play.settle()


# -- how soon its job runs again ---------------------------------------------------------------------------------


def recovery_of_a_job(play: Play) -> None:
    """P4: within the lease and five seconds, by the database's clock."""
    # Long enough for a child to start in it on a busy machine: one that is silent for so long is replaced.
    lease = {"TAILRACE_WORKER__LEASE_S": "10"}
    worker = play.site.work(f"child.first_block=stop*once:{play.mark}", **lease)
    other = play.site.work(**lease)
    poll(lambda: other.said("worker_started"), PATIENCE_SECONDS)
    other.freeze()
    play.job = play.client.submit()
    play.await_mark()
    worker.send(signal.SIGKILL)
    worker.popen.wait(PATIENCE_SECONDS)
    attempt, until = play.row().attempt, play.row().lease_until
    other.thaw()
    play.neighbour.submit()
    play.site.settle(ageing=False)
    again = "SELECT at FROM watched.moves WHERE job = %s AND after = 'running' AND attempt = %s"
    [claimed] = play.site.sql(again, play.job, attempt + 1)
    assert (claimed.at - until).total_seconds() < 5
