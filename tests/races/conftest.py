"""What the tests of this folder share: servers on which every move of a job is noted, and more workers beside them."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from model.history import check_moves, check_slots, note_history, read_history
from races.together import QUICK, slots_in
from service import Service, start_service


@contextmanager
def extra_workers(service: Service, number: int) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Run so many `tailrace worker` for a server's data folder, until the end of the block."""
    command = [sys.executable, "-m", "tailrace", "worker", "--data", str(service.data)]
    processes = []
    try:
        for _ in range(number):
            with service.log.open("a") as log:
                processes.append(subprocess.Popen(command, stderr=log, env=service.environment))
        yield processes
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(60)


@contextmanager
def noted_service(folder: Path, url: str, workers: int = 1, **environment: str) -> Iterator[Service]:
    """Run a server with workers; at the end every job must have gone along the diagram, within the slots."""
    with start_service(folder, url, **(QUICK | environment)) as service, extra_workers(service, workers - 1):
        note_history(service.database)
        yield service
        history = read_history(service.database)
        check_moves(history)
        check_slots(history, slots_in(environment))


@pytest.fixture(scope="session")
def start_noted(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., object]:
    """Start noted servers, in a `with`: `workers` and further environment."""

    def start(workers: int = 1, **environment: str) -> object:
        return noted_service(tmp_path_factory.mktemp("noted"), new_database(), workers, **environment)

    return start


@pytest.fixture(scope="session")
def quick(start_noted: Callable[..., object]) -> Iterator[Service]:
    """Run a server without the waits between requests, for all tests of this folder."""
    with start_noted() as service:  # type: ignore[attr-defined]
        yield service


@pytest.fixture
def crew_of_four(start_noted: Callable[..., object]) -> Iterator[Service]:
    """Run a server and three workers more."""
    with start_noted(workers=4) as service:  # type: ignore[attr-defined]
        yield service
