"""Tables as the files that `tailrace load wfm` takes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any


def as_csv_folder(tables: Mapping[str, Sequence[Mapping[str, Any]]], folder: Path) -> Path:
    """One file for each table that has rows: null is nothing, an empty text is "", texts are quoted."""
    folder.mkdir(parents=True, exist_ok=True)
    for table, rows in tables.items():
        if rows:
            lines = [",".join(rows[0]), *(",".join(csv_value(value) for value in row.values()) for row in rows)]
            (folder / f"{table}.csv").write_bytes("".join(line + "\n" for line in lines).encode())
    return folder


def csv_value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return '"' + value.replace('"', '""') + '"'
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds") + "Z"
    return str(value).lower()
