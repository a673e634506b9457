"""What the tests of exports share: somebody with a contact centre to export from, requests, jobs and their results."""

import http.client
import json
import tempfile
import tomllib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from conformance.smartsync.wire import JSON, RS, Person, check_refusal, make_person
from conformance.wire import check_json, fail, hold
from service import Service, poll
from tailrace.catalog.exporter import Exporter
from tailrace.catalog.loader import load_catalog
from tailrace.intake.wfm.load import load_wfm
from wfm.oracle import Record, Wanted, rows_of
from wfm.tables import as_csv_folder, small
from wfm.writers import write

BASE = f"{RS}/exporters/v1"
NOT_YET = "Your Job isn't completed yet. Try again later"
FAILED = "Your job has failed. Call the status endpoint to get more details about the failure"
CANCELED = "Job was canceled by a user"
TOO_LARGE = "Result set is too large, reduce date range and/or number of entities"
ODD_GROUP = 'Si|te\\ "A" & <b>\n\t\r\u0001'
# Values that a request may have; which of them an exporter takes is in the catalogue.
VALUES = {
    "startDate": "2024-05-22",
    "endDate": "2024-05-23",
    "outputFormat": "JSON",
    "dateFormat": "mmddyyyy",
    "timeFormat": "24",
    "muIds": [1, 2],
    "ctIds": [10],
    "timeOffGroupList": [{"timeOffGroup": 3}],
    "recordType": "changedAgent",
}


def is_live(service: Service) -> bool:
    return service.environment.get("TAILRACE_SMARTSYNC__PROFILE") == "live"


# -- people -------------------------------------------------------------------------------------------------------

_centres: dict[str, Person] = {}
_jobs: dict[tuple[str, str, str], str] = {}


def centre_of(service: Service) -> Person:
    """Take somebody who may View all of a small contact centre; the same for all tests of a server."""
    if service.url not in _centres:
        _centres[service.url] = new_centre(service)
    return _centres[service.url]


def new_centre(service: Service) -> Person:
    person = make_person(service)
    with tempfile.TemporaryDirectory() as folder:
        tables = as_csv_folder(small(user=person.user.name), Path(folder))
        load_wfm(service.database, service.data / "tables", person.tenant, tables, threads=1)
    return person


def colleague_of(person: Person, *views: str) -> Person:
    return make_person(person.service, person.tenant, views)


# -- requests -----------------------------------------------------------------------------------------------------


@cache
def catalogue() -> dict[str, Exporter]:
    return {exporter.name: exporter for exporter in load_catalog().exporters}


def ask(exporter: str, **changes: Any) -> dict[str, Any]:
    """A request that the exporter takes; None takes a parameter away."""
    taken = {name: value for name, value in VALUES.items() if name in catalogue()[exporter].params}
    return {name: value for name, value in {**taken, **changes}.items() if value is not None}


def submit(person: Person, exporter: str, **changes: Any) -> httpx2.Response:
    return person.post(f"{BASE}/{exporter}", ask(exporter, **changes))


def submit_text(person: Person, exporter: str, text: str | bytes) -> httpx2.Response:
    return person.send("POST", f"{BASE}/{exporter}", text if isinstance(text, bytes) else text.encode(), [JSON])


def submitted(person: Person, exporter: str = "agent-info", **changes: Any) -> str:
    answer = submit(person, exporter, **changes)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["jobId"])


def show(person: Person, job_id: str) -> httpx2.Response:
    return person.get(f"{BASE}/status/{job_id}")


def status(person: Person, job_id: str) -> dict[str, Any]:
    answer = show(person, job_id)
    assert answer.status_code == 200, answer.text
    return dict(check_json(answer))


def result(person: Person, job_id: str, query: str = "", headers: Sequence[tuple[str, str]] = ()) -> httpx2.Response:
    return person.send("GET", f"{BASE}/result/{job_id}{query}", headers=headers)


def cancel(person: Person, job_id: str) -> httpx2.Response:
    return person.post(f"{BASE}/cancel/{job_id}")


def page(person: Person, job_id: str, start: int, count: int, headers: Sequence[tuple[str, str]] = ()) -> Any:
    answer = result(person, job_id, f"?startRecord={start}&numRecords={count}", headers)
    assert answer.status_code == 200, answer.text
    return answer


# -- jobs ---------------------------------------------------------------------------------------------------------


def wait(person: Person, job_id: str) -> dict[str, Any]:
    """Wait for a job's end, looking into the database, as nobody may ask too often."""
    ended = "SELECT id FROM jobs WHERE id = %(id)s AND state NOT IN ('queued', 'running')"
    poll(lambda: person.service.database.execute(ended, {"id": job_id}))
    return status(person, job_id)


def completed(person: Person, exporter: str = "agent-info", **changes: Any) -> str:
    job_id = submitted(person, exporter, **changes)
    ended = wait(person, job_id)
    assert ended["status"].startswith("COMPLETED"), ended
    return job_id


def completed_once(person: Person, exporter: str = "agent-info", **changes: Any) -> str:
    """A completed job that no test changes, the same for all that ask for the same."""
    key = (person.session, exporter, json.dumps(changes, sort_keys=True))
    if key not in _jobs:
        _jobs[key] = completed(person, exporter, **changes)
    return _jobs[key]


