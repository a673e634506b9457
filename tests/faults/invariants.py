"""What must be true after every scenario, found out with SQL and file reading of its own; no code of the service.

A trigger in the database writes down every move of a job, whoever makes it; with rights of its own, as statements for
a tenant have none there.
"""

import gzip
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from faults.clients import Client
from faults.site import Site
from service import poll

RECORD = """
    CREATE SCHEMA IF NOT EXISTS watched;;
    CREATE TABLE IF NOT EXISTS watched.moves (
        number bigserial, at timestamptz DEFAULT clock_timestamp(), job uuid, tenant uuid, dialect text,
        before text, after text, attempt int, epoch bigint, attempt_before int, epoch_before bigint, result text);;
    CREATE OR REPLACE FUNCTION watched.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        IF TG_OP = 'INSERT' THEN
            INSERT INTO watched.moves (job, tenant, dialect, after, attempt, epoch, attempt_before, epoch_before)
            VALUES (NEW.id, NEW.tenant_id, NEW.dialect, NEW.state, NEW.attempt, NEW.epoch, 0, 0);
        ELSIF (OLD.state, OLD.attempt, OLD.epoch, OLD.result_key) IS DISTINCT FROM
              (NEW.state, NEW.attempt, NEW.epoch, NEW.result_key) THEN
            INSERT INTO watched.moves (job, tenant, dialect, before, after, attempt, epoch, attempt_before,
                                       epoch_before, result)
            VALUES (NEW.id, NEW.tenant_id, NEW.dialect, OLD.state, NEW.state, NEW.attempt, NEW.epoch, OLD.attempt,
                    OLD.epoch, NEW.result_key);
        END IF;
        RETURN NEW;
    END $$;;
    CREATE OR REPLACE TRIGGER watched AFTER INSERT OR UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION watched.note()
"""
FINAL = {"succeeded", "failed", "cancelled"}
# From, to: by how much attempt and epoch may grow.
MOVES = {
    (None, "queued"): {(0, 0)},
    ("queued", "running"): {(1, 1)},
    ("running", "queued"): {(0, 0), (-1, 0)},
    ("running", "succeeded"): {(0, 0)},
    ("running", "failed"): {(0, 0)},
    ("queued", "failed"): {(0, 0)},
    ("queued", "cancelled"): {(0, 1)},
    ("running", "cancelled"): {(0, 1)},
}
# Statuses on the wire, in the only order in which they may be seen.
ORDER = {
    "WAITING": 0,
    "RUNNING": 1,
    "SUCCEEDED": 2,
    "FAILED": 2,
    "CANCELLED": 2,
    "CANCELED": 2,
    "COMPLETED_SUCCESSFULLY": 2,
    "EXPIRED": 3,
}
WITH_RESULT = {"SUCCEEDED", "COMPLETED_SUCCESSFULLY"}
TOTAL, PER_TENANT, MOST_ATTEMPTS = 4, 2, 3
# The API's pool may be full, after all of it was cut at once; that of this process, which sweeps, has four more.
API_CONNECTIONS = 10 + 4


def watch(site: Site) -> None:
    for statement in RECORD.split(";;"):
        site.sql(statement)


def begin(site: Site) -> None:
    site.sql("TRUNCATE watched.moves")


def check(site: Site, clients: Sequence[Client]) -> None:
    """All of them. Processes of the scenario have ended but for the API."""
    rows = {row.id: row for row in site.sql("SELECT * FROM jobs")}
    check_rows(rows, clients)
    check_moves(site, rows)
    check_slots(site)
    check_objects(site, rows, clients)
    for client in clients:
        check_seen(client)
        check_links(client, rows)
    check_nothing_left(site)
    check_swept(site)


def check_rows(rows: dict[UUID, Any], clients: Sequence[Client]) -> None:
    """No accepted job is lost, every one is final and holds no lease."""
    for client in clients:
        assert client.accepted <= rows.keys(), "an accepted job is lost"
    for row in rows.values():
        assert row.state in FINAL, f"{row.id} is {row.state}"
        assert row.lease_until is None
        assert row.attempt <= MOST_ATTEMPTS
        assert (row.state == "succeeded") == (row.result_key is not None)
    keys = [row.result_key for row in rows.values() if row.result_key]
    assert len(keys) == len(set(keys))


