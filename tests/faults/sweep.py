"""One round of housekeeping in a process of its own: `sweep.py <data>`. It comes once a minute in a worker."""

import sys
from pathlib import Path

from tailrace.runtime import open_runtime
from tailrace.worker.housekeeping import Housekeeping

with open_runtime(Path(sys.argv[1])) as runtime:
    Housekeeping(runtime).sweep()
