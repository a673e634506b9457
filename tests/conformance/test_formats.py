"""Formats besides CSV: Tailrace's extension of `POST jobs`, where the operator offers it for a dataset."""

import csv
import gzip
import hashlib
import io
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from conformance import wire
from conformance.wire import utc
from service import JOBS, Caller, Service, start_service
from tailrace.client import DataExtraction
from tailrace.errors import ClientError, RequestInvalid

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

V3 = wire.dataset()
OFFERED = ["csv.gz", "csv.zst", "ndjson", "ndjson.gz", "ndjson.zst", "parquet"]
FAULT = f"format must be one of: csv, {', '.join(OFFERED)}"
MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "gz": "application/gzip",
    "zst": "application/zstd",
    "parquet": "application/vnd.apache.parquet",
}
UNPACK: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.decompress, "zst": zstd.decompress}
ROWS = [
    wire.row(
        V3,
        submission_date=utc(2019, 5, 22 + place % 7, 9, 0, place // 7, 1_999),
        workflow_id=f"w{place:04}",
        user_review_comments=text,
        score=Decimal("-1.005") if place % 2 else None,
        auto_acknowledged=bool(place % 3),
    )
    for place, text in enumerate(["", None, ' "so",', "two\r\nlines", "\0", "Ψηφίο", "+1", "a" * 5_000] * 3)
]


def with_formats(folder: Path, url: str, **more: str) -> Any:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tailrace.toml").write_text(f"[datasets.qm-workflows]\nformats = {json.dumps(OFFERED)}\n")
    environment = {"MIN_INTERVAL_S": "0", "ONE_USER_PER_TENANT": "off", **more}
    return start_service(folder, url, **{f"TAILRACE_CXONE__{name}": text for name, text in environment.items()})


@pytest.fixture(scope="module")
def offering(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with with_formats(tmp_path_factory.mktemp("formats"), new_database()) as service:
        yield service


@pytest.fixture(scope="module")
def caller(offering: Service, tmp_path_factory: pytest.TempPathFactory) -> Caller:
    caller = offering.caller(permissions=["qm-workflow", "interaction-metadata"])
    wire.load(caller, tmp_path_factory.mktemp("rows"), V3, ROWS)
    return caller


@pytest.fixture(scope="module")
def plain(caller: Caller) -> bytes:
    """The file as specified: what all other formats must agree with."""
    return caller.extract()


@pytest.fixture
def api(caller: Caller) -> Iterator[DataExtraction]:
    with DataExtraction(caller.service.url, caller.key.access_key_id, caller.key.access_key_secret) as client:
        yield client


def refused(answer: Any) -> list[str]:
    assert answer.status_code == 400, answer.text
    return list(answer.json()["details"])


def file_of(caller: Caller, name: str) -> bytes:
    """Fetch a format's file, and check all that is said about it."""
    job_id, url = wire.succeeded(caller, format=name)
    answer = wire.send(caller.service, "GET", url, [("Accept-Encoding", "gzip")])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == MEDIA_TYPES[name.rpartition(".")[2]]
    assert "content-encoding" not in answer.headers
    saved_as = f"qm-workflows_v3_2019-05-22_2019-05-29_{job_id}.{name}"
    assert answer.headers["content-disposition"] == f'attachment; filename="{saved_as}"'
    [row] = caller.service.database.execute("SELECT * FROM jobs WHERE id = %(id)s", {"id": job_id})
    assert (len(answer.content), hashlib.sha256(answer.content).hexdigest()) == (row.result_bytes, row.result_sha256)
    assert row.result_rows == len(ROWS)
    assert row.result_key.endswith(f".{name}")
    return answer.content


@pytest.mark.parametrize("name", ["csv.gz", "csv.zst"])
def test_packed_csv_is_the_csv(caller: Caller, plain: bytes, name: str) -> None:
    packed = file_of(caller, name)
    assert UNPACK[name.rpartition(".")[2]](packed) == plain == wire.expected_file(V3, in_order())
    assert file_of(caller, name) == packed


def in_order() -> list[dict[str, Any]]:
    return sorted(ROWS, key=lambda row: (row["Submission Date"], row["Workflow ID"]))


@pytest.mark.parametrize("name", ["ndjson", "ndjson.gz", "ndjson.zst"])
def test_ndjson_has_all_columns_of_every_row_in_the_order_of_the_csv(caller: Caller, plain: bytes, name: str) -> None:
    content = file_of(caller, name)
    content = UNPACK.get(name.rpartition(".")[2], bytes)(content)
    assert content.endswith(b"}\n")
    rows = [json.loads(line, parse_float=Decimal) for line in content.decode().split("\n")[:-1]]
    records = list(csv.DictReader(io.StringIO(plain.decode(), newline="")))
    assert [list(row) for row in rows] == [list(record) for record in records]
    for row, record, source in zip(rows, records, in_order(), strict=True):
        assert row["User Review Comments"] == source["User Review Comments"]
        assert row["Submission Date"] == record["Submission Date"]
        assert str(row["Score"] or "") == record["Score"] if row["Score"] is not None else record["Score"] == ""
        assert row["Auto Acknowledged"] is source["Auto Acknowledged"]


def test_parquet_has_types_and_the_order_of_the_csv(caller: Caller, plain: bytes, tmp_path: Path) -> None:
    content = file_of(caller, "parquet")
    assert file_of(caller, "parquet") == content
    (tmp_path / "rows.parquet").write_bytes(content)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        read = connection.execute(
            'SELECT "Workflow ID", "User Review Comments", "Score", "Submission Date" AT TIME ZONE \'UTC\','
            ' "Auto Acknowledged"'
            f" FROM read_parquet('{tmp_path}/rows.parquet')"
        ).fetchall()
        kinds = dict(
            row[:2] for row in connection.execute(f"DESCRIBE FROM read_parquet('{tmp_path}/rows.parquet')").fetchall()
        )
    assert list(kinds) == plain.decode().split("\r\n")[0].split(",")
    assert [row[0] for row in read] == [row["Workflow ID"] for row in in_order()]
    for row, source in zip(read, in_order(), strict=True):
        assert row[1] == (source["User Review Comments"] or "").replace("\0", "�") or row[1] is None
        assert (row[1] is None) == (source["User Review Comments"] is None)
        assert row[2] == (None if source["Score"] is None else Decimal("-1.01"))
        assert row[3].replace(tzinfo=UTC) == source["Submission Date"].replace(microsecond=1_000)
        assert row[4] is source["Auto Acknowledged"]
    assert {kinds["Score"], kinds["Submission Date"], kinds["Auto Acknowledged"]} == {
        *("DECIMAL(18,2)", "TIMESTAMP WITH TIME ZONE", "BOOLEAN"),
    }


def test_a_range_without_rows_is_a_file_of_its_format(caller: Caller, tmp_path: Path) -> None:
    days = {"startDate": "2018-05-22", "endDate": "2018-05-23"}
    assert caller.extract(format="ndjson", **days) == b""
    assert gzip.decompress(caller.extract(format="csv.gz", **days)) == wire.header(V3)
    (tmp_path / "none.parquet").write_bytes(caller.extract(format="parquet", **days))
    with duckdb.connect() as connection:
        described = connection.execute(f"DESCRIBE FROM read_parquet('{tmp_path}/none.parquet')").fetchall()
        assert connection.execute(f"SELECT count(*) FROM read_parquet('{tmp_path}/none.parquet')").fetchall() == [(0,)]
    assert [row[0] for row in described] == [column.name for column in V3.columns]


@pytest.mark.parametrize("members", [{}, {"format": "csv"}, {"format": None}])
def test_without_a_format_or_with_csv_all_is_as_specified(caller: Caller, plain: bytes, members: Any) -> None:
    job_id, url = wire.succeeded(caller, **members)
    answer = wire.show(caller, job_id)
    assert not {"tailrace-format", "tailrace-rows"} & set(answer.headers)
    assert wire.send(caller.service, "GET", url).content == plain
    assert url.split("?")[0].endswith(".csv")


@pytest.mark.parametrize("value", ["xml", "CSV", "", "csv.bz2", 1, ["csv"], {}, True, "x" * 300])
def test_a_format_that_is_not_offered_is_refused_with_those_that_are(caller: Caller, value: Any) -> None:
    assert refused(wire.post(caller, format=value)) == [FAULT]


@pytest.mark.req("CX-207")
def test_for_a_dataset_that_offers_none_the_member_is_not_known(
    caller: Caller, documented: Service, idle_in_documented: Caller
) -> None:
    assert refused(wire.post(caller, entityName="qm-questions", version="1", format="ndjson")) == [
        "Unknown field: 'format'"
    ]
    assert refused(wire.post(idle_in_documented, format="ndjson")) == ["Unknown field: 'format'"]
    assert refused(wire.post(caller, format="xml", formats=[])) == [FAULT, "Unknown field: 'formats'"]


@pytest.fixture
def idle_in_documented(documented: Service) -> Caller:
    return documented.caller()


def test_the_status_tells_format_and_rows(caller: Caller) -> None:
    job_id, _ = wire.succeeded(caller, format="csv.zst")
    answer = wire.show(caller, job_id)
    assert (answer.headers["tailrace-format"], answer.headers["tailrace-rows"]) == ("csv.zst", str(len(ROWS)))


def test_another_tenant_sees_nothing_of_it(caller: Caller, offering: Service) -> None:
    job_id, _ = wire.succeeded(caller, format="parquet")
    answer = wire.show(offering.caller(), job_id)
    assert answer.status_code == 404
    assert "tailrace-format" not in answer.headers


def test_sync_takes_it_too(caller: Caller, plain: bytes) -> None:
    body = {"entityName": "qm-workflows", "version": "3", "startDate": "2019-05-22", "endDate": "2019-05-29"}
    answer = caller.request("POST", f"{JOBS}/sync", json={**body, "format": "csv.gz"})
    assert answer.status_code == 202
    assert gzip.decompress(wire.send(caller.service, "GET", answer.json()["url"]).content) == plain


def test_the_same_key_with_another_format_is_another_request(caller: Caller) -> None:
    def ask(**members: str) -> Any:
        body = {"entityName": "qm-workflows", "version": "3", "startDate": "2019-05-22", "endDate": "2019-05-23"}
        return caller.request("POST", JOBS, json={**body, **members}, headers={"Idempotency-Key": "formats"})

    first = ask(format="ndjson")
    assert ask(format="ndjson").json() == first.json()
    assert ask().status_code == 422
    assert ask(format="parquet").status_code == 422


@pytest.mark.parametrize("name", OFFERED)
def test_the_client_saves_it_and_knows_its_rows(api: DataExtraction, caller: Caller, tmp_path: Path, name: str) -> None:
    target = tmp_path / f"rows.{name}"
    saved = api.extract("qm-workflows", 3, "2019-05-22", "2019-05-29", target, format=name)
    assert saved.rows == len(ROWS)
    assert (saved.bytes, saved.sha256) == (target.stat().st_size, hashlib.sha256(target.read_bytes()).hexdigest())
    assert target.read_bytes() == caller.extract(format=name)


def test_the_client_is_told_what_is_offered(api: DataExtraction, tmp_path: Path) -> None:
    with pytest.raises(RequestInvalid) as caught:
        api.extract("qm-workflows", 3, "2019-05-22", "2019-05-29", tmp_path / "rows.xml", format="xml")
    assert caught.value.details == (FAULT,)


@pytest.mark.slow
@pytest.mark.share
def test_a_server_that_ignores_the_member_does_not_fool_the_client(live: Service, tmp_path: Path) -> None:
    caller = live.caller()
    key = caller.key
    with (
        DataExtraction(live.url, key.access_key_id, key.access_key_secret) as api,
        pytest.raises(ClientError, match="is csv"),
    ):
        api.extract("qm-workflows", 3, "2019-05-22", "2019-05-29", tmp_path / "rows.parquet", format="parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.share
def test_the_limit_counts_the_bytes_of_the_object(
    new_database: Callable[[], str], tmp_path: Path, plain: bytes
) -> None:
    folder = tmp_path / "limited"
    with with_formats(folder, new_database(), MAX_RESULT_BYTES=str(len(plain) // 2)) as service:
        caller = service.caller()
        wire.load(caller, tmp_path, V3, ROWS)
        assert gzip.decompress(caller.extract(format="csv.gz")) == plain
        for name in ("csv", "ndjson"):
            status = caller.wait(caller.submit(format=name))
            assert status["status"] == "FAILED"
            assert status["result"] == {"errorMessage": "The result is too large"}
        left = [path.name for path in (folder / "results").rglob("*") if path.is_file()]
    assert [name.partition(".")[2] for name in left] == ["csv.gz"]
