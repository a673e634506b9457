"""A large table is checked and stored within DuckDB's memory."""

import time

import duckdb
import pytest

from intake.wfm.small import FEW, SMALL, lines
from tailrace.intake.wfm.load import load_wfm

AGENTS, PARTS = 2_000, 500
ROWS = AGENTS * PARTS


@pytest.mark.slow
def test_a_million_activities(house) -> None:
    head = "tv_id,first_name,last_name,created_at,changed_at"
    agents = lines(head, *(f"{n},a,b,2024-01-01,2024-01-01" for n in range(AGENTS)))
    folder = house.folder({**FEW, "agent": agents, "activity_code": SMALL["activity_code"]})
    duckdb.execute(f"""
        COPY (
            SELECT i % {AGENTS} AS tv_id, TIMESTAMP '2024-01-01' + to_minutes(15 * (i // {AGENTS})) AS start_at,
                   start_at + INTERVAL 15 MINUTE AS stop_at, CASE WHEN i % 3 = 0 THEN 'Open' ELSE 'Break' END AS code
            FROM range({ROWS}) r(i)
        ) TO '{folder}/activity.csv' (FORMAT csv, HEADER)""")
    began = time.monotonic()
    report = load_wfm(house.database, house.tables, house.tenant, folder, memory_limit="400MB")
    assert [table.rows for table in report.tables if table.table == "activity"] == [ROWS]
    assert time.monotonic() - began < 60
