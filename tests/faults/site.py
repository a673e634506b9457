"""A whole service that can be broken: its own PostgreSQL behind a proxy, an API, and workers, all killable one by one.

The API and each worker are processes of their own. What time brings is brought by ageing rows: the lease of a worker
that is dead or frozen has run out, a retry is due.
"""

import os
import signal
import subprocess
import time
from collections import deque
from contextlib import suppress
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import httpx2
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import namedtuple_row

from faults.nursery import Nursery
from faults.proxy import Proxy
from faults.stores import Bucket, Disk
from service import Service, poll
from tailrace.catalog.loader import load_catalog
from tailrace.database.embedded import EmbeddedPostgres
from tailrace.database.keeper import CRASH_WINDOW_S, CRASHES, SOCKET, Folder
from tailrace.database.migrate import migrate
from tailrace.database.pool import Database
from tailrace.runtime import Runtime
from tailrace.settings import load_settings
from tailrace.worker import housekeeping

PATIENCE_SECONDS = 90.0
TIMEOUT_SECONDS = 2
ENVIRONMENT = {
    "TAILRACE_TESTING__FAULTS": "on",
    "TAILRACE_DATABASE__TIMEOUT_S": str(TIMEOUT_SECONDS),
    "TAILRACE_WORKER__LEASE_S": "20",
    "TAILRACE_WORKER__POLL_S": "0.2",
    "TAILRACE_CXONE__MIN_INTERVAL_S": "0",
    "TAILRACE_CXONE__ONE_USER_PER_TENANT": "off",
    "TAILRACE_CXONE__READ_LIMIT_PER_S": "100000",
}


def state_of(pid: int) -> str:
    """A process's state as the kernel writes it; X for one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def descendants(pid: int) -> list[int]:
    """Its children and theirs: a worker's are its nursery's."""
    found: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *descendants(child)]
    return found


def lives(pid: int) -> bool:
    return state_of(pid) not in "ZX"


class Process:
    """A process of the service and what it wrote; its children go where it goes."""

    def __init__(self, site: "Site", role: str, *arguments: str, **environment: str) -> None:
        self.log = site.folder / f"{role}-{uuid4().hex[:6]}.log"
        output, its_output = os.pipe()
        with self.log.open("w") as log, Path(os.devnull).open() as nothing:
            streams = nothing.fileno(), its_output, log.fileno()
            self.popen = site.nursery.start(role, arguments, streams, site.environment | environment)
        os.close(its_output)
        self.output = os.fdopen(output, "rb")
        self.pid = self.popen.pid

    @property
    def family(self) -> list[int]:
        return [self.pid, *descendants(self.pid)]

    @property
    def alive(self) -> bool:
        return self.popen.poll() is None

    def send(self, number: int, *, family: bool = False) -> None:
        for pid in self.family if family else [self.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def freeze(self) -> None:
        """Stop a process and its children, and wait until they stand still."""
        family = self.family
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        poll(lambda: all(state_of(pid) in "TZX" for pid in family))

    def thaw(self) -> None:
        self.send(signal.SIGCONT, family=True)

    def end(self, number: int = signal.SIGTERM) -> int:
        """End it as an operator does, and wait."""
        self.thaw()
        if self.alive:
            self.send(number)
        try:
            code = self.popen.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL, family=True)
            raise
        self.output.close()
        return code

    def destroy(self) -> None:
        """Have nothing left of it, however it stands."""
        if self.alive:
            self.send(signal.SIGKILL, family=True)
        self.popen.wait()
        self.output.close()

    def said(self, *words: str) -> bool:
        text = self.log.read_text()
        return any(word in text for word in words)


class Later(datetime):
    """A clock three hours ahead: past the age of leavings and of the longest job, not past any retention."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "Later":
        return super().now(tz) + timedelta(hours=3)


