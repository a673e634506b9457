"""What every store must do, whichever it is: whole or nothing, read in parts, listed, deleted, walled in.

A new store needs one entry in `OPEN`; without it these tests fail by its name. Google's and Azure's are tested where
`TAILRACE_TEST_GCS` and `TAILRACE_TEST_AZURE` hold the options of one, as JSON: no wheel has a server that speaks so.
"""

import gc
import json
import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from service import poll
from tailrace.errors import StorageUnavailable
from tailrace.plugins import load_plugin, plugin_names
from tailrace.storage.base import BLOCK_BYTES, StoredObject


def open_given(variable):
    """Take a store that whoever runs the tests has named, with a prefix of the test's own."""
    if variable not in os.environ:
        pytest.skip(f"{variable} names no store")
    given = dict.fromkeys(("endpoint", "access_key_id", "secret_access_key", "credentials_file"))
    limits = {"connect_timeout_s": 5, "timeout_s": 30, "retry_timeout_s": 5, "allow_http": True}
    return given | limits | json.loads(os.environ[variable]) | {"prefix": uuid4().hex}


OPEN = {
    "azure": lambda *_: open_given("TAILRACE_TEST_AZURE"),
    "gcs": lambda *_: open_given("TAILRACE_TEST_GCS"),
    "local": lambda folder, _: {"folder": str(folder / "results")},
    "s3": lambda _, server: server().options(),
}
FORGETFUL = {"azure", "gcs"}
KEY = "tenant/job/1-abc.csv"
LARGE = bytes(range(256)) * (3 * BLOCK_BYTES // 256) + b"the end"


@pytest.fixture(params=plugin_names("tailrace.storage"))
def store(request, tmp_path):
    options = OPEN[request.param](tmp_path, lambda: request.getfixturevalue("s3_server"))
    return load_plugin("tailrace.storage", request.param).open_store(options)


def put(store, key, *blocks):
    with store.create(key) as writer:
        for block in blocks:
            writer.write(block)


def get(store, key, start=0, end=None):
    return b"".join(store.read(key, start, store.size(key) if end is None else end))


@pytest.mark.parametrize(
    "blocks", [[], [b""], [b"a"], [b"a", b"", b"bc"], [LARGE], [LARGE, LARGE]], ids=lambda blocks: str(len(blocks))
)
def test_what_was_written_is_read(store, blocks):
    put(store, KEY, *blocks)
    whole = b"".join(blocks)
    assert store.size(KEY) == len(whole)
    assert get(store, KEY) == whole


def test_buffers_of_any_kind_are_taken(store):
    array = memoryview(bytearray(b"0123456789"))
    put(store, KEY, array[2:5], array.cast("H"), bytearray(b"x"))
    assert get(store, KEY) == b"2340123456789x"


def test_nothing_is_visible_before_the_end(store):
    with store.create(KEY) as writer:
        writer.write(LARGE)
        with pytest.raises(StorageUnavailable):
            store.size(KEY)
        with pytest.raises(StorageUnavailable):
            store.read(KEY, 0, 1)
        assert KEY not in {found.key for found in store.list_objects()}
    assert store.size(KEY) == len(LARGE)


@pytest.mark.parametrize("written", [b"", b"some", LARGE])
@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt, StorageUnavailable])
def test_a_writer_that_fails_leaves_nothing(store, written, fault):
    writing = store.create(KEY)
    writing.__enter__().write(written)
    error = fault("on purpose")
    assert not writing.__exit__(fault, error, None)
    with pytest.raises(StorageUnavailable):
        store.size(KEY)
    assert list(store.list_objects()) == []


def test_two_may_write_the_same_key_and_one_whole_object_is_there(store):
    with store.create(KEY) as one, store.create(KEY) as two:
        one.write(b"one" * 1000)
        two.write(b"two" * 1000)
        one.write(b"!")
        two.write(b"!")
    assert get(store, KEY) in (b"one" * 1000 + b"!", b"two" * 1000 + b"!")
    assert [found.key for found in store.list_objects()] == [KEY]


SIZE = len(LARGE)


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, 1), (0, SIZE), (SIZE - 1, SIZE), (5, 5), (0, 0), (SIZE, SIZE), (BLOCK_BYTES - 1, BLOCK_BYTES + 1)],
)
def test_ranges(store, start, end):
    put(store, KEY, LARGE)
    blocks = list(store.read(KEY, start, end))
    assert b"".join(blocks) == LARGE[start:end]
    assert all(0 < len(block) <= BLOCK_BYTES for block in blocks)


