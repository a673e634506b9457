"""Measure Tailrace against what a user would use instead.

python -m benchmarks [--whole] [--only CASE] [--folder FOLDER]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from benchmarks.measure import Comparison, Figure, machine
from benchmarks.plan import QUICK, WHOLE, Sizes
from benchmarks.plot import draw

HERE = Path(__file__).parent
CASES = sorted(path.stem for path in (HERE / "cases").glob("[a-z]*.py"))


def main() -> int:
    """Measure, print, and keep what was found; a quick form is kept beside the whole one, never in its place."""
    options = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    options.add_argument("--whole", action="store_true", help="all sizes; takes about an hour")
    options.add_argument("--only", action="append", choices=CASES, help="a case to measure; may be given again")
    options.add_argument("--folder", type=Path, help="folder for rows, kept for the next run")
    chosen = options.parse_args()
    sizes, form = (WHOLE, "whole") if chosen.whole else (QUICK, "quick")
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as made:
        found = list(measure(chosen.folder or Path(made), chosen.only or CASES, sizes))
    keep(form, found)
    return 0


def measure(folder: Path, cases: list[str], sizes: Sizes) -> Iterator[Comparison | Figure]:
    """Run cases one after the other; one that cannot run here says so and stops no other."""
    for name in cases:
        began = time.monotonic()
        try:
            for found in import_module(f"benchmarks.cases.{name}").measure(folder / "data", sizes):
                show(found)
                yield found
        except (ImportError, RuntimeError, OSError, subprocess.SubprocessError) as error:
            print(f"{name}: not measured: {error}", file=sys.stderr)
        print(f"  ({name}: {time.monotonic() - began:.0f} s)")


def show(found: Comparison | Figure) -> None:
    """Print one line."""
    data = found.as_json()
    mark = "ok" if data["reached"] else "NOT REACHED"
    if isinstance(found, Figure):
        print(f"{found.name}: {found.value:.2f} {found.unit} (goal {found.goal}) {mark}", flush=True)
        return
    times = f"{data['ours']['seconds']:.2f} s : {data['theirs']['seconds']:.2f} s"
    size = f", {found.rows:,} rows" if found.rows else ""
    print(f"{found.name}{size} / {found.against}: {found.ratio:.2f} (goal {found.goal}) {mark}; {times}", flush=True)


def keep(form: str, found: list[Comparison | Figure]) -> None:
    """Write results.json and the plot; what was not measured this time stays as it was."""
    path = HERE / "results.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    before = {_identity(one): one for one in kept.get(form, {}).get("results", [])}
    results = before | {_identity(one): one for one in (each.as_json() for each in found)}
    kept[form] = {"measured": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine(), "results": list(results.values())}
    path.write_text(json.dumps(kept, indent=2) + "\n")
    if form == "whole":
        draw(kept[form]["results"], HERE.parent / "docs" / "explanation" / "speed.svg")


def _identity(result: dict[str, object]) -> tuple[object, ...]:
    return result["name"], result.get("against"), result.get("rows")


if __name__ == "__main__":
    sys.exit(main())
