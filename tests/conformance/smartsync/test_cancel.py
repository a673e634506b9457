"""SS-608, SS-609: cancelling exports."""

from collections.abc import Iterator

import pytest

from conformance.smartsync import exports_wire as exports
from conformance.smartsync.wire import check_json, check_refusal, check_unauthorized
from conformance.wire import age_job, release, send
from service import Service


@pytest.fixture(autouse=True)
def _freed(documented: Service, live: Service) -> Iterator[None]:
    """No job stays running."""
    yield
    for service in (documented, live):
        exports.free(service)


@pytest.mark.req("SS-608", "SS-404", "SS-405", "SS-402", "SS-508")
@pytest.mark.parametrize("state", ["waiting", "running"])
def test_a_job_that_has_not_ended_is_canceled_at_once(service: Service, state: str):
    person = exports.centre_of(service)
    job_id = exports.in_state(person, state)
    answer = exports.cancel(person, job_id)
    assert answer.status_code == 200
    shown = check_json(answer)
    assert (shown["status"], shown["errorDetails"]) == ("CANCELED", exports.CANCELED)
    assert shown == exports.status(person, job_id)
    again = exports.cancel(person, job_id)
    assert (again.status_code, check_json(again)) == (200, shown)
    exports.check_no_result(exports.result(person, job_id), exports.CANCELED)


@pytest.mark.req("SS-609", "SS-405", "SS-006")
@pytest.mark.parametrize("state", ["completed", "failed"])
def test_what_has_ended_is_not_canceled(documented: Service, state: str):
    person = exports.centre_of(documented)
    job_id = exports.in_state(person, state)
    before = exports.status(person, job_id)
    check_refusal(exports.cancel(person, job_id), 409, "Job has already ended")
    if state == "completed":
        age_job(documented, job_id, hours=24)
        check_refusal(exports.cancel(person, job_id), 409, "Job has already ended")
    else:
        assert exports.status(person, job_id) == before


@pytest.mark.req("SS-609")
def test_a_canceled_job_never_runs(documented: Service):
    person = exports.centre_of(documented)
    job_id = exports.in_state(person, "canceled")
    release(documented, job_id)
    exports.completed(person)
    assert exports.status(person, job_id)["status"] == "CANCELED"


@pytest.mark.req("SS-608", "SS-203", "SS-004")
def test_a_body_is_not_looked_at_but_for_its_type_and_size(documented: Service):
    person = exports.centre_of(documented)
    path = f"{exports.BASE}/cancel/{'0' * 32}"
    text = ("Content-Type", "text/plain")
    check_refusal(send(documented, "POST", path, [], b" " * 65_537), 413, "Request Entity Too Large")
    check_unauthorized(send(documented, "POST", path, [text], b"x"))
    check_refusal(person.send("POST", path, b"x", [text]), 415, "Unsupported Media Type")
    exports.check_no_job(person.send("POST", path, b"x"), documented)
    exports.check_no_job(person.send("POST", path), documented)
