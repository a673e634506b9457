"""SS-501 to SS-510: the output of an export."""

import gzip
from collections.abc import Iterator
from typing import Any

import pytest

from conformance.smartsync import exports_wire as exports
from conformance.smartsync.wire import check_refusal
from conformance.wire import age_job, same
from service import Service

XML, TEXT_XML = "application/xml; charset=utf-8", "text/xml; charset=utf-8"
JSON, TEXT = "application/json", "text/plain; charset=utf-8"
NOTHING = {"startDate": "1970-01-01", "endDate": "1970-01-02"}
# Every format and shape of output, each as a request asks for it.
OUTPUTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "pipe": ("agent-info", {"outputFormat": "PIPE"}, TEXT),
    "json": ("agent-info", {}, JSON),
    "new agents": ("agent-export", {"outputFormat": "XML", "recordType": "newAgent"}, XML),
    "changed agents": ("agent-export", {"startDate": "2024-05-20"}, JSON),
    "opens": ("mu-opens", {"outputFormat": "XML"}, XML),
    "opens as json": ("mu-opens", {}, JSON),
    "vacations": ("agent-vacation-summary", {"outputFormat": "XML", "endDate": "2024-06-30"}, XML),
}


@pytest.fixture(autouse=True)
def _freed(documented: Service) -> Iterator[None]:
    """No job stays running."""
    yield
    exports.free(documented)


@pytest.mark.req("SS-501", "SS-502", "SS-805", "SS-811", "SS-812", "SS-814", "SS-821", "SS-822", "SS-823", "SS-826")
@pytest.mark.req("SS-831", "SS-832", "SS-833", "SS-834", "SS-836", "SS-837", "SS-801", "SS-802", "SS-008")
@pytest.mark.parametrize("words", OUTPUTS)
def test_the_output_is_that_of_the_specification(documented: Service, words: str):
    person = exports.centre_of(documented)
    exporter, changes, content_type = OUTPUTS[words]
    answer = exports.result(person, exports.completed_once(person, exporter, **changes))
    assert answer.status_code == 200
    assert answer.content == exports.expected(person, exporter, **changes)
    assert len(exports.records_of(person, exporter, **changes)) > 0
    assert answer.headers["content-type"] == content_type
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["cache-control"] == "no-store"
    assert not {"content-encoding", "x-start-record", "accept-ranges", "content-range"} & set(answer.headers)


@pytest.mark.req("SS-811", "SS-812", "SS-813", "SS-815", "SS-901", "SS-903")
def test_the_printed_example_of_pipe_with_other_rows(documented: Service):
    names = ("date", "tvID", "agentName", "exceptionCode", "agentData", "minutes")
    wanted = [{"name": name} | ({"value": "team"} if name == "agentData" else {}) for name in names]
    output = exports.export(
        exports.centre_of(documented),
        "agent-schedule-summary",
        endDate="2024-05-22",
        outputFormat="PIPE",
        muIds=[1],
        attribute="Pay",
        fields=wanted,
    )
    assert output.decode().splitlines()[:4] == [
        "#fields:date|tvID|agentName|exceptionCode|agentData(Team)|minutes",
        "#sort:date|muID|tvID|exceptionCode",
        "05222024|1001|O'Neil, Zoë|#HASH|North|60",
        "05222024|1001|O'Neil, Zoë|CALL|North|105",
    ]
    assert output.endswith(b"\n")


@pytest.mark.req("SS-816", "SS-822", "SS-826", "SS-835", "SS-402")
@pytest.mark.parametrize(
    ("exporter", "changes", "output"),
    [
        (
            "agent-info",
            {"outputFormat": "PIPE", "fields": [{"name": "TZ"}]},
            "#fields:TZ\n#sort:date|muID|tvID|acdID|logonID\n",
        ),
        ("agent-info", {"outputFormat": "PIPE", "excludePipeHeader": True}, ""),
        ("agent-info", {"keepEmptyJsonFields": True}, "[]\n"),
        ("mu-opens", {"outputFormat": "XML"}, '<?xml version="1.0" encoding="UTF-8"?>\n<opens/>\n'),
        ("agent-export", {"recordType": "newAgent"}, '{"agentList":{"newAgent":[]}}\n'),
    ],
    ids=["pipe", "nothing", "json", "xml", "tree"],
)
def test_an_output_without_records(documented: Service, exporter: str, changes: dict[str, Any], output: str):
    person = exports.centre_of(documented)
    job_id = exports.completed_once(person, exporter, **NOTHING, **changes)
    assert exports.result(person, job_id).text == output
    assert exports.expected(person, exporter, **NOTHING, **changes).decode() == output
    assert exports.status(person, job_id)["totalRecords"] == 0
    assert gzip.decompress(exports.body_as_sent(person, job_id)[1]).decode() == output


