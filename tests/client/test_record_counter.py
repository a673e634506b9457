"""Records are counted right wherever the bytes are cut."""

import csv
import io
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tailrace.client.rows import RecordCounter

CELLS = st.text(alphabet='ab",\r\n ', max_size=6)
ROWS = st.lists(st.tuples(CELLS, CELLS), max_size=8)


def count(chunks: list[bytes]) -> RecordCounter:
    counter = RecordCounter()
    for chunk in chunks:
        counter.add(chunk)
    return counter


@given(rows=ROWS, cuts=st.lists(st.integers(0, 120), max_size=6))
def test_counts_what_a_csv_writer_wrote(rows: list[tuple[str, str]], cuts: list[int]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    data = text.getvalue().encode()
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    chunks = [data[start:end] for start, end in pairwise(edges)]
    assert count(chunks).records == len(rows)


def test_a_header_alone_has_no_rows() -> None:
    assert count([b"A,B\r\n"]).rows == 0
    assert count([]).rows == 0


def test_a_last_record_without_line_end_counts() -> None:
    assert count([b"A,B\n1,2"]).rows == 1
    assert count([b'A,B\n1,"2\n"']).rows == 1
