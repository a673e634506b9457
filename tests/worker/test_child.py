"""The child process by itself: what it does with lines on its standard input."""

import subprocess
import sys

from service import poll
from tailrace.worker.process import ChildProcess
from tailrace.worker.protocol import Removal
from tailrace.worker.sharing import describe_taken


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
