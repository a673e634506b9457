"""Whatever becomes of those who read the log, who has something to tell goes on."""

import os
import subprocess
import sys

import pytest

TELL = """
import time
import structlog
from tailrace.logs import configure_logs

configure_logs("info", "text")
started = time.monotonic()
for number in range(1000):
    structlog.get_logger().info("told", number=number, filler="x" * 1000)
print("done" if time.monotonic() - started < 20 else "late")
"""


def tell(errors):
    """Write a megabyte of events in a process of its own; tells its last word."""
    command = [sys.executable, "-c", TELL]
    process = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, text=True, timeout=60, check=False)
    return process.stdout.strip()


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    ends = [reader, writer]
    yield ends
    for end in ends:
        os.close(end)


def test_all_is_told_to_a_file(tmp_path):
    with (tmp_path / "log").open("w") as log:
        assert tell(log) == "done"
    lines = (tmp_path / "log").read_text().splitlines()
    assert [f"number={number} " in line for number, line in enumerate(lines)] == [True] * 1000


def test_a_disk_that_is_full_stops_nobody():
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        assert tell(full) == "done"


def test_a_reader_that_has_died_stops_nobody(pipe):
    os.close(pipe.pop(0))
    assert tell(pipe[0]) == "done"


def test_a_reader_that_stands_still_stops_nobody(pipe):
    assert tell(pipe[1]) == "done"
