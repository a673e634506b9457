"""Section 6: the file, byte for byte."""

import csv
import io
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from conformance import wire
from conformance.wire import utc
from service import Caller, Service
from tailrace.catalog.loader import load_catalog
from tailrace.intake.sample import load_sample

V1, V3 = wire.dataset(version="1"), wire.dataset()
METADATA = "recording-interaction-metadata"
# Annex B, and the header lines as they were when the contract was written.
HEADERS = [
    ("qm-questions", "1", 34, "09140a80464fda76"),
    ("qm-workflows", "1", 37, "cbb5375096c32b35"),
    ("qm-workflows", "3", 38, "546920eb8fd234bc"),
    (METADATA, "10", 12, "526ce0af16e0ee54"),
    (METADATA, "7", 10, "1a164bf9b0a29a07"),
]
TEXTS = [
    *(None, "", "plain", "with blanks inside", " ", "\t", " before", "after ", "\tbefore", "after\t", "\u00a0x\u00a0"),
    *(",", '"', '""', '"quoted"', 'in "the" middle', "a,b", "'", "a\nb", "a\rb", "a\r\nb", "\n", "\r", "\r\n", "end\n"),
    *("\0", "a\0b", "\0,", "\x01\x1f\x7f", "\\", "\\n", "=1+1", "+1", "-1", "@x", ";", "|", "NULL", "null", "0"),
    *(
        "Ψηφίο",
        "Щербакова",
        "王秀英",
        "髙橋",
        "الهاشمي",
        "כהן",
        "Łukasz",
        "e\u0301",
        "é",
        "👨\u200d👩\u200d👧",
        "\ufffd",
    ),
    *("\u2028", "\u0085", "a\u202eb", "ﬁ", "İ", "ß", "\ue000", "\U0010ffff", "\ufeffmark", "\U0001d518", "x" * 9_000),
]
INSTANTS = [
    utc(2019, 5, 22, 13, 4, 5, 999_999),
    utc(2019, 5, 22, 13, 4, 5, 1_999),
    utc(2019, 5, 22, 13, 4, 5, 500),
    utc(1969, 12, 31, 23, 59, 59, 999_900),
    utc(1, 1, 1),
    utc(999, 12, 31, 23, 59, 59, 999_000),
    utc(9999, 12, 31, 23, 59, 59, 999_999),
]
NUMBERS = [Decimal(text) for text in (
    "0", "-0.001", "0.005", "-0.005", "0.0049", "-0.0049", "0.015", "1.005", "-1.005", "2.5", "99.995", "99.9949",
    "123456789012.34", "-999999999999.99", "100", "0.1", "0.000001", "-0.000001", "7.123456",
)]  # fmt: skip


@pytest.fixture
def caller(documented: Service) -> Caller:
    return documented.caller(permissions=["qm-workflow", "interaction-metadata"])


def check(caller: Caller, folder: Path, described: Any, rows: list[dict[str, Any]]) -> bytes:
    """Load rows in another order than they must come out in, and compare the whole file with the oracle's."""
    wire.load(caller, folder, described, rows[1::2] + rows[::2])
    content = wire.extract(caller, entityName=described.name, version=described.version)
    assert content == wire.expected_file(described, rows)
    return content


def numbered(**columns: list[Any]) -> list[dict[str, Any]]:
    """Make a row of each value, ordered by their Workflow ID."""
    [(name, values)] = columns.items()
    return [wire.row(V3, workflow_id=f"w{place:04}", **{name: value}) for place, value in enumerate(values)]


@pytest.mark.req("CX-602", "CX-603", "CX-616", "CX-604")
@pytest.mark.parametrize(("name", "version", "columns", "digest"), HEADERS)
def test_the_header_is_the_catalogues(caller: Caller, name: str, version: str, columns: int, digest: str):
    content = wire.extract(caller, entityName=name, version=version)
    assert content == wire.header(wire.dataset(name, version))
    assert content.count(b",") + 1 == columns
    assert sha256(content).hexdigest().startswith(digest)
    assert (b",Score - Percentage," in content) == (name == "qm-workflows")


@pytest.mark.req("CX-601", "CX-602", "CX-604", "CX-605", "CX-606", "CX-607", "CX-612")
def test_texts_of_every_kind(caller: Caller, tmp_path: Path):
    rows = numbered(user_review_comments=TEXTS)
    content = check(caller, tmp_path, V3, rows)
    assert not content.startswith(b"\xef\xbb\xbf")
    records = list(csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True))
    assert {len(record) for record in records} == {38}
    place = records[0].index("User Review Comments")
    assert [record[place] for record in records[1:]] == [(text or "").replace("\0", "\ufffd") for text in TEXTS]


