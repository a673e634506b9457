"""Housekeeping: removes files past their retention, what failed attempts left behind, and old records.

Nothing waits for it: what is past its time is refused by the clock, whether or not it has been removed.
"""

import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import structlog

from tailrace.errors import DatabaseUnavailable, StorageUnavailable
from tailrace.faults import fault_point
from tailrace.intake.manifest import forget_replaced, published_paths
from tailrace.jobs import results, shares
from tailrace.jobs.model import COMPANIONS
from tailrace.plugins import load_plugin
from tailrace.runtime import Runtime
from tailrace.storage.base import Storage, StoredObject

_LOCK = 7_414_651_004
_INTERVAL_SECONDS = 60.0
_MOST_AT_ONCE = 500
# Leavings are removed within two hours (CX-706); a job's own time is over long before.
_LEAVINGS_AGE = timedelta(minutes=90)
_UPLOAD_MARGIN = timedelta(minutes=10)
# A load of many files publishes them at its end; it touches them first, so this only has to outlast one file.
_LOAD_AGE = timedelta(hours=24)


class Housekeeping:
    """Sweeps once a minute in a thread of its own, one process of the service at a time."""

    def __init__(self, runtime: Runtime) -> None:
        """Take the runtime whose leavings are swept."""
        self._runtime = runtime
        self._log = structlog.get_logger()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Begin sweeping."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the sweep that runs, if any."""
        self._stopping.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stopping.wait(_INTERVAL_SECONDS):
            try:
                self.sweep()
            except (DatabaseUnavailable, StorageUnavailable) as error:
                self._log.warning("housekeeping_failed", reason=str(error))
            except Exception as error:  # noqa: BLE001 - a fault here must not end housekeeping for good
                self._log.error("housekeeping_failed", reason=type(error).__name__)

    def sweep(self) -> None:
        """Do one round, unless another process is at it."""
        with self._runtime.database.transaction() as connection:
            [row] = connection.execute("SELECT pg_try_advisory_xact_lock(%s) AS mine", [_LOCK]).fetchall()
            if row.mine:
                fault_point("housekeeping.begun")
                self._sweep(lambda: connection.execute("SELECT 1"))

    def _sweep(self, hold: Callable[[], object]) -> None:
        """Sweep; `hold` is called between steps, as PostgreSQL takes the lock from one that stands still."""
        runtime = self._runtime
        store: Storage = load_plugin("tailrace.storage", runtime.settings.storage.kind).open_store(
            runtime.storage_options
        )
        _forget_short_lived(runtime)
        orphans = self._remove_old_scratch() + self._remove_replaced_tables() + self._remove_unpublished_tables()
        hold()
        # Before results are removed one by one: a store that does not answer ends the sweep here, at the first call.
        orphans += self._remove_orphans(store, hold) + self._remove_shares(store, hold)
        for overdue in self._overdue(store.grace):
            hold()
            # A list, so that one that stays keeps no other from being removed.
            if all([self._remove(store, key) for key in _with_companions(overdue.key)]):  # noqa: C419 - as said
                fault_point("housekeeping.removed")
                results.note_purged(runtime.database, overdue.job_id)
                self._log.info("result_purged", job=str(overdue.job_id))
        fault_point("housekeeping.midway")
        removed = results.remove_old_records(runtime.database)
        hold()
        # Last, as an account may be allowed all but this.
        orphans += store.abort_unfinished(datetime.now(UTC) - _unfinished_age(runtime))
        if removed or orphans:
            self._log.info("swept", records=removed, leavings=orphans)

    def _overdue(self, grace: timedelta) -> Iterator[results.Overdue]:
        """Yield all results past their retention, however many of the oldest cannot be removed."""
        last = None
        while found := results.overdue_results(self._runtime.database, _MOST_AT_ONCE, grace, last):
            yield from found
            last = found[-1]

    def _remove_orphans(self, store: Storage, hold: Callable[[], object]) -> int:
        """Remove objects no job points to, but those of jobs that are still at work."""
        before = datetime.now(UTC) - _LEAVINGS_AGE
        old = [found for found in store.list_objects() if found.written_at < before]
        # In this order: a job that finishes between the two is among the first or has published by the second.
        at_work = results.unfinished_jobs(self._runtime.database, [job for job in map(_job_of, old) if job])
        published = results.published_keys(
            self._runtime.database, [key for found in old for key in _result_keys(found)]
        )
        orphans = [
            found for found in old if _job_of(found) not in at_work and published.isdisjoint(_result_keys(found))
        ]
        removed = 0
        for orphan in orphans:
            hold()
            removed += self._remove(store, orphan.key)
        return removed

    def _remove_shares(self, store: Storage, hold: Callable[[], object]) -> int:
        """Remove the shares of attempts that are over, and their objects; these are known by name, whatever their age.

        A helper that has yet to hear of it removes what it completes.
        """
        removed = 0
        for left in shares.leavings(self._runtime.database):
            hold()
            if left.key is None or self._remove(store, left.key):
                shares.forget(self._runtime.database, left.job_id, left.epoch, left.number)
                removed += left.key is not None
        return removed

    def _remove(self, store: Storage, key: str) -> bool:
        """Remove an object; one that stays is tried again in the next round and keeps no other from being removed."""
        try:
            store.delete(key)
        except StorageUnavailable as error:
            self._log.warning("object_not_removed", key=key, reason=str(error))
            return False
        return True

    def _remove_replaced_tables(self) -> int:
        """Remove stored files whose table was loaded anew; one that stays now is unpublished, and goes when old."""
        paths = forget_replaced(self._runtime.database)
        for path in paths:
            (self._runtime.tables / path).unlink(missing_ok=True)
        return len(paths)

    def _remove_unpublished_tables(self) -> int:
        """Remove stored files that no load has published: leavings of a load that was killed."""
        before = (datetime.now(UTC) - _LOAD_AGE).timestamp()
        tables = self._runtime.tables
        old = [path for path in tables.rglob("*.parquet*") if _modified(path) < before]
        published = published_paths(self._runtime.database, [str(path.relative_to(tables)) for path in old])
        leavings = [path for path in old if str(path.relative_to(tables)) not in published]
        for path in leavings:
            path.unlink(missing_ok=True)
        return len(leavings) + _remove_scratch(tables.glob(".scratch-*"), before)

    def _remove_old_scratch(self) -> int:
        """Remove what killed extractions had computed; a job's own time is over before that."""
        settings = self._runtime.settings
        longest = timedelta(seconds=max(settings.cxone.job_timeout_s, settings.smartsync.job_timeout_s))
        before = (datetime.now(UTC) - (longest + _LEAVINGS_AGE)).timestamp()
        scratch = self._runtime.scratch
        return sum(_remove_scratch(scratch.glob(f"{kind}-*"), before) for kind in ("rows", "lake", "spill"))