@pytest.mark.req("SS-504", "SS-510", "SS-402")
@pytest.mark.parametrize(
    ("header", "is_packed"),
    [
        *(("gzip", True), ("GZIP", True), ("*", True), ("gzip;q=0.001, identity", True), ("x-gzip", True)),
        *(("deflate, gzip;q=1.0, *;q=0.5", True), ("br, *", True), ("gzip , deflate", True)),
        *(("gzip;q=0", False), ("gzip; q=0.0, *", False), ("*;q=0", False), ("identity", False)),
        *(("", False), ("br, deflate", False), ("gzipped", False)),
    ],
)
def test_gzip_is_sent_where_it_is_allowed(documented: Service, *, header: str, is_packed: bool):
    person = exports.centre_of(documented)
    job_id = exports.completed_once(person)
    coding, body = exports.body_as_sent(person, job_id, accept_encoding=header)
    sizes = exports.status(person, job_id)["resultsSizeBytes"]
    assert coding == ("gzip" if is_packed else "")
    assert len(body) == sizes["compressed" if is_packed else "uncompressed"]
    assert (gzip.decompress(body) if is_packed else body) == exports.expected(person, "agent-info")


@pytest.mark.req("SS-503", "SS-502", "SS-006")
@pytest.mark.parametrize(
    ("output", "accept", "content_type"),
    [
        *(("json", accept, JSON) for accept in ("", "*/*", "*", "application/*", "APPLICATION/json;q=0.1")),
        ("json", "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", JSON),
        *(("json", accept, None) for accept in ("text/plain", "application/xml", "application/json;q=0, */*", "json")),
        *(("pipe", accept, TEXT) for accept in ("text/plain", "text/*", "text/plain; charset=utf-8", "*/*;q=0.1")),
        *(("pipe", accept, None) for accept in ("application/json", "text/csv", "text/plain;q=0.0", "text/*;q=0")),
        *(("opens", accept, XML) for accept in ("application/xml", "text/xml, application/xml;q=0.1", "text/xml, */*")),
        *(("opens", accept, TEXT_XML) for accept in ("text/xml", "text/xml, application/xml;q=0", "text/*")),
        *(("opens", accept, None) for accept in ("application/json", "text/plain", "*/*;q=0", "text/xml;q=0")),
    ],
)
def test_the_type_is_one_that_is_accepted(documented: Service, output: str, accept: str, content_type: str | None):
    person = exports.centre_of(documented)
    exporter, changes, _ = OUTPUTS[output]
    job_id = exports.completed_once(person, exporter, **changes)
    answer = exports.result(person, job_id, headers=[("Accept", accept)])
    if content_type is None:
        check_refusal(answer, 406, "Not Acceptable")
    else:
        assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)


@pytest.mark.req("SS-505")
@pytest.mark.parametrize("asked", ["bytes=0-0", "bytes=-1", "bytes=999999999-", "x"])
def test_a_range_is_ignored(documented: Service, asked: str):
    person = exports.centre_of(documented)
    job_id = exports.completed_once(person)
    whole = exports.result(person, job_id)
    assert same(exports.result(person, job_id, headers=[("Range", asked), ("If-Match", "x")]), whole)


@pytest.mark.req("SS-506", "SS-507", "SS-508", "SS-503", "SS-525", "SS-510")
@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("waiting", exports.NOT_YET),
        ("running", exports.NOT_YET),
        ("failed", exports.FAILED),
        ("canceled", exports.CANCELED),
    ],
)
def test_without_a_result_the_answer_is_206_with_words(documented: Service, state: str, words: str):
    person = exports.centre_of(documented)
    job_id = exports.in_state(person, state)
    has_ended = state in ("failed", "canceled")
    for query in ("", "?startRecord=0", "?numRecords=x&startRecord=1"):
        answer = exports.result(person, job_id, query, [("Accept", "image/png"), ("Accept-Encoding", "gzip")])
        exports.check_no_result(answer, words)
        assert answer.headers.get("retry-after") == (None if has_ended else "1")
    if not has_ended:
        age_job(documented, job_id, hours=1)
        assert exports.result(person, job_id).headers["retry-after"] == "30"


@pytest.mark.req("SS-509", "SS-607", "SS-501", "SS-010")
def test_a_result_is_there_for_24_hours(documented: Service):
    person = exports.centre_of(documented)
    job_id = exports.completed(person)
    first = exports.result(person, job_id)
    age_job(documented, job_id, hours=23, minutes=59)
    assert same(exports.result(person, job_id), first)
    age_job(documented, job_id, minutes=1)
    for query, headers in (("", []), ("?startRecord=0", [("Accept", "image/png")])):
        answer = exports.result(person, job_id, query, headers)
        check_refusal(answer, 404, "Job results have expired")
    assert exports.status(person, job_id)["status"] == "COMPLETED_SUCCESSFULLY"
    age_job(documented, job_id, hours=24)
    exports.check_no_job(exports.result(person, job_id), documented)


@pytest.mark.req("SS-510")
def test_a_request_made_again_has_the_same_output(documented: Service):
    person = exports.centre_of(documented)
    again = exports.completed(person)
    assert same(exports.result(person, again), exports.result(person, exports.completed_once(person)))


@pytest.mark.req("SS-006", "SS-010", "SS-007")
def test_a_result_that_is_lost_is_503(documented: Service):
    person = exports.centre_of(documented)
    job_id = exports.completed(person)
    [row] = documented.database.execute("SELECT result_key FROM jobs WHERE id = %(id)s", {"id": job_id})
    for path in (documented.data / "results").glob(f"{row.result_key}*"):
        path.unlink()
    for query in ("", "?startRecord=1&numRecords=1"):
        check_refusal(exports.result(person, job_id, query), 503, "Service Unavailable")
