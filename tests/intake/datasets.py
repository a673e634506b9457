"""Two small datasets of an operator, and ways to write input files for them."""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb

from tailrace.catalog.loader import Catalog
from tailrace.catalog.model import Dataset

PARCELS = {
    "name": "parcels",
    "range_column": "Handed Over",
    "order_by": ["Handed Over", "Parcel"],
    "columns": [
        {"name": "Parcel", "type": "integer", "nullable": False},
        {"name": "Handed Over", "type": "datetime", "nullable": False},
        {"name": "Weight", "type": "decimal", "scale": 2, "precision": 12},
        {"name": "Signed", "type": "boolean", "true_text": "YES", "false_text": "NO"},
        {"name": "Due", "type": "date"},
        {"name": "Note", "type": "text", "pii": True},
    ],
}
NAMES = [column["name"] for column in PARCELS["columns"]]  # type: ignore[index]
GOOD = ["7", "2024-02-29T10:11:12.5Z", "1.25", "YES", "2024-03-01", "fine"]


def catalog() -> Catalog:
    """Offer parcels 1, parcels 2 (one column more) and notes (one column beside the time, ordered by a hidden key)."""
    more = {**PARCELS, "version": "2", "columns": [*PARCELS["columns"], {"name": "Depot", "type": "text"}]}  # type: ignore[misc]
    notes = {
        "name": "notes",
        "version": "1",
        "range_column": "At",
        "order_by": ["At", "source:note_id"],
        "columns": [{"name": "At", "type": "datetime"}, {"name": "Text", "type": "text"}],
    }
    return Catalog([Dataset.model_validate(one) for one in ({**PARCELS, "version": "1"}, more, notes)])


def write_csv(path: Path, rows: Iterable[Sequence[str]], names: Sequence[str] = NAMES, end: str = "\n") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator=end).writerows([names, *rows])
    return path


def write_ndjson(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def write_parquet(path: Path, query: str) -> Path:
    duckdb.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    return path


def read_stored(tables: Path, columns: str = "*") -> list[tuple[Any, ...]]:
    """Read all stored rows in the order they were loaded."""
    return duckdb.execute(f"SELECT {columns} FROM '{tables}/*/*/*.parquet' ORDER BY _row_key").fetchall()


def files_in(tables: Path) -> list[str]:
    """List everything under the tables folder but folders."""
    return sorted(path.name for path in tables.rglob("*") if not path.is_dir())
