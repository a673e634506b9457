"""One large job on several workers: the same bytes, whoever rendered what, and whatever happens to helpers."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from service import JOBS, poll
from tailrace.catalog.loader import load_catalog
from tailrace.runtime import Runtime
from tailrace.settings import load_settings
from tailrace.worker.housekeeping import Housekeeping

pytestmark = pytest.mark.long

ROWS = 200_000
SHARING = {
    "TAILRACE_TESTING__FAULTS": "on",
    "TAILRACE_WORKER__SHARE_SLICES": "1",
    "TAILRACE_WORKER__THREADS": "1",
    # Longer than a process takes to start on a busy machine; what has to run out is aged.
    "TAILRACE_WORKER__LEASE_S": "30",
    "TAILRACE_WORKER__POLL_S": "0.2",
    "TAILRACE_LOG__FORMAT": "json",
}


class Helper:
    """A `tailrace worker` beside the server's own, and what it logs."""

    def __init__(self, process, log):
        self.process, self.log = process, log

    @property
    def family(self):
        own = self.process.pid
        return [own, *map(int, Path(f"/proc/{own}/task/{own}/children").read_text().split())]

    def said(self, event):
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.endswith("}")]
        return [line for line in lines if line["event"] == event]

    def thaw(self):
        for pid in self.family:
            os.kill(pid, signal.SIGCONT)


class Yard:
    """A server that shares its jobs, helpers that come and go, and one tenant with a large table.

    The job's own child stops at its first block until the file `gate` is there, and dies of the first share that it
    appends when the file `death` is not; helpers do neither.
    """

    def __init__(self, crew, folder, marks, fill):
        self.crew, self.folder = crew, folder
        self.gate, self.death = marks
        self.caller = crew.service.caller()
        fill(crew.service, self.caller, ROWS, seed=3, start=date(2019, 5, 22), end=date(2019, 5, 28))
        self.gate.touch()
        # Nobody helps: so this is what a single worker gives.
        self.expected = self.caller.extract()
        self.slices = 0

    def new(self, kind):
        return self.folder / f"{kind}-{len(list(self.folder.iterdir()))}"

    @contextmanager
    def helper(self, fault=""):
        """Run a worker that takes no job, as it starts when the one there is has been claimed."""
        command = [sys.executable, "-m", "tailrace", "worker", "--data", str(self.crew.service.data)]
        log = self.new("log")
        with log.open("w") as errors:
            environment = self.crew.service.environment | {"TAILRACE_FAULT": fault}
            helper = Helper(subprocess.Popen(command, stderr=errors, env=environment), log)
        try:
            yield helper
        finally:
            if helper.process.poll() is None:
                helper.thaw()
                helper.process.terminate()
            assert helper.process.wait(60) in (0, -signal.SIGKILL)

    def submit(self):
        """Make a job whose own child stands still, with the first two shares in hand and the others on offer."""
        self.gate.unlink()
        job = self.caller.submit()
        poll(lambda: self.shares("left"))
        self.slices = len(self.shares()) + 1
        assert self.slices > 3
        assert len(self.shares("offered")) == self.slices - 2
        return job

    def wait_for_helpers(self):
        """Wait until all shares on offer are rendered."""
        poll(lambda: len(self.shares("done")) == self.slices - 2)

    def shares(self, *states):
        rows = self.crew.service.database.execute("SELECT * FROM job_shares ORDER BY number")
        return [row for row in rows if not states or row.state in states]

    def change(self, assignment, condition="true"):
        """Change shares behind everybody's back."""
        self.crew.service.database.execute(f"UPDATE job_shares SET {assignment} WHERE {condition}")

    def end_leases(self):
        """Let the leases of shares run out."""
        self.change("lease_until = now() - interval '1 second'", "state = 'taken'")

    def path(self, share):
        return self.crew.service.data / "results" / share.key

    def check(self, job, attempt=1):
        """Let the job go on to its end, which is that of any job."""
        self.gate.touch()
        row = self.crew.check_published(self.caller, job, self.expected)
        assert row.attempt == attempt
        self.sweep()
        assert self.shares() == []
        assert [str(path).endswith(row.result_key) for path in self.crew.objects(job)] == [True]

    def sweep(self):
        service = self.crew.service
        settings = load_settings(service.data, service.environment)
        Housekeeping(Runtime(service.data, settings, service.database, load_catalog(), (), lambda: None)).sweep()


