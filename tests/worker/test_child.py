"""The child process by itself: what it does with lines on its standard input."""

import os
import signal
import subprocess
import sys
import threading

from service import poll
from tailrace.worker.process import ChildProcess
from tailrace.worker.protocol import Removal
from tailrace.worker.sharing import describe_taken
from worker.conftest import children_of


def events_until(child, wanted):
    heard = []

    def hear():
        heard.extend(message["event"] for message in child.read()[0])
        return wanted in heard

    poll(hear)
    return heard


def test_an_answer_nobody_waits_for_is_no_order(tmp_path):
    child = ChildProcess(["duckdb"])
    try:
        child.answer(describe_taken("render"))
        child.remove(Removal("tenant/job/1.csv", "local", {"folder": str(tmp_path)}))
        assert "failed" not in events_until(child, "object_removed")
    finally:
        child.close()


def test_a_child_has_only_what_jobs_need():
    """It knows no database (each of these costs some megabytes a child), and of engines only those it is told."""
    found = "import sys, tailrace.worker.child; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", found], check=True, capture_output=True, text=True).stdout.split()
    assert "tailrace.worker.extract" in modules
    assert not {"psycopg", "pydantic", "sqlglot", "tailrace.database.pool"} & set(modules)


def test_a_child_that_stands_still_holds_up_nobody_who_gives_it_a_long_task(tmp_path):
    mine = set(children_of(os.getpid()))
    child = ChildProcess(["duckdb"])
    [pid] = set(children_of(os.getpid())) - mine
    removal = Removal(f"tenant/job/{'1' * 500_000}.csv", "local", {"folder": str(tmp_path)})
    told = threading.Thread(target=child.remove, args=(removal,), daemon=True)
    try:
        events_until(child, "ready")
        os.kill(pid, signal.SIGSTOP)
        told.start()
        told.join(20)
        assert not told.is_alive()
        os.kill(pid, signal.SIGCONT)
        events_until(child, "object_removed")
    finally:
        child.close()
