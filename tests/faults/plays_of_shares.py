"""A helper is struck, or the worker that it helps."""

from faults.play import Play
from faults.plays_of_workers import freeze
from faults.site import PATIENCE_SECONDS, Process, lives
from service import poll


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
    freeze(helper, struck)
    play.gate.touch()
    play.site.settle()
    before = play.site.rows()
    helper.end()
    assert play.site.rows() == before, "a zombie changed a row"
