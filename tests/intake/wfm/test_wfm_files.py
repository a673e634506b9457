"""What becomes of files: those a load replaced go when no job reads them; a load that is killed leaves no trace."""

import os
import subprocess
import sys
from uuid import uuid4

import pytest

from intake.wfm.small import FEW, lines
from service import poll
from tailrace.catalog.loader import load_catalog
from tailrace.intake.manifest import wfm_files
from tailrace.runtime import Runtime
from tailrace.settings import Settings
from tailrace.worker.housekeeping import Housekeeping

pytestmark = pytest.mark.long

OTHER_GROUPS = {"data_group": lines("group_id,name", "1,A", "2,B")}


@pytest.fixture
def sweep(house):
    runtime = Runtime(house.tables.parent, Settings(), house.database, load_catalog(), (), lambda: None)
    return Housekeeping(runtime).sweep


@pytest.fixture
def replaced(house):
    """Name the file of a table that was replaced an hour and a bit ago."""
    house.load({"data_group": FEW["data_group"]})
    [path] = wfm_files(house.database, house.tenant.id)["data_group"]
    house.load(OTHER_GROUPS)
    age(house, "61 minutes")
    return house.tables / path


def age(house, interval: str) -> None:
    house.database.execute(
        "UPDATE stored_files SET replaced_at = now() - %(age)s::interval WHERE replaced_at IS NOT NULL",
        {"age": interval},
    )


def add_job(house, tenant, state: str, claimed: str) -> None:
    house.database.execute(
        """
        INSERT INTO jobs (id, tenant_id, user_id, dialect, dataset, version, permission_id, start_date, end_date,
                          request, state, claimed_at, lease_until, finished_at, error_code)
        VALUES (%(id)s, %(tenant)s, (SELECT min(id::text)::uuid FROM users WHERE tenant_id = %(tenant)s), 'smartsync',
                'agent-export', '1', '', '2024-01-01', '2024-01-02', '{}', %(state)s::job_state,
                now() - %(claimed)s::interval, CASE WHEN %(state)s = 'running' THEN now() END,
                CASE WHEN %(state)s = 'failed' THEN now() END, CASE WHEN %(state)s = 'failed' THEN 'internal' END)
        """,
        {"id": uuid4(), "tenant": tenant.id, "state": state, "claimed": claimed},
    )


def test_a_replaced_file_goes_after_an_hour(house, replaced, sweep) -> None:
    current = house.stored()
    age(house, "59 minutes")
    sweep()
    assert replaced.exists()
    age(house, "61 minutes")
    sweep()
    assert not replaced.exists()
    assert house.database.execute("SELECT count(*) AS n FROM stored_files")[0].n == 1
    assert house.stored() == current


@pytest.mark.parametrize("claimed", ["61 minutes 1 second", "60 minutes 30 seconds", "2 days"])
def test_a_replaced_file_stays_while_a_job_may_read_it(house, replaced, sweep, claimed) -> None:
    add_job(house, house.tenant, "running", claimed)
    os.utime(replaced, (0, 0))  # nor does it look like a leaving
    sweep()
    assert replaced.exists()
    house.database.execute("UPDATE jobs SET state = 'queued', lease_until = NULL")
    sweep()
    assert not replaced.exists()


def test_jobs_that_do_not_read_a_replaced_file(house, new_tenant, replaced, sweep) -> None:
    add_job(house, house.tenant, "running", "59 minutes")
    add_job(house, house.tenant, "failed", "2 days")
    add_job(house, new_tenant("other"), "running", "2 days")
    sweep()
    assert not replaced.exists()


def test_a_load_that_is_killed_changes_nothing(house, database_url, sweep) -> None:
    house.load(FEW)
    before = house.stored(), house.copies()
    folder = house.folder({**OTHER_GROUPS, "entity_view": "user_id,entity_type,entity_id\n"})
    data = house.tables.parent
    command = [sys.executable, "-m", "tailrace", "load", "wfm", str(folder), "--tenant", house.tenant.name]
    with house.database.transaction() as connection:
        # Everything is written and only the transaction is left, when it meets this lock.
        connection.execute("SELECT FROM tenants FOR UPDATE")
        process = subprocess.Popen(
            [*command, "--data", str(data)],
            env={**os.environ, "DATABASE_URL": database_url},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            poll(lambda: _waits_for_a_lock(house))
        finally:
            process.kill()
            process.communicate()
    assert len(list(house.tables.rglob("*/*.parquet"))) > len(before[0])  # what it wrote is there, and is nothing
    assert (house.stored(), house.copies()) == before
    assert house.load({**FEW, **OTHER_GROUPS}).rows == 2 + 3
    assert house.stored()["data_group"] == [(1, "A"), (2, "B")]


def _waits_for_a_lock(house) -> bool:
    found = house.database.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return bool(found)
