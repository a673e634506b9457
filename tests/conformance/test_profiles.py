"""Section 10: the two profiles side by side, one request to both servers at a time."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conformance import wire
from conformance.wire import cancel, post, show
from service import EXAMPLE, JOBS, Caller, Service

EXPIRED = "The result has expired"
CANCELLED = "The job was cancelled"
FAILED = "Internal error while extracting data"


@dataclass
class Both:
    """A caller of each server, in like situations."""

    documented: Caller
    live: Caller

    def each(self, do: Any) -> tuple[Any, Any]:
        return do(self.documented), do(self.live)


@pytest.fixture
def both(documented: Service, live: Service) -> Both:
    return Both(documented.caller(), live.caller())


@pytest.mark.req("CX-311", "CX-421")
def test_showing_and_cancelling(both: Both):
    def statuses(caller: Caller) -> tuple[int, int]:
        job_id = wire.running(caller)
        return show(caller, job_id).status_code, cancel(caller, job_id).status_code

    assert both.each(statuses) == ((202, 202), (200, 200))


@pytest.mark.req("CX-313", "CX-314")
@pytest.mark.parametrize(
    ("status", "as_documented", "as_live"),
    [
        ("RUNNING", {}, {"url": "", "errorMessage": None, "messageError": None}),
        ("FAILED", {"errorMessage": FAILED}, {"url": "", "errorMessage": FAILED, "messageError": FAILED}),
        ("CANCELLED", {"errorMessage": CANCELLED}, {"url": "", "errorMessage": CANCELLED, "messageError": CANCELLED}),
        ("EXPIRED", {"errorMessage": EXPIRED}, {"url": "", "errorMessage": EXPIRED, "messageError": EXPIRED}),
        ("SUCCEEDED", {"url": "LINK"}, {"url": "LINK", "errorMessage": None, "messageError": None}),
    ],
)
def test_the_result_of_each_status(both: Both, status: str, as_documented: dict[str, Any], as_live: dict[str, Any]):
    def result(caller: Caller) -> dict[str, Any]:
        found = caller.status(wire.in_state(caller, status))["result"]
        return {name: "LINK" if str(text).startswith("http") else text for name, text in found.items()}

    assert both.each(result) == (as_documented, as_live)


@pytest.mark.req("CX-805", "CX-809", "CX-810")
def test_refusals_by_a_rule(both: Both):
    def refusals(caller: Caller) -> list[tuple[int, str]]:
        wire.running(caller)
        answers = [post(caller)]
        wire.age_window(caller, 30)
        answers.append(post(caller.service.caller(caller.tenant)))
        wire.add_unfinished(caller, 99)
        answers.append(post(caller))
        return [(answer.status_code, answer.headers["retry-after"]) for answer in answers]

    assert both.each(refusals) == ([(429, "30")] * 3, [(403, "30")] * 3)


@pytest.mark.req("CX-901", "CX-902")
def test_error_bodies(both: Both):
    def members(caller: Caller) -> list[list[str]]:
        answers = [post(caller, {}), post(caller, version="0"), show(caller, wire.unknown_id())]
        return [list(answer.json()) for answer in answers]

    full = ["message", "error", "errorDescription"]
    assert both.each(members) == ([[*full, "details"], full, full], [["message"]] * 3)


@pytest.mark.req("CX-207")
def test_an_unknown_member(both: Both):
    assert both.each(lambda caller: post(caller, extra=1).status_code) == (400, 202)


@pytest.mark.req("CX-613")
def test_ani_and_dnis(documented: Service, live: Service, tmp_path: Path):
    def numbers(service: Service) -> list[str]:
        caller = service.caller(permissions=["interaction-metadata"])
        described = wire.dataset("recording-interaction-metadata", "7")
        wire.load(caller, tmp_path, described, [wire.row(described, ani="+15551234567", dnis="+15557654321")])
        content = wire.extract(caller, entityName=described.name, version="7")
        [record] = csv.DictReader(io.StringIO(content.decode()))
        return [record["ANI"], record["DNIS"]]

    assert numbers(documented) == ["+15551234567", "+15557654321"]
    assert numbers(live) == [r"\+15551234567", r"\+15557654321"]


@pytest.mark.req("CX-201", "CX-301", "CX-502", "CX-503", "CX-601", "CX-701", "CX-811")
def test_the_same_in_both(both: Both, tmp_path: Path):
    rows = [wire.row(wire.dataset(), workflow_id=str(number), phone_number="+15551234567") for number in range(3)]

    def all_of_it(caller: Caller) -> list[Any]:
        wire.load(caller, tmp_path, wire.dataset(), rows)
        created = post(caller, EXAMPLE)
        url = caller.wait(created.json())["result"]["url"]
        listed, file = caller.request("GET", JOBS), wire.send(caller.service, "GET", url)
        facts: list[Any] = [created.status_code, created.content.replace(created.json().encode(), b"ID")]
        facts += [listed.status_code, listed.json()["jobs"][0]["status"], created.headers["content-type"]]
        return [*facts, file.status_code, file.headers["content-type"], file.headers["etag"], file.content]

    documented, live = both.each(all_of_it)
    assert documented == live
    assert documented[:5] == [202, b'"ID"', 200, "SUCCEEDED", "application/json"]
    assert documented[-1] == wire.expected_file(wire.dataset(), rows)
