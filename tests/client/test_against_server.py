"""The client and `tailrace extract` against a real server, in both wire profiles."""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from service import Caller, Service
from tailrace.access.keys import revoke_key
from tailrace.catalog.loader import load_catalog
from tailrace.client import DataExtraction, Progress
from tailrace.errors import (
    ClientError,
    ComeBackLater,
    NotAuthenticated,
    NotPermitted,
    RequestInvalid,
    UnknownDataset,
    UnknownJob,
)

DATASET, VERSION = "qm-workflows", "3"
WEEK = (DATASET, VERSION, "2019-05-22", "2019-05-29")
ROWS_IN_WEEK = 7 * 24


@dataclass
class Access:
    """A server and a user of a tenant of its own (the 30-second rule counts tenants) that has rows."""

    service: Service
    caller: Caller

    @property
    def variables(self) -> dict[str, str]:
        return {
            "TAILRACE_URL": self.service.url,
            "TAILRACE_ACCESS_KEY_ID": self.caller.key.access_key_id,
            "TAILRACE_ACCESS_KEY_SECRET": self.caller.key.access_key_secret,
        }

    def run(self, *arguments: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tailrace", *arguments]
        environment = self.service.environment | variables
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=check)

    def extract(self, target: Path, start: str, end: str, *more: str, **options: Any) -> Any:
        days = ("--start", start, "--end", end)
        return self.run("extract", DATASET, "--version", VERSION, *days, "-o", str(target), *more, **options)


@pytest.fixture(scope="module")
def rows_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write one row an hour in May 2019, with line ends and quotes inside cells."""
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    columns = load_catalog().get(DATASET, VERSION).columns
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([column.name for column in columns])
        for hour in range(31 * 24):
            at = f"{datetime(2019, 5, 1, tzinfo=UTC) + timedelta(hours=hour):%Y-%m-%dT%H:%M:%S}.000Z"
            cells = {"text": f'say "{hour}",\nplease', "integer": "1", "decimal": "1.5", "datetime": at}
            writer.writerow([cells.get(column.type) for column in columns])
    return path


@pytest.fixture(params=["documented", "live"])
def access(request: pytest.FixtureRequest, rows_file: Path) -> Access:
    """Make a user with rows on a server of each profile."""
    service: Service = request.getfixturevalue(request.param)
    caller = service.caller()
    service.load(caller.tenant, DATASET, rows_file)
    return Access(service, caller)


@pytest.fixture
def api(access: Access) -> Iterator[DataExtraction]:
    """Open a client."""
    key = access.caller.key
    with DataExtraction(access.service.url, key.access_key_id, key.access_key_secret) as client:
        yield client


def test_from_submit_to_file(api: DataExtraction, tmp_path: Path) -> None:
    told: list[Progress] = []
    job = api.submit(*WEEK)
    assert [listed.id for listed in api.jobs()] == [job.id]
    with pytest.raises(ComeBackLater) as soon:
        api.submit(*WEEK)
    assert 1 <= soon.value.retry_after_seconds <= 30
    assert job.wait(60, told.append).status == "SUCCEEDED"
    saved = job.download(tmp_path / "out.csv", told.append)
    content = (tmp_path / "out.csv").read_bytes()
    assert (saved.rows, saved.bytes, saved.sha256) == (ROWS_IN_WEEK, len(content), sha256(content).hexdigest())
    with (tmp_path / "out.csv").open(newline="") as file:
        assert len(list(csv.reader(file))) == ROWS_IN_WEEK + 1
    assert told[-1] == Progress("downloading", len(content), len(content))
    with pytest.raises(ClientError, match="409"):
        job.cancel()


def test_refusals(access: Access, api: DataExtraction) -> None:
    with pytest.raises(UnknownDataset):
        api.submit("nothing", "1", "2019-05-22", "2019-05-29")
    with pytest.raises(NotPermitted):
        api.submit("recording-interaction-metadata", "7", "2019-05-22", "2019-05-29")
    with pytest.raises(RequestInvalid) as invalid:
        api.submit(DATASET, VERSION, "2019-05-29", "22.5.2019")
    assert "yyyy-MM-dd" in f"{invalid.value} {invalid.value.details}"
    with pytest.raises(UnknownJob):
        api.job("00000000-0000-4000-8000-000000000000")
    revoke_key(access.service.database, access.caller.tenant, access.caller.key.access_key_id)
    with pytest.raises(NotAuthenticated):
        api.jobs()


def test_the_command_saves_a_file(access: Access, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    done = access.extract(target, "2019-05-22", "2019-05-29", **access.variables)
    assert done.stdout.startswith(f"Saved {target}: {ROWS_IN_WEEK} rows, {target.stat().st_size:,} bytes.\nSHA-256 ")
    assert "Traceback" not in done.stderr
    listed = access.run("job", "list", "--tenant", access.caller.tenant.name, "--data", str(tmp_path), "--json")
    [job] = json.loads(listed.stdout)
    assert (job["state"], job["rows"], job["bytes"]) == ("succeeded", ROWS_IN_WEEK, target.stat().st_size)


def test_the_command_reads_a_key_file_and_reports_json(access: Access, tmp_path: Path) -> None:
    key, target = access.caller.key, tmp_path / "out.csv"
    file = tmp_path / "key.json"
    file.write_text(json.dumps({"accessKeyId": key.access_key_id, "accessKeySecret": key.access_key_secret}))
    more = ("--key-file", str(file), "--url", access.service.url, "--json")
    done = access.extract(target, "2019-05-22", "2019-05-22", *more)
    content = target.read_bytes()
    expected = {"path": str(target), "rows": 24, "bytes": len(content), "sha256": sha256(content).hexdigest()}
    assert json.loads(done.stdout) == expected
    assert done.stderr == ""


def test_the_command_words_refusals(access: Access, tmp_path: Path) -> None:
    long = access.extract(tmp_path / "out.csv", "2019-05-01", "2019-06-30", check=False, **access.variables)
    assert long.returncode == 1
    assert "The date range must not exceed 15 days" in long.stderr
    assert long.stderr.endswith("code: invalid_request\n")
    wrong = access.variables | {"TAILRACE_ACCESS_KEY_SECRET": "canary"}
    refused = access.extract(tmp_path / "out.csv", "2019-05-01", "2019-05-02", check=False, **wrong)
    assert refused.stderr.endswith("code: unauthorized\n")
    assert "canary" not in refused.stderr
    assert list(tmp_path.iterdir()) == []
