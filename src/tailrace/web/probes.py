"""Whether what the server needs can be reached: cheap checks, each within a deadline, asked of anew after a moment."""

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from tailrace.database.migrate import is_behind
from tailrace.errors import DatabaseUnavailable, StorageUnavailable
from tailrace.plugins import load_plugin
from tailrace.runtime import Runtime
from tailrace.storage.base import Storage

# Whoever asks often gets the answer of a moment ago, and whoever asks must not wait for what hangs.
_FRESH_SECONDS = 1.0
_DEADLINE_SECONDS = 2.0

# With less nothing can be accepted or written down, not even by what has some room set aside.
_LEAST_FREE_BYTES = 2**20

OK, UNREACHABLE, BEHIND, UNKNOWN = "ok", "unreachable", "behind", "unknown"
READ_ONLY, FULL = "read_only", "full"
Found = Mapping[str, str]


class Probe:
    """One check; one that is late goes on in its thread, and no second one is begun meanwhile."""

    def __init__(self, check: Callable[[], Found], late: Found, deadline_seconds: float = _DEADLINE_SECONDS) -> None:
        """Take the check, and what is said when it takes too long."""
        self._check = check
        self._late = late
        self._deadline = deadline_seconds
        self._asking = threading.Lock()
        self._look_again_at = 0.0
        self._said: Found = late
        self._found: Found | None = None
        self._thread: threading.Thread | None = None

    def ask(self) -> Found:
        """Tell what is found, now or a moment ago."""
        with self._asking:
            if time.monotonic() >= self._look_again_at:
                self._said = self._look()
                self._look_again_at = time.monotonic() + _FRESH_SECONDS
            return self._said

    def _look(self) -> Found:
        if self._thread is None or not self._thread.is_alive():
            self._found = None
            self._thread = threading.Thread(target=self._run, name="probe", daemon=True)
            self._thread.start()
        self._thread.join(self._deadline)
        return self._found or self._late

    def _run(self) -> None:
        try:
            self._found = self._check()
        except Exception as error:  # noqa: BLE001 - whatever it is, what was to be checked cannot be relied on
            structlog.get_logger().error("check_failed", reason=type(error).__name__)
            self._found = dict.fromkeys(self._late, UNREACHABLE)


class Probes:
    """The checks of one process."""

    def __init__(self, runtime: Runtime) -> None:
        """Take the runtime whose parts are checked."""
        self._database = Probe(lambda: _check_database(runtime), {"database": UNREACHABLE, "migrations": UNKNOWN})
        self._storage = Probe(lambda: _check_storage(runtime), {"storage": UNREACHABLE})

    def ask(self) -> dict[str, str]:
        """Tell of each part whether it is `ok`, or else what is wrong with it, in a word."""
        return {**self._database.ask(), **self._storage.ask()}

    def has_database(self) -> bool:
        """Tell whether the database answers."""
        return self._database.ask()["database"] != UNREACHABLE


def _check_database(runtime: Runtime) -> Found:
    try:
        found = READ_ONLY if runtime.database.is_read_only() else OK
        return {"database": found, "migrations": BEHIND if is_behind(runtime.database) else OK}
    except DatabaseUnavailable:
        return {"database": UNREACHABLE, "migrations": UNKNOWN}


def _check_storage(runtime: Runtime) -> Found:
    """Open the store and ask for its first object, which is the least that every store must do."""
    try:
        store: Storage = load_plugin("tailrace.storage", runtime.settings.storage.kind).open_store(
            runtime.storage_options
        )
        next(iter(store.list_objects()), None)
    except StorageUnavailable:
        return {"storage": UNREACHABLE}
    folders = {runtime.data, Path(runtime.storage_options.get("folder", runtime.data))}
    return {"storage": FULL if any(map(_is_full, folders)) else OK}


def _is_full(folder: Path) -> bool:
    """Tell whether a disk has no room left; one that does not tell its size is taken to have some."""
    disk = shutil.disk_usage(folder)
    return disk.total > 0 and disk.free < _LEAST_FREE_BYTES
