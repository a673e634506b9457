"""A service as an operator would run it, with rows of every kind to extract, and the figures of its jobs."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2

from benchmarks.measure import Sample, cpu_seconds, family
from tailrace.access.tenants import find_tenant
from tailrace.jobs.model import Limits, Request
from tailrace.jobs.ranges import resolve_range
from tailrace.jobs.submit import Caller, Order, Rules, submit
from tailrace.runtime import Runtime, open_runtime

TAILRACE = str(Path(sys.executable).parent / "tailrace")
JOBS = "/data-extraction/v1/jobs"
DATASET, VERSION = "qm-workflows", "1"
START, END = date(2019, 5, 1), date(2019, 7, 1)
_LIMITS = Limits(timeout_seconds=3600, max_result_bytes=2**40, retention_hours=1, record_hours=1)
SETTINGS = {
    "TAILRACE_CXONE__MIN_INTERVAL_S": "0",
    "TAILRACE_CXONE__MAX_RANGE_DAYS": "400",
    "TAILRACE_CXONE__READ_LIMIT_PER_S": "100000",
    "TAILRACE_LOG__LEVEL": "warning",
}


@dataclass(slots=True)
class Site:
    """A running service and its data folder; tenants are named after the number of their rows."""

    data: Path
    runtime: Runtime
    url: str
    pid: int
    keys: dict[str, dict[str, str]] = field(default_factory=dict)

    def tenant(self, rows: int, kind: str = "rows") -> str:
        """Name the tenant that has so many rows."""
        name = f"{kind}-{rows}"
        self.keys[name] = json.loads((self.data / f"{name}.json").read_text())
        return name

    def stored(self, tenant: str) -> list[Path]:
        """List the stored files of a tenant's rows."""
        owner = find_tenant(self.runtime.database, tenant)
        rows = self.runtime.database.execute(
            "SELECT path FROM stored_files WHERE tenant_id = %(id)s", {"id": owner.id}, tenant=owner.id
        )
        return [self.runtime.tables / row.path for row in rows]

    def job(self, tenant: str, format_name: str = "csv", *, keep: bool = False) -> Sample:
        """Run a job for all rows of a tenant; the time is that from claim to SUCCEEDED.

        The result is removed, as many large ones would fill the disk, unless it is to be kept.
        """
        before = cpu_seconds([self.pid])
        job_id = self._submit(tenant, format_name)
        while (row := self._row(job_id)).state in ("queued", "running"):
            time.sleep(0.02)
        if row.state != "succeeded":
            raise RuntimeError(f"the job has {row.state}: {row.error_code}")
        for path in () if keep else (self.data / "results").glob(f"*/{job_id}/*"):
            path.unlink()
        used = cpu_seconds([self.pid]) - before
        return Sample(row.seconds, used, self._worker_peak(), row.result_bytes)

    def _submit(self, tenant: str, format_name: str) -> UUID:
        database = self.runtime.database
        owner = find_tenant(database, tenant)
        [user] = database.execute("SELECT id FROM users WHERE tenant_id = %(id)s", {"id": owner.id}, tenant=owner.id)
        self._forget_peaks()
        order = Order("cxone", DATASET, VERSION, "", START, END, self.request(format_name))
        return submit(database, Caller(owner.id, user.id), order, Rules())

    def request(self, format_name: str) -> Request:
        """Ask for all rows in a format, be it offered or not."""
        dataset = self.runtime.catalog.get(DATASET, VERSION)
        return resolve_range(dataset, START, END, format_name=format_name, limits=_LIMITS, options={})

    def _row(self, job_id: UUID) -> Any:
        [row] = self.runtime.database.execute(
            """
            SELECT state, error_code, result_bytes, extract(epoch FROM finished_at - claimed_at)::float8 AS seconds
            FROM jobs WHERE id = %(id)s
            """,
            {"id": job_id},
        )
        return row

    # -- memory: the kernel's high-water marks of the worker and its children ---------------------------------------

    def _worker(self) -> Iterator[Path]:
        for pid in family([self.pid])[1:]:
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
            except OSError:
                continue  # it has ended meanwhile
            if b"tailrace worker" in words or b"tailrace.worker.child" in words:
                yield Path(f"/proc/{pid}")

    def _forget_peaks(self) -> None:
        for path in self._worker():
            with suppress(OSError):
                (path / "clear_refs").write_text("5")

    def _worker_peak(self) -> int:
        """Add up the worker and its busiest child; a spare one that waits is none of the job's."""
        marks = sorted(_high_water(path) for path in self._worker())
        return sum(marks[-2:])

    @contextmanager
    def http(self, tenant: str) -> Iterator[httpx2.Client]:
        """Sign in."""
        with httpx2.Client(base_url=self.url, timeout=60) as client:
            answer = client.post("/authentication/v1/token/access-key", json=self.keys[tenant]).raise_for_status()
            client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            yield client


def _high_water(path: Path) -> int:
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", (path / "status").read_text())
    except OSError:
        return 0
    return int(found.group(1)) // 1024 if found else 0


def make_tenant(data: Path, rows: int, kind: str = "rows") -> None:
    """Make a tenant with so many sample rows, unless there is one; tenants of two kinds may have as many."""
    name = f"{kind}-{rows}"
    data.mkdir(parents=True, exist_ok=True)
    if (data / f"{name}.json").exists():
        return
    run("tenant", "create", name, "--data", data)
    run("user", "create", "bench", "--tenant", name, "--data", data)
    run("sample", DATASET, "--tenant", name, "--rows", rows, "--data", data)
    key = run("key", "create", "--tenant", name, "--user", "bench", "--allow", DATASET, "--json", "--data", data)
    (data / f"{name}.json").write_text(key)


def run(*words: object) -> str:
    """Run a command of Tailrace and return what it prints."""
    return subprocess.run([TAILRACE, *map(str, words)], check=True, capture_output=True, text=True).stdout


@contextmanager
def open_site(data: Path, settings: str = "", environment: Mapping[str, str] | None = None) -> Iterator[Site]:
    """Serve from a data folder, with lines of the settings file, until the end of the context."""
    data.mkdir(parents=True, exist_ok=True)
    told = data / "tailrace.toml"
    told.write_text(settings)
    variables = {**os.environ, **SETTINGS, **(environment or {})}
    command = [TAILRACE, "serve", "--data", str(data), "--port", "0"]
    with open_runtime(data) as runtime:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=variables)
        assert process.stdout is not None
        try:
            yield Site(data, runtime, process.stdout.readline().split()[4], process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            # What comes next with this folder is told otherwise.
            told.unlink()


def columns(site: Site) -> Sequence[str]:
    """Name the stored columns of the dataset that is measured, in order."""
    return [column.source for column in site.runtime.catalog.get(DATASET, VERSION).columns]