def _unfinished_age(runtime: Runtime) -> timedelta:
    """Tell when an upload belongs to no attempt any more: later than any job may run."""
    settings = runtime.settings
    longest = timedelta(seconds=max(settings.cxone.job_timeout_s, settings.smartsync.job_timeout_s))
    return max(_LEAVINGS_AGE, longest + _UPLOAD_MARGIN)


def _remove_scratch(folders: Iterable[Path], before: float) -> int:
    old = [path for path in folders if _modified(path) < before]
    for path in old:
        shutil.rmtree(path, ignore_errors=True)
    return len(old)


def _with_companions(key: str) -> list[str]:
    """Name a result and all that may be kept beside it, the result last: while it is there, so is work to do."""
    return [*(f"{key}.{ending}" for ending in COMPANIONS), key]


def _result_keys(found: StoredObject) -> set[str]:
    """Name the result an object may be, and the one it may be kept beside: `….csv.gz` can be a result of its own."""
    key, _, ending = found.key.rpartition(".")
    return {found.key, key} if ending in COMPANIONS else {found.key}


def _job_of(found: StoredObject) -> UUID | None:
    """Read the job out of a key `tenant/job/attempt`; None for what is not ours."""
    try:
        return UUID(found.key.split("/")[1])
    except (IndexError, ValueError):
        return None


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _forget_short_lived(runtime: Runtime) -> None:
    runtime.database.execute("DELETE FROM access_tokens WHERE greatest(expires_at, refresh_until) < now()")
    runtime.database.execute("DELETE FROM sign_in_failures WHERE failed_at < now() - interval '10 minutes'")
    runtime.database.execute("DELETE FROM idempotency_keys WHERE created_at < now() - interval '24 hours'")
    life = runtime.settings.smartsync
    runtime.database.execute(
        """
        DELETE FROM sessions WHERE last_used_at < now() - make_interval(secs => %(idle)s)
                                OR created_at < now() - make_interval(secs => %(most)s)
        """,
        {"idle": 2 * life.session_idle_s, "most": life.session_max_s},
    )
