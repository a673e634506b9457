"""`tailrace worker`: one more worker for the data folder or database."""

from pathlib import Path

from tailrace.jobs.queue import Slots
from tailrace.runtime import open_runtime
from tailrace.settings import Settings
from tailrace.worker.loop import Worker
from tailrace.worker.sources import check_sources


def run_worker(data: Path | None) -> None:
    """Run jobs until SIGTERM or Ctrl-C; what runs then is finished first. Raises SourceMismatch."""
    with open_runtime(data) as runtime:
        check_sources(runtime)
        Worker(runtime, slots_of(runtime.settings)).run()


def slots_of(settings: Settings) -> dict[str, Slots]:
    """Tell how many jobs of each dialect run at once."""
    return {
        "cxone": Slots(settings.cxone.max_concurrent, settings.cxone.max_concurrent_per_tenant),
        "smartsync": Slots(settings.smartsync.max_concurrent, settings.smartsync.max_concurrent_per_tenant),
    }
