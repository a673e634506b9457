"""How the tests ask the oracle for records of the small contact centre."""

import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Any

from wfm.oracle import Wanted, rows_of
from wfm.tables import RUN_AT, small

CATALOGUE = Path(__file__).parents[2] / "src/tailrace/catalog"
MUS = range(1, 9)
SMALL = small()


def exporter(name: str) -> dict[str, Any]:
    return tomllib.loads((CATALOGUE / f"exporters/{name}.toml").read_text())


def ask(first: str = "2024-05-22", last: str | None = None, **more: Any) -> Wanted:
    wanted: dict[str, Any] = {"run_at": RUN_AT, "mu_ids": MUS, **more}
    return Wanted(date.fromisoformat(first), date.fromisoformat(last or first), **wanted)


def find(exporter: str, first: str = "2024-05-22", last: str | None = None, **more: Any) -> list[dict[str, Any]]:
    """Rows of `small`, of agent `tv_id` if given."""
    tv_id = more.pop("tv_id", None)
    rows = rows_of(exporter, more.pop("tables", SMALL), ask(first, last, **more))
    return [row for row in rows if tv_id is None or row["tvID"] == tv_id]


def only(rows: list[dict[str, Any]], *names: str) -> list[Any]:
    """Chosen fields as tuples, times as HH:MM."""

    def show(value: Any) -> Any:
        return f"{value:%H:%M}" if isinstance(value, datetime) else value

    return [tuple(show(row[name]) for name in names) for row in rows]
