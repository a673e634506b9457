"""Housekeeping: what is past its time or belongs to nobody goes; what is published or at work stays."""

import os
import time
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest

from service import poll
from tailrace.access.tenants import create_tenant
from tailrace.access.users import create_user
from tailrace.catalog.loader import load_catalog
from tailrace.intake.sample import load_sample
from tailrace.runtime import Runtime
from tailrace.settings import Settings
from tailrace.worker.housekeeping import _LOAD_AGE, Housekeeping

OLD_SECONDS = 91 * 60
ENDINGS = ("", ".gz", ".index")
INSERT = """
    INSERT INTO jobs (id, tenant_id, user_id, dialect, dataset, version, permission_id, start_date, end_date, request,
                      state, lease_until, finished_at, error_code, result_key, result_until, record_until)
    VALUES (%(id)s, %(tenant)s, %(user)s, 'cxone', 'qm-workflows', '3', 'qm-workflow', '2019-05-22', '2019-05-29', '{}',
            %(state)s::job_state, CASE WHEN %(state)s = 'running' THEN now() END,
            CASE WHEN %(state)s NOT IN ('queued', 'running') THEN now() END,
            CASE WHEN %(state)s IN ('failed', 'cancelled') THEN 'internal' END,
            %(key)s, now() + %(result)s::interval, now() + %(record)s::interval)
"""


class House:
    """A data folder and its database, with no server."""

    def __init__(self, data, database):
        self.data, self.database = data, database
        self.runtime = Runtime(data, Settings(), database, load_catalog(), (), lambda: None)
        self.tenant = create_tenant(database, f"tenant-{uuid4().hex}")
        self.user = create_user(database, self.tenant, "user")

    def sweep(self):
        Housekeeping(self.runtime).sweep()

    def job(self, state="queued", key=None, result="1 day", record="7 days", ending="csv"):
        job = uuid4()
        if state == "succeeded":
            key = f"{self.tenant.id}/{job}/1-abc.{ending}"
        self.database.execute(
            INSERT,
            {
                "id": job,
                "tenant": self.tenant.id,
                "user": self.user.id,
                "state": state,
                "key": key,
                "result": result,
                "record": record,
            },
        )
        return SimpleNamespace(id=job, key=key)

    def object(self, key, age=OLD_SECONDS):
        return self.file(self.data / "results" / key, age)

    def file(self, path, age=OLD_SECONDS):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"data")
        os.utime(path, (time.time() - age,) * 2)
        return path

    def row(self, job):
        rows = self.database.execute("SELECT * FROM jobs WHERE id = %(id)s", {"id": job.id})
        return rows[0] if rows else None


@pytest.fixture
def house(tmp_path, database):
    return House(tmp_path / "data", database)


@pytest.mark.parametrize("ending", ["csv.gz", "csv.zst", "parquet"])
def test_a_packed_result_is_no_companion_of_a_result_that_is_not_there(house, ending):
    kept, gone = house.job("succeeded", ending=ending), house.job("succeeded", ending=ending, result="-1 second")
    paths = [house.object(job.key) for job in (kept, gone)]
    orphan = house.object(f"{house.tenant.id}/{kept.id}/2-killed.{ending}")
    house.sweep()
    assert [path.exists() for path in (*paths, orphan)] == [True, False, False]


@pytest.mark.req("CX-706")
def test_an_expired_result_is_purged_and_its_record_kept(house):
    job = house.job("succeeded", result="-1 second")
    path = house.object(job.key, age=0)
    house.sweep()
    assert not path.exists()
    assert house.row(job).result_purged_at is not None
    assert house.row(job).state == "succeeded"
    assert list((house.data / "results").iterdir()) == []


@pytest.mark.req("SS-607")
def test_what_is_kept_beside_a_result_goes_with_it(house):
    old, kept = house.job("succeeded", result="-1 second"), house.job("succeeded")
    gone, stays = ([house.object(job.key + end, age=9 * OLD_SECONDS) for end in ENDINGS] for job in (old, kept))
    house.sweep()
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in stays)


@pytest.mark.req("SS-607")
@pytest.mark.parametrize("ending", ["", ".gz", ".index"])
def test_what_is_beside_no_result_goes_when_old(house, ending):
    path = house.object(f"{house.tenant.id}/{house.job('failed').id}/1-abc.pipe{ending}")
    house.sweep()
    assert not path.exists()


def test_what_a_killed_extraction_had_computed_goes_when_old(house):
    old = house.file(house.data / "scratch" / "rows-old" / "rows.parquet", age=0).parent
    young = house.file(house.data / "scratch" / "rows-young" / "rows.parquet", age=0).parent
    os.utime(old, (time.time() - OLD_SECONDS - 3600,) * 2)
    os.utime(young, (time.time() - OLD_SECONDS - 3400,) * 2)
    house.sweep()
    assert (old.exists(), young.exists()) == (False, True)


def test_a_result_that_is_gone_already_is_noted(house):
    job = house.job("succeeded", result="-1 second")
    house.sweep()
    assert house.row(job).result_purged_at is not None


def test_a_published_result_is_never_an_orphan(house):
    job = house.job("succeeded")
    path = house.object(job.key, age=10 * OLD_SECONDS)
    house.sweep()
    assert path.exists()
    assert house.row(job).result_purged_at is None


@pytest.mark.parametrize("state", ["queued", "running"])
def test_what_a_job_at_work_writes_is_left_alone(house, state):
    job = house.job(state)
    paths = [house.object(f"{house.tenant.id}/{job.id}/{name}") for name in ("1-abc.csv", "2-def.csv.0a1b2c3d.part")]
    house.sweep()
    assert all(path.exists() for path in paths)


