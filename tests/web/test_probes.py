"""What the check of the store says of disks."""

import shutil
from types import SimpleNamespace

import pytest

from tailrace.web import probes

GIB = 2**30


@pytest.mark.parametrize(
    ("total", "free", "said"),
    [(GIB, GIB, "ok"), (GIB, 2**20, "ok"), (GIB, 2**20 - 1, "full"), (GIB, 0, "full"), (0, 0, "ok")],
)
@pytest.mark.parametrize("folder", ["data", "results"])
def test_a_disk_without_room_is_full_and_one_without_a_size_is_not(tmp_path, monkeypatch, folder, total, free, said):
    def usage(path):
        return shutil._ntuple_diskusage(*((total, total - free, free) if path.name == folder else (GIB, 0, GIB)))

    data, results = tmp_path / "data", tmp_path / "results"
    data.mkdir()
    settings = SimpleNamespace(storage=SimpleNamespace(kind="local"))
    runtime = SimpleNamespace(data=data, settings=settings, storage_options={"folder": str(results)})
    monkeypatch.setattr(shutil, "disk_usage", usage)
    assert probes._check_storage(runtime) == {"storage": said}
