"""What callers wait for: a small job from request to end, and how many status polls there can be."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import httpx2

from benchmarks.bare_app import bare_server
from benchmarks.measure import Comparison, Figure, Sample, compare
from benchmarks.plan import Sizes
from benchmarks.site import DATASET, JOBS, Site, make_tenant, open_site

_SMALL = 1000
_JOBS = 40
_POLLS, _CALLERS = 2000, 8


def measure(data: Path, sizes: Sizes) -> Iterator[Comparison | Figure]:
    """Measure small jobs on an idle service, and polls against the bare framework with one SELECT."""
    make_tenant(data, _SMALL)
    with open_site(data) as site, site.http(site.tenant(_SMALL)) as client:
        _run(client)
        seconds = sorted(_run(client)[1] for _ in range(_JOBS))
        details = {"jobs": _JOBS, "rows": _SMALL}
        yield Figure("POST to SUCCEEDED, 1,000 rows, median", median(seconds) * 1000, "ms", 150, details=details)
        late = seconds[int(_JOBS * 0.95) - 1]
        yield Figure("POST to SUCCEEDED, 1,000 rows, 95 of 100", late * 1000, "ms", 400, details=details)
        yield _polls(site, client, sizes.runs)


def _run(client: httpx2.Client) -> tuple[str, float]:
    """Submit a job for all rows and poll until it has succeeded; returns its id and the seconds that took."""
    body = {"entityName": DATASET, "version": "1", "startDate": "2019-05-01", "endDate": "2019-07-01"}
    began = time.perf_counter()
    job = client.post(JOBS, json=body).raise_for_status().json()
    while (status := client.get(f"{JOBS}/{job}").json()["jobStatus"])["status"] == "RUNNING":
        time.sleep(0.005)
    if status["status"] != "SUCCEEDED":
        raise RuntimeError(f"the job has {status['status']}")
    return job, time.perf_counter() - began


def _polls(site: Site, client: httpx2.Client, runs: int) -> Comparison:
    path, headers = f"{JOBS}/{_run(client)[0]}", dict(client.headers)
    job = path.rpartition("/")[2]
    with bare_server(site.runtime) as bare:
        ways = (lambda: _ask(site.url + path, headers)), (lambda: _ask(f"{bare}/jobs/{job}", headers))
        note = f"{_POLLS} polls by {_CALLERS} callers; a ratio of 1.25 is 0.8 of the other's polls a second"
        return compare("status polls", "the same framework and pool, one primary-key SELECT", 1.25, 0, ways, runs, note)


def _ask(url: str, headers: dict[str, str]) -> Sample:
    """Ask the same from several callers at once, each on a connection of its own."""

    def call() -> None:
        with httpx2.Client(headers=headers) as client:
            for _ in range(_POLLS // _CALLERS):
                client.get(url).raise_for_status()

    threads = [threading.Thread(target=call) for _ in range(_CALLERS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Sample(time.perf_counter() - began)