@contextmanager
def open_yard(new_crew, folder, url, fill, **environment):
    gate, death = folder / "gate", folder / "death"
    death.touch()
    held = {"TAILRACE_FAULT": f"child.first_block=pause:{gate},share.appended=kill*once:{death}"}
    folder.joinpath("logs").mkdir()
    with new_crew(folder / "data", url, **SHARING, **held, **environment) as crew:
        yield Yard(crew, folder / "logs", (gate, death), fill)


@pytest.fixture(scope="module")
def yard(new_crew, new_database, tmp_path_factory, fill_with_sample):
    with open_yard(new_crew, tmp_path_factory.mktemp("yard"), new_database(), fill_with_sample) as yard:
        yield yard


@pytest.fixture(autouse=True)
def go_on(request):
    """However a test ends, the next begins with no job at work."""
    yield
    if "yard" in request.fixturenames:
        yard = request.getfixturevalue("yard")
        yard.gate.touch()
        left = "SELECT id FROM jobs WHERE state IN ('queued', 'running')"
        poll(lambda: not yard.crew.service.database.execute(left))
        yard.sweep()


def test_helpers_render_all_they_can_and_the_bytes_are_those_of_a_single_worker(yard):
    job = yard.submit()
    with yard.helper() as first, yard.helper() as second:
        poll(lambda: first.said("share_claimed") and second.said("share_claimed"))
        yard.wait_for_helpers()
        assert len({share.worker for share in yard.shares("done")}) == 2
        yard.check(job)
    took_part = first.said("share_finished") + second.said("share_finished")
    assert sorted(line["share"] for line in took_part) == list(range(2, yard.slices))


def test_helpers_meet_the_jobs_own_worker(yard):
    job = yard.submit()
    with yard.helper() as helper:
        poll(lambda: yard.shares("taken"))
        yard.check(job)
        done = [line["share"] for line in helper.said("share_finished")]
    assert done
    assert done == sorted(done, reverse=True), "from the end"


def test_a_share_goes_through_one_json_and_no_secret_is_in_it(yard):
    job = yard.submit()
    told = yard.shares()[0].content
    assert set(told) == {"source", "in_order", "specials", "shared", "likeness", "slices"}
    assert all(part.startswith("tables:") for part in told["source"])
    yard.check(job)


@pytest.mark.parametrize("point", ["share.claimed", "share.slice", "share.complete", "share.before_finish"])
def test_a_helper_killed_in_the_middle_costs_the_job_nothing(yard, point):
    job = yard.submit()
    mark = yard.new("mark")
    with yard.helper(f"{point}=kill*once:{mark}") as helper:
        poll(mark.exists)
        if point in {"share.claimed", "share.before_finish"}:
            helper.process.wait(60)
            yard.end_leases()
        yard.check(job)


@pytest.mark.parametrize("point", ["share.slice", "share.before_finish"])
def test_a_helper_frozen_past_its_lease_changes_nothing_and_leaves_nothing(yard, point):
    job = yard.submit()
    mark = yard.new("mark")
    with yard.helper(f"{point}=stop*once:{mark}") as helper:
        poll(mark.exists)
        for pid in helper.family:
            os.kill(pid, signal.SIGSTOP)
        [frozen] = yard.shares("taken")
        yard.end_leases()
        yard.check(job)
        helper.thaw()
        poll(lambda: helper.said("share_lost"))
        poll(lambda: not yard.path(frozen).exists())
        assert yard.shares() == []


