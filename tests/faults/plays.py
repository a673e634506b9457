"""How each kind of scenario is played: strike, wait for what must follow, and leave the rest to the invariants."""

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2

from faults.clients import Client
from faults.scenarios import Scenario
from faults.site import PATIENCE_SECONDS, Process, Site, lives, state_of
from service import poll


class Play:
    """One scenario on one site: `client` makes the job it is about, `neighbour` another one beside it."""

    def __init__(self, site: Site, scenario: Scenario, client: Client, neighbour: Client) -> None:
        self.site, self.scenario, self.client, self.neighbour = site, scenario, client, neighbour
        self.mark, self.gate = site.new_file("mark"), site.new_file("gate")
        self.job: UUID | None = None

    def order(self, action: str) -> str:
        """Write the order for the point, carried out once."""
        # A heartbeat comes after a second only: the job is held so long.
        held = f",child.first_block=pause:{self.gate}" if self.scenario.point == "worker.renew" else ""
        return f"{self.scenario.point}={action}*once:{self.mark}{held}"

    def await_mark(self) -> int:
        """Wait until the order is carried out; gives the process that does it."""
        return int(poll(lambda: self.mark.exists() and self.mark.read_text(), PATIENCE_SECONDS))

    def settle(self) -> None:
        self.site.settle()
        for process in self.site.workers:
            process.end()

    def check_end(self) -> None:
        row = self.row()
        assert row.state in self.scenario.ends, f"{row.state} {row.error_code}, attempt {row.attempt}"
        assert not self.scenario.code or row.error_code == self.scenario.code
        for job in self.neighbour.accepted:
            assert self.row(job).state == "succeeded"

    def row(self, job: UUID | None = None) -> Any:
        [row] = self.site.sql("SELECT * FROM jobs WHERE id = %s", job or self.job)
        return row


# -- a worker or its child is struck ------------------------------------------------------------------------------


def strike(play: Play) -> None:
    deed = play.scenario.deed
    action = {"kill": "kill", "raise": "raise"}.get(deed, "stop" if deed.startswith("freeze") else f"pause:{play.gate}")
    worker = play.site.work(play.order(action))
    play.job = play.client.submit()
    struck = play.await_mark()
    play.neighbour.submit()
    {
        "kill": _let_die,
        "raise": _let_die,
        "freeze_till_done": _thaw_after_the_successor,
        "freeze_till_claimed": _thaw_before_the_successor,
        "drain": _drain,
        "drain_at_once": _drain,
        "cancel": _cancel,
    }[deed](play, worker, struck)
    play.settle()


def _let_die(play: Play, worker: Process, struck: int) -> None:
    """A dead child is replaced by its worker, a dead worker by another."""
    if play.scenario.deed == "kill":
        poll(lambda: not lives(struck))
    if play.scenario.point.startswith("worker"):
        worker.popen.wait(PATIENCE_SECONDS) if play.scenario.deed == "kill" else None
        play.gate.touch()
        play.site.work()


def _freeze(worker: Process, struck: int) -> None:
    poll(lambda: state_of(struck) in "TXZ")
    worker.freeze()


def _thaw_after_the_successor(play: Play, worker: Process, struck: int) -> None:
    _freeze(worker, struck)
    play.site.work()
    play.site.settle()
    before = play.site.rows()
    play.gate.touch()
    worker.end()
    assert play.site.rows() == before, "a zombie changed a row"


def _thaw_before_the_successor(play: Play, worker: Process, struck: int) -> None:
    """Let the zombie wake while the successor has the job in hand, and do whatever it still would."""
    _freeze(worker, struck)
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
    worker.send(signal.SIGTERM)
    if play.scenario.deed == "drain_at_once":
        poll(lambda: not _pending(worker.pid, signal.SIGTERM))
        worker.send(signal.SIGINT)
    else:
        play.gate.touch()
    assert worker.popen.wait(PATIENCE_SECONDS) == 0 if play.scenario.point.startswith("child") else True
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


# -- a helper, or the worker that it helps, is struck ---------------------------------------------------------------


def share(play: Play) -> None:
    site, sharing = play.site, {"TAILRACE_WORKER__SHARE_SLICES": "1"}
    action = {"kill": "kill", "freeze": "stop"}[play.scenario.deed]
    of_own = play.scenario.point in {"share.offered", "share.appended"}
    held = f"share.offered=pause:{play.gate}"
    fault = play.order(action)
    site.work(held if not of_own else fault if fault.startswith("share.offered") else f"{held},{fault}", **sharing)
    play.job = play.client.submit()
    offered = "SELECT 1 FROM job_shares WHERE job_id = %s"
    poll(lambda: play.mark.exists() or site.sql(offered, play.job), PATIENCE_SECONDS)
    helper = site.work("" if of_own else fault, **sharing)
    if of_own:
        _strike_the_helped(play)
    else:
        _strike_the_helper(play, helper)
    play.neighbour.submit()
    play.settle()
    assert play.row().attempt == 1 + of_own


