"""Section 3: GET jobs and GET jobs/{jobId}."""

import re
from typing import Any

import pytest

from conformance import wire
from conformance.wire import send, show
from service import JOBS, Caller, Service

STATUSES = ["RUNNING", "SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"]
TEXTS = {
    "FAILED": "Internal error while extracting data",
    "CANCELLED": "The job was cancelled",
    "EXPIRED": "The result has expired",
}


def listed(caller: Caller) -> list[str]:
    return [job["id"] for job in caller.request("GET", JOBS).json()["jobs"]]


def expected_result(service: Service, status: str, url: str) -> dict[str, Any]:
    """Section 10's three rows about `result`."""
    text = TEXTS.get(status)
    if wire.is_live(service):
        return {"url": url if status == "SUCCEEDED" else "", "errorMessage": text, "messageError": text}
    return {"url": url} if status == "SUCCEEDED" else {"errorMessage": text} if text else {}


@pytest.mark.req("CX-301", "CX-006")
def test_the_list_is_200_and_has_jobs_only(service: Service):
    caller = service.caller()
    empty = caller.request("GET", JOBS)
    assert (empty.status_code, wire.check_json(empty)) == (200, {"jobs": []})
    job_id = wire.running(caller)
    answer = caller.request("GET", JOBS)
    assert answer.status_code == 200
    assert [list(job.items()) for job in wire.check_json(answer)["jobs"]] == [[("id", job_id), ("status", "RUNNING")]]


@pytest.mark.req("CX-301", "CX-303", "CX-311", "CX-312", "CX-313", "CX-314", "CX-318", "CX-701", "CX-707")
@pytest.mark.parametrize("status", STATUSES)
def test_a_job_of_each_status(service: Service, status: str):
    caller = service.caller()
    job_id = wire.in_state(caller, status)
    answer = show(caller, job_id)
    assert answer.status_code == wire.shown(service)
    body = wire.check_json(answer)
    assert list(body) == ["jobStatus"]
    url = body["jobStatus"]["result"].get("url", "")
    expected = {"id": job_id, "status": status, "result": expected_result(service, status, url)}
    assert body["jobStatus"] == expected
    assert list(body["jobStatus"]) == list(expected)
    assert list(body["jobStatus"]["result"]) == list(expected["result"])
    assert bool(url) == (status == "SUCCEEDED")
    assert ("retry-after" in answer.headers) == (status == "RUNNING")
    if status == "RUNNING":
        assert re.fullmatch("[1-9]|[12][0-9]|30", answer.headers["retry-after"])
    assert caller.request("GET", JOBS).json() == {"jobs": [{"id": job_id, "status": status}]}


@pytest.mark.req("CX-302", "CX-807")
def test_the_list_holds_the_tenants_jobs_whoever_made_them(service: Service):
    caller, stranger = service.caller(), service.caller()
    colleague = service.caller(caller.tenant)
    foreign = wire.running(stranger)
    first, _ = wire.succeeded(caller)
    wire.age_window(caller, 30)
    second, _ = wire.succeeded(colleague)
    for reader in (caller, colleague):
        assert listed(reader) == [second, first]
        assert reader.status(first)["status"] == reader.status(second)["status"] == "SUCCEEDED"
    assert listed(stranger) == [foreign]


@pytest.mark.req("CX-302", "CX-316")
def test_smartsync_jobs_are_not_seen_here(service: Service):
    caller = service.caller()
    job_id = wire.running(caller)
    service.database.execute("UPDATE jobs SET dialect = 'smartsync' WHERE id = %(id)s", {"id": job_id})
    assert listed(caller) == []
    wire.check_refusal(service, show(caller, job_id), "job")
    wire.check_refusal(service, wire.cancel(caller, job_id), "job")


@pytest.mark.req("CX-303")
def test_the_list_is_newest_first_ties_by_id_and_not_paged(service: Service):
    caller = service.caller()
    caller.submit()
    wire.add_unfinished(caller, 300)
    service.database.execute(
        "UPDATE jobs SET created_at = now() - make_interval(mins => (random() * 20)::int) WHERE tenant_id = %(id)s",
        {"id": caller.tenant.id},
    )
    rows = service.database.execute(
        "SELECT id, extract(epoch FROM created_at) AS at FROM jobs WHERE tenant_id = %(id)s", {"id": caller.tenant.id}
    )
    assert len(rows) == 301
    assert listed(caller) == [str(row.id) for row in sorted(rows, key=lambda row: (-row.at, row.id))]


