"""How much is measured: the quick form, and the whole."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of rows and of counted runs, and the size of a download in MB."""

    rows: tuple[int, ...]
    runs: int
    memory_rows: tuple[int, ...]
    download_mb: int


QUICK = Sizes(rows=(500_000,), runs=3, memory_rows=(10_000, 200_000), download_mb=100)
WHOLE = Sizes(rows=(1_000_000, 5_000_000), runs=5, memory_rows=(10_000, 1_000_000, 10_000_000), download_mb=500)
