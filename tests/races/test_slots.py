"""Slots: however many workers there are, no more jobs run than may, of a dialect and of a tenant (P12)."""

from functools import partial

import pytest

from conformance.smartsync import exports_wire as exports
from conformance.smartsync.wire import make_person
from model.history import check_slots, read_history
from races.together import block, slots_in, together
from service import poll
from sizes import sizes

TENANTS = 6
TIGHT = {
    "TAILRACE_CXONE__MAX_CONCURRENT": "3",
    "TAILRACE_CXONE__MAX_CONCURRENT_PER_TENANT": "2",
    "TAILRACE_SMARTSYNC__MAX_CONCURRENT": "5",
    "TAILRACE_SMARTSYNC__MAX_CONCURRENT_PER_TENANT": "1",
}
RUNNING = """
    SELECT dialect, tenant_id, count(*) AS jobs FROM jobs
    WHERE state = 'running' AND worker <> 'blocker' GROUP BY dialect, tenant_id
"""
LEFT = "SELECT count(*) AS jobs FROM jobs WHERE state IN ('queued', 'running')"


def submit_all(service, tenant, jobs):
    """Jobs of both dialects for one tenant."""
    caller, person = service.caller(tenant), make_person(service, tenant)
    person.add_entity("mu:1")
    person.allow("mu:all")
    for _ in range(jobs):
        caller.submit()
        exports.submitted(person, "agent-info", muIds=[1])


@sizes("jobs", share=2, whole=10)
@pytest.mark.req("CX-710", "SS-601", "SS-604")
def test_never_more_run_than_may(start_noted, jobs):
    slots = slots_in(TIGHT)
    with start_noted(workers=3, **TIGHT) as service:
        with block(service):
            together(*[partial(submit_all, service, service.tenant(), jobs) for _ in range(TENANTS)])

        def ended():
            rows = service.database.execute(RUNNING)
            for dialect, (total, per_tenant) in slots.items():
                counts = [row.jobs for row in rows if row.dialect == dialect]
                assert sum(counts) <= total
                assert max(counts, default=0) <= per_tenant
            return service.database.execute(LEFT)[0].jobs == 0

        poll(ended, deadline_seconds=300, pause_seconds=0.005)
        rows = service.database.execute("SELECT state, count(*) AS jobs FROM jobs GROUP BY state")
        assert [tuple(row) for row in rows] == [("succeeded", 2 * TENANTS * jobs)]
        most = check_slots(read_history(service.database), slots)
        # Else nothing has been tried: all slots were in use at some time.
        assert {dialect: most[dialect] for dialect in slots} == {name: total for name, (total, _) in slots.items()}
