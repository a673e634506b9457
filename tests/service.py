"""A real `tailrace serve` in a process of its own, and what a test does with it: tenants, keys, requests, rows."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2

from tailrace.access.keys import NewKey, create_key
from tailrace.access.tenants import Tenant, create_tenant
from tailrace.access.users import User, allow, create_user
from tailrace.catalog.loader import load_catalog
from tailrace.database.pool import Database
from tailrace.intake.load import load_files

DEADLINE_SECONDS = 60.0
JOBS = "/data-extraction/v1/jobs"
# The documents' own example.
EXAMPLE = {"entityName": "qm-workflows", "version": "3", "startDate": "2019-05-22", "endDate": "2019-05-29"}


@dataclass
class Caller:
    """One user of one tenant, signed in."""

    service: "Service"
    tenant: Tenant
    user: User
    key: NewKey
    token: str

    def request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        return self.service.request(method, path, headers=headers, **options)

    def submit(self, **members: Any) -> str:
        answer = self.request("POST", JOBS, json={**EXAMPLE, **members})
        assert answer.status_code == 202, answer.text
        return str(answer.json())

    def status(self, job_id: str) -> dict[str, Any]:
        answer = self.request("GET", f"{JOBS}/{job_id}")
        assert answer.status_code in (200, 202), answer.text
        return dict(answer.json()["jobStatus"])

    def wait(self, job_id: str) -> dict[str, Any]:
        """Poll until the job has ended."""
        # Below the 20 reads a second that a token may do for long (CX-019).
        ended = lambda: (status := self.status(job_id))["status"] != "RUNNING" and status  # noqa: E731
        return poll(ended, pause_seconds=0.06)

    def extract(self, **members: Any) -> bytes:
        status = self.wait(self.submit(**members))
        assert status["status"] == "SUCCEEDED", status
        return bytes(httpx2.get(status["result"]["url"], verify=False).raise_for_status().content)


@dataclass
class Service:
    """A running server."""

    url: str
    data: Path
    database: Database
    process: "subprocess.Popen[str]"
    log: Path
    environment: dict[str, str] = field(default_factory=dict)

    def request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        # Without `verify=False` every call would read the machine's certificates first.
        return httpx2.request(method, self.url + path, timeout=30, verify=False, **options)

    def tenant(self) -> Tenant:
        return create_tenant(self.database, f"tenant-{uuid4().hex[:12]}")

    def caller(self, tenant: Tenant | None = None, permissions: Sequence[str] = ("qm-workflow",)) -> Caller:
        """Make a user with a key, and sign it in; of a new tenant unless one is given."""
        tenant = tenant or self.tenant()
        user = create_user(self.database, tenant, f"user-{uuid4().hex[:8]}")
        allow(self.database, user, permissions)
        key = create_key(self.database, user)
        return Caller(self, tenant, user, key, self.sign_in(key))

    def sign_in(self, key: NewKey) -> str:
        body = {"accessKeyId": key.access_key_id, "accessKeySecret": key.access_key_secret}
        answer = self.request("POST", "/authentication/v1/token/access-key", json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def load(self, tenant: Tenant, dataset: str, *files: Path) -> None:
        folder = self.data / "catalog"
        catalog = load_catalog([folder] if folder.is_dir() else [])
        load_files(self.database, catalog, self.data / "tables", tenant, dataset, files)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(DEADLINE_SECONDS)


@contextmanager
def start_service(data: Path, database_url: str, options: Sequence[str] = (), **environment: str) -> Iterator[Service]:
    """Run `tailrace serve` on a free port until the end of the block."""
    data.mkdir(parents=True, exist_ok=True)
    log = data / "serve.log"
    variables = {name: value for name, value in os.environ.items() if not name.startswith("TAILRACE_")}
    variables |= {"DATABASE_URL": database_url, **environment}
    command = [sys.executable, "-m", "tailrace", "serve", "--data", str(data), "--port", "0", *options]
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=variables)
    database = Database(database_url, size=8)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Tailrace is ready at "), log.read_text()
        yield Service(line.split()[4], data, database, process, log, variables)
    finally:
        process.terminate()
        process.wait(DEADLINE_SECONDS)
        assert process.stdout is not None
        process.stdout.close()
        database.close()


def poll(attempt: Any, deadline_seconds: float = DEADLINE_SECONDS, pause_seconds: float = 0.01) -> Any:
    """Ask again and again until there is an answer."""
    until = time.monotonic() + deadline_seconds
    while time.monotonic() < until:
        if found := attempt():
            return found
        time.sleep(pause_seconds)
    raise AssertionError(f"nothing within {deadline_seconds} seconds")


def as_json(text: str) -> Any:
    return json.loads(text)
