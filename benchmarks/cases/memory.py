"""Peak memory of the worker and its child together, with ever more rows."""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Figure
from benchmarks.plan import Sizes
from benchmarks.site import make_tenant, open_site

_MOST_MB = 300
_FLAT = 1.2


def measure(data: Path, sizes: Sizes) -> Iterator[Figure]:
    """Measure one job of each size, and how flat memory is between the two largest."""
    for rows in sizes.memory_rows:
        make_tenant(data, rows)
    peaks = []
    with open_site(data) as site:
        for rows in sizes.memory_rows:
            peaks.append(site.job(site.tenant(rows)).peak_mb or 0)
            yield Figure(f"peak memory, {rows:,} rows", peaks[-1], "MB", _MOST_MB, details={"rows": rows})
    yield Figure("peak memory, most rows against the size before", peaks[-1] / peaks[-2], "ratio", _FLAT)
