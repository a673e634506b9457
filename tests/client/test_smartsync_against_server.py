"""The SmartSync client and its commands against a real server: the whole round, in both wire profiles."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from service import Service, start_service
from tailrace.access.entities import View, grant_views, withdraw_views
from tailrace.access.passwords import set_password
from tailrace.access.tenants import Tenant
from tailrace.access.users import User, create_user
from tailrace.client import Progress, SmartSync
from tailrace.client.smartsync import (
    ExporterNotFound,
    JobHasEnded,
    JobNotFound,
    NotSignedIn,
    RequestRefused,
    ResultExpired,
)
from tailrace.intake.wfm.load import load_wfm
from tailrace.intake.wfm.sample import write_sample

pytestmark = pytest.mark.long

PASSWORD = "canary-password"
START, END = date(2024, 5, 22), date(2024, 5, 24)
PIPE: dict[str, Any] = {"output_format": "PIPE", "date_format": "yyyymmdd", "time_format": 24}
JSON: dict[str, Any] = {"output_format": "JSON", "date_format": "yyyymmdd", "time_format": "24"}
DAYS: dict[str, Any] = {"start": START, "end": END}
EXPORTER = "agent-schedule-detail"


@dataclass
class Site:
    """A server, and a user of a tenant with a contact centre who may view its management units."""

    service: Service
    tenant: Tenant
    user: User

    @property
    def login(self) -> dict[str, Any]:
        return {"customer_id": self.tenant.customer_id, "user": self.user.name, "password": PASSWORD}

    def run(self, state: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tailrace", "smartsync", *arguments]
        variables = {"XDG_STATE_HOME": str(state), "TAILRACE_PASSWORD": PASSWORD, "TAILRACE_URL": self.service.url}
        environment = self.service.environment | variables
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=check)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make up a small contact centre."""
    folder = tmp_path_factory.mktemp("sample")
    present = datetime(2024, 6, 1, tzinfo=UTC)
    write_sample(folder, agents=20, seed=1, start=START, end=END, present=present, name="Sample")
    return folder