def _strike_the_helped(play: Play) -> None:
    done = "SELECT 1 FROM job_shares WHERE job_id = %s AND state = 'done'"
    poll(lambda: play.mark.exists() or play.site.sql(done, play.job), PATIENCE_SECONDS)
    play.gate.touch()
    play.await_mark()


def _strike_the_helper(play: Play, helper: Process) -> None:
    struck = play.await_mark()
    if play.scenario.deed == "kill":
        poll(lambda: not lives(struck))
        play.gate.touch()
        return
    _freeze(helper, struck)
    play.gate.touch()
    play.site.settle()
    before = play.site.rows()
    helper.end()
    assert play.site.rows() == before, "a zombie changed a row"


# -- PostgreSQL, or the way to it, is struck while a process stands at a point ------------------------------------


def outage(play: Play) -> None:
    worker = play.site.work(play.order(f"pause:{play.gate}"))
    play.job = play.client.submit()
    play.await_mark()
    play.neighbour.submit()
    _break(play, lambda: worker.said("database_unavailable", "listener_lost"))
    play.settle()


def _break(play: Play, felt: Callable[[], bool]) -> None:
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


# -- the API is struck --------------------------------------------------------------------------------------------


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
            _break(play, first.done)
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


def store(play: Play) -> None:
    """The store fails once, or a child runs out of memory or disk: the next attempt succeeds."""
    play.site.work(play.order(play.scenario.deed))
    play.job = play.client.submit()
    play.await_mark()
    play.neighbour.submit()
    play.settle()
    assert 2 in (play.row().attempt, *(play.row(job).attempt for job in play.neighbour.accepted))


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
        _break(play, lambda: worker.said("database_unavailable"))
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


# -- retention and housekeeping -----------------------------------------------------------------------------------


def _expired(play: Play) -> None:
    play.site.work()
    play.job = play.client.submit()
    play.neighbour.submit()
    play.settle()
    play.site.sql(
        "UPDATE jobs SET finished_at = finished_at - interval '24 hours 1 second', result_until = result_until"
        " - interval '24 hours 1 second' WHERE id = %s",
        play.job,
    )


def retention(play: Play) -> None:
    """Past its time a result is refused, whoever is dead; and it goes as soon as it can."""
    _expired(play)
    assert play.job is not None
    status, data = play.client.fetch(play.job)
    assert (status == 200, data == play.client.expected) == (False, False)
    path = play.site.data / "results" / play.row().result_key
    if play.scenario.point:
        play.site.sweep(f"{play.scenario.point}={play.scenario.deed}").end()
        assert path.exists()
        assert play.client.fetch(play.job)[0] != 200
    assert play.site.sweep().popen.wait(PATIENCE_SECONDS) == 0
    assert not path.exists()
    _forget(play)


def housekeeping(play: Play) -> None:
    """Housekeeping that dies or freezes half-way is taken over, and does no harm when it wakes."""
    _expired(play)
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
    assert not (play.site.data / "results" / play.row().result_key).exists()
    assert play.row().result_purged_at is not None
    _forget(play)


def _forget(play: Play) -> None:
    """Its result is gone as it should be: no link is to be had of it any more."""
    assert play.job is not None
    assert play.client.fetch(play.job)[0] != 200
    play.client.accepted.discard(play.job)


# -- how long it takes --------------------------------------------------------------------------------------------


def recovery(play: Play) -> None:
    if play.scenario.deed == "kill":
        _recovery_of_a_job(play)
    else:
        _recovery_of_the_door(play)
    play.settle()


def _recovery_of_a_job(play: Play) -> None:
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


def _recovery_of_the_door(play: Play) -> None:
    """P4: PostgreSQL is killed; within ten seconds a job is accepted again, with no hand on it."""
    play.site.work()
    play.site.kill_postgres()
    began = time.monotonic()
    play.job = play.client.submit()
    assert time.monotonic() - began < 10
    play.neighbour.submit()


PLAYS: dict[str, Callable[[Play], None]] = {
    play.__name__: play
    for play in (
        strike, share, outage, accept, sign_in, cancel, poison, store, weather, half_open, retention, housekeeping,
        recovery,
    )
}  # fmt: skip
