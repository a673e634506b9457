"""Section 6: slots, turns, limits."""

from collections.abc import Callable, Iterator
from typing import LiteralString

import pytest

from conformance.smartsync import exports_wire as exports
from conformance.smartsync.wire import Person, check_faults, check_refusal, make_person
from conformance.wire import hold, release
from service import Service, start_service

pytestmark = pytest.mark.long

SMALL_FIELDS = [{"name": "date"}]


@pytest.fixture(scope="module")
def tight(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run a server that does little at once."""
    settings = {
        "MAX_CONCURRENT": "1",
        "MAX_CONCURRENT_PER_TENANT": "1",
        "MAX_WAITING_PER_TENANT": "2",
        "MAX_RECORDS": "10",
        "MAX_RESULT_BYTES": "1024",
        "MAX_RANGE_DAYS": "31",
    }
    folder, variables = tmp_path_factory.mktemp("tight"), {f"TAILRACE_SMARTSYNC__{k}": v for k, v in settings.items()}
    with start_service(folder, new_database(), **variables) as server:
        yield server


@pytest.fixture(autouse=True)
def _freed(documented: Service, tight: Service) -> Iterator[None]:
    """No job stays running."""
    yield
    for service in (documented, tight):
        exports.free(service)


def someone(service: Service) -> Person:
    """Somebody of a tenant of its own, with two units and nothing in them."""
    person = make_person(service)
    for entity in ("mu:1", "mu:2"):
        person.add_entity(entity)
    person.allow("mu:all")
    return person


@pytest.mark.req("SS-601", "SS-202", "SS-403")
def test_two_jobs_of_a_tenant_run_at_once_and_four_of_all(documented: Service):
    first, second, third = (someone(documented) for _ in range(3))
    for _ in range(2):
        exports.in_state(first, "running")
    waiting = exports.submitted(first)
    exports.completed(second)  # a tenant with free slots is served meanwhile
    assert exports.status(first, waiting)["status"] == "WAITING"
    busy = [exports.in_state(second, "running") for _ in range(2)]
    others = exports.submitted(third)
    exports.cancel(second, busy[0])
    assert exports.wait(third, others)["status"] == "COMPLETED_SUCCESSFULLY"
    assert exports.status(first, waiting)["status"] == "WAITING"
    exports.free(documented)
    release(documented, waiting)
    assert exports.wait(first, waiting)["status"] == "COMPLETED_SUCCESSFULLY"


@pytest.mark.req("SS-602")
def test_tenants_take_turns_and_jobs_of_a_tenant_keep_their_order(tight: Service):
    blocker, one, two = (someone(tight) for _ in range(3))
    exports.in_state(blocker, "running")
    jobs = [exports.submitted(person) for person in (one, one, two, two)]
    assert [exports.status(one, job_id)["status"] for job_id in jobs[:2]] == ["WAITING", "WAITING"]
    exports.free(tight)
    tight.database.execute("NOTIFY tailrace_jobs")
    for person, job_id in zip((one, one, two, two), jobs, strict=True):
        exports.wait(person, job_id)
    rows = tight.database.execute(
        "SELECT id FROM jobs WHERE id = ANY(%(ids)s::uuid[]) ORDER BY started_at", {"ids": jobs}
    )
    # Which of two tenants that were never served comes first is not said.
    assert [row.id.hex for row in rows] in ([jobs[n] for n in (0, 2, 1, 3)], [jobs[n] for n in (2, 0, 3, 1)])


@pytest.mark.req("SS-603", "SS-203", "SS-006")
def test_a_tenant_may_have_so_many_jobs_waiting(tight: Service):
    person, other = someone(tight), someone(tight)
    exports.in_state(person, "running")
    for _ in range(2):
        hold(tight, exports.submitted(person))
    answer = exports.submit(person, "agent-info")
    check_refusal(answer, 429, "Too many jobs waiting")
    assert answer.headers["retry-after"] == "30"
    check_faults(exports.submit(person, "agent-info", timeFormat="x"), "Invalid timeFormat value: 'x'")
    colleague = exports.colleague_of(person, "mu:1", "mu:2")
    check_refusal(exports.submit(colleague, "agent-info"), 429, "Too many jobs waiting")
    hold(tight, exports.submitted(other))
    exports.cancel(person, exports.status(person, _waiting(person))["jobId"])
    hold(tight, exports.submitted(person))


def _waiting(person: Person) -> str:
    [first, *_] = (one for one in person.get(f"{exports.BASE}/status").json() if one["status"] == "WAITING")
    return str(first["jobId"])


@pytest.mark.req("SS-604")
def test_the_two_apis_do_not_disturb_each_other(tight: Service):
    person = someone(tight)
    exports.in_state(person, "running")
    exports.submitted(person)
    exports.submitted(exports.colleague_of(person, "mu:1", "mu:2"))
    caller = tight.caller(person.tenant)
    assert caller.wait(caller.submit())["status"] == "SUCCEEDED"


@pytest.mark.req("SS-605", "SS-404", "SS-507")
def test_a_result_that_is_too_large_is_none(tight: Service):
    person = exports.centre_of(tight)
    day = {"endDate": "2024-05-22", "muIds": [1]}
    fits = exports.completed(person, **day, fields=SMALL_FIELDS)
    assert exports.status(person, fits)["totalRecords"] == 9
    for changes in ({"muIds": [1], "fields": SMALL_FIELDS}, day):  # too many records, too many bytes
        job_id = exports.submitted(person, **changes)
        shown = exports.wait(person, job_id)
        assert (shown["status"], shown["errorDetails"]) == ("FAILED", exports.TOO_LARGE)
        exports.check_no_result(exports.result(person, job_id), exports.FAILED)


@pytest.mark.req("SS-606", "SS-404")
@pytest.mark.parametrize("spent", ["deadline_at = now()", "attempt = 3"], ids=["time", "attempts"])
def test_a_job_runs_for_so_long_and_so_often(documented: Service, spent: LiteralString):
    person = someone(documented)
    job_id = exports.in_state(person, "running")
    documented.database.execute(f"UPDATE jobs SET lease_until = now(), {spent} WHERE id = %(id)s", {"id": job_id})
    shown = exports.wait(person, job_id)
    assert (shown["status"], shown["errorDetails"]) == ("FAILED", "Internal server error")


@pytest.mark.req("SS-606")
def test_a_request_carries_the_limits_of_the_server(documented: Service):
    person = someone(documented)
    job_id = exports.submitted(person)
    [row] = documented.database.execute("SELECT request FROM jobs WHERE id = %(id)s", {"id": job_id})
    assert row.request["limits"] == {
        "timeout_seconds": 3600,
        "max_result_bytes": 2_147_483_648,
        "max_rows": 5_000_000,
        "retention_hours": 24,
        "record_hours": 48,
    }


@pytest.mark.req("SS-211")
def test_the_longest_range_is_a_setting(tight: Service):
    person = someone(tight)
    month = {"startDate": "2024-05-01", "endDate": "2024-05-31"}
    assert exports.submit(person, "agent-info", **month).status_code == 200
    fault = "Date range must not exceed 31 days"
    check_faults(exports.submit(person, "agent-info", **month | {"endDate": "2024-06-01"}), fault)
