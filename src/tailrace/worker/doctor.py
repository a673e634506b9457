"""Looks at all that the service needs, from this machine and as this user, and says what to mend."""

import secrets
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from tailrace.database.embedded import OLDEST_MAJOR
from tailrace.database.migrate import is_behind
from tailrace.errors import (
    DatabaseUnavailable,
    PluginUnknown,
    SourceEmpty,
    SourceUnavailable,
    StorageUnavailable,
    TailraceError,
)
from tailrace.plugins import load_plugin
from tailrace.runtime import Runtime
from tailrace.settings import DatasetSettings, Source
from tailrace.storage.base import Storage
from tailrace.worker.sources import bound_datasets, check_names, examine

# Links live 30 seconds by two clocks, the signer's and the store's.
_MOST_SKEW_SECONDS = 2.0
_LEAST_FREE_BYTES = 2**30
_LINK_SECONDS = 30
_DEADLINE_SECONDS = 10
_PROBE = b"Tailrace looks whether it can write here.\n"
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, whether it is well, and what to do where it is not."""

    part: str
    state: Literal["ok", "warning", "wrong"]
    told: str
    mend: str = ""


def look_at(runtime: Runtime) -> Iterator[Finding]:
    """Look at one part after the other; a part that is wrong keeps no other from being looked at."""
    yield _data_folder(runtime)
    yield from _database(runtime)
    yield from _store(runtime)
    yield from _sources(runtime)


def _data_folder(runtime: Runtime) -> Finding:
    probe = runtime.data / f".doctor-{secrets.token_hex(4)}"
    try:
        probe.write_bytes(_PROBE)
        free = shutil.disk_usage(runtime.data).free
    except OSError as error:
        return Finding("data folder", "wrong", f"{runtime.data}: {error.strerror}", "Let this user write there.")
    finally:
        probe.unlink(missing_ok=True)
    told = f"{runtime.data}, {free / 2**30:.1f} GiB free"
    if free < _LEAST_FREE_BYTES:
        return Finding("data folder", "warning", told, "Make room: loads and results need it.")
    return Finding("data folder", "ok", told)


# -- database -----------------------------------------------------------------------------------------------------


def _database(runtime: Runtime) -> Iterator[Finding]:
    try:
        before = time.time()
        [row] = runtime.database.execute(
            """
            SELECT current_setting('server_version_num')::int / 10000 AS major,
                   current_setting('server_version') AS said,
                   extract(epoch FROM clock_timestamp())::float8 AS at
            """
        )
        after = time.time()
    except DatabaseUnavailable as error:
        yield Finding("database", "wrong", str(error), DatabaseUnavailable.advice)
        return
    if row.major < OLDEST_MAJOR:
        yield Finding("database", "wrong", f"PostgreSQL {row.said}", f"Use PostgreSQL {OLDEST_MAJOR} or newer.")
    else:
        yield Finding("database", "ok", f"PostgreSQL {row.said}")
    yield _skew("clock of the database", row.at - (before + after) / 2, after - before)
    yield _tables(runtime)


def _tables(runtime: Runtime) -> Finding:
    if is_behind(runtime.database):
        return Finding(
            "tables", "warning", "not of this version yet", "Start `tailrace serve`: it brings them up to date."
        )
    if not runtime.database.parts_tenants():
        return Finding(
            "tables",
            "warning",
            "the role that keeps tenants apart a second time is missing",
            "See docs/how-to/run-with-your-own-postgresql.md: the role signed in with must be let make or take it.",
        )
    return Finding("tables", "ok", "of this version, tenants kept apart by row-level security")


def _skew(part: str, ahead: float, doubt: float) -> Finding:
    """Compare a clock with this machine's; what the question itself took is in doubt."""
    told = f"{ahead:+.1f} s against this machine's"
    if abs(ahead) - doubt > _MOST_SKEW_SECONDS:
        return Finding(part, "wrong", told, "Let both machines set their clocks by NTP: links and leases are short.")
    return Finding(part, "ok", told)


