"""Results in S3: both APIs over one bucket, links straight to the store, faults of the store, what is swept."""

import gzip
import hashlib
from datetime import date, timedelta
from pathlib import Path

import httpx2
import pytest

from conformance.smartsync.exports_wire import completed, new_centre, page, result
from s3_server import BUCKET
from s3_way import way_to
from service import poll, start_service
from tailrace.catalog.loader import load_catalog
from tailrace.intake.sample import load_sample
from tailrace.runtime import Runtime
from tailrace.settings import Cxone, Settings, Smartsync, load_settings
from tailrace.worker import housekeeping
from tailrace.worker.housekeeping import Housekeeping

pytestmark = pytest.mark.long

QUICK = {"TAILRACE_CXONE__MIN_INTERVAL_S": "0", "TAILRACE_CXONE__ONE_USER_PER_TENANT": "off"}


class Site:
    """A service whose results are in S3."""

    def __init__(self, service, server, prefix):
        self.service, self.server, self.prefix = service, server, prefix

    def caller(self, rows=300):
        caller = self.service.caller()
        options = {"rows": rows, "seed": 1, "start": date(2019, 5, 22), "end": date(2019, 5, 28)}
        load_sample(
            self.service.database,
            load_catalog(),
            self.service.data / "tables",
            caller.tenant,
            "qm-workflows",
            **options,
        )
        return caller

    def row(self, job):
        [row] = self.service.database.execute("SELECT * FROM jobs WHERE id = %(id)s", {"id": job})
        return row

    def sweep(self):
        settings = load_settings(self.service.data, self.service.environment)
        data, database = self.service.data, self.service.database
        Housekeeping(Runtime(data, settings, database, load_catalog(), (), lambda: None)).sweep()


def site_in(folder, database_url, server, **others):
    options = {"prefix": f"e2e/{folder.name}", **others}
    return start_service(folder, database_url, **QUICK, **server.environment(**options))


@pytest.fixture(scope="module")
def site(new_database, tmp_path_factory, s3_server):
    folder = tmp_path_factory.mktemp("s3-results")
    (folder / "tailrace.toml").write_text("[datasets.qm-workflows]\nformats = ['csv.gz', 'parquet']\n")
    with site_in(folder, new_database(), s3_server) as service:
        yield Site(service, s3_server, f"e2e/{folder.name}")


@pytest.mark.req("CX-501", "CX-502", "CX-514")
def test_a_job_ends_with_a_link_straight_to_the_store(site):
    caller = site.caller()
    job = caller.submit()
    link = caller.wait(job)["result"]["url"]
    assert link.startswith(f"{site.server.endpoint}/{BUCKET}/{site.prefix}/{caller.tenant.id}/{job}/")
    assert "X-Amz-Expires=30&" in link
    assert len(link) <= 2048
    answer = httpx2.get(link)
    row = site.row(job)
    assert (len(answer.content), hashlib.sha256(answer.content).hexdigest()) == (row.result_bytes, row.result_sha256)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    name = f"qm-workflows_v3_2019-05-22_2019-05-29_{job}.csv"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert site.server.keys(f"{site.prefix}/{caller.tenant.id}/{job}") == [row.result_key.rpartition("/")[2]]


@pytest.mark.parametrize(
    ("name", "media_type"), [("csv.gz", "application/gzip"), ("parquet", "application/vnd.apache.parquet")]
)
def test_the_store_says_what_a_file_of_another_format_is(site, name, media_type):
    caller = site.caller()
    job = caller.submit(format=name)
    answer = httpx2.get(caller.wait(job)["result"]["url"], headers={"Accept-Encoding": "gzip"})
    row = site.row(job)
    assert (len(answer.content), hashlib.sha256(answer.content).hexdigest()) == (row.result_bytes, row.result_sha256)
    assert answer.headers["content-type"] == media_type
    assert "content-encoding" not in answer.headers
    assert answer.headers["content-disposition"].endswith(f'_{job}.{name}"')
    if name == "csv.gz":
        assert gzip.decompress(answer.content) == caller.extract()


@pytest.mark.req("CX-506")
def test_no_link_to_the_store_outlives_the_retention(site):
    caller = site.caller(10)
    job = caller.submit()
    caller.wait(job)
    left = "UPDATE jobs SET result_until = now() + interval '{} seconds' WHERE id = %(id)s"
    site.service.database.execute(left.format(10), {"id": job})
    assert any(f"X-Amz-Expires={life}&" in caller.status(job)["result"]["url"] for life in range(1, 10))
    site.service.database.execute(left.format(-1), {"id": job})
    assert caller.status(job)["status"] == "EXPIRED"


