"""Clients of both APIs that remember what they asked, what they were told, and what they saw."""

import json
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2

from conformance import wire
from conformance.smartsync import exports_wire
from conformance.smartsync import wire as smartsync
from faults.site import Site
from service import EXAMPLE, JOBS, Caller, poll
from tailrace.catalog.loader import load_catalog
from tailrace.intake.sample import load_sample

SMALL_ROWS, LARGE_ROWS = 300, 60_000
# Some 20 MB: an upload of three parts.
HEAVY_ROWS, HEAVY_WORDS = 6_000, 170
_PAUSE_SECONDS = 0.1


@dataclass
class Seen:
    """One look at a job: its status, and where its result was said to be."""

    job: UUID
    status: str
    has_result: bool


@dataclass
class Client:
    """Somebody of one tenant; `expected` are the bytes that each of its jobs must have."""

    site: Site
    dialect: str
    tenant: UUID
    expected: bytes
    post: Callable[[dict[str, str]], tuple[int, Any]]
    look: Callable[[UUID], tuple[str, bool] | None]
    stop: Callable[[UUID], int]
    fetch: Callable[[UUID], tuple[int, bytes]]
    sign_in: Callable[[], None]
    accepted: set[UUID] = field(default_factory=set)
    seen: list[Seen] = field(default_factory=list)

    def try_submit(self, key: str = "") -> UUID | None:
        """Ask once: the job's id, or None when nobody said that there is one."""
        try:
            status, body = self.post({"Idempotency-Key": key} if key else {})
        except (httpx2.HTTPError, OSError):
            return None
        if status not in (200, 202):
            return None
        job = UUID(body["jobId"] if isinstance(body, dict) else body)
        self.accepted.add(job)
        return job

    def submit(self, key: str = "") -> UUID:
        """Ask until the job is accepted."""
        return UUID(str(poll(lambda: self.try_submit(key), 60, 0.1)))

    def observe(self) -> None:
        for job in list(self.accepted):
            with suppress(httpx2.HTTPError, OSError):
                found = self.look(job)
                if found:
                    self.seen.append(Seen(job, *found))

    def forget(self) -> None:
        self.accepted, self.seen = set(), []


class Watch:
    """Looks at the jobs of some clients again and again, as their owners do, until the end of the block."""

    def __init__(self, clients: list[Client]) -> None:
        self._clients, self._over = clients, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(_PAUSE_SECONDS):
            for client in self._clients:
                client.observe()


# -- the Data Extraction API --------------------------------------------------------------------------------------


def new_cxone(site: Site, size: str = "small") -> Client:
    caller = site.service.caller()
    expected = _fill_large(site, caller) if size == "large" else _fill(site, caller, size)
    headers = {"Authorization": f"Bearer {caller.token}"}
    http = _http(site)

    def post(more: dict[str, str]) -> tuple[int, Any]:
        answer = http.post(JOBS, json=EXAMPLE, headers=headers | more)
        return answer.status_code, answer.json() if answer.is_success else None

    def look(job: UUID) -> tuple[str, bool] | None:
        answer = http.get(f"{JOBS}/{job}", headers=headers)
        if not answer.is_success:
            return None
        status = answer.json()["jobStatus"]
        return status["status"], "url" in status["result"]

    def stop(job: UUID) -> int:
        return http.delete(f"{JOBS}/{job}", headers=headers).status_code

    def fetch(job: UUID) -> tuple[int, bytes]:
        status = http.get(f"{JOBS}/{job}", headers=headers).json()["jobStatus"]
        if "url" not in status["result"]:
            return 404, b""
        answer = http.get(status["result"]["url"])
        return answer.status_code, answer.content

    def sign_in() -> None:
        headers["Authorization"] = f"Bearer {site.service.sign_in(caller.key)}"

    return Client(site, "cxone", caller.tenant.id, expected, post, look, stop, fetch, sign_in)


def _fill(site: Site, caller: Caller, size: str) -> bytes:
    described = wire.dataset()
    rows, words = (HEAVY_ROWS, HEAVY_WORDS) if size == "heavy" else (SMALL_ROWS, 1)
    rows = [
        wire.row(described, workflow_id=f"w{place:04}", plan_name=f'plan "{place}",\r\n é' * words, tenant_name="Ψ")
        for place in range(rows)
    ]
    with tempfile.TemporaryDirectory() as folder:
        wire.load(caller, Path(folder), described, rows)
    return wire.expected_file(described, rows)


def _fill_large(site: Site, caller: Caller) -> bytes:
    """Several slices' worth of made-up rows; their bytes are those of a run that nothing disturbs."""
    tables = site.data / "tables"
    days = {"start": date(2019, 5, 22), "end": date(2019, 5, 28)}
    load_sample(site.service.database, load_catalog(), tables, caller.tenant, "qm-workflows", rows=LARGE_ROWS, **days)
    worker = site.work()
    data = caller.extract()
    worker.end()
    return data


# -- the SmartSync APIs -------------------------------------------------------------------------------------------


def new_smartsync(site: Site, exporter: str = "agent-schedule-detail", **asked: Any) -> Client:
    person = exports_wire.new_centre(site.service)
    asked = {"outputFormat": "JSON", **asked}
    expected = exports_wire.expected(person, exporter, **asked)
    assert len(expected) > 500
    body = json.dumps(exports_wire.ask(exporter, **asked)).encode()
    http = _http(site)
    http.headers["Cookie"] = person.cookie[1]
    base = exports_wire.BASE

    def post(_more: dict[str, str]) -> tuple[int, Any]:
        answer = http.post(f"{base}/{exporter}", content=body, headers=[smartsync.JSON])
        return answer.status_code, answer.json() if answer.is_success else None

    def look(job: UUID) -> tuple[str, bool] | None:
        answer = http.get(f"{base}/status/{job.hex}")
        if not answer.is_success:
            return None
        status = answer.json()
        return status["status"], "resultsSizeBytes" in status

    def stop(job: UUID) -> int:
        return http.post(f"{base}/cancel/{job.hex}").status_code

    def fetch(job: UUID) -> tuple[int, bytes]:
        answer = http.get(f"{base}/result/{job.hex}")
        return answer.status_code, answer.content

    def sign_in() -> None:
        http.headers["Cookie"] = f"JSESSIONID={smartsync.sign_in(site.service, person.credentials)}"

    return Client(site, "smartsync", person.tenant.id, expected, post, look, stop, fetch, sign_in)


def _http(site: Site) -> httpx2.Client:
    return httpx2.Client(base_url=site.url, timeout=8, verify=False)


__all__ = ["Client", "Watch", "new_cxone", "new_smartsync"]
