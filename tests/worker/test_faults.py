"""Faults of processes and connections: each accepted job ends once, with one whole result, and no zombie harms it."""

import os
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager

import httpx2
import psycopg
import pytest

from service import JOBS, poll

pytestmark = pytest.mark.long


def kill(pid, number=signal.SIGKILL):
    os.kill(pid, number)


@contextmanager
def second_worker(crew, log):
    """Run one more `tailrace worker` beside the server's."""
    command = [sys.executable, "-m", "tailrace", "worker", "--data", str(crew.service.data)]
    with log.open("w") as errors:
        process = subprocess.Popen(command, stderr=errors, env=crew.service.environment)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        assert process.wait(60) == 0


def test_a_killed_child_costs_one_attempt(crew, small):
    caller, expected = small
    worker = crew.worker
    child = crew.freeze_spare()
    job = caller.submit()
    crew.wait_for(job, "running")
    kill(child)
    row = crew.check_published(caller, job, expected)
    assert row.attempt == 2
    assert len(crew.objects(job)) == 1
    assert crew.alive(worker), "it costs nothing but the child"


@pytest.mark.slow
def test_a_child_killed_in_the_middle_of_writing_leaves_no_object(crew, large):
    caller, expected = large
    child = crew.spare()
    job = caller.submit()
    unfinished = crew.wait_until_writing(job)
    kill(child, signal.SIGSTOP)
    assert crew.objects(job) == []
    kill(child)
    row = crew.check_published(caller, job, expected)
    assert row.attempt == 2
    assert len(crew.objects(job)) == 1
    assert unfinished.exists(), "it is left to housekeeping, which knows it is nobody's"


def test_a_killed_workers_job_runs_again_after_the_lease(crew, large):
    caller, expected = large
    worker = crew.worker
    child = crew.spare(worker)
    job = caller.submit()
    unfinished = crew.wait_until_writing(job)
    kill(child, signal.SIGSTOP)
    kill(worker)
    poll(lambda: not crew.alive(child), 5)
    row = crew.check_published(caller, job, expected)
    assert row.attempt == 2
    assert row.result_key not in str(unfinished)
    assert [str(path).endswith(row.result_key) for path in crew.objects(job)] == [True]
    # Lease 3 s, and 5 s for those who notice.
    assert (row.finished_at - row.started_at).total_seconds() < 3 + 5 + 5


def test_a_silent_child_is_replaced(crew, small):
    caller, expected = small
    child = crew.freeze_spare()
    job = caller.submit()
    row = crew.check_published(caller, job, expected)
    assert row.attempt == 2
    assert not crew.alive(child)


