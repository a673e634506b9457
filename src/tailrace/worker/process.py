"""A child process as its worker sees it: takes a task, sends messages, is killed when it must stop."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from tailrace.worker.extract import Task
from tailrace.worker.protocol import Removal, write_message, write_removal, write_task

_READ_BYTES = 65_536
# More than a task of thousands of files takes. The kernel gives that much to whoever asks, unless many have asked.
_PIPE_BYTES = 2**20
# Rendered rows pass through large buffers: with large pages, where there are any, the kernel needs half the time.
_MALLOC, _LARGE_PAGES = "GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"


class ChildProcess:
    """One child process; `jobs` counts the tasks it was given."""

    def __init__(self, engines: Iterable[str], fault: str = "") -> None:
        """Start the process; it says `ready` when it can take a task of these engines, or, a little later, of others.

        Tests say what goes wrong in it (`fault`).
        """
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "tailrace.worker.child", ",".join(engines), fault],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={_MALLOC: _LARGE_PAGES, **os.environ},
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("a child process has no pipes")
        self._tasks = self._process.stdin
        self._answers = self._process.stdout
        os.set_blocking(self._answers.fileno(), False)
        with suppress(OSError):
            # So that a process that stands still does not hold up the one that gives it a task.
            fcntl.fcntl(self._tasks.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._rest = b""
        self.jobs = 0

    def fileno(self) -> int:
        """The descriptor that becomes readable when there is a message."""
        return self._answers.fileno()

    def start(self, task: Task) -> None:
        """Give the process a task; if it is dead, its end is seen at the next read."""
        self.jobs += 1
        with suppress(BrokenPipeError):
            write_task(self._tasks, task)

    def answer(self, message: dict[str, Any]) -> None:
        """Answer what the process has asked while it has a task."""
        with suppress(BrokenPipeError):
            write_message(self._tasks, message)

    def remove(self, removal: Removal) -> None:
        """Let the process, which has no task, remove an object."""
        with suppress(BrokenPipeError):
            write_removal(self._tasks, removal)

    def read(self) -> tuple[list[dict[str, Any]], bool]:
        """Take the messages that have come; the second value is True when the process has ended."""
        ended = False
        with suppress(BlockingIOError):
            while True:
                block = os.read(self._answers.fileno(), _READ_BYTES)
                if not block:
                    ended = True
                    break
                self._rest += block
        *lines, self._rest = self._rest.split(b"\n")
        return [json.loads(line) for line in lines], ended

    def close(self) -> int:
        """End the process, at once if it is busy, and return its exit status."""
        self._process.kill()
        with suppress(BrokenPipeError):
            self._tasks.close()
        self._answers.close()
        return self._process.wait()
