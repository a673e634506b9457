"""SS-521 to SS-525: pages of an output."""

import gzip
from typing import Any

import pytest

from conformance.smartsync import exports_wire as exports
from conformance.smartsync.wire import check_faults
from service import Service
from wfm.writers import page

START = "'startRecord' query parameter must be an integer from 1 to {}"
NUMBER = "'numRecords' query parameter must be an integer greater than 0"
NEEDS_NUMBER = "'startRecord' query parameter requires 'numRecords'"
NEEDS_START = "'numRecords' query parameter requires 'startRecord'"
# Every kind of document.
OUTPUTS: dict[str, tuple[str, dict[str, Any]]] = {
    "pipe": ("agent-info", {"outputFormat": "PIPE"}),
    "pipe without header": ("agent-info", {"outputFormat": "PIPE", "excludePipeHeader": True}),
    "json": ("agent-info", {}),
    "agents": ("agent-export", {"startDate": "2024-05-20", "outputFormat": "XML"}),
    "agents as json": ("agent-export", {"startDate": "2024-05-20"}),
    "opens": ("mu-opens", {"outputFormat": "XML"}),
    "opens as json": ("mu-opens", {}),
    "grouped": (
        "agent-vacation-summary",
        {
            "outputFormat": "XML",
            "endDate": "2024-06-30",
            "timeOffGroupList": [{"timeOffGroup": 3}, {"timeOffGroup": 4}],
        },
    ),
}


@pytest.mark.req("SS-521", "SS-523", "SS-524", "SS-525", "SS-502")
@pytest.mark.parametrize("words", OUTPUTS)
def test_a_page_is_a_document_of_its_records(documented: Service, words: str):
    person = exports.centre_of(documented)
    exporter, changes = OUTPUTS[words]
    job_id = exports.completed_once(person, exporter, **changes)
    records = exports.records_of(person, exporter, **changes)
    total, file, style = len(records), exports.described(exporter), exports.style_of(exporter, **changes)
    assert total > 2
    for start in range(1, total + 1):
        for count in (1, 2, total):
            answer = exports.page(person, job_id, start, count)
            assert answer.content == page(file, records, start, count, **style), (start, count)
            check_headers(answer, start, min(count, total - start + 1), total)
    whole = exports.result(person, job_id)
    assert exports.page(person, job_id, 1, total).content == whole.content
    assert exports.page(person, job_id, 1, total).headers["content-type"] == whole.headers["content-type"]


def check_headers(answer: Any, start: int, count: int, total: int) -> None:
    """SS-523."""
    follow = total - start - count + 1
    expected = {"x-start-record": str(start), "x-count-records": str(count)}
    if follow:
        expected |= {"x-next-record": str(start + count), "x-remaining-records": str(follow)}
    assert {
        name: text for name, text in answer.headers.items() if name.startswith("x-") and "-record" in name
    } == expected
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["vary"] == "Accept-Encoding"


@pytest.mark.req("SS-525", "SS-523", "SS-524")
def test_pages_laid_end_to_end_are_the_whole(documented: Service):
    person = exports.centre_of(documented)
    changes = {"startDate": "2023-06-01", "endDate": "2024-07-04", "outputFormat": "PIPE", "excludePipeHeader": True}
    job_id = exports.completed_once(person, **changes)
    whole = exports.result(person, job_id).content
    assert whole.count(b"\n") == exports.status(person, job_id)["totalRecords"] > 2000
    found, start = b"", "1"
    while start:
        answer = exports.page(person, job_id, int(start), 997)
        found += answer.content
        start = answer.headers.get("x-next-record", "")
    assert found == whole
    records = whole.splitlines(keepends=True)
    for place in (1, 1999, len(records)):
        assert exports.page(person, job_id, place, 3).content == b"".join(records[place - 1 : place + 2])


