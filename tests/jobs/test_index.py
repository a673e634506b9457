"""The index of a result's records, against counting the bytes one by one."""

from array import array
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.jobs.index import Index, IndexWriter
from tailrace.storage.local import open_store

KEY = "tenant/job/1.pipe.index"
HEAD = b"head\n"
RECORDS = st.lists(st.tuples(st.sampled_from([b"", b"", b"group\n"]), st.binary(min_size=1, max_size=9)), min_size=1)


def write(store, records, sizes):
    """Write an index as rendering would, with blocks of these sizes; return the result's bytes."""
    document = HEAD
    with store.create(KEY) as file:
        writer, rest = IndexWriter(file.write), list(records)
        while rest:
            block, rest = rest[: (size := sizes.pop(0) if sizes else len(rest))], rest[size:]
            lines = [lead + row for lead, row in block]
            offsets = array("q", accumulate(map(len, lines), initial=0))
            leads = array("i", [len(lead) for lead, _ in block])
            # As buffers come from a library: with room at their end.
            offsets.append(-1), leads.append(-1)
            writer.add(len(document), len(block), memoryview(offsets), memoryview(leads))
            document += b"".join(lines)
        writer.finish()
    return document


@pytest.mark.req("SS-521", "SS-524")
@settings(deadline=None)
@given(records=RECORDS, sizes=st.lists(st.integers(1, 5)), data=st.data())
def test_any_page_is_found(tmp_path_factory, records, sizes, data):
    store = open_store({"folder": str(tmp_path_factory.mktemp("store"))})
    document = write(store, records, sizes)
    index = Index.open(store, KEY)
    start = data.draw(st.integers(0, len(records) - 1))
    end = data.draw(st.integers(start + 1, len(records)))
    first, last = index.span(start, end)
    expected = records[start][1] + b"".join(lead + row for lead, row in records[start + 1 : end])
    assert document[first:last] == expected
    opened = [lead for lead, _ in records[: start + 1] if lead]
    first, last = index.group_lead(start)
    assert document[first:last] == (opened[-1] if opened else b"")


def test_a_group_is_found_far_back_and_across_blocks(tmp_path):
    store = open_store({"folder": str(tmp_path)})
    records = [(b"", b"x")] * 10 + [(b"group\n", b"y")] + [(b"", b"z")] * 150_000
    document = write(store, records, [5, 20, 100_000])
    first, last = Index.open(store, KEY).group_lead(len(records) - 1)
    assert document[first:last] == b"group\n"
    assert Index.open(store, KEY).group_lead(9) == (0, 0)
