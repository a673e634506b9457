"""The S3 store against a real server: links, faults that end in time, and nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import httpx2
import obstore
import pytest

from s3_server import BUCKET, own_s3_server
from s3_way import way_to
from service import poll
from tailrace.errors import StorageUnavailable
from tailrace.storage.s3 import open_store

pytestmark = pytest.mark.long

KEY = "tenant/job/1-abc.csv"
PART = bytes(range(256)) * (8 * 2**20 // 256)
KILLED = """
import json, sys, time
from tailrace.storage.s3 import open_store
with open_store(json.load(sys.stdin)).create(sys.argv[1]) as writer:
    writer.write(bytes(9_000_000))
    time.sleep(600)
"""
# Limits short enough for a test, and how long all of them together may take on a slow machine.
SHORT = {"connect_timeout_s": 1, "timeout_s": 1, "retry_timeout_s": 1}
SOON_SECONDS = 60


@pytest.fixture
def options(s3_server):
    return s3_server.options()


@pytest.fixture
def store(options):
    return open_store(options)


def put(store, key, data=b"x"):
    with store.create(key) as writer:
        writer.write(data)


def get(link, **headers):
    return httpx2.get(link, headers=headers, verify=False, timeout=30)


def in_an_hour():
    return datetime.now(UTC) + timedelta(hours=1)


# -- what is uploaded ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [0, 2])
def test_the_store_need_not_guess_the_type_of_what_comes(s3_server, parts):
    """Every request that brings bytes names it, and signs that: some stores refuse what is named without."""
    heard = []
    with way_to(s3_server.endpoint, heard) as way:
        put(open_store(s3_server.options(endpoint=way.endpoint)), KEY, PART * parts + b"a,b\r\n")
    asked = [block.partition(b"\r\n\r\n")[0] for block in heard if block.startswith((b"PUT ", b"POST "))]
    assert [head[:4] for head in asked].count(b"PUT ") == parts + 1
    assert all(b"\r\ncontent-type: binary/octet-stream" in head for head in asked)
    assert all(b"SignedHeaders=content-type;" in head for head in asked)


def test_nothing_else_names_a_type_that_it_does_not_sign(s3_server):
    heard = []
    with way_to(s3_server.endpoint, heard) as way:
        store = open_store(s3_server.options(endpoint=way.endpoint))
        put(store, KEY)
        heard.clear()
        store.size(KEY)
        assert [one.key for one in store.list_objects()] == [KEY]
        assert b"".join(store.read(KEY, 0, 1)) == b"x"
        store.delete(KEY)
    asked = b"".join(heard)
    assert asked.count(b"authorization: ") >= 4
    assert b"binary/octet-stream" not in asked


# -- where objects lie --------------------------------------------------------------------------------------------


def test_only_what_is_below_the_prefix_is_ours(s3_server, store, options):
    put(store, KEY)
    neighbours = [f"{options['prefix']}2/{KEY}", f"{options['prefix']}.txt", "elsewhere/1.csv"]
    for key in neighbours:
        s3_server.client.put_object(Bucket=BUCKET, Key=key, Body=b"not ours")
    assert [found.key for found in store.list_objects()] == [KEY]
    assert s3_server.keys(options["prefix"]) == [KEY]


# -- links --------------------------------------------------------------------------------------------------------


@pytest.mark.req("CX-502", "CX-505", "CX-508", "CX-509", "CX-510", "CX-511")
def test_a_link_brings_the_bytes_and_says_what_they_are(store):
    put(store, KEY, b"0123456789")
    link = store.sign(KEY, 30, "a_v3_2019-05-22.csv", "text/csv; charset=utf-8")
    whole, part = get(link), get(link, Range="bytes=2-4")
    assert (whole.status_code, whole.content) == (200, b"0123456789")
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert whole.headers["content-type"] == "text/csv; charset=utf-8"
    assert whole.headers["content-disposition"] == 'attachment; filename="a_v3_2019-05-22.csv"'
    assert whole.headers["cache-control"] == "no-store"
    assert "content-encoding" not in whole.headers
    assert whole.headers["etag"] == part.headers["etag"] == get(link).headers["etag"]


@pytest.mark.parametrize(
    ("virtual_host", "place"),
    [(True, "https://results.s3.example.com/p/"), (False, "https://s3.example.com/results/p/")],
)
def test_both_libraries_look_for_an_object_in_the_same_place(s3_server, virtual_host, place):
    store = open_store(s3_server.options(endpoint="https://s3.example.com", virtual_host=virtual_host, prefix="p"))
    ours = obstore.sign(store._store, "GET", "a b/#ü.csv", timedelta(seconds=30)).partition("?")[0]
    assert store.sign("a b/#ü.csv", 30, "a.csv", "text/csv").partition("?")[0] == ours
    assert ours == f"{place}a%20b/%23%C3%BC.csv"


@pytest.mark.req("CX-507")
def test_a_changed_link_is_refused(store):
    put(store, KEY, b"data")
    put(store, "tenant/job/2-abc.csv", b"others'")
    link = store.sign(KEY, 30, "a.csv", "text/csv")
    for changed in (link.replace("1-abc", "2-abc"), link.replace("Expires=30", "Expires=300"), link.split("?")[0]):
        assert get(changed).status_code == 403


@pytest.mark.req("CX-503", "CX-504")
def test_a_link_ends_by_itself(store):
    put(store, KEY, b"data")
    link = store.sign(KEY, 2, "a.csv", "text/csv")
    assert get(link).status_code == 200
    began = time.monotonic()
    poll(lambda: get(link).status_code == 403, pause_seconds=0.1)
    assert time.monotonic() - began < SOON_SECONDS


# -- leavings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [1, 3])
def test_an_upload_that_is_given_up_is_removed_from_the_store(s3_server, store, options, parts):
    writing = store.create(KEY)
    writing.__enter__().write(PART * parts)
    poll(lambda: s3_server.uploads(options["prefix"]))
    assert not writing.__exit__(RuntimeError, RuntimeError("on purpose"), None)
    assert s3_server.uploads(options["prefix"]) == []
    assert s3_server.keys(options["prefix"]) == []


def test_a_killed_writer_leaves_no_object_and_an_upload_that_can_be_ended(s3_server, store, options):
    command = [sys.executable, "-c", KILLED, KEY]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as writer:
        writer.stdin.write(json.dumps(options).encode())
        writer.stdin.close()
        poll(lambda: s3_server.uploads(options["prefix"]))
        writer.kill()
    assert s3_server.keys(options["prefix"]) == []
    assert store.abort_unfinished(in_an_hour()) == 1
    assert s3_server.uploads(options["prefix"]) == []


@pytest.mark.req("CX-706")
def test_unfinished_uploads_are_ended_when_old(s3_server, store, options):
    for prefix in (options["prefix"], f"{options['prefix']}2"):
        for _ in range(2):
            upload = s3_server.client.create_multipart_upload(Bucket=BUCKET, Key=f"{prefix}/{KEY}")
            place = {name: upload[name] for name in ("Bucket", "Key", "UploadId")}
            s3_server.client.upload_part(**place, PartNumber=1, Body=b"half")
    assert store.abort_unfinished(datetime.now(UTC) - timedelta(minutes=5)) == 0
    assert store.abort_unfinished(in_an_hour()) == 2
    assert s3_server.uploads(options["prefix"]) == []
    assert len(s3_server.uploads(f"{options['prefix']}2")) == 2


# -- faults -------------------------------------------------------------------------------------------------------


def write_parts(store):
    put(store, KEY, PART * 6)


USES = {
    "write": lambda store: put(store, KEY),
    "write parts": write_parts,
    "size": lambda store: store.size(KEY),
    "read": lambda store: list(store.read(KEY, 0, 1)),
    "delete": lambda store: store.delete(KEY),
    "list": lambda store: list(store.list_objects()),
    "abort": lambda store: store.abort_unfinished(in_an_hour()),
}


def faults_of(store):
    """Use the store in every way at once, and tell what each came to."""

    def fault_of(use):
        with pytest.raises(StorageUnavailable) as caught:
            use(store)
        return str(caught.value)

    with ThreadPoolExecutor(len(USES)) as pool:
        return dict(zip(USES, pool.map(fault_of, USES.values()), strict=True))


def test_a_wrong_key_is_named_and_nothing_secret_is(s3_server):
    for wrong in ({"secret_access_key": "canary-wrong"}, {"access_key_id": "canary-unknown"}):
        options = s3_server.options(**wrong)
        faults = faults_of(open_store(options))
        assert {"SignatureDoesNotMatch", "InvalidAccessKeyId"} & {fault.split()[-1] for fault in faults.values()}
        for fault in faults.values():
            assert "\n" not in fault
            assert not any(options[name] in fault for name in ("access_key_id", "secret_access_key"))


def test_a_bucket_that_is_not_there_is_a_fault_of_every_use(s3_server):
    faults = faults_of(open_store(s3_server.options(bucket="nowhere")))
    assert faults["write"] == faults["write parts"] == "The result cannot be written: NoSuchBucket"
    assert faults["list"] == "The results cannot be listed: NoSuchBucket"


@pytest.mark.slow
def test_nobody_there_is_a_fault_of_every_use(s3_server):
    with way_to(s3_server.endpoint) as way:
        options = s3_server.options(endpoint=way.endpoint, **SHORT)
    assert "The result cannot be written: Connect" in faults_of(open_store(options)).values()


def test_a_store_that_says_nothing_is_given_up_in_time(s3_server):
    with way_to(s3_server.endpoint) as way:
        way.fall_silent()
        began = time.monotonic()
        faults = faults_of(open_store(s3_server.options(endpoint=way.endpoint, **SHORT)))
        assert time.monotonic() - began < SOON_SECONDS
    assert faults["write"] == "The result cannot be written: Timeout"


ENDS = [pytest.param("fall_silent", marks=[pytest.mark.slow, pytest.mark.share]), "cut"]


def go_on(writing, writer):
    with ExitStack() as stack:
        stack.push(writing)
        writer.write(PART * 10)


@pytest.mark.parametrize("end", ENDS)
def test_a_store_lost_in_the_middle_of_an_upload_leaves_no_object(s3_server, end):
    with way_to(s3_server.endpoint) as way:
        options = s3_server.options(endpoint=way.endpoint, **SHORT)
        writing = open_store(options).create(KEY)
        writer = writing.__enter__()
        writer.write(PART)
        poll(lambda: s3_server.uploads(options["prefix"]))
        getattr(way, end)()
        with pytest.raises(StorageUnavailable) as caught:
            go_on(writing, writer)
    assert str(caught.value).startswith("The result cannot be written: ")
    assert s3_server.keys(options["prefix"]) == []
    # What could not be removed then is found later, by whoever is told to look.
    open_store({**options, "endpoint": s3_server.endpoint}).abort_unfinished(in_an_hour())
    assert s3_server.uploads(options["prefix"]) == []


@pytest.mark.parametrize("end", ENDS)
def test_a_store_lost_in_the_middle_of_a_download_is_a_fault(s3_server, end):
    put(open_store(options := s3_server.options()), KEY, PART * 4)
    with way_to(s3_server.endpoint) as way:
        blocks = open_store({**options, **SHORT, "endpoint": way.endpoint}).read(KEY, 0, 4 * len(PART))
        next(blocks)
        getattr(way, end)()
        with pytest.raises(StorageUnavailable):
            list(blocks)


@pytest.mark.slow
def test_a_server_killed_in_the_middle_of_an_upload_is_a_fault(tmp_path):
    with own_s3_server(tmp_path / "s3") as server:
        writing = open_store(server.options(**SHORT)).create(KEY)
        writing.__enter__().write(PART)
        os.kill(server.pid, signal.SIGKILL)
        with pytest.raises(StorageUnavailable):
            writing.__exit__(None, None, None)
