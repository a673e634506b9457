"""Limits under race: of many requests at the same moment no more are accepted than may be (P12, CX-212, SS-603)."""

from collections import Counter
from functools import partial
from uuid import uuid4

import pytest

from conformance import wire
from conformance.smartsync import exports_wire as exports
from conformance.smartsync.wire import make_person
from races.together import block, together, wait_for_all
from service import JOBS
from sizes import sizes

MANY = 50


def codes(answers):
    return Counter(answer.status_code for answer in answers)


def count(service, tenant, dialect):
    statement = "SELECT count(*) AS jobs FROM jobs WHERE tenant_id = %(tenant)s AND dialect = %(dialect)s"
    [row] = service.database.execute(statement, {"tenant": tenant.id, "dialect": dialect})
    return row.jobs


def post_many(service, rounds):
    """Fifty requests of two users of a tenant, at each of which the interval has just passed."""
    caller = service.caller()
    colleague = service.caller(caller.tenant)
    for number in range(1, rounds + 1):
        wire.age_window(caller, 31)
        answers = together(*[partial(wire.post, one) for one in (caller, colleague) for _ in range(MANY // 2)])
        assert codes(answers) == {202: 1, 429: MANY - 1}
        [accepted] = [answer.json() for answer in answers if answer.status_code == 202]
        assert count(service, caller.tenant, "cxone") == number
        for answer in answers:
            if answer.status_code == 429:
                assert answer.json()["error"] in {"rate_limited", "tenant_busy"}
                assert 1 <= int(answer.headers["retry-after"]) <= 30
        wait_for_all(service, [accepted])


@sizes("rounds", 1, share=4, whole=20)
@pytest.mark.req("CX-801", "CX-212")
def test_of_fifty_requests_at_once_one_is_accepted(documented, rounds):
    post_many(documented, rounds)


@pytest.mark.slow
@pytest.mark.share
@pytest.mark.req("CX-810")
def test_unfinished_jobs_are_bounded_under_race(start_noted):
    most = 7
    with start_noted(TAILRACE_CXONE__MAX_UNFINISHED_JOBS=str(most)) as service, block(service):
        caller = service.caller()
        answers = together(*[partial(wire.post, caller) for _ in range(MANY)])
        assert codes(answers) == {202: most, 429: MANY - most}
        assert {answer.json()["error"] for answer in answers if answer.status_code == 429} == {"too_many_jobs"}
        assert count(service, caller.tenant, "cxone") == most


@sizes("rounds", share=1, whole=5)
@pytest.mark.req("SS-603")
def test_waiting_exports_are_bounded_under_race(start_noted, rounds):
    most = 5
    with start_noted(TAILRACE_SMARTSYNC__MAX_WAITING_PER_TENANT=str(most)) as service:
        person = make_person(service)
        for entity in ("mu:1", "mu:2"):
            person.add_entity(entity)
        person.allow("mu:all")
        colleague = exports.colleague_of(person, "mu:all")
        with block(service):
            for _ in range(rounds):
                before = count(service, person.tenant, "smartsync")
                people = (person, colleague)
                answers = together(
                    *[partial(exports.submit, one, "agent-info") for one in people for _ in range(MANY // 2)]
                )
                assert codes(answers) == {200: most, 429: MANY - most}
                assert count(service, person.tenant, "smartsync") == before + most
                accepted = [answer.json()["jobId"] for answer in answers if answer.status_code == 200]
                owners = {job: one for one in people for job in _own(one)}
                answers = together(*[partial(exports.cancel, owners[job], job) for job in accepted])
                assert codes(answers) == {200: most}


def _own(person):
    return [job["jobId"] for job in person.get(f"{exports.BASE}/status").json()]


@pytest.mark.req("CX-431", "CX-432")
def test_one_key_sent_by_many_at_once_makes_one_job(quick):
    caller = quick.caller()
    headers = {"Idempotency-Key": str(uuid4())}
    post = partial(caller.request, "POST", JOBS, json=wire.EXAMPLE, headers=headers)
    answers = together(*[post] * 20)
    assert codes(answers).keys() <= {202, 409}
    assert count(quick, caller.tenant, "cxone") == 1
    assert len({answer.json() for answer in answers if answer.status_code == 202}) == 1
    assert post().json() in {answer.json() for answer in answers if answer.status_code == 202}