@pytest.mark.req("CX-315", "CX-505", "CX-509")
def test_every_look_at_a_job_gives_a_fresh_link_and_leaves_the_others(service: Service):
    caller = service.caller()
    job_id, first = wire.succeeded(caller)
    links = [first] + [caller.status(job_id)["result"]["url"] for _ in range(3)]
    assert len(set(links)) == 4
    answers = [send(service, "GET", link) for link in links]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.headers["etag"] for answer in answers}) == 1


@pytest.mark.req("CX-315", "CX-905")
def test_links_and_secrets_are_in_no_log_and_no_table(service: Service):
    caller = service.caller()
    _, url = wire.succeeded(caller)
    assert send(service, "GET", url).status_code == 200
    log = service.log.read_text()
    assert "/downloads/{key" in log
    for secret in (url.partition("signature=")[2], "signature=", caller.token, caller.key.access_key_secret):
        assert secret not in log
    signature = url.partition("signature=")[2]
    rows = service.database.execute("SELECT row_to_json(jobs)::text AS row FROM jobs")
    assert not any(signature in row.row for row in rows)


@pytest.mark.req("CX-316", "CX-903")
@pytest.mark.parametrize(
    "job_id",
    [
        *("sync", "1", "x" * 36, "20873a3f-b951-4481-b83b-f6fa1ebe075", "20873a3f-b951-4481-b83b-f6fa1ebe07599"),
        *("20873a3f-b951-4481-b83b-f6fa1ebe075g", "%7B20873a3f-b951-4481-b83b-f6fa1ebe0759%7D", "%00", "%F0%9F%98%80"),
        *("20873a3f-b951-4481-b83b-f6fa1ebe0759%0A", "urn:uuid:20873a3f-b951-4481-b83b-f6fa1ebe0759", "%FF", "%D9%A1"),
        *("%20", "20873a3f_b951_4481_b83b_f6fa1ebe0759", "20873a3fb9514481b83bf6fa1ebe075900", "2" * 4000, "*"),
    ],
)
def test_an_id_that_is_no_uuid_is_400(service: Service, idle: Caller, job_id: str):
    for method in ("GET", "DELETE"):
        answer = send(service, method, f"{JOBS}/{job_id}", [wire.bearer(idle)])
        wire.check_refusal(service, answer, "body", "jobId must be a UUID")


@pytest.mark.req("CX-316")
def test_upper_case_letters_are_accepted(service: Service):
    caller = service.caller()
    job_id = wire.running(caller)
    assert show(caller, job_id.upper()).json()["jobStatus"]["id"] == job_id
    assert wire.cancel(caller, job_id.upper()).json()["jobStatus"]["id"] == job_id


@pytest.mark.req("CX-316", "CX-302", "CX-708", "CX-905")
@pytest.mark.parametrize("base", ["/data-extraction/v1", "/data-extraction/V1"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("status", STATUSES)
def test_another_tenants_or_a_removed_job_is_as_unknown(service: Service, method: str, base: str, status: str):
    caller, owner = service.caller(), service.caller(permissions=["qm-workflow", "job-cancel-any"])
    job_id = wire.in_state(owner, status)
    for_unknown = caller.request(method, f"{base}/jobs/{wire.unknown_id()}")
    wire.check_refusal(service, for_unknown, "job")
    assert wire.same(caller.request(method, f"{base}/jobs/{job_id}"), for_unknown)
    assert owner.status(job_id)["status"] == status
    if status != "RUNNING":
        wire.age_job(service, job_id, days=7)
        assert wire.same(owner.request(method, f"{base}/jobs/{job_id}"), for_unknown)


@pytest.mark.req("CX-317", "CX-822", "CX-423")
def test_the_order_of_checks_on_a_job(service: Service):
    """Each request has the fault that is expected and all that are checked after it."""
    owner = service.caller()
    nobody, other, viewer = (
        service.caller(owner.tenant, permissions) for permissions in ([], ["interaction-metadata"], ["qm-workflow"])
    )
    done, _ = wire.succeeded(owner)
    for method in ("GET", "DELETE"):
        wire.check_refusal(service, send(service, method, f"{JOBS}/none"), "token")
        answer = nobody.request(method, f"{JOBS}/none")
        wire.check_refusal(service, answer, "body", "jobId must be a UUID")
        wire.check_refusal(service, nobody.request(method, f"{JOBS}/{wire.unknown_id()}"), "view")
        wire.check_refusal(service, nobody.request(method, f"{JOBS}/{done}"), "view")
        wire.check_refusal(service, other.request(method, f"{JOBS}/{wire.unknown_id()}"), "job")
        wire.check_refusal(service, other.request(method, f"{JOBS}/{done}"), "view")
    wire.check_refusal(service, wire.cancel(viewer, done), "cancel")
    wire.check_refusal(service, wire.cancel(owner, done), "finished")