def test_a_server_takes_all_the_descriptors_it_may_have(new_crew, database_url, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard // 2, hard))
    try:
        with new_crew(tmp_path, database_url) as crew:
            assert resource.prlimit(crew.service.process.pid, resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_server_without_descriptors_starts_its_worker_as_soon_as_it_can(new_crew, database_url, tmp_path):
    with new_crew(tmp_path, database_url) as crew:
        caller, server, worker = crew.service.caller(), crew.service.process.pid, crew.worker
        limits = resource.prlimit(server, resource.RLIMIT_NOFILE)
        resource.prlimit(server, resource.RLIMIT_NOFILE, (3, limits[1]))
        try:
            kill(worker)
            poll(lambda: "status=OSError" in crew.service.log.read_text())
        finally:
            resource.prlimit(server, resource.RLIMIT_NOFILE, limits)
        assert caller.wait(caller.submit())["status"] == "SUCCEEDED"
        assert crew.worker != worker


def test_children_are_not_silent_while_nobody_listens(new_crew, fill_with_sample, database_url, tmp_path):
    go_on = tmp_path / "go-on"
    fault = {"TAILRACE_TESTING__FAULTS": "on", "TAILRACE_TESTING__FAULT": f"child.first_block=pause:{go_on}"}
    with new_crew(tmp_path / "crew", database_url, **fault) as crew, psycopg.connect(database_url) as operator:
        callers = [crew.service.caller() for _ in range(3)]
        for caller in callers:
            fill_with_sample(crew.service, caller, 500)
        jobs = [caller.submit() for caller in callers]
        for job in jobs:
            crew.wait_for(job, "running")
        operator.execute("LOCK jobs")
        long_over = "SELECT bool_and(lease_until < clock_timestamp() - interval '2 seconds') FROM jobs"
        poll(lambda: operator.execute(long_over).fetchone()[0])
        operator.rollback()
        go_on.touch()
        assert {caller.wait(job)["status"] for caller, job in zip(callers, jobs, strict=True)} == {"SUCCEEDED"}
        assert "silent" not in crew.service.log.read_text()


@pytest.mark.parametrize("wake_before_the_successor_ends", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_worker_frozen_past_its_lease_changes_nothing(crew, small, tmp_path, wake_before_the_successor_ends):
    caller, expected = small
    first = crew.worker
    log = tmp_path / "second.log"
    with second_worker(crew, log) as second:
        child = crew.freeze_spare(second.pid)
        kill(first, signal.SIGSTOP)
        try:
            job = caller.submit()
            crew.wait_for(job, "running", attempt=1)
            kill(second.pid, signal.SIGSTOP)
        finally:
            kill(first, signal.SIGCONT)
        if wake_before_the_successor_ends:
            crew.wait_for(job, "running", attempt=2)
        else:
            before = crew.check_published(caller, job, expected)
        kill(child, signal.SIGCONT)
        kill(second.pid, signal.SIGCONT)
        poll(lambda: "lease_lost" in log.read_text() and job in log.read_text())
        row = crew.check_published(caller, job, expected)
        assert row.attempt == 2
        assert wake_before_the_successor_ends or row == before
        status = caller.status(job)
        assert httpx2.get(status["result"]["url"]).content == expected


@pytest.mark.req("CX-421", "CX-423")
def test_cancelling_a_running_job_stops_its_child(crew, small):
    caller, _ = small
    child = crew.freeze_spare()
    job = caller.submit()
    crew.wait_for(job, "running")
    assert caller.request("DELETE", f"{JOBS}/{job}").status_code in (200, 202)
    assert caller.status(job)["status"] == "CANCELLED"
    poll(lambda: not crew.alive(child), 5)
    assert crew.objects(job) == []


def test_lost_database_connections_cost_nothing(crew, small):
    caller, expected = small
    child = crew.freeze_spare()
    job = caller.submit()
    crew.wait_for(job, "running")
    # Until they are gone: a request that is under way while its session ends may be told to come again.
    ended = crew.service.database.execute("""
        SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()""")
    assert len(ended) >= 2
    kill(child, signal.SIGCONT)
    row = crew.check_published(caller, job, expected)
    assert (row.attempt, row.epoch) == (1, 1), "by the worker that had it"
    assert len(crew.objects(job)) == 1


def test_a_worker_told_twice_to_stop_hands_its_job_back(crew, small):
    caller, expected = small
    worker = crew.worker
    child = crew.freeze_spare()
    job = caller.submit()
    crew.wait_for(job, "running")
    kill(worker, signal.SIGTERM)
    kill(worker, signal.SIGINT)
    poll(lambda: not crew.alive(worker))
    assert not crew.alive(child)
    row = crew.check_published(caller, job, expected)
    assert (row.attempt, row.epoch) == (1, 2)


def test_a_worker_told_once_to_stop_finishes_first(crew, small, tmp_path):
    caller, expected = small
    first = crew.worker
    with second_worker(crew, tmp_path / "second.log") as second:
        child = crew.freeze_spare(second.pid)
        kill(first, signal.SIGSTOP)
        try:
            job = caller.submit()
            crew.wait_for(job, "running")
            second.terminate()
            kill(child, signal.SIGCONT)
            assert second.wait(60) == 0
            assert crew.row(job).state == "succeeded"
        finally:
            kill(first, signal.SIGCONT)
    assert crew.check_published(caller, job, expected).attempt == 1


@pytest.mark.parametrize("ending", ["told", pytest.param("killed", marks=pytest.mark.slow)])
def test_a_server_stopped_while_a_job_runs(new_crew, database_url, tmp_path, fill_with_sample, ending):
    with new_crew(tmp_path / "data", database_url) as crew:
        caller = crew.service.caller()
        fill_with_sample(crew.service, caller, 500)
        worker, child = crew.worker, crew.freeze_spare()
        job = caller.submit()
        crew.wait_for(job, "running")
        if ending == "told":
            crew.service.process.terminate()
            kill(child, signal.SIGCONT)
            assert crew.service.process.wait(60) == 0
            assert crew.row(job).state in ("succeeded", "queued"), "finished, or handed back"
        else:
            crew.service.process.kill()
            crew.service.process.wait()
            kill(worker, signal.SIGINT)  # the kernel has sent it SIGTERM already: this is the second one
            poll(lambda: not crew.alive(worker))
            assert crew.row(job).state == "queued"
        poll(lambda: not crew.alive(child))
    with new_crew(tmp_path / "data", database_url) as crew:
        row = poll(lambda: (found := crew.row(job)).state == "succeeded" and found)
        assert row.attempt == 1
        caller.service, caller.token = crew.service, crew.service.sign_in(caller.key)
        crew.check_published(caller, job)


def test_a_poison_job_is_stopped_and_its_neighbours_go_on(crew, small, fill_with_sample):
    neighbour, expected = small
    caller = crew.service.caller()
    fill_with_sample(crew.service, caller, 500)
    [stored] = (crew.service.data / "tables" / str(caller.tenant.id)).rglob("*.parquet")
    os.truncate(stored, stored.stat().st_size // 2)
    poison = caller.submit()
    jobs = [neighbour.submit() for _ in range(3)]
    for job in jobs:
        assert crew.check_published(neighbour, job, expected).attempt == 1
    status = caller.wait(poison)
    assert (status["status"], status["result"]) == ("FAILED", {"errorMessage": "The data source is not available"})
    row = crew.row(poison)
    assert (row.attempt, row.error_code, row.result_key) == (3, "source_unavailable", None)
    assert crew.objects(poison) == []
    assert crew.check_published(neighbour, neighbour.submit(), expected)


@pytest.mark.req("CX-709")
def test_a_result_that_is_too_large_ends_the_job_at_once(new_crew, database_url, tmp_path, fill_with_sample):
    limit = {"TAILRACE_CXONE__MAX_RESULT_BYTES": "100000"}
    with new_crew(tmp_path / "data", database_url, **limit) as crew:
        caller = crew.service.caller()
        assert caller.extract().count(b"\r\n") == 1
        fill_with_sample(crew.service, caller, 20_000)
        job = caller.submit()
        assert caller.wait(job)["status"] == "FAILED"
        row = crew.row(job)
        assert (row.attempt, row.error_code, row.result_key) == (1, "result_too_large", None)
        assert list((crew.service.data / "results").glob(f"*/{job}/*")) == []
