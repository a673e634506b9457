"""A sample contact centre as files: the same bytes for the same wish, and all rows in the order they are stored in."""

import csv
import hashlib
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import duckdb
import pytest

from tailrace.catalog.wfm import VIEW_TABLE, load_wfm_tables
from tailrace.errors import LoadRefused
from tailrace.intake.store import stored_type
from tailrace.intake.wfm.sample import make_sample, write_sample

TABLES = [table for table in load_wfm_tables().values() if table.name != VIEW_TABLE]
FORTNIGHT = {
    "agents": 20,
    "seed": 3,
    "start": date(2024, 3, 25),
    "end": date(2024, 4, 7),
    "present": datetime(2024, 4, 5, 14, 0, tzinfo=timezone(timedelta(hours=2))),
    "name": 'Harbour, "Ferries"',
}
LARGE = {**FORTNIGHT, "agents": 200, "end": date(2025, 5, 1), "present": datetime(2025, 3, 1, tzinfo=UTC)}

pytestmark = [pytest.mark.slow, pytest.mark.share]


def digests(folder: Path) -> dict[str, str]:
    return {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.mark.req("WM-116")
@pytest.mark.parametrize(
    "wish",
    [pytest.param(FORTNIGHT, id="fortnight"), pytest.param(LARGE, id="large", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_the_same_seed_gives_the_same_bytes(tmp_path, kind, wish) -> None:
    counted = write_sample(tmp_path / "one", kind=kind, threads=1, **wish)
    first = digests(tmp_path / "one")
    assert set(first) == {table.name for table in TABLES}
    # Once more and with other threads, in place of the files that are there.
    assert write_sample(tmp_path / "one", kind=kind, threads=4, **wish) == counted
    assert digests(tmp_path / "one") == first
    write_sample(tmp_path / "other", kind=kind, **{**wish, "seed": wish["seed"] + 1})
    other = digests(tmp_path / "other")
    assert other["activity"] != first["activity"]
    assert other["activity_code"] == first["activity_code"]


def test_files_hold_the_rows_in_the_order_of_the_table(tmp_path) -> None:
    counted = write_sample(tmp_path / "parquet", **FORTNIGHT)
    write_sample(tmp_path / "csv", kind="csv", **FORTNIGHT)
    connection = duckdb.connect()
    make_sample(connection, **FORTNIGHT)
    for table in TABLES:
        query = f"FROM {table.name} ORDER BY {', '.join(table.order) or '1'}"
        expected = connection.execute(query).fetchall()
        assert counted[table.name] == len(expected)
        stored = connection.read_parquet(str(tmp_path / "parquet" / f"{table.name}.parquet"))
        assert [str(kind) for kind in stored.types] == [stored_type(column) for column in table.columns]
        assert stored.fetchall() == expected
        with (tmp_path / "csv" / f"{table.name}.csv").open(encoding="utf-8", newline="") as file:
            header, *written = csv.reader(file)
        assert header == [column.name for column in table.columns]
        scales = [column.scale for column in table.columns]
        assert written == [
            [as_text(value, scale) for value, scale in zip(row, scales, strict=True)] for row in expected
        ]


def as_text(value: object, scale: int | None) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat() + "Z"
    return str(value) if scale is None else f"{value:.{scale}f}"


def test_a_wish_that_cannot_be_is_refused_and_leaves_nothing(tmp_path) -> None:
    for fault in ({"agents": 0}, {"end": date(2024, 3, 24)}):
        with pytest.raises(LoadRefused, match="nothing was made"):
            write_sample(tmp_path, **{**FORTNIGHT, **fault})
    (tmp_path / "file").touch()
    with pytest.raises(LoadRefused, match="file"):
        write_sample(tmp_path / "file", **FORTNIGHT)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