def test_a_frozen_helper_that_wakes_before_anybody_needed_its_share_goes_on(yard):
    job = yard.submit()
    mark = yard.new("mark")
    with yard.helper(f"share.before_finish=stop*once:{mark}") as helper:
        poll(mark.exists)
        yard.end_leases()
        helper.thaw()
        yard.wait_for_helpers()
        yard.check(job)


def test_the_killed_worker_of_a_job_with_helpers_costs_one_attempt(yard):
    job = yard.submit()
    with yard.helper() as helper:
        yard.wait_for_helpers()
        left = [yard.path(share) for share in yard.shares("done")]
        worker = yard.crew.worker
        os.kill(worker, signal.SIGKILL)
        poll(lambda: not yard.crew.alive(worker))
        yard.crew.service.database.execute("UPDATE jobs SET lease_until = now() WHERE state = 'running'")
        yard.check(job, attempt=2)
        assert not any(path.exists() for path in left)
        assert helper.process.poll() is None


def test_cancelling_a_job_stops_its_helpers(yard):
    job = yard.submit()
    gate = yard.new("helpers-gate")
    with yard.helper(f"share.slice=pause:{gate}") as helper:
        poll(gate.with_name(f"{gate.name}.reached").exists)
        answer = yard.caller.request("DELETE", f"{JOBS}/{job}")
        assert answer.status_code in (200, 202)
        poll(lambda: helper.said("share_lost"))
        assert helper.said("share_finished") == []
        yard.gate.touch()
        yard.sweep()
        assert yard.shares() == []
        assert yard.crew.objects(job) == []


def test_a_helper_told_twice_to_stop_leaves_its_share_to_others(yard):
    job = yard.submit()
    gate = yard.new("helpers-gate")
    with yard.helper(f"share.slice=pause:{gate}") as helper:
        poll(gate.with_name(f"{gate.name}.reached").exists)
        helper.process.terminate()
        helper.process.send_signal(signal.SIGINT)
        assert helper.process.wait(60) == 0
        assert [share.number for share in yard.shares("left") if share.key] == [yard.slices - 1]
        yard.check(job)


def test_a_helper_that_would_render_otherwise_is_refused(yard):
    job = yard.submit()
    yard.change("""content = jsonb_set(content, '{likeness}', '"other"')""", f"number = {yard.slices - 1}")
    with yard.helper() as helper:
        poll(lambda: helper.said("share_left"))
        assert "other settings" in helper.said("share_failed")[0]["reason"]
        yard.check(job)


def test_an_object_that_is_not_what_was_handed_over_is_rendered_again(yard):
    job = yard.submit()
    with yard.helper():
        yard.wait_for_helpers()
        gone, short, *_ = [yard.path(share) for share in yard.shares("done")]
        gone.unlink()
        os.truncate(short, short.stat().st_size // 2)
        yard.check(job)


def test_the_child_killed_after_a_share_was_appended_costs_one_attempt(yard):
    job = yard.submit()
    with yard.helper():
        yard.wait_for_helpers()
        yard.death.unlink()
        yard.gate.touch()
        poll(yard.death.exists)
        yard.check(job, attempt=2)


def test_shares_go_through_s3_as_well(new_crew, new_database, tmp_path, fill_with_sample, s3_server):
    prefix = f"shares/{tmp_path.name}"
    with open_yard(
        new_crew, tmp_path, new_database(), fill_with_sample, **s3_server.environment(prefix=prefix)
    ) as yard:
        job = yard.submit()
        with yard.helper():
            yard.wait_for_helpers()
            yard.gate.touch()
            assert yard.caller.wait(job)["status"] == "SUCCEEDED"
        row = yard.crew.row(job)
        sha256 = hashlib.sha256(yard.expected).hexdigest()
        assert (row.attempt, row.result_bytes, row.result_sha256) == (1, len(yard.expected), sha256)
        assert s3_server.keys(f"{prefix}/{row.tenant_id}/{job}") == [row.result_key.rpartition("/")[2]]
