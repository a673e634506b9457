"""Jobs of every format against the same job as CSV, and NDJSON against DuckDB's own: alternated in one run, medians.

python benchmarks/extract_formats.py [--rows N] [--runs N] [--formats NAME,NAME]
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import duckdb
import httpx2
from extract_csv import JOBS, claim_to_end, measure_memory, prepare, serve, sign_in

from tailrace.runtime import Runtime, open_runtime

FORMATS = ("csv.gz", "csv.zst", "ndjson", "ndjson.gz", "ndjson.zst", "parquet")


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description="Measure every format against CSV.")
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--formats", default=",".join(FORMATS))
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder:
        data = Path(folder)
        (data / "tailrace.toml").write_text(f"[datasets.qm-workflows]\nformats = {list(FORMATS)}\n")
        key = prepare(data, chosen.rows)
        with open_runtime(data) as runtime, serve(data) as url, sign_in(url, key) as http:
            run_job(http["large"], "csv")
            for name in chosen.formats.split(","):
                measure(http["large"], runtime, name, chosen.runs)
            measure_copy(http["large"], runtime, data, chosen.runs)
            measure_memory()


def run_job(client: httpx2.Client, name: str) -> str:
    """Submit a job for all rows and poll until it has succeeded; returns its id."""
    body = {"entityName": "qm-workflows", "version": "1", "startDate": "2019-05-01", "endDate": "2019-07-01"}
    job: str = client.post(JOBS, json={**body, "format": name}).raise_for_status().json()
    while (status := client.get(f"{JOBS}/{job}").json()["jobStatus"])["status"] == "RUNNING":
        time.sleep(0.01)
    assert status["status"] == "SUCCEEDED", status
    return job


def measure(client: httpx2.Client, runtime: Runtime, name: str, runs: int) -> None:
    """From claim to SUCCEEDED, in turn with the same job as CSV."""
    run_job(client, name)
    pairs = [[claim_to_end(runtime, run_job(client, one)) for one in (name, "csv")] for _ in range(runs)]
    show(name, "CSV", pairs)


def measure_copy(client: httpx2.Client, runtime: Runtime, folder: Path, runs: int) -> None:
    """The job of NDJSON in turn with DuckDB's own."""
    copy(runtime, folder)
    pairs = [[claim_to_end(runtime, run_job(client, "ndjson")), copy(runtime, folder)] for _ in range(runs)]
    show("ndjson", "DuckDB COPY (FORMAT json)", pairs)


def show(name: str, other: str, pairs: list[list[float]]) -> None:
    """Print the median of the ratios, and all seconds."""
    ratio = median(first / second for first, second in pairs)
    print(f"{name} against {other}: {ratio:.2f} (median of {len(pairs)})")
    print("  " + "  ".join(f"{first:.2f}/{second:.2f}" for first, second in pairs))


def copy(runtime: Runtime, folder: Path) -> float:
    """Let DuckDB write the same rows and columns as JSON lines, in order."""
    [row] = runtime.database.execute("SELECT path FROM stored_files ORDER BY rows DESC LIMIT 1")
    columns = runtime.catalog.get("qm-workflows", "1").columns
    names = ", ".join(f'"{column.source}" AS "{column.name}"' for column in columns)
    target = folder / "copy.json"
    with duckdb.connect() as connection:
        started = time.perf_counter()
        source = f"(SELECT {names} FROM read_parquet('{runtime.tables / row.path}'))"
        connection.execute(f"COPY {source} TO '{target}' (FORMAT json)")
        seconds = time.perf_counter() - started
    target.unlink()
    return seconds


if __name__ == "__main__":
    main()
