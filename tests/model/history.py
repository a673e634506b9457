"""What happened to every job, noted by PostgreSQL itself, and what must be true of it.

The moves are those of "The life of a job" in ARCHITECTURE.md.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tailrace.database.pool import Database

FINAL = {"succeeded", "failed", "cancelled"}
MOST_ATTEMPTS = 3
# From, to, by how much the epoch grows, and by how much the attempt may change.
MOVES = {
    ("queued", "running"): (1, {1}),
    ("running", "queued"): (0, {0, -1}),  # failed or lost, handed back
    ("running", "succeeded"): (0, {0}),
    ("running", "failed"): (0, {0}),
    ("queued", "failed"): (0, {0}),
    ("running", "cancelled"): (1, {0}),
    ("queued", "cancelled"): (1, {0}),
}
NOTE = """
CREATE TABLE history (
    n bigserial PRIMARY KEY, job uuid, tenant uuid, dialect text, old text, new text,
    epochs bigint, attempt int, attempts int, key text, epoch bigint);
-- By its owner's right: the role of one tenant's statements owns nothing, and may not write here.
CREATE FUNCTION note_history() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF coalesce(NEW.worker, OLD.worker) = 'blocker' THEN  -- a test's own, which only takes a slot
        RETURN NULL;
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO history (job, tenant, dialect, old, new, epochs, attempt, attempts, key, epoch)
        VALUES (NEW.id, NEW.tenant_id, NEW.dialect, NULL, NEW.state, NEW.epoch, NEW.attempt, 0, NEW.result_key,
                NEW.epoch);
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO history (job, tenant, dialect, old, new, epochs, attempt, attempts, key, epoch)
        VALUES (OLD.id, OLD.tenant_id, OLD.dialect, OLD.state, NULL, 0, OLD.attempt, 0, OLD.result_key, OLD.epoch);
    ELSIF (OLD.state, OLD.epoch, OLD.attempt, OLD.result_key) IS DISTINCT FROM
          (NEW.state, NEW.epoch, NEW.attempt, NEW.result_key) THEN
        INSERT INTO history (job, tenant, dialect, old, new, epochs, attempt, attempts, key, epoch)
        VALUES (NEW.id, NEW.tenant_id, NEW.dialect, OLD.state, NEW.state, NEW.epoch - OLD.epoch, NEW.attempt,
                NEW.attempt - OLD.attempt, NEW.result_key, NEW.epoch);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER note_history AFTER INSERT OR UPDATE OR DELETE ON jobs FOR EACH ROW EXECUTE FUNCTION note_history();
"""


def note_history(database: Database) -> None:
    """Let PostgreSQL note every move of every job from now on."""
    database.execute(NOTE)


def read_history(database: Database) -> list[Any]:
    return database.execute("SELECT * FROM history ORDER BY n")


def check_moves(history: Iterable[Any]) -> None:
    """Each job goes along the diagram, its epoch with it, in at most three attempts, to one end with one pointer."""
    states: dict[Any, str | None] = {}
    for move in history:
        assert states.get(move.job) == move.old, move
        states[move.job] = move.new
        if move.old is None:
            assert (move.new, move.epoch, move.attempt, move.key) == ("queued", 0, 0, None), move
        elif move.new is None:
            assert move.old in FINAL, move
        else:
            epochs, attempts = MOVES[move.old, move.new]
            assert move.epochs == epochs, move
            assert move.attempts in attempts, move
            assert 0 <= move.attempt <= MOST_ATTEMPTS, move
            assert (move.key is not None) == (move.new == "succeeded"), move


def check_slots(history: Iterable[Any], slots: Mapping[str, tuple[int, int]]) -> Counter[Any]:
    """At no time do more jobs run than there are slots, in all and of a tenant; gives the most that ran at once.

    Claims go one at a time, and each sees all that has been committed. An end is noted before it is committed, so the
    count can only be too small, and no fault is seen where there is none.
    """
    running: Counter[Any] = Counter()
    most: Counter[Any] = Counter()
    for move in history:
        step = (move.new == "running") - (move.old == "running")
        for place in (move.dialect, (move.dialect, move.tenant)):
            running[place] += step
            most[place] = max(most[place], running[place])
    for place, jobs in most.items():
        total, per_tenant = slots[place if isinstance(place, str) else place[0]]
        assert jobs <= (total if isinstance(place, str) else per_tenant), (place, jobs)
    return most


def check_ends(database: Database) -> None:
    """Every job has ended; each succeeded one has a pointer of its own, the others have none."""
    rows = database.execute("SELECT id, state::text, result_key, error_code, lease_until, finished_at FROM jobs")
    for row in rows:
        assert row.state in FINAL, row
        assert (row.result_key is not None) == (row.state == "succeeded"), row
        assert (row.error_code is None) == (row.state == "succeeded"), row
        assert row.lease_until is None, row
        assert row.finished_at is not None, row
    keys = [row.result_key for row in rows if row.result_key]
    assert len(set(keys)) == len(keys)