class Site:
    """The service of one test process."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.data.mkdir(parents=True)
        self._postgres = EmbeddedPostgres(folder / "pg")
        self.direct = make_conninfo(self._postgres.acquire(), application_name="harness")
        files = Folder((folder / "pg").resolve())
        self._postmaster = files.database / "postmaster.pid"
        self.network = Proxy(files.sockets / SOCKET)
        self.token = uuid4().hex
        self.environment = {name: text for name, text in os.environ.items() if not name.startswith("TAILRACE_")}
        self.environment |= ENVIRONMENT | {"DATABASE_URL": self._proxied(), "FAULT_SITE": self.token}
        self._plain = self.environment
        self.nursery = Nursery(self.environment)
        self._stores: dict[str, Bucket | Disk] = {"local": Disk(self.data / "results")}
        self.store = self._stores["local"]
        self.workers: list[Process] = []
        self._api_fault = ""
        self._number = 0
        self._kills: deque[float] = deque(maxlen=CRASHES - 1)
        self._connection: psycopg.Connection[Any] | None = None
        self._catalog = load_catalog()
        database = Database(self.direct, size=4)
        migrate(database)
        self.api = self._start_api("0", "")
        self.service = Service(self.url, self.data, database, self.api.popen, self.api.log, self.environment)

    def _proxied(self) -> str:
        parts = conninfo_to_dict(self.direct)
        return (
            f"postgresql://{parts['user']}:{parts['password']}@127.0.0.1:{self.network.port}/{parts['dbname']}"
            "?sslmode=disable&gssencmode=disable"
        )

    def close(self) -> None:
        for process in [*self.workers, self.api]:
            process.destroy()
        self.nursery.close()
        self.service.database.close()
        if self._connection is not None:
            self._connection.close()
        self.network.close()
        for store in self._stores.values():
            store.close()
        self._postgres.release()

    # -- the API --------------------------------------------------------------------------------------------------

    def _start_api(self, port: str, fault: str) -> Process:
        process = Process(self, "api", str(self.data), port, TAILRACE_FAULT=fault)
        line = process.output.readline()
        assert line.startswith(b"ready http"), process.log.read_text()
        self.url = line.split()[1].decode()
        return process

    def serve(self, fault: str = "") -> Process:
        """Have an API with this fault and no other; the address stays."""
        if self.api.alive and not fault and not self._api_fault:
            return self.api
        if self.api.alive:
            self.api.end(signal.SIGKILL)
        self.api = self._start_api(self.url.rpartition(":")[2], fault)
        self._api_fault = fault
        return self.api

    def keep_in(self, kind: str) -> None:
        """Have results rest in this kind of store; the API is started anew where that changes."""
        if kind == self.store.kind:
            return
        if kind not in self._stores:
            self._stores[kind] = Bucket(self.folder / kind)
        self.store = self._stores[kind]
        self.environment = {**self._plain, **self.store.environment}
        self.api.end(signal.SIGKILL)

    def is_ready(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=5, verify=False).status_code == 200
        except httpx2.HTTPError:
            return False

    # -- workers --------------------------------------------------------------------------------------------------

    def work(self, fault: str = "", **environment: str) -> Process:
        """Start a worker, which PostgreSQL must be there for."""
        self.sql("SELECT 1")
        command = "worker", "--data", str(self.data)
        self.workers.append(Process(self, *command, TAILRACE_FAULT=fault, **environment))
        return self.workers[-1]

    def sweep(self, fault: str = "") -> Process:
        """Start one round of housekeeping."""
        self.workers.append(Process(self, "sweep", str(self.data), TAILRACE_FAULT=fault))
        return self.workers[-1]

    def sweep_late(self) -> None:
        """Do a round of housekeeping that comes when all that scenarios leave behind is old enough to go."""
        settings = load_settings(self.data, self.environment)
        runtime = Runtime(self.data, settings, self.service.database, self._catalog, (), lambda: None)
        with patch.object(housekeeping, "datetime", Later):
            housekeeping.Housekeeping(runtime).sweep()

    def new_file(self, kind: str) -> Path:
        self._number += 1
        return self.folder / f"{kind}-{self._number}"

    # -- PostgreSQL -----------------------------------------------------------------------------------------------

    def kill_postgres(self) -> None:
        """Kill the server, once its keeper will start it again: it gives up one that ends too often."""
        poll(lambda: len(self._kills) < CRASHES - 1 or time.monotonic() - self._kills[0] > CRASH_WINDOW_S + 1)
        self._kills.append(time.monotonic())
        os.kill(int(self._postmaster.read_text().split()[0]), signal.SIGKILL)

    def freeze_postgres(self) -> list[int]:
        """Stop the server and all its sessions."""
        postmaster = int(self._postmaster.read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        pids = [postmaster, *map(int, children)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        return pids

    def sql(self, statement: Any, *parameters: Any) -> list[Any]:
        """Run a statement past the proxy, again if the server went away meanwhile."""

        def attempt() -> Any:
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = psycopg.connect(
                        self.direct, autocommit=True, row_factory=namedtuple_row, connect_timeout=5
                    )
                cursor = self._connection.execute(statement, parameters)
                return [cursor.fetchall() if cursor.description else []]
            except psycopg.OperationalError:
                self._connection = None
                return None

        return list(poll(attempt, PATIENCE_SECONDS, 0.05)[0])

    # -- time -----------------------------------------------------------------------------------------------------

    def age(self) -> None:
        """Let pass what would: retries are due, and leases of workers that are dead or frozen have run out."""
        self.sql("UPDATE jobs SET retry_at = now() WHERE state = 'queued' AND retry_at > now()")
        for row in self.sql("SELECT DISTINCT worker FROM jobs WHERE state = 'running' AND lease_until > now()"):
            if state_of(int(row.worker.rsplit("-", 2)[1])) in "TZX":
                self.sql("UPDATE jobs SET lease_until = now() WHERE state = 'running' AND worker = %s", row.worker)
        for row in self.sql("SELECT DISTINCT worker FROM job_shares WHERE state = 'taken' AND lease_until > now()"):
            if state_of(int(row.worker.rsplit("-", 2)[1])) in "TZX":
                self.sql("UPDATE job_shares SET lease_until = now() WHERE state = 'taken' AND worker = %s", row.worker)

    def settle(self, *, ageing: bool = True) -> None:
        """Wait until every job is final."""
        until = time.monotonic() + PATIENCE_SECONDS
        while left := self.sql("SELECT id, state, attempt, worker FROM jobs WHERE state IN ('queued', 'running')"):
            if time.monotonic() > until or not any(process.alive for process in self.workers):
                logs = "".join(process.log.read_text()[-3000:] for process in self.workers)
                raise AssertionError(f"not final: {left}\n{logs}")
            if ageing:
                self.age()
            time.sleep(0.05)

    def rows(self) -> list[Any]:
        """All jobs with the transactions that wrote them: equal lists mean that nobody changed a thing."""
        return self.sql("SELECT xmin::text AS written_by, * FROM jobs ORDER BY id")

    def processes(self) -> list[int]:
        """All live processes of this site but its nursery, whoever started them."""
        mine = f"FAULT_SITE={self.token}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and mine in (entry / "environ").read_bytes() and lives(int(entry.name)):
                    found.append(int(entry.name))
        return [pid for pid in found if pid != self.nursery.pid]

    def heal(self) -> None:
        """All ways are good again."""
        self.network.heal()
        self.store.heal()

    def clear(self) -> None:
        """Begin anew: no jobs, no results, a healthy network."""
        self.heal()
        self.workers.clear()
        self.sql("TRUNCATE jobs, idempotency_keys CASCADE")
        self.store.clear()
