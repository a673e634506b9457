"""The main job against DuckDB's own COPY: alternated in one run, medians, peak memory.

python benchmarks/extract_csv.py [--rows N] [--runs N]
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import httpx2

from tailrace.runtime import Runtime, open_runtime

TAILRACE = str(Path(sys.executable).parent / "tailrace")
JOBS = "/data-extraction/v1/jobs"
SETTINGS = {
    "TAILRACE_CXONE__MIN_INTERVAL_S": "0",
    "TAILRACE_CXONE__MAX_RANGE_DAYS": "400",
    "TAILRACE_CXONE__READ_LIMIT_PER_S": "100000",
    "TAILRACE_LOG__LEVEL": "warning",
}


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description="Measure the main job against DuckDB's own COPY.")
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--runs", type=int, default=5)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder:
        data = Path(folder)
        key = prepare(data, chosen.rows)
        with open_runtime(data) as runtime, serve(data) as url, sign_in(url, key) as http:
            measure_small_jobs(http)
            measure_large_jobs(http, runtime, Path(folder), chosen.runs)
            measure_memory()


def prepare(data: Path, rows: int) -> dict[str, str]:
    """Make tenants with rows as an operator would: one with many, one with 1,000."""
    for tenant, number in (("large", rows), ("small", 1000)):
        run("tenant", "create", tenant, "--data", data)
        run("user", "create", "bench", "--tenant", tenant, "--data", data)
        started = time.perf_counter()
        run("sample", "qm-workflows", "--tenant", tenant, "--rows", number, "--data", data)
        print(f"sample: {number:,} rows in {time.perf_counter() - started:.1f} s")
    return {tenant: run(*_key_command(tenant), "--data", data) for tenant in ("large", "small")}


def _key_command(tenant: str) -> tuple[str, ...]:
    return ("key", "create", "--tenant", tenant, "--user", "bench", "--allow", "qm-workflows", "--json")


def run(*words: object) -> str:
    """Run a command of Tailrace and return what it prints."""
    command = [TAILRACE, *map(str, words)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@contextmanager
def serve(data: Path) -> Iterator[str]:
    """Run a server and yield its address."""
    command = [TAILRACE, "serve", "--data", str(data), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **SETTINGS})
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[4]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@contextmanager
def sign_in(url: str, keys: dict[str, str]) -> Iterator[dict[str, httpx2.Client]]:
    """Yield a signed-in HTTP client for each tenant."""
    clients = {}
    for tenant, key in keys.items():
        client = httpx2.Client(base_url=url)
        token = client.post("/authentication/v1/token/access-key", json=json.loads(key)).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        clients[tenant] = client
    yield clients
    for client in clients.values():
        client.close()


def run_job(client: httpx2.Client) -> tuple[str, float]:
    """Submit a job for all rows and poll until it has succeeded; returns its id and the seconds that took."""
    body = {"entityName": "qm-workflows", "version": "1", "startDate": "2019-05-01", "endDate": "2019-07-01"}
    started = time.perf_counter()
    job = client.post(JOBS, json=body).raise_for_status().json()
    while (status := client.get(f"{JOBS}/{job}").json()["jobStatus"])["status"] == "RUNNING":
        time.sleep(0.01)
    assert status["status"] == "SUCCEEDED", status
    return job, time.perf_counter() - started


def measure_small_jobs(http: dict[str, httpx2.Client]) -> None:
    """From POST to SUCCEEDED on an idle service."""
    run_job(http["small"])
    seconds = sorted(run_job(http["small"])[1] for _ in range(40))
    print(f"1,000 rows, POST to SUCCEEDED: median {median(seconds) * 1000:.0f} ms, p95 {seconds[37] * 1000:.0f} ms")


def measure_large_jobs(http: dict[str, httpx2.Client], runtime: Runtime, folder: Path, runs: int) -> None:
    """From claim to SUCCEEDED, in turn with COPY of the same rows to a file."""
    run_job(http["large"])
    copy(runtime, folder)
    pairs = [(claim_to_end(runtime, run_job(http["large"])[0]), copy(runtime, folder)) for _ in range(runs)]
    jobs, copies = zip(*pairs, strict=True)
    ratio = median(job / other for job, other in pairs)
    print(
        f"all rows: job {median(jobs):.2f} s, DuckDB COPY {median(copies):.2f} s, ratio {ratio:.2f} (median of {runs})"
    )
    print("  " + "  ".join(f"{job:.2f}/{other:.2f}" for job, other in pairs))


def claim_to_end(runtime: Runtime, job: str) -> float:
    """Read the time from claim to SUCCEEDED from the job's row."""
    statement = "SELECT extract(epoch FROM finished_at - claimed_at)::float8 AS s FROM jobs WHERE id = %(id)s"
    return float(runtime.database.execute(statement, {"id": job})[0].s)


def copy(runtime: Runtime, folder: Path) -> float:
    """Let DuckDB write the same rows and columns itself."""
    [row] = runtime.database.execute("SELECT path FROM stored_files ORDER BY rows DESC LIMIT 1")
    names = ", ".join(f'"{column.source}"' for column in runtime.catalog.get("qm-workflows", "1").columns)
    target = folder / "copy.csv"
    with duckdb.connect() as connection:
        started = time.perf_counter()
        source = f"(SELECT {names} FROM read_parquet('{runtime.tables / row.path}'))"
        connection.execute(f"COPY {source} TO '{target}' (FORMAT csv, HEADER)")
        seconds = time.perf_counter() - started
    target.unlink()
    return seconds


def measure_memory() -> None:
    """Add up the kernel's high-water marks of this run's worker and its children."""
    marks: dict[str, int] = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            words = (status.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            found: Any = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        except OSError:
            continue
        kind = "child" if "tailrace.worker.child" in words else "worker" if "tailrace worker" in words else None
        if kind and found and "tailrace-bench-" in words + _parent_words(status):
            marks[f"{kind} {status.parent.name}"] = int(found.group(1)) // 1024
    parts = ", ".join(f"{name} {size} MB" for name, size in sorted(marks.items()))
    print(f"peak memory: {sum(marks.values())} MB ({parts})")


def _parent_words(status: Path) -> str:
    parent = re.search(r"PPid:\s+(\d+)", status.read_text())
    path = Path("/proc") / parent.group(1) / "cmdline" if parent else status
    return path.read_bytes().replace(b"\0", b" ").decode() if path.exists() else ""


if __name__ == "__main__":
    main()