@pytest.mark.req("SS-504", "SS-523")
def test_a_page_is_packed_where_gzip_is_allowed(documented: Service):
    person = exports.centre_of(documented)
    job_id = exports.completed_once(person)
    query = "?startRecord=2&numRecords=3"
    coding, body = exports.body_as_sent(person, job_id, query)
    assert (coding, gzip.decompress(body)) == ("gzip", exports.result(person, job_id, query).content)
    assert exports.body_as_sent(person, job_id, query, "gzip;q=0")[0] == ""


@pytest.mark.req("SS-521", "SS-007")
@pytest.mark.parametrize(
    "query",
    [
        "startRecord=2&numRecords=1",
        "numRecords=1&startRecord=2",
        "startRecord=02&numRecords=0001",
        f"startRecord={'0' * 50}2&numRecords=1",
        "startRecord=2&numRecords=1&page=7&startrecord=x",
    ],
)
def test_one_record_in_several_ways(documented: Service, query: str):
    person = exports.centre_of(documented)
    job_id = exports.completed_once(person)
    answer = exports.result(person, job_id, f"?{query}")
    assert answer.content == exports.page(person, job_id, 2, 1).content
    assert answer.headers["x-start-record"] == "2"


@pytest.mark.req("SS-521", "SS-522")
@pytest.mark.parametrize("number", [10**9, 2**63, 10**5000], ids=["a billion", "2^63", "5000 digits"])
def test_any_number_of_records_may_be_asked_for(documented: Service, number: int):
    person = exports.centre_of(documented)
    job_id = exports.completed_once(person)
    digits = "1" + "0" * 5000 if number > 10**100 else str(number)
    answer = exports.result(person, job_id, f"?startRecord=1&numRecords={digits}")
    assert answer.content == exports.result(person, job_id).content


@pytest.mark.req("SS-522", "SS-006")
@pytest.mark.parametrize(
    ("query", "faults"),
    [
        *(
            (f"startRecord={text}&numRecords=1", [START])
            for text in ("0", "-1", "1.0", "", "x", "1e1", "%2B1", "+1", "١")
        ),
        *((f"startRecord={text}&numRecords=1", [START]) for text in ("9" * 30, "1" + "0" * 5000, "true", "1,2")),
        *((f"startRecord=1&numRecords={text}", [NUMBER]) for text in ("0", "-1", "1.5", "", "all", "0x1", "00")),
        ("startRecord=0&numRecords=0", [START, NUMBER]),
        ("startRecord=1", [NEEDS_NUMBER]),
        ("numRecords=1", [NEEDS_START]),
        ("startRecord=x", [START, NEEDS_NUMBER]),
        ("numRecords=x", [NUMBER, NEEDS_START]),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
def test_what_is_no_page_is_told(documented: Service, query: str, faults: list[str]):
    person = exports.centre_of(documented)
    job_id = exports.completed_once(person)
    total = exports.status(person, job_id)["totalRecords"]
    answer = exports.result(person, job_id, f"?{query}".replace("١", "%D9%A1"))
    check_faults(answer, *(fault.format(total) for fault in faults))


@pytest.mark.req("SS-522", "SS-521")
def test_positions_end_with_the_last_record(documented: Service):
    person = exports.centre_of(documented)
    job_id = exports.completed_once(person)
    total = exports.status(person, job_id)["totalRecords"]
    assert exports.page(person, job_id, total, 5).headers["x-count-records"] == "1"
    check_faults(exports.result(person, job_id, f"?startRecord={total + 1}&numRecords=1"), START.format(total))


@pytest.mark.req("SS-522")
@pytest.mark.parametrize("output_format", ["PIPE", "JSON"])
def test_without_records_every_start_is_a_fault(documented: Service, output_format: str):
    person = exports.centre_of(documented)
    changes = {"startDate": "1970-01-01", "endDate": "1970-01-01", "outputFormat": output_format}
    job_id = exports.completed_once(person, **changes)
    check_faults(exports.result(person, job_id, "?startRecord=1&numRecords=1"), START.format(0))