# -- store --------------------------------------------------------------------------------------------------------


def _store(runtime: Runtime) -> Iterator[Finding]:
    kind = runtime.settings.storage.kind
    key = f"doctor/{secrets.token_hex(8)}/probe.txt"
    try:
        store: Storage = load_plugin("tailrace.storage", kind).open_store(runtime.storage_options)
        yield from _tried(store, kind, key)
    except (StorageUnavailable, PluginUnknown) as error:
        yield Finding(f"store ({kind})", "wrong", str(error), error.advice)


def _tried(store: Storage, kind: str, key: str) -> Iterator[Finding]:
    """Write an object, read it back, fetch it as a client would, remove it."""
    with store.create(key) as writer:
        writer.write(_PROBE)
    try:
        if b"".join(store.read(key, 0, store.size(key))) != _PROBE:
            yield Finding(
                f"store ({kind})", "wrong", "other bytes are read than were written", "Ask who runs the store."
            )
            return
        yield Finding(f"store ({kind})", "ok", "an object was written, read and removed")
        link = store.sign(key, _LINK_SECONDS, "probe.txt", "text/plain")
        if link is not None:
            yield from _fetched(link)
    finally:
        store.delete(key)
    yield _unfinished(store)


def _unfinished(store: Storage) -> Finding:
    try:
        store.abort_unfinished(_LONG_AGO)
    except StorageUnavailable as error:
        mend = "Let the account list and end multipart uploads, or what a killed worker leaves will stay."
        return Finding("unfinished uploads", "warning", str(error), mend)
    return Finding("unfinished uploads", "ok", "can be listed")


def _fetched(link: str) -> Iterator[Finding]:
    """Fetch a signed link; the link itself is a secret for as long as it lives."""
    before = time.time()
    try:
        with urllib.request.urlopen(link, timeout=_DEADLINE_SECONDS) as answer:  # noqa: S310 - the store's own link
            whole, date = answer.read() == _PROBE, answer.headers.get("Date")
    except urllib.error.HTTPError as error:
        told, mend = (
            f"a signed link is answered with {error.code}",
            "Compare the clocks, the region and the key's rights.",
        )
        yield Finding("links", "wrong", told, mend)
        return
    except OSError as error:
        mend = "Clients must reach storage.endpoint by the name that is set."
        yield Finding("links", "wrong", f"a signed link cannot be fetched ({type(error).__name__})", mend)
        return
    after = time.time()
    yield Finding("links", "ok" if whole else "wrong", "a signed link gives the object" if whole else "other bytes")
    if date:
        # The header has whole seconds: half of one is in doubt.
        told_at = parsedate_to_datetime(date).timestamp() + 0.5
        yield _skew("clock of the store", told_at - (before + after) / 2, after - before + 0.5)


# -- sources ------------------------------------------------------------------------------------------------------


def _sources(runtime: Runtime) -> Iterator[Finding]:
    try:
        check_names(runtime)
    except TailraceError as error:
        yield Finding("datasets", "wrong", str(error), error.advice)
        return
    for name, bound, source in bound_datasets(runtime.settings):
        yield from _source(runtime, name, bound, source)


def _source(runtime: Runtime, name: str, bound: DatasetSettings, source: Source) -> Iterator[Finding]:
    part = f"source '{bound.source}' of {name}"
    try:
        faults = examine(runtime, name, bound, source)
    except SourceEmpty as error:
        yield Finding(part, "warning", str(error), error.advice)
        return
    except (SourceUnavailable, PluginUnknown) as error:
        yield Finding(part, "wrong", str(error), error.advice)
        return
    for fault in faults:
        yield Finding(part, "wrong", fault, "Correct the settings of the dataset, or the source.")
    if not faults:
        yield Finding(part, "ok", "has all columns of the dataset")
