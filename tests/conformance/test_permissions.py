"""Section 8.4: permissions."""

import pytest

from conformance import wire
from conformance.wire import post, show
from service import JOBS, Service
from tailrace.access.users import allow, deny

ENTITIES = {
    ("qm-workflows", "1"): "qm-workflow",
    ("qm-workflows", "3"): "qm-workflow",
    ("qm-questions", "1"): "qm-workflow",
    ("recording-interaction-metadata", "7"): "interaction-metadata",
    ("recording-interaction-metadata", "10"): "interaction-metadata",
}
PERMISSIONS = ["qm-workflow", "interaction-metadata", "wfm-payroll", "qm-evaluator-notes", "job-cancel-any"]


def named(entity: tuple[str, str]) -> dict[str, str]:
    return dict(zip(("entityName", "version"), entity, strict=True))


@pytest.mark.req("CX-821", "CX-824", "CX-906")
@pytest.mark.parametrize("entity", ENTITIES, ids="-".join)
def test_an_entity_needs_its_own_permission(service: Service, entity: tuple[str, str]):
    others = [permission for permission in PERMISSIONS if permission != ENTITIES[entity]]
    for permissions in ([], others):
        caller = service.caller(permissions=permissions)
        wire.check_refusal(service, post(caller, **named(entity)), "extract")
    assert post(service.caller(permissions=[ENTITIES[entity]]), **named(entity)).status_code == 202


@pytest.mark.req("CX-821")
def test_a_permission_counts_in_its_tenant_for_its_user_only(service: Service):
    allowed = service.caller()
    colleague = service.caller(allowed.tenant, permissions=[])
    wire.check_refusal(service, post(colleague), "extract")
    wire.check_refusal(service, colleague.request("GET", JOBS), "view")
    allow(service.database, colleague.user, ["qm-workflow"])
    assert colleague.request("GET", JOBS).json() == {"jobs": []}
    assert post(colleague).status_code == 202


@pytest.mark.req("CX-822", "CX-824", "CX-906")
@pytest.mark.parametrize(
    "permissions", [[], ["job-cancel-any"], ["wfm-payroll"], ["qm-evaluator-notes"], ["unheard-of"]]
)
def test_the_list_needs_one_entity_permission(service: Service, permissions: list[str]):
    caller = service.caller(permissions=permissions)
    wire.check_refusal(service, caller.request("GET", JOBS), "view")
    allow(service.database, caller.user, ["interaction-metadata"])
    assert caller.request("GET", JOBS).status_code == 200


@pytest.mark.req("CX-822", "CX-302")
def test_a_job_needs_the_permission_of_its_entity_at_that_time(service: Service):
    owner = service.caller()
    other = service.caller(owner.tenant, ["interaction-metadata"])
    job_id, _ = wire.succeeded(owner)
    assert [job["id"] for job in other.request("GET", JOBS).json()["jobs"]] == [job_id]
    wire.check_refusal(service, show(other, job_id), "view")
    allow(service.database, other.user, ["qm-workflow"])
    assert other.status(job_id)["status"] == "SUCCEEDED"
    deny(service.database, other.user, ["qm-workflow"])
    wire.check_refusal(service, show(other, job_id), "view")


@pytest.mark.req("CX-823", "CX-821")
def test_withdrawal_stops_no_job_but_mints_no_link(service: Service):
    owner = service.caller()
    colleague = service.caller(owner.tenant)
    job_id = wire.running(owner)
    deny(service.database, owner.user, ["qm-workflow"])
    wire.release(service, job_id)
    url = colleague.wait(job_id)["result"]["url"]
    assert wire.send(service, "GET", url).status_code == 200
    wire.check_refusal(service, show(owner, job_id), "view")
    wire.check_refusal(service, owner.request("GET", JOBS), "view")
    wire.age_window(owner, 30)
    wire.check_refusal(service, post(owner), "extract")


@pytest.mark.req("CX-823", "CX-503")
def test_links_given_before_a_withdrawal_stay_good(service: Service):
    owner = service.caller()
    _, url = wire.succeeded(owner)
    deny(service.database, owner.user, ["qm-workflow"])
    assert wire.send(service, "GET", url).status_code == 200


@pytest.mark.req("CX-825", "CX-204")
def test_partial_entities_can_be_hidden(tuned: Service):
    caller = tuned.caller(permissions=PERMISSIONS)
    for entity, permission in ENTITIES.items():
        answer = post(caller, **named(entity))
        if permission == "interaction-metadata":
            wire.check_refusal(tuned, answer, "entity")
        else:
            caller.wait(answer.json())
    only_hidden = tuned.caller(permissions=["interaction-metadata"])
    wire.check_refusal(tuned, only_hidden.request("GET", JOBS), "view")


@pytest.mark.req("CX-825", "CX-821")
def test_an_operators_entity_is_offered_to_who_may(tuned: Service):
    entity = named(("events", "1"))
    wire.check_refusal(tuned, post(tuned.caller(), **entity), "extract")
    _, url = wire.succeeded(tuned.caller(permissions=["events"]), **entity)
    assert wire.send(tuned, "GET", url).content == b"Key,When,Count\r\n"