def test_an_export_is_sent_by_the_server_whole_compressed_and_in_pages(site):
    person = new_centre(site.service)
    job = completed(person)
    row = site.row(job)
    packed = result(person, job, headers=[("Accept-Encoding", "gzip")])
    whole = result(person, job)
    assert hashlib.sha256(whole.content).hexdigest() == row.result_sha256
    assert packed.headers["content-encoding"].lower() == "gzip"
    assert packed.content == whole.content
    assert len(page(person, job, 1, 1).content) < len(whole.content)
    keys = site.server.keys(f"{site.prefix}/{row.tenant_id}/{row.id}")
    assert sorted(key.rpartition(".")[2] for key in keys) == ["gz", "index", "json"]


@pytest.mark.req("CX-706")
def test_housekeeping_removes_old_results_an_hour_after_their_time_and_old_uploads(site, monkeypatch):
    caller = site.caller(10)
    job = caller.submit()
    caller.wait(job)
    row = site.row(job)
    place = {"Bucket": BUCKET, "Key": f"{site.prefix}/{row.tenant_id}/{job}/2-killed.csv"}
    upload = site.server.client.create_multipart_upload(**place)["UploadId"]
    age = "UPDATE jobs SET result_until = now() - interval '{} minutes' WHERE id = %(id)s"
    for minutes, left in ((58, 1), (62, 0)):
        site.service.database.execute(age.format(minutes), {"id": job})
        site.sweep()
        assert len(site.server.keys(f"{site.prefix}/{row.tenant_id}/{job}")) == left
    assert site.row(job).result_purged_at is not None
    # It is young: its job might be at work.
    assert [found["UploadId"] for found in site.server.uploads(site.prefix)] == [upload]
    monkeypatch.setattr(housekeeping, "_unfinished_age", lambda _: timedelta(hours=-1))
    site.sweep()
    assert site.server.uploads(site.prefix) == []


@pytest.mark.parametrize(("job_timeout_s", "minutes"), [(60, 90), (3600, 90), (7200, 130)])
def test_an_upload_is_old_when_no_job_can_be_at_it_and_within_two_hours_by_default(job_timeout_s, minutes):
    settings = Settings(cxone=Cxone(job_timeout_s=job_timeout_s), smartsync=Smartsync(job_timeout_s=60))
    runtime = Runtime(Path(), settings, None, load_catalog(), (), lambda: None)
    assert housekeeping._unfinished_age(runtime) == timedelta(minutes=minutes)


@pytest.mark.slow
@pytest.mark.share
def test_a_store_that_refuses_fails_the_job_and_tells_nobody_its_secret(new_database, tmp_path, s3_server):
    secret = "canary-secret-of-the-store"
    with site_in(tmp_path / "refused", new_database(), s3_server, secret_access_key=secret) as service:
        caller = service.caller()
        status = caller.wait(caller.submit())
        assert status["status"] == "FAILED"
        assert status["result"] == {"errorMessage": "Storage is not available"}
        log = service.log.read_text()
    assert "SignatureDoesNotMatch" in log
    assert secret not in log
    assert s3_server.access_key_id not in log


@pytest.mark.slow
def test_a_store_lost_while_a_job_writes_is_tried_again_and_leaves_one_object(new_database, tmp_path, s3_server):
    limits = {"connect_timeout_s": 1, "timeout_s": 10, "retry_timeout_s": 1}
    with (
        way_to(s3_server.endpoint) as way,
        site_in(tmp_path / "lost", new_database(), s3_server, endpoint=way.endpoint, **limits) as service,
    ):
        site = Site(service, s3_server, "e2e/lost")
        caller = site.caller(100_000)
        job = caller.submit()
        poll(lambda: s3_server.uploads(site.prefix))
        way.fall_silent()
        poll(lambda: site.row(job).attempt > 1 or site.row(job).state == "failed")
        assert s3_server.keys(site.prefix) == []
        way.go_on()
        assert caller.wait(job)["status"] == "SUCCEEDED"
        row = site.row(job)
        assert row.attempt > 1
        [key] = s3_server.keys(f"{site.prefix}/{row.tenant_id}/{job}")
        assert row.result_key.endswith(key)
