"""SS-216, SS-321 to SS-324: who may export what."""

import pytest

from conformance.smartsync import exports_wire as exports
from conformance.smartsync.wire import check_faults
from conformance.wire import hold, release
from service import Service

REFUSED = "Insufficient permissions to view entities: "


@pytest.mark.req("SS-216", "SS-321")
def test_what_is_not_there_and_what_may_not_be_viewed_are_the_same(service: Service):
    colleague = exports.colleague_of(exports.centre_of(service), "mu:1", "bu:2")
    before = exports.count_jobs(colleague)
    check_faults(exports.submit(colleague, "agent-info", muIds=[99, 2, 1, 4, 5]), f"{REFUSED}muIds [99, 2, 5]")
    check_faults(exports.submit(colleague, "ct-results", ctIds=[10], buIds=[1]), f"{REFUSED}buIds [1], ctIds [10]")
    rules = [{"timeOffGroup": 3, "timeOffRules": ["1999"]}, {"timeOffGroup": 88, "timeOffRules": ["1999"]}]
    answer = exports.submit(colleague, "agent-vacation-summary", timeOffGroupList=rules)
    check_faults(answer, f"{REFUSED}timeOffGroupList [3, 88]")
    assert exports.count_jobs(colleague) == before


@pytest.mark.req("SS-216", "SS-321")
def test_another_tenants_entities_are_not_there(service: Service, idle):
    exports.centre_of(service)
    check_faults(exports.submit(idle, "agent-info", muIds=[1]), f"{REFUSED}muIds [1]")


@pytest.mark.req("SS-323", "SS-215")
def test_view_on_the_unit_is_enough_for_all_in_its_rows(documented: Service):
    centre = exports.centre_of(documented)
    one, through = exports.colleague_of(centre, "mu:1"), exports.colleague_of(centre, "bu:1")
    output = exports.export(one, "mu-opens", muIds=[1])
    assert output == exports.expected(centre, "mu-opens", muIds=[1])
    assert b'"ctID":10' in output
    assert exports.submit(through, "agent-info", muIds=[1, 2]).status_code == 200
    assert exports.submit(through, "ct-results", buIds=[1]).status_code == 200


@pytest.mark.req("SS-322", "SS-404", "SS-507")
def test_view_withdrawn_before_the_start_fails_the_job(documented: Service):
    colleague = exports.colleague_of(exports.centre_of(documented), "mu:1", "mu:2")
    job_id = hold(documented, exports.submitted(colleague))
    colleague.deny("mu:2")
    release(documented, job_id)
    shown = exports.wait(colleague, job_id)
    assert (shown["status"], shown["errorDetails"]) == ("FAILED", "Internal server error")
    assert "totalRecords" not in shown
    exports.check_no_result(exports.result(colleague, job_id), exports.FAILED)


@pytest.mark.req("SS-324")
def test_of_vacations_only_agents_in_viewable_units_are_shown(documented: Service):
    centre = exports.centre_of(documented)
    colleague = exports.colleague_of(centre, "tog:3", "mu:1")
    asked = {"endDate": "2024-05-31", "fields": [{"name": "muID"}, {"name": "tvID"}], "outputFormat": "PIPE"}
    whole, seen = (exports.export(one, "agent-vacation-summary", **asked) for one in (centre, colleague))
    assert {line for line in whole.splitlines() if line[:2] != b"2|"} == set(seen.splitlines())
    assert whole != seen


@pytest.mark.req("SS-217")
@pytest.mark.parametrize("every", [False, True], ids=["covering", "overlapping"])
def test_all_groups_are_those_that_may_be_viewed(documented: Service, *, every: bool):
    centre = exports.centre_of(documented)
    asked = {
        "endDate": "2024-06-30",
        "timeOffGroupList": None,
        "allTimeOffGroups": {"includeAllTimeOffRules": every},
        "outputFormat": "PIPE",
    }
    output = exports.export(centre, "agent-vacation-summary", **asked)
    assert output == exports.expected(centre, "agent-vacation-summary", **asked)
    assert output.count(b"\n") > 3
    nobody = exports.colleague_of(centre, "mu:all")
    assert exports.export(nobody, "agent-vacation-summary", **asked).count(b"\n") == 2