def check_moves(site: Site, rows: dict[UUID, Any]) -> None:
    """States moved along the diagram, and a result was published at most once."""
    state: dict[UUID, str | None] = {}
    published: Counter[UUID] = Counter()
    for move in site.sql("SELECT * FROM watched.moves ORDER BY number"):
        step = (move.attempt - move.attempt_before, move.epoch - move.epoch_before)
        assert step in MOVES[move.before, move.after], f"{move}"
        assert state.get(move.job) == move.before
        state[move.job] = move.after
        published[move.job] += move.after == "succeeded"
        assert (move.result is not None) == (move.after == "succeeded")
    for job, row in rows.items():
        assert state[job] == row.state
        assert published[job] == (row.state == "succeeded")


def check_slots(site: Site) -> None:
    running: dict[str, dict[UUID, int]] = defaultdict(Counter)
    for move in site.sql("SELECT * FROM watched.moves ORDER BY number"):
        running[move.dialect][move.tenant] += (move.after == "running") - (move.before == "running")
        assert sum(running[move.dialect].values()) <= TOTAL
        assert running[move.dialect][move.tenant] <= PER_TENANT


def check_objects(site: Site, rows: dict[UUID, Any], clients: Sequence[Client]) -> None:
    """What a row points to is there, whole and right; what nobody points to is nobody's."""
    expected = {client.tenant: client.expected for client in clients}
    for row in rows.values():
        if row.result_key is None or row.result_purged_at is not None:
            continue
        data = site.store.read(row.result_key)
        assert (len(data), hashlib.sha256(data).hexdigest()) == (row.result_bytes, row.result_sha256)
        assert data == expected[row.tenant_id], f"{row.id}: other bytes than the oracle's"
        if row.result_compressed_bytes is not None:
            packed = site.store.read(f"{row.result_key}.gz")
            assert len(packed) == row.result_compressed_bytes
            assert gzip.decompress(packed) == data
            assert site.store.read(f"{row.result_key}.index")
    for key in site.store.list_keys() - named(rows.values()):
        # A killed attempt's leavings: of a job there is, under a name no row will ever say.
        assert UUID(key.split("/")[1]) in rows


def named(rows: Iterable[Any]) -> set[str]:
    """All objects that there must be: results, and what is kept beside those of exports."""
    found = set()
    for row in rows:
        if row.result_key is not None and row.result_purged_at is None:
            found.add(row.result_key)
            if row.result_compressed_bytes is not None:
                found |= {f"{row.result_key}.gz", f"{row.result_key}.index"}
    return found


def check_swept(site: Site) -> None:
    """After housekeeping there is what rows point to and nothing else: no object, no upload, no computed rows."""
    site.sweep_late()
    assert site.store.list_keys() == named(site.sql("SELECT * FROM jobs"))
    assert site.store.uploads() == []
    assert list((site.data / "scratch").glob("rows-*")) == []


def check_seen(client: Client) -> None:
    """No status ever went back, and only a job that had succeeded had a result."""
    last: dict[UUID, str] = {}
    for seen in client.seen:
        before = last.get(seen.job, "WAITING")
        assert ORDER[before] <= ORDER[seen.status], f"{before} became {seen.status}"
        assert ORDER[seen.status] < 2 or ORDER[before] < 2 or seen.status in (before, "EXPIRED")
        assert seen.has_result == (seen.status in WITH_RESULT), seen
        last[seen.job] = seen.status


def check_links(client: Client, rows: dict[UUID, Any]) -> None:
    for job in client.accepted:
        status, data = poll(lambda job=job: client.fetch(job))
        if rows[job].state == "succeeded":
            assert (status, data) == (200, client.expected)
        else:
            assert data != client.expected
            assert status != 200


def check_nothing_left(site: Site) -> None:
    """Nobody runs but the API; no session holds a lock or stands in a transaction."""
    poll(lambda: set(site.processes()) <= set(site.api.family), 30, 0.05)
    stuck = """
        SELECT count(*) AS busy FROM pg_stat_activity a WHERE application_name = 'tailrace' AND (
            state LIKE 'idle in transaction%%' OR EXISTS (
                SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory'))"""
    poll(lambda: site.sql(stuck)[0].busy == 0, 60, 0.1)
    count = "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'tailrace'"
    poll(lambda: site.sql(count)[0].n <= API_CONNECTIONS, 60, 0.1)
