"""Sections 8.1 and 8.2: thirty seconds, one user, unfinished jobs."""

from collections.abc import Callable

import pytest

from conformance import wire
from conformance.wire import post, show
from service import JOBS, Caller, Service
from tailrace.access.keys import create_key


def retry_after(service: Service, caller: Caller, case: str) -> int:
    answer = post(caller)
    wire.check_refusal(service, answer, case)
    return int(answer.headers["retry-after"])


# -- thirty seconds -----------------------------------------------------------------------------------------------


@pytest.mark.req("CX-801", "CX-803", "CX-805")
@pytest.mark.parametrize(("age", "left"), [(0, 30), (1.02, 29), (13, 17), (28.02, 2), (29.02, 1)])
def test_the_refusal_says_how_long_to_wait(service: Service, age: float, left: int):
    caller = service.caller()
    wire.succeeded(caller)
    wire.age_window(caller, age)
    assert retry_after(service, caller, "interval") == left


@pytest.mark.req("CX-801", "CX-803")
@pytest.mark.parametrize("age", [30, 30.001, 3600])
def test_after_thirty_seconds_the_next_passes_and_opens_a_window(service: Service, age: float):
    caller = service.caller()
    wire.running(caller)
    wire.age_window(caller, age)
    assert post(caller).status_code == 202
    assert retry_after(service, caller, "interval") in (29, 30)


@pytest.mark.req("CX-801")
def test_the_tenant_counts_not_user_key_entity_or_address(service: Service):
    caller, stranger = service.caller(), service.caller()
    colleague = service.caller(caller.tenant, ["qm-workflow", "interaction-metadata"])
    wire.succeeded(caller)
    wire.check_refusal(service, post(colleague), "interval")
    wire.check_refusal(service, post(colleague, entityName="qm-questions", version="1"), "interval")
    other = {"entityName": "recording-interaction-metadata", "version": "7", "startDate": "2019-05-25"}
    wire.check_refusal(service, post(colleague, **other), "interval")
    upper = caller.request("POST", JOBS.replace("v1", "V1"), json=wire.EXAMPLE)
    wire.check_refusal(service, upper, "interval")
    assert post(stranger).status_code == 202


@pytest.mark.req("CX-802", "CX-803")
def test_reading_and_cancelling_never_count(service: Service):
    caller = service.caller()
    job_id = wire.running(caller)
    wire.age_window(caller, 10)
    for _ in range(3):
        assert show(caller, job_id).status_code == wire.shown(service)
        assert caller.request("GET", JOBS).status_code == 200
    assert wire.cancel(caller, job_id).status_code == wire.shown(service)
    assert retry_after(service, caller, "interval") in (19, 20)
    wire.age_window(caller, 30)
    assert caller.request("GET", JOBS).status_code == 200
    assert post(caller).status_code == 202


@pytest.mark.req("CX-803")
@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"])
def test_a_jobs_end_does_not_shorten_the_window(service: Service, status: str):
    caller = service.caller()
    wire.in_state(caller, status)
    assert retry_after(service, caller, "interval") > 20


def _too_large(caller: Caller) -> None:
    answer = caller.request("POST", JOBS, content=b" " * 65_537)
    wire.check_refusal(caller.service, answer, "size")


def _without_token(caller: Caller) -> None:
    wire.check_refusal(caller.service, wire.send(caller.service, "POST", JOBS, body=wire.BODY), "token")


def _bad_body(caller: Caller) -> None:
    assert post(caller, startDate="x").status_code == 400


def _unknown_entity(caller: Caller) -> None:
    wire.check_refusal(caller.service, post(caller, version="99"), "entity")


def _not_permitted(caller: Caller) -> None:
    refused = {"entityName": "recording-interaction-metadata", "version": "7"}
    wire.check_refusal(caller.service, post(caller, **refused), "extract")


@pytest.mark.req("CX-804", "CX-209")
@pytest.mark.parametrize("refuse", [_too_large, _without_token, _bad_body, _unknown_entity, _not_permitted])
def test_a_refused_creation_opens_and_prolongs_no_window(service: Service, refuse: Callable[[Caller], None]):
    caller = service.caller()
    refuse(caller)
    wire.running(caller)  # accepted: no window was open
    wire.age_window(caller, 20)
    refuse(caller)
    assert 9 <= retry_after(service, caller, "interval") <= 10
    wire.age_window(caller, 30)
    refuse(caller)
    assert post(caller).status_code == 202