def export(person: Person, exporter: str = "agent-info", **changes: Any) -> bytes:
    """The output of an export."""
    answer = result(person, completed_once(person, exporter, **changes))
    assert answer.status_code == 200, answer.text
    return bytes(answer.content)


def in_state(person: Person, wanted: str) -> str:
    """Make a job of a state: waiting, running, completed, failed, canceled."""
    if wanted == "completed":
        return completed(person)
    job_id = hold(person.service, submitted(person))
    if wanted == "running":
        set_running(person.service, job_id)
    elif wanted == "failed":
        fail(person.service, job_id)
        set_record(person.service, job_id, hours=48)
    elif wanted == "canceled":
        assert cancel(person, job_id).status_code == 200
    return job_id


def set_running(service: Service, job_id: str) -> None:
    """Let a job that is held be one that a worker has, for as long as the test wants."""
    service.database.execute(
        "UPDATE jobs SET state = 'running', started_at = now(), claimed_at = now(), attempt = 1, worker = 'test',"
        " lease_until = 'infinity' WHERE id = %(id)s",
        {"id": job_id},
    )


def free(service: Service) -> None:
    """Give back the slots of jobs that were set running."""
    service.database.execute("DELETE FROM jobs WHERE worker = 'test' AND state IN ('queued', 'running')")


def set_record(service: Service, job_id: str, **ahead: float) -> None:
    """Let a job's record be kept so much longer from now on."""
    service.database.execute(
        "UPDATE jobs SET record_until = now() + %(by)s WHERE id = %(id)s", {"by": timedelta(**ahead), "id": job_id}
    )


def count_jobs(person: Person) -> int:
    [row] = person.service.database.execute(
        "SELECT count(*) AS jobs FROM jobs WHERE tenant_id = %(tenant)s", {"tenant": person.tenant.id}
    )
    return int(row.jobs)


# -- what results must be -----------------------------------------------------------------------------------------


def records_of(person: Person, exporter: str, **changes: Any) -> list[Record]:
    """The records that the specification says a request to export has, at this time."""
    asked = ask(exporter, **changes)
    every = asked.get("allTimeOffGroups")
    wanted = Wanted(
        date.fromisoformat(asked["startDate"]),
        date.fromisoformat(asked["endDate"]),
        run_at=datetime.now(UTC).replace(tzinfo=None),
        mu_ids=asked.get("muIds", ()),
        bu_ids=asked.get("buIds", ()),
        ct_ids=asked.get("ctIds", ()),
        time_off=[
            (group["timeOffGroup"], rule)
            for group in asked.get("timeOffGroupList", ())
            for rule in group.get("timeOffRules") or [None]
        ],
        include_all=None if every is None else every.get("includeAllTimeOffRules", False),
        attribute=asked.get("attribute", "EXC_EXPORT"),
        record_type=asked.get("recordType", ""),
        customer_id=person.tenant.customer_id,
    )
    return rows_of(exporter, small(), wanted)


def style_of(exporter: str, **changes: Any) -> dict[str, Any]:
    """How a request to export wants its records written."""
    asked = ask(exporter, **changes)
    return {
        "output_format": asked["outputFormat"],
        "date_format": asked.get("dateFormat"),
        "time_format": str(asked.get("timeFormat", "24")),
        "fields": asked.get("fields"),
        "data_groups": [(group["group_id"], group["name"]) for group in small()["data_group"]],
        "exclude_header": asked.get("excludePipeHeader", False),
        "keep_empty": asked.get("keepEmptyJsonFields", False),
        "record_type": asked.get("recordType", ""),
    }


def described(exporter: str) -> dict[str, Any]:
    """An exporter's file, as the specification's own writers take it."""
    text = (files("tailrace.catalog") / "exporters" / f"{exporter}.toml").read_text()
    return tomllib.loads(text)


def expected(person: Person, exporter: str, **changes: Any) -> bytes:
    """The output that the specification says a request to export has."""
    return write(described(exporter), records_of(person, exporter, **changes), **style_of(exporter, **changes))


# -- what answers must be -----------------------------------------------------------------------------------------


def check_no_job(answer: httpx2.Response, service: Service) -> None:
    """SS-406."""
    check_refusal(answer, 404, "Job id is not found", printed=401 if is_live(service) else 0)


def check_no_result(answer: httpx2.Response, message: str) -> None:
    """SS-506 to SS-508: 206 with words."""
    assert answer.status_code == 206, answer.text
    assert list(check_json(answer).items()) == [("message", message), ("status", 206)]


def body_as_sent(person: Person, job_id: str, query: str = "", accept_encoding: str = "gzip") -> tuple[str, bytes]:
    """The coding and the bytes of a result as they were sent, which the client's own answer has unpacked."""
    base = urlsplit(person.service.url)
    connection = http.client.HTTPConnection(str(base.hostname), base.port, timeout=30)
    try:
        headers = {"Accept-Encoding": accept_encoding, "Cookie": person.cookie[1]}
        connection.request("GET", f"{BASE}/result/{job_id}{query}", headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.headers["Content-Encoding"] or "", answer.read()
    finally:
        connection.close()