def test_a_read_beyond_the_end_is_a_fault_not_a_short_answer(store):
    put(store, KEY, b"short")
    with pytest.raises(StorageUnavailable):
        list(store.read(KEY, 0, 6))


def test_a_file_deleted_while_it_is_read_is_read_to_its_end(store):
    put(store, KEY, LARGE)
    blocks = store.read(KEY, 0, len(LARGE))
    first = next(blocks)
    store.delete(KEY)
    with pytest.raises(StorageUnavailable):
        store.size(KEY)
    assert first + b"".join(blocks) == LARGE


def test_an_object_deleted_before_the_first_block_is_asked_for_is_still_read(store):
    put(store, KEY, LARGE)
    blocks = store.read(KEY, 0, len(LARGE))
    store.delete(KEY)
    assert b"".join(blocks) == LARGE


def test_deleting_twice_or_what_never_was_is_no_fault(store):
    put(store, KEY, b"x")
    put(store, "tenant/other/1.csv", b"y")
    for _ in range(2):
        store.delete(KEY)
        store.delete("nobody/nothing/1.csv")
    assert [found.key for found in store.list_objects()] == ["tenant/other/1.csv"]


def test_the_list_tells_key_size_and_time(store):
    assert list(store.list_objects()) == []
    before = datetime.now(UTC) - timedelta(seconds=2)
    for number in range(60):
        put(store, f"tenant/{number}/1-a.csv", b"x" * number)
    found = sorted(store.list_objects(), key=lambda one: one.bytes)
    assert [(one.key, one.bytes) for one in found] == [(f"tenant/{number}/1-a.csv", number) for number in range(60)]
    assert all(isinstance(one, StoredObject) and before < one.written_at <= datetime.now(UTC) for one in found)


def test_what_was_left_unfinished_can_be_removed(store, request):
    """As an object that is listed, or all at once."""
    if request.node.callspec.params["store"] in FORGETFUL:
        pytest.skip("the store does that by itself, in a week")
    writing = store.create(KEY)
    writing.__enter__().write(LARGE * 8)
    listed = [found.key for found in store.list_objects()]
    aborted = poll(lambda: listed or store.abort_unfinished(datetime.now(UTC) + timedelta(seconds=1)))
    assert len(listed or [aborted]) == 1
    for key in listed:
        store.delete(key)
    assert list(store.list_objects()) == []
    assert store.abort_unfinished(datetime.now(UTC) + timedelta(seconds=1)) == 0
    with pytest.raises(StorageUnavailable):  # its file is gone: it must not claim to have published it
        writing.__exit__(None, None, None)
    assert list(store.list_objects()) == []


def test_what_is_being_written_is_not_removed_as_unfinished(store):
    with store.create(KEY) as writer:
        writer.write(LARGE * 8)
        assert store.abort_unfinished(datetime.now(UTC) - timedelta(minutes=1)) == 0
        writer.write(b"!")
    assert store.size(KEY) == 8 * len(LARGE) + 1


def test_a_store_that_signs_links_does_so_for_keys_of_its_own(store):
    put(store, KEY, b"x")
    link = store.sign(KEY, 30, "file.csv", "text/csv")
    assert link is None or link.startswith("http")


OUTSIDE = ["../secret", "a/../../secret", "/etc/passwd", "a/b/../../../secret", "..", "tenant/../../secret"]


@pytest.mark.parametrize("key", OUTSIDE)
def test_a_key_that_leads_out_is_refused(store, tmp_path, key):
    secret = tmp_path / "secret"
    secret.write_text("canary")
    with pytest.raises(StorageUnavailable):
        put(store, key, b"overwritten")
    with pytest.raises(StorageUnavailable):
        store.size(key)
    with pytest.raises(StorageUnavailable):
        store.read(key, 0, 6)
    with pytest.raises(StorageUnavailable):
        store.delete(key)
    with suppress(StorageUnavailable):
        assert store.sign(key, 30, "file.csv", "text/csv") is None
    assert secret.read_text() == "canary"


def test_odd_but_lawful_keys(store):
    keys = ["a b/ü/1.csv", "x/%2e%2e/1.csv", "x/#?&/1.csv", "x/" + "y" * 200 + ".csv"]
    for key in keys:
        put(store, key, key.encode())
    for key in keys:
        assert get(store, key) == key.encode()
        store.delete(key)
    assert list(store.list_objects()) == []


def test_a_reader_that_is_dropped_closes_its_file(store):
    put(store, KEY, LARGE)
    blocks = store.read(KEY, 0, len(LARGE))
    next(blocks)
    blocks.close()
    gc.collect()
