"""The folder store: what only a folder can show, above all a full disk."""

import fcntl
import os
import random
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from tailrace.errors import StorageUnavailable
from tailrace.storage.local import open_store

KEY = "tenant/job/1-abc.csv"
FULL = """
import resource, signal, sys
from tailrace.errors import StorageUnavailable
from tailrace.storage.local import open_store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
store = open_store({"folder": sys.argv[1]})
try:
    with store.create("tenant/job/1-abc.csv") as writer:
        for _ in range(200):
            writer.write(b"x" * 1000)
except StorageUnavailable as error:
    print(error)
else:
    print("written")
"""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "results"


@pytest.fixture
def store(folder):
    return open_store({"folder": str(folder)})


def put(store, key, data=b"x"):
    with store.create(key) as writer:
        writer.write(data)


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_the_folder_is_for_us_alone(store, folder):
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_a_fault(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageUnavailable):
        open_store({"folder": str(tmp_path / "file" / "results")})


def test_a_file_too_large_for_the_disk_leaves_nothing(folder):
    run = subprocess.run([sys.executable, "-c", FULL, str(folder)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "The result cannot be written: File too large"
    assert [path for path in folder.rglob("*") if path.is_file()] == []


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_leaves_nothing_and_works_again_when_there_is_room(small_disk):
    store = open_store({"folder": str(small_disk / "results")})
    put(store, "tenant/job/1-small.csv", b"small")
    with pytest.raises(StorageUnavailable, match="No space left on device"):
        put(store, KEY, b"x" * 100_000)
    assert [found.key for found in store.list_objects()] == ["tenant/job/1-small.csv"]
    put(store, KEY, b"x" * 10_000)
    assert store.size(KEY) == 10_000


def test_deleting_removes_the_folders_that_are_empty_then(store, folder):
    put(store, "tenant/one/1.csv")
    put(store, "tenant/two/1.csv")
    store.delete("tenant/one/1.csv")
    assert everything(folder) == ["tenant", "tenant/two", "tenant/two/1.csv"]
    store.delete("tenant/two/1.csv")
    assert everything(folder) == []
    assert folder.is_dir()


def test_a_failed_write_leaves_no_folders_either(store, folder):
    put(store, "tenant/other/1.csv")
    writing = store.create(KEY)
    writing.__enter__().write(b"x")
    assert not writing.__exit__(RuntimeError, RuntimeError(), None)
    assert everything(folder) == ["tenant", "tenant/other", "tenant/other/1.csv"]


def test_a_file_that_cannot_be_removed_is_a_fault(store, folder):
    (folder / KEY / "inside").mkdir(parents=True)
    with pytest.raises(StorageUnavailable, match="cannot be removed"):
        store.delete(KEY)


def test_writing_goes_on_while_folders_come_and_go(store, folder):
    """Removing an empty folder and writing into it meet; neither may make a result fail."""
    together = Barrier(4)

    def work(number):
        together.wait()
        for turn in range(100):
            key = f"tenant/job/{number}-{turn}.csv"
            put(store, key)
            store.delete(key)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert everything(folder) == []


def test_a_store_behind_a_link_keeps_its_own_folder(tmp_path):
    (tmp_path / "real" / "place").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    store = open_store({"folder": str(tmp_path / "link" / "place")})
    put(store, KEY)
    store.delete(KEY)
    assert (tmp_path / "real" / "place").is_dir()
    assert everything(tmp_path / "real" / "place") == []


def test_a_link_that_leads_out_is_not_followed(store, folder, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.csv").write_text("canary")
    (folder / "tenant").symlink_to(tmp_path / "outside")
    for use in (lambda key: put(store, key), lambda key: store.read(key, 0, 6)):
        with pytest.raises(StorageUnavailable):
            use("tenant/secret.csv")
    assert (tmp_path / "outside" / "secret.csv").read_text() == "canary"


def test_no_file_stays_open(store, folder):
    def open_files():
        return [path for path in Path("/proc/self/fd").iterdir() if path.exists() and folder in path.resolve().parents]

    put(store, KEY, b"x" * 5_000_000)
    blocks = store.read(KEY, 0, 5_000_000)
    next(blocks)
    assert len(open_files()) == 1
    blocks.close()
    assert open_files() == []
    assert len(list(store.read(KEY, 0, 3_000_000))) == 3
    assert open_files() == []


def test_an_unreadable_file_is_a_fault(store, folder):
    put(store, KEY)
    (folder / KEY).unlink()
    (folder / KEY).mkdir()
    with pytest.raises(StorageUnavailable):
        list(store.read(KEY, 0, 1))
    assert everything(folder / "tenant/job") == ["1-abc.csv"]


@pytest.mark.parametrize("unaligned", [False, True], ids=["past the cache", "where the file system refuses"])
@pytest.mark.parametrize("size", [0, 1, 8_191, 8_192, 8_193, 100_000])
def test_pieces_are_written_whole_and_in_order(store, monkeypatch, size, unaligned):
    # Past its cache the kernel takes whole blocks alone, and refuses others as a file system does that cannot.
    monkeypatch.setattr("tailrace.storage.local._PIECE_BYTES", 8_191 if unaligned else 8_192)
    data = random.Random(size).randbytes(size)
    with store.create(KEY) as writer:
        for at in range(0, size, 777):
            writer.write(data[at : at + 777])
        writer.write(b"")
    assert store.size(KEY) == size
    assert b"".join(store.read(KEY, 0, size)) == data


def test_all_but_the_end_of_a_result_is_written_past_the_cache(store, folder, monkeypatch):
    written = []
    plain = fcntl.fcntl

    def note(number, command, *words):
        if command == fcntl.F_SETFL:
            written.append(bool(words[0] & os.O_DIRECT))
        return plain(number, command, *words)

    monkeypatch.setattr("tailrace.storage.local.fcntl.fcntl", note)
    put(store, KEY, bytes(5 * 2**20))
    assert written == [True, True, False]