@pytest.mark.req("CX-804", "CX-809", "CX-810")
def test_a_refusal_by_a_rule_opens_and_prolongs_no_window(service: Service):
    caller = service.caller()
    colleague = service.caller(caller.tenant)
    wire.running(caller)
    wire.age_window(caller, 20)
    for _ in range(3):
        assert 9 <= retry_after(service, caller, "interval") <= 10
        assert retry_after(service, colleague, "busy") == 30
    wire.age_window(caller, 30)
    assert retry_after(service, colleague, "busy") == 30
    wire.add_unfinished(caller, 99)
    assert retry_after(service, caller, "jobs") == 30
    service.database.execute("DELETE FROM jobs WHERE tenant_id = %(id)s", {"id": caller.tenant.id})
    assert post(caller).status_code == 202


@pytest.mark.req("CX-801", "CX-809")
def test_both_rules_can_be_switched_off(tuned: Service):
    caller = tuned.caller()
    colleague = tuned.caller(caller.tenant)
    wire.running(caller)
    assert post(caller).status_code == post(colleague).status_code == 202


# -- one user -----------------------------------------------------------------------------------------------------


@pytest.mark.req("CX-806", "CX-807", "CX-809")
def test_while_a_user_has_unfinished_jobs_others_are_refused(service: Service):
    holder, stranger = service.caller(), service.caller()
    colleague = service.caller(holder.tenant)
    job_id = wire.running(holder)
    wire.age_window(holder, 3600)
    assert retry_after(service, colleague, "busy") == 30
    # Reading is not touched, nor is the holder with another token or key, nor another tenant.
    assert colleague.status(job_id)["status"] == "RUNNING"
    assert colleague.request("GET", JOBS).json() == holder.request("GET", JOBS).json()
    key = create_key(service.database, holder.user)
    again = Caller(service, holder.tenant, holder.user, key, service.sign_in(key))
    wire.running(again)
    wire.age_window(holder, 3600)
    assert retry_after(service, colleague, "busy") == 30
    assert post(stranger).status_code == 202
    # The refused call was not queued.
    assert len(holder.request("GET", JOBS).json()["jobs"]) == 2


@pytest.mark.req("CX-808", "CX-806")
@pytest.mark.parametrize("end", ["SUCCEEDED", "FAILED", "CANCELLED"])
def test_whoever_has_seen_the_end_finds_the_tenant_free(service: Service, end: str):
    holder = service.caller()
    colleague = service.caller(holder.tenant)
    first, last = wire.running(holder), ""
    wire.age_window(holder, 30)
    last = wire.running(holder)
    wire.age_window(holder, 30)
    wire.cancel(holder, first)
    assert retry_after(service, colleague, "busy") == 30
    match end:
        case "CANCELLED":
            wire.cancel(holder, last)
        case "FAILED":
            service.database.execute("UPDATE jobs SET deadline_at = now() WHERE id = %(id)s", {"id": last})
            wire.release(service, last)
        case "SUCCEEDED":
            wire.release(service, last)
    assert colleague.wait(last)["status"] == end
    assert post(colleague).status_code == 202


@pytest.mark.req("CX-806", "CX-302")
def test_smartsync_jobs_hold_nothing(service: Service):
    holder = service.caller()
    job_id = wire.running(holder)
    wire.age_window(holder, 30)
    service.database.execute("UPDATE jobs SET dialect = 'smartsync' WHERE id = %(id)s", {"id": job_id})
    assert post(service.caller(holder.tenant)).status_code == 202


# -- unfinished jobs ----------------------------------------------------------------------------------------------


@pytest.mark.req("CX-810", "CX-209")
def test_a_hundred_unfinished_jobs_and_no_more(service: Service):
    caller = service.caller()
    wire.running(caller)
    wire.add_unfinished(caller, 98)
    wire.age_window(caller, 30)
    wire.running(caller)
    wire.age_window(caller, 30)
    assert retry_after(service, caller, "jobs") == 30
    jobs = caller.request("GET", JOBS).json()["jobs"]
    assert len(jobs) == 100
    assert wire.cancel(caller, jobs[-1]["id"]).status_code == wire.shown(service)
    assert post(caller).status_code == 202


@pytest.mark.req("CX-810")
def test_the_number_of_unfinished_jobs_is_a_setting(tuned: Service):
    caller = tuned.caller()
    wire.running(caller)
    wire.add_unfinished(caller, 2)
    assert retry_after(tuned, caller, "jobs") == 30
