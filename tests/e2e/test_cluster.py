"""Several processes over one database and one bucket: an API without a worker, and workers beside it."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from service import poll, start_service
from shifts import ASKED, expected, make_rows, put_catalog, write_csv

pytestmark = pytest.mark.long


@contextmanager
def worker(service):
    command = [sys.executable, "-m", "tailrace", "worker", "--data", str(service.data)]
    process = subprocess.Popen(command, env=service.environment, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def test_apis_without_a_worker_and_workers_elsewhere(new_database, tmp_path, s3_server):
    url, data = new_database(), tmp_path / "data"
    put_catalog(data / "catalog")
    alone = {"options": ["--no-worker"], "TAILRACE_CXONE__MIN_INTERVAL_S": "0", **s3_server.environment()}
    with start_service(data, url, **alone) as one, start_service(data, url, **alone) as other:
        caller = one.caller(permissions=["shifts"])
        rows = make_rows(200)
        write_csv(tmp_path / "rows.csv", rows)
        one.load(caller.tenant, "shifts", tmp_path / "rows.csv")
        job = caller.submit(**ASKED)
        with worker(one) as first, worker(one) as second:
            assert caller.wait(job)["status"] == "SUCCEEDED"
            # Whoever is left does the work, whichever API was asked.
            os.kill(first.pid, signal.SIGKILL)
            # A token names the address it was given at, and these have no common one.
            caller.service, caller.token = other, other.sign_in(caller.key)
            assert caller.extract(**ASKED) == expected(rows)
            assert second.poll() is None
        waiting = caller.submit(**ASKED)
        assert caller.status(waiting)["status"] == "RUNNING"
        with worker(one):
            assert poll(lambda: caller.status(waiting)["status"] == "SUCCEEDED")
