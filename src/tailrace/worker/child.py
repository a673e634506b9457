"""The child process: runs one extraction at a time for its worker, and dies with it.

It knows no database. A crash, an out-of-memory kill or a cancel costs this process and one attempt, nothing else.
"""

import ctypes
import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from tailrace.errors import ExtractionFailed
from tailrace.faults import arm
from tailrace.plugins import load_plugin, plugin_names
from tailrace.worker.extract import extract
from tailrace.worker.protocol import describe_result, read_task, write_message

_ALIVE_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1
_M_ARENA_MAX = -8


def main() -> None:
    """Take tasks from standard input until it ends, answer on standard output; an argument says what goes wrong."""
    arm("".join(sys.argv[1:2]))
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # One heap for all threads: glibc's heaps per thread keep a quarter more memory and are no quicker here.
    with suppress(AttributeError):
        libc.mallopt(_M_ARENA_MAX, 1)
    # Ctrl-C reaches the whole terminal group; the worker decides what becomes of its children.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A library's stray print must not end up among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _Child(answers).run(sys.stdin.buffer)


class _Child:
    """Runs tasks and tells of them; a second thread tells that the process lives."""

    def __init__(self, answers: BinaryIO) -> None:
        self._answers = answers
        self._lock = threading.Lock()

    def run(self, tasks: BinaryIO) -> None:
        for package in ("tailrace.engines", "tailrace.formats", "tailrace.storage", "tailrace.worker.packing"):
            for name in plugin_names(package):
                load_plugin(package, name)
        self._say({"event": "ready"})
        for line in iter(tasks.readline, b""):
            done = threading.Event()
            threading.Thread(target=self._say_alive, args=(done,), daemon=True).start()
            try:
                self._run_one(line)
            finally:
                done.set()

    def _run_one(self, line: bytes) -> None:
        try:
            task = read_task(line)
            result = extract(task, lambda done, total: self._say({"event": "progress", "done": done, "total": total}))
        except ExtractionFailed as error:
            self._say({"event": "failed", "code": error.code, "reason": str(error)})
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker must hear of it
            self._say({"event": "failed", "code": ExtractionFailed.code, "reason": _name(error)})
        else:
            self._say(describe_result(result))

    def _say_alive(self, done: threading.Event) -> None:
        while not done.wait(_ALIVE_SECONDS):
            self._say({"event": "alive"})

    def _say(self, message: dict[str, object]) -> None:
        with self._lock:
            write_message(self._answers, message)


def _name(error: Exception) -> str:
    """Name an unforeseen error and the place it comes from; its words may quote a row's value."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(place.filename).name}, line {place.lineno}"


if __name__ == "__main__":
    main()