@pytest.mark.req("CX-605", "CX-606", "CX-607")
def test_texts_in_every_column(caller: Caller, tmp_path: Path):
    """Also as first and last cell, and in columns that have labels."""
    names = [column.source for column in V3.columns if column.type == "text" and column.name != "Workflow ID"]
    rows = []
    for place, text in enumerate(["", ' "', "a,b\r\n", "\0", "Other label", "Ψ"]):
        rows.append(wire.row(V3, workflow_id=f"w{place}", **dict.fromkeys(names, text)))
    check(caller, tmp_path, V3, rows)


@pytest.mark.req("CX-606", "CX-604")
def test_no_values_at_all(caller: Caller, tmp_path: Path):
    content = check(caller, tmp_path, V3, numbered(plan_name=[None] * 3))
    assert b'""' not in content


@pytest.mark.req("CX-609")
def test_instants_are_cut_off_not_rounded(caller: Caller, tmp_path: Path):
    content = check(caller, tmp_path, V3, numbered(interaction_start_date=INSTANTS))
    for text in ("2019-05-22T13:04:05.999Z", "2019-05-22T13:04:05.001Z", "1969-12-31T23:59:59.999Z"):
        assert f",{text},".encode() in content
    assert b",0001-01-01T00:00:00.000Z," in content


@pytest.mark.req("CX-610")
def test_decimals_are_rounded_half_away_from_zero(caller: Caller, tmp_path: Path):
    content = check(caller, tmp_path, V3, numbered(score=NUMBERS))
    records = list(csv.DictReader(io.StringIO(content.decode())))
    written = dict(zip(map(str, NUMBERS), (record["Score"] for record in records), strict=True))
    for number, text in {"-0.001": "0.00", "0.005": "0.01", "-0.005": "-0.01", "100": "100.00"}.items():
        assert written[number] == text


@pytest.mark.req("CX-610")
def test_integers_are_plain_digits(caller: Caller, tmp_path: Path):
    described = wire.dataset(METADATA, "10")
    numbers = [0, -1, 1_000_000, 2**63 - 1, -(2**63), None]
    rows = [
        wire.row(described, segment_id=f"s{place}", agent_1_contact_number=number)
        for place, number in enumerate(numbers)
    ]
    assert b",9223372036854775807," in check(caller, tmp_path, described, rows)


@pytest.mark.req("CX-611")
def test_booleans_have_the_catalogues_texts(caller: Caller, tmp_path: Path):
    rows = [
        wire.row(V3, workflow_id=f"{one}{other}", auto_acknowledged=one, failed_critical_question=other)
        for one in (False, None, True)
        for other in (False, None, True)
    ]
    content = check(caller, tmp_path, V3, rows)
    records = list(csv.DictReader(io.StringIO(content.decode())))
    assert {record["Auto Acknowledged"] for record in records} == {"FALSE", "", "TRUE"}
    assert {record["Failed Critical Question"] for record in records} == {"false", "", "true"}


@pytest.mark.req("CX-612")
def test_a_label_outside_the_list_is_written_as_it_is(caller: Caller, tmp_path: Path):
    check(caller, tmp_path, V3, numbered(workflow_status=["Completed", "completed", "Parked, maybe", ""]))


@pytest.mark.req("CX-608")
def test_spreadsheet_safety_guards_text(tuned: Service, tmp_path: Path):
    caller = tuned.caller()
    texts = ["=1", "+1", "-1", "@x", "\tx", "\rx", "=a,b", "x=1", " =1", "'=1", "", None, "1", "\n=1"]
    rows = numbered(user_review_comments=texts)
    wire.load(caller, tmp_path, V3, [{**row, "Score": Decimal(-5)} for row in rows])
    guarded = [text and ("'" + text if text[0] in "=+-@\t\r" else text) for text in texts]
    expected = [{**row, "Score": Decimal(-5)} for row in numbered(user_review_comments=guarded)]
    assert tuned_extract(caller) == wire.expected_file(V3, expected)


def tuned_extract(caller: Caller, **members: Any) -> bytes:
    """Extract from the server whose public URL does not resolve."""
    _, url = wire.succeeded(caller, **members)
    answer = wire.send(caller.service, "GET", url)
    assert answer.status_code == 200
    return answer.content