@pytest.mark.req("CX-706")
@pytest.mark.parametrize("name", ["1-abc.csv", "1-abc.csv.0a1b2c3d.part"])
@pytest.mark.parametrize("state", ["failed", "cancelled", "succeeded"])
def test_leavings_of_ended_jobs_go_when_old(house, state, name):
    job = house.job(state)
    leavings = f"{house.tenant.id}/{job.id}/0{name}"
    young = house.object(leavings, age=OLD_SECONDS - 120)
    house.sweep()
    assert young.exists()
    house.object(leavings)
    house.sweep()
    assert not young.exists()


@pytest.mark.parametrize("key", [f"tenant/{UUID(int=7)}/1-abc.csv", "stray.txt", "a/b", "a/not-a-job/1.csv"])
def test_what_belongs_to_no_job_goes_when_old(house, key):
    path = house.object(key)
    house.sweep()
    assert not path.exists()


@pytest.mark.req("CX-708")
def test_old_records_go_when_their_file_is_gone(house):
    jobs = {
        "kept": house.job("succeeded"),
        "old": house.job("succeeded", result="-6 days", record="-1 second"),
        "failed": house.job("failed", record="-1 second"),
        "cancelled": house.job("cancelled", record="-1 second"),
        "young": house.job("failed"),
        "at work": house.job("queued"),
    }
    house.sweep()
    assert {name for name, job in jobs.items() if house.row(job)} == {"kept", "young", "at work"}


def test_stored_rows_that_nobody_published_go_when_old(house):
    tables = house.runtime.tables
    load_sample(house.database, house.runtime.catalog, tables, house.tenant, "qm-workflows", rows=10)
    [published] = tables.rglob("*.parquet")
    os.utime(published, (time.time() - 10 * _LOAD_AGE.total_seconds(),) * 2)
    folder = published.parent
    age = _LOAD_AGE.total_seconds() + 60
    garbage = [house.file(folder / f"{uuid4()}.parquet", age), house.file(folder / f".{uuid4()}.parquet.tmp", age)]
    young = house.file(folder / f"{uuid4()}.parquet", age - 120)
    house.sweep()
    assert published.exists()
    assert young.exists()
    assert [path for path in garbage if path.exists()] == []


def test_old_sign_ins_are_forgotten(house):
    execute = house.database.execute
    execute("INSERT INTO sign_in_failures VALUES ('old', now() - interval '11 minutes'), ('new', now())")
    house.sweep()
    assert [row.subject for row in execute("SELECT subject FROM sign_in_failures")] == ["new"]


def test_one_process_sweeps_at_a_time(house, database):
    job = house.job("succeeded", result="-1 second")
    with database.transaction() as connection:
        connection.execute("SELECT pg_advisory_xact_lock(7414651004)")
        house.sweep()
        assert house.row(job).result_purged_at is None
    house.sweep()
    assert house.row(job).result_purged_at is not None


def test_a_file_that_cannot_be_removed_does_not_keep_the_others(house):
    """A folder in the place of the file: even root cannot unlink it."""
    stuck, other = house.job("succeeded", result="-2 hours"), house.job("succeeded", result="-1 hour")
    (house.data / "results" / stuck.key / "inside").mkdir(parents=True)
    path = house.object(other.key)
    house.sweep()
    assert not path.exists()
    assert (house.row(stuck).result_purged_at, house.row(other).result_purged_at is None) == (None, False)
    (house.data / "results" / stuck.key / "inside").rmdir()
    (house.data / "results" / stuck.key).rmdir()
    house.sweep()
    assert house.row(stuck).result_purged_at is not None


def test_a_sweep_of_an_empty_house_makes_nothing_up(house):
    house.sweep()
    assert [path for path in house.data.rglob("*") if path.is_file()] == []


@pytest.mark.slow
def test_leftovers_of_a_killed_child_go(new_crew, database_url, tmp_path, fill_with_sample):
    with new_crew(tmp_path / "data", database_url) as crew:
        caller = crew.service.caller()
        fill_with_sample(crew.service, caller, 400_000)
        child = crew.spare()
        job = caller.submit()
        unfinished = crew.wait_until_writing(job)
        os.kill(child, 9)
        row = crew.check_published(caller, job)
        runtime = Runtime(crew.service.data, Settings(), crew.service.database, load_catalog(), (), lambda: None)
        Housekeeping(runtime).sweep()
        assert unfinished.exists()
        for path in (unfinished, Path(crew.service.data / "results" / row.result_key)):
            os.utime(path, (time.time() - OLD_SECONDS,) * 2)
        Housekeeping(runtime).sweep()
        poll(lambda: not unfinished.exists(), 1)
        assert crew.check_published(caller, job) == row


def test_any_number_of_results_that_stay_keeps_no_later_one_from_being_removed(house, monkeypatch):
    monkeypatch.setattr("tailrace.worker.housekeeping._MOST_AT_ONCE", 2)
    stuck = [house.job("succeeded", result=f"-{hours} hours") for hours in (9, 8, 7, 6, 5)]
    for job in stuck:
        # A folder in the result's place: no store removes that as an object. What is in it is no leaving yet.
        house.object(f"{job.key}/in-the-way", age=0)
    last = house.job("succeeded", result="-1 hour")
    path = house.object(last.key)
    house.sweep()
    assert not path.exists()
    assert house.row(last).result_purged_at is not None
    assert all(house.row(job).result_purged_at is None for job in stuck)


def test_a_sweep_that_takes_long_keeps_its_lock(house):
    """PostgreSQL ends a transaction that stands still; each step of a sweep shows that it does not."""
    house.database.execute("SELECT 1")
    steps = []
    for _ in range(3):
        house.object(f"{house.tenant.id}/{uuid4()}/1-abc.csv")
    Housekeeping(house.runtime)._sweep(lambda: steps.append(1))
    assert len(steps) >= 3
