"""What the tests of this folder share: a server with a short lease, its processes, and a large tenant."""

import hashlib
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from service import Caller, Service, poll, start_service
from tailrace.catalog.loader import load_catalog
from tailrace.intake.sample import load_sample

ENVIRONMENT = {
    "TAILRACE_WORKER__LEASE_S": "3",
    "TAILRACE_CXONE__MIN_INTERVAL_S": "0",
    "TAILRACE_CXONE__ONE_USER_PER_TENANT": "off",
    "TAILRACE_CXONE__READ_LIMIT_PER_S": "10000",
}
LARGE_ROWS = 200_000


def children_of(pid: int) -> list[int]:
    """List the live children of a process, those that are still starting included."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError):
            found += [int(child) for child in (task / "children").read_text().split()]
    return [child for child in found if alive(child)]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def is_child(pid: int) -> bool:
    with suppress(FileNotFoundError):
        return b"tailrace.worker.child" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


class Crew:
    """A server, its worker and the worker's children."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.alive = alive

    @property
    def worker(self) -> int:
        """The worker beside the server, once it has a child."""
        return int(poll(lambda: next((pid for pid in children_of(self.service.process.pid) if children_of(pid)), None)))

    def spare(self, worker: int | None = None) -> int:
        """The one child of a worker with nothing to do, which will be given the next job.

        One that is not yet a program of its own has its worker wait (vfork), for ever if it is frozen then.
        """
        worker = worker or self.worker
        [child] = poll(lambda: len(found := children_of(worker)) == 1 and is_child(found[0]) and found)
        return int(child)

    def freeze_spare(self, worker: int | None = None) -> int:
        child = self.spare(worker)
        os.kill(child, signal.SIGSTOP)
        return child

    def row(self, job: str) -> Any:
        [row] = self.service.database.execute("SELECT * FROM jobs WHERE id = %(id)s", {"id": job})
        return row

    def wait_for(self, job: str, state: str, attempt: int | None = None) -> Any:
        def look() -> Any:
            row = self.row(job)
            return row.state == state and attempt in (None, row.attempt) and row

        return poll(look)

    def wait_until_writing(self, job: str) -> Path:
        """Wait until the job's object is being written and return the unfinished file."""
        row = self.row(job)
        folder = self.service.data / "results" / str(row.tenant_id) / job
        return Path(poll(lambda: next((path for path in folder.glob("*.part") if path.stat().st_size), None)))

    def objects(self, job: str) -> list[Path]:
        """The finished objects of a job."""
        found = (self.service.data / "results").glob(f"*/{job}/*")
        return [path for path in found if path.suffix != ".part"]

    def check_published(self, caller: Caller, job: str, expected: bytes | None = None) -> Any:
        """Check that the job has one pointer, to a whole object of just these bytes; returns the row."""
        assert caller.wait(job)["status"] == "SUCCEEDED"
        row = self.row(job)
        data = (self.service.data / "results" / row.result_key).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (row.result_bytes, row.result_sha256)
        assert expected is None or data == expected
        return row


@contextmanager
def crew_of(folder: Path, database_url: str, **environment: str) -> Iterator[Crew]:
    with start_service(folder, database_url, **(ENVIRONMENT | environment)) as service:
        yield Crew(service)


@pytest.fixture(scope="module")
def crew(new_database: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    """One server for the tests of a file, which leave it in order."""
    with crew_of(tmp_path_factory.mktemp("crew"), new_database()) as crew:
        yield crew


@pytest.fixture(scope="session")
def new_crew() -> Any:
    """Start a server as the other tests have it, in a `with`: folder, database and further environment."""
    return crew_of


@pytest.fixture(scope="module")
def large(crew: Crew) -> tuple[Caller, bytes]:
    """A caller whose job takes a while, and the bytes that an undisturbed one gives."""
    caller = crew.service.caller()
    fill(crew.service, caller, LARGE_ROWS)
    return caller, caller.extract()


def fill(service: Service, caller: Caller, rows: int, **options: Any) -> None:
    tables = service.data / "tables"
    load_sample(service.database, load_catalog(), tables, caller.tenant, "qm-workflows", rows=rows, **options)


@pytest.fixture
def small(crew: Crew) -> tuple[Caller, bytes]:
    """A caller of a tenant with few rows, and the bytes that an undisturbed job gives."""
    caller = crew.service.caller()
    fill(crew.service, caller, 500)
    return caller, caller.extract()


@pytest.fixture(scope="session")
def fill_with_sample() -> Any:
    return fill