@pytest.mark.req("CX-613")
@pytest.mark.parametrize(("version", "more"), [("7", {}), ("10", {"disposition": "+1"})])
def test_a_leading_plus_of_numbers(service: Service, tmp_path: Path, version: str, more: dict[str, str]):
    caller = service.caller(permissions=["interaction-metadata"])
    described = wire.dataset(METADATA, version)
    numbers = ["+15551234567", "+", "++1", "15551234567", "a+1", "\\+1", "+1,2", ' +1"', "", None]

    def rows(marked: list[str | None]) -> list[dict[str, Any]]:
        return [
            wire.row(described, start_date=utc(2019, 5, 22, 0, 0, place), ani=number, dnis=number, **more)
            for place, number in enumerate(marked)
        ]

    wire.load(caller, tmp_path, described, rows(numbers))
    if wire.is_live(service):
        numbers = [number and ("\\" + number if number[0] == "+" else number) for number in numbers]
    content = wire.extract(caller, entityName=METADATA, version=version)
    assert content == wire.expected_file(described, rows(numbers))


@pytest.mark.req("CX-614")
def test_rows_are_ordered_by_instant_then_by_bytes(caller: Caller, tmp_path: Path):
    at = utc(2019, 5, 23, 9)
    instants = [utc(2019, 5, 22), at.replace(hour=8), at, at.replace(microsecond=1), utc(2019, 5, 28, 23, 59)]
    keys = ["", " ", "!", "0", "10", "9", "A", "Z", "a", "aa", "b", "z", "~", "é", "Ψ", "中", "\uffee", "😀"]
    assert keys == sorted(keys, key=str.encode)
    check(
        caller, tmp_path, V3, [wire.row(V3, submission_date=one, workflow_id=key) for one in instants for key in keys]
    )


@pytest.mark.req("CX-614")
def test_an_empty_key_comes_first(tuned: Service, tmp_path: Path):
    caller = tuned.caller(permissions=["events"])
    described = load_catalog([tuned.data / "catalog"]).get("events", "1")
    rows = [wire.row(described, when=utc(2019, 5, 23), key=key, count=1) for key in (None, "!", "a", "b")]
    wire.load(caller, tmp_path, described, rows[::-1])
    assert tuned_extract(caller, entityName="events", version="1") == wire.expected_file(described, rows)


@pytest.mark.req("CX-614", "CX-603")
def test_both_versions_come_from_the_same_rows(caller: Caller, tmp_path: Path):
    """Version 1 has no Workflow ID, but is ordered by it."""
    rows = [wire.row(V3, workflow_id=f"w{place}", plan_name=f"plan {9 - place}", tenant_name="Ψ") for place in range(9)]
    check(caller, tmp_path, V3, rows)
    assert wire.extract(caller, version="1") == wire.expected_file(V1, rows)


@pytest.mark.req("CX-615", "CX-614", "CX-509")
def test_the_same_rows_give_the_same_bytes(service: Service):
    contents = set()
    for caller in (service.caller(), service.caller()):
        service.database.execute(
            "UPDATE tenants SET name = %(name)s WHERE id = %(id)s",
            {"name": f"same rows {len(contents)}", "id": caller.tenant.id},
        )
        folder = service.data / "tables"
        load_sample(service.database, load_catalog(), folder, caller.tenant, "qm-workflows", rows=1_000, seed=5)
        days = {"startDate": "2019-05-20", "endDate": "2019-06-04"}
        once, again = wire.extract(caller, **days), wire.extract(caller, **days)
        assert once == again
        assert once.count(b"\r\n") > 100
        contents.add(once.replace(caller.tenant.name.encode(), b"tenant"))
    assert len(contents) == 1


@pytest.mark.req("CX-615", "CX-813")
def test_a_job_sees_what_was_there_when_it_ran(documented: Service, caller: Caller, tmp_path: Path):
    before, after = numbered(plan_name=["a"]), [wire.row(V3, workflow_id="w1", plan_name="b")]
    wire.load(caller, tmp_path, V3, before)
    job_id, url = wire.succeeded(caller)
    wire.load(caller, tmp_path, V3, after)
    assert wire.send(documented, "GET", url).content == wire.expected_file(V3, before)
    assert wire.extract(caller) == wire.expected_file(V3, before + after)
    assert caller.status(job_id)["status"] == "SUCCEEDED"