@pytest.fixture(scope="module", params=["documented", "live"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run a server of each profile."""
    new_database = request.getfixturevalue("new_database")
    profile = {"TAILRACE_SMARTSYNC__PROFILE": request.param}
    with start_service(tmp_path_factory.mktemp("smartsync"), new_database(), **profile) as started:
        yield started


@pytest.fixture(scope="module")
def site(service: Service, sample: Path) -> Site:
    """Give a tenant the contact centre, and a user View on it."""
    tenant = service.tenant()
    user = create_user(service.database, tenant, f"user-{uuid4().hex[:8]}")
    set_password(service.database, user, PASSWORD)
    load_wfm(service.database, service.data / "tables", tenant, sample)
    grant_views(service.database, user, [View(kind, 0) for kind in ("mu", "ct", "bu", "eg", "tog")])
    return Site(service, tenant, user)


@pytest.fixture
def api(site: Site) -> Iterator[SmartSync]:
    """Open a client."""
    with SmartSync(site.service.url, **site.login) as client:
        yield client


@pytest.fixture
def mu_ids(api: SmartSync) -> list[int]:
    """List the management units."""
    return [entity.id for entity in api.entities("mu")]


@pytest.mark.req("SS-021", "SS-022", "SS-029", "SS-032")
def test_sessions_begin_and_end(site: Site, api: SmartSync) -> None:
    session = api.login()
    with SmartSync(site.service.url, session=session) as other:
        assert other.entities("mu")
        api.logout()
        with pytest.raises(NotSignedIn):
            other.jobs()
    assert api.entities("mu"), "the password begins a new session"
    wrong = site.login | {"password": "no-password-of-theirs"}
    with SmartSync(site.service.url, **wrong) as stranger, pytest.raises(NotSignedIn, match="password is wrong"):
        stranger.jobs()


@pytest.mark.req("SS-101", "SS-104", "SS-106", "SS-107")
def test_lists_entities(api: SmartSync) -> None:
    found = api.entities("ct", "mu")
    assert [entity.entity_type for entity in found] == sorted(entity.entity_type for entity in found)
    assert {entity.status for entity in found} == {"ADD"}
    assert {entity.entity_type for entity in api.entities()} >= {"mu", "ct"}
    assert api.entities("mu", since=datetime.now(UTC) + timedelta(days=1)) == []


@pytest.mark.req("SS-201", "SS-202", "SS-401", "SS-402", "SS-403", "SS-501", "SS-504")
def test_from_export_to_file(api: SmartSync, mu_ids: list[int], tmp_path: Path) -> None:
    target, told = tmp_path / "out.txt", list[Progress]()
    job = api.export(EXPORTER, **DAYS, **PIPE, mu_ids=mu_ids)
    saved = job.save(target, 60, told.append)
    status = job.status()
    assert (status.state, status.exporter, status.output_format) == ("COMPLETED_SUCCESSFULLY", EXPORTER, "PIPE")
    lines = target.read_text().split("\n")
    assert lines[0].startswith("#fields:excdate|schedDate|TZ|")
    assert lines[1].startswith("#sort:")
    assert saved.rows == status.total_records == len(lines) - 3 > 0
    assert saved.bytes == status.uncompressed_bytes == target.stat().st_size
    assert told[-1] == Progress("downloading", saved.bytes, saved.bytes)
    assert job.bytes() == target.read_bytes()
    assert f"Records: {saved.rows}\n" in status.additional_details
    assert job.id in [listed.id for listed in api.jobs()]


@pytest.mark.req("SS-521", "SS-523", "SS-524", "SS-525")
def test_pages_and_records_are_those_of_the_whole(api: SmartSync, mu_ids: list[int]) -> None:
    job = api.export(EXPORTER, **DAYS, **PIPE, mu_ids=mu_ids)
    total = job.wait(60).total_records or 0
    size = total // 3
    pages = list(job.pages(size))
    header = b"".join(pages[0].content.splitlines(keepends=True)[:2])
    assert header + b"".join(page.content.removeprefix(header) for page in pages) == job.bytes()
    assert [page.start for page in pages] == list(range(1, total + 1, size))
    rows = list(job.records(size))
    assert len(rows) == total
    assert {row["excdate"] for row in rows} <= {"20240522", "20240523", "20240524"}


def test_json_and_pipe_hold_the_same_records(api: SmartSync, mu_ids: list[int]) -> None:
    fields = ["excdate", "muID", "tvID", "agentName", "startTime", "minutes"]
    jobs = [api.export(EXPORTER, **DAYS, **kind, mu_ids=mu_ids, fields=fields) for kind in (PIPE, JSON)]
    for job in jobs:
        job.wait(60)
    pipe, rows = (list(job.records()) for job in jobs)
    assert list(pipe[0]) == fields
    assert [{name: str(row.get(name, "")) for name in fields} for row in rows] == pipe


@pytest.mark.req("SS-826")
def test_trees_are_read_too(api: SmartSync, mu_ids: list[int]) -> None:
    opens = api.export("mu-opens", **DAYS, output_format="JSON", mu_ids=mu_ids)
    status = opens.wait(60)
    records = list(opens.records(5))
    assert len(records) == status.total_records
    assert {row["muID"] for row in records} <= set(mu_ids)
    xml = api.export("mu-opens", **DAYS, output_format="XML", mu_ids=mu_ids)
    xml.wait(60)
    assert xml.bytes().startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<opens')


@pytest.mark.req("SS-301", "SS-303", "SS-321")
def test_faults_come_together(site: Site, api: SmartSync, mu_ids: list[int]) -> None:
    with pytest.raises(RequestRefused) as caught:
        api.export(EXPORTER, start=START, end="24.5.2024", mu_ids=[*mu_ids, 98765], **(PIPE | {"time_format": 25}))
    assert caught.value.status == 400
    assert caught.value.message == "One or more request validations failed"
    assert list(caught.value.details) == [
        "endDate must match the provided yyyy-MM-dd format",
        "Invalid timeFormat value: '25'",
        "Insufficient permissions to view entities: muIds [98765]",
    ]
    with pytest.raises(ExporterNotFound):
        api.export("nothing", **DAYS, **PIPE)


@pytest.mark.req("SS-406", "SS-608", "SS-609")
def test_unknown_ended_and_cancelled_jobs(api: SmartSync, mu_ids: list[int]) -> None:
    with pytest.raises(JobNotFound, match="Job id is not found") as caught:
        api.job("f" * 32)
    assert caught.value.status == 404
    job = api.export(EXPORTER, **DAYS, **PIPE, mu_ids=mu_ids)
    job.wait(60)
    with pytest.raises(JobHasEnded):
        job.cancel()


@pytest.mark.req("SS-509")
def test_an_expired_result_says_so(site: Site, api: SmartSync, mu_ids: list[int], tmp_path: Path) -> None:
    job = api.export(EXPORTER, **DAYS, **PIPE, mu_ids=mu_ids)
    job.wait(60)
    aged = "UPDATE jobs SET result_until = now() - interval '1 second' WHERE id = %(id)s"
    site.service.database.execute(aged, {"id": job.id})
    with pytest.raises(ResultExpired, match="Job results have expired"):
        job.download(tmp_path / "out.txt")
    assert list(tmp_path.iterdir()) == []


def test_view_taken_back_is_missed(site: Site, api: SmartSync, mu_ids: list[int]) -> None:
    views = [View(kind, 0) for kind in ("mu", "bu")]
    withdraw_views(site.service.database, site.user, views)
    try:
        with pytest.raises(RequestRefused) as caught:
            api.export(EXPORTER, **DAYS, **PIPE, mu_ids=mu_ids)
    finally:
        grant_views(site.service.database, site.user, views)
    assert list(caught.value.details) == [f"Insufficient permissions to view entities: muIds {mu_ids}"]


def test_the_commands_from_login_to_logout(site: Site, mu_ids: list[int], tmp_path: Path) -> None:
    state, target = tmp_path / "state", tmp_path / "out.txt"
    site.run(state, "login", "--customer", str(site.tenant.customer_id), "--user", site.user.name)
    listed = json.loads(site.run(state, "entities", "mu", "--json").stdout)
    assert [entity["id"] for entity in listed] == mu_ids
    ask = ("--start", str(START), "--end", str(END), "--format", "PIPE", "--mu", ",".join(map(str, mu_ids)))
    ask += ("--date-format", "yyyymmdd", "--time-format", "24", "--field", "excdate", "--field", "tvID")
    done = site.run(state, "export", EXPORTER, *ask, "-o", str(target))
    rows = len(target.read_text().splitlines()) - 2
    assert done.stdout.startswith(f"Saved {target}: {rows:,} records, {target.stat().st_size:,} bytes.\nSHA-256 ")
    assert done.stderr == ""
    piped = site.run(state, "export", EXPORTER, *ask, "--option", "excludePipeHeader=true")
    assert piped.stdout == "".join(target.read_text().splitlines(keepends=True)[2:])
    job_id = json.loads(site.run(state, "status", "--json").stdout)[0]["job_id"]
    page = site.run(state, "result", job_id, "--start-record", "2", "--records", "1")
    assert page.stdout == piped.stdout.splitlines(keepends=True)[1]
    refused = site.run(state, "export", EXPORTER, *ask, "--attribute", "no", check=False)
    assert refused.returncode == 2
    refused = site.run(state, "export", EXPORTER, *ask, "--option", "attribute=No_Such", check=False)
    assert refused.stderr.splitlines()[1] == "  - Invalid attribute value: 'No_Such'"
    assert refused.returncode == 1
    assert site.run(state, "logout").stdout == "Logged out.\n"
    assert list((state / "tailrace").iterdir()) == []
