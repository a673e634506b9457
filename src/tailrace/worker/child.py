"""The child process: runs one extraction at a time for its worker, and dies with it.

It knows no database. A crash, an out-of-memory kill or a cancel costs this process and one attempt, nothing else.
"""

import ctypes
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from tailrace.errors import ExtractionFailed
from tailrace.faults import arm
from tailrace.plugins import load_plugin, plugin_names
from tailrace.worker.extract import extract, render_share
from tailrace.worker.protocol import Removal, describe_result, read_order, write_message
from tailrace.worker.sharing import is_answer

_ALIVE_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1
_M_ARENA_MAX = -8


def main() -> None:
    """Take tasks from standard input until it ends, answer on standard output.

    Arguments are the engines to have at hand, with commas between, and what goes wrong.
    """
    engines, fault = sys.argv[1].split(","), "".join(sys.argv[2:3])
    arm(fault)
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
    load_plugins(engines)
    _Child(sys.stdin.buffer, answers).run()


def load_plugins(engines: Sequence[str]) -> None:
    """Import what tasks will need, before there is any; of engines those named, as each costs memory."""
    for name in engines:
        load_plugin("tailrace.engines", name)
    for package in ("tailrace.formats", "tailrace.storage", "tailrace.worker.packing"):
        for name in plugin_names(package):
            load_plugin(package, name)


class _Child:
    """Runs tasks and tells of them; a second thread tells that the process lives."""

    def __init__(self, tasks: BinaryIO, answers: BinaryIO) -> None:
        self._tasks, self._answers = tasks, answers
        self._lock = threading.Lock()

    def run(self) -> None:
        self.say({"event": "ready"})
        for line in iter(self._tasks.readline, b""):
            if is_answer(line):
                continue  # to a question that nobody waits for any more
            done = threading.Event()
            threading.Thread(target=self._say_alive, args=(done,), daemon=True).start()
            try:
                self._run_one(line)
            finally:
                done.set()

    def _run_one(self, line: bytes) -> None:
        try:
            order = read_order(line)
            if isinstance(order, Removal):
                _remove(order)
                self.say({"event": "object_removed"})
                return
            result = render_share(order, self._report) if order.slices else extract(order, self._report, self)
        except ExtractionFailed as error:
            self.say({"event": "failed", "code": error.code, "reason": str(error)})
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker must hear of it
            self.say({"event": "failed", "code": ExtractionFailed.code, "reason": _name(error)})
        else:
            self.say(describe_result(result))

    def _report(self, done: int, total: int) -> None:
        self.say({"event": "progress", "done": done, "total": total})

    def _say_alive(self, done: threading.Event) -> None:
        while not done.wait(_ALIVE_SECONDS):
            self.say({"event": "alive"})

    def say(self, message: dict[str, Any]) -> None:
        """Tell the worker."""
        with self._lock:
            write_message(self._answers, message)

    def hear(self) -> dict[str, Any]:
        """Wait for an answer of the worker; if it has ended, so does this process."""
        line = self._tasks.readline()
        if not line:
            raise EOFError("the worker has ended")
        return dict(json.loads(line))


def _remove(removal: Removal) -> None:
    """Remove an object; if it stays, housekeeping finds it, so nobody need hear."""
    with suppress(Exception):
        load_plugin("tailrace.storage", removal.storage).open_store(removal.storage_options).delete(removal.key)


def _name(error: Exception) -> str:
    """Name an unforeseen error and the place it comes from; its words may quote a row's value."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(place.filename).name}, line {place.lineno}"


if __name__ == "__main__":
    main()
