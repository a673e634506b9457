"""Logins and logouts against each other: a session that has ended is no use to anybody, however close the race."""

from collections import Counter
from functools import partial
from threading import Event
from uuid import uuid4

import pytest

from conformance.smartsync.wire import ENTITIES, LOGOUT, log_in, make_person
from races.together import together
from sizes import sizes
from tailrace.access.passwords import set_password
from tailrace.access.users import set_active

MOST = 20
LIST = f"{ENTITIES}?entityType=mu"


def codes(answers):
    return Counter(answer.status_code for answer in answers)


def sessions_of(person):
    [row] = person.service.database.execute(
        "SELECT count(*) AS sessions FROM sessions WHERE user_id = %(user)s", {"user": person.user.id}
    )
    return row.sessions


@pytest.mark.req("SS-028")
def test_many_logins_at_once_leave_twenty_sessions(quick):
    person = make_person(quick)
    answers = together(*[partial(log_in, quick, person.credentials)] * (MOST + 4))
    assert codes(answers) == {200: MOST + 4}
    ids = {answer.json()["jsessionId"] for answer in answers}
    assert len(ids) == MOST + 4
    assert sessions_of(person) == MOST
    assert sum(person.is_signed_in(one) for one in ids) == MOST


def log_out_from_many_sides(person):
    answers = together(*[partial(person.post, LOGOUT)] * 8)
    found = codes(answers)
    assert found.keys() <= {204, 401}
    assert found[204] >= 1
    assert not person.is_signed_in()
    assert sessions_of(person) == 0


def ask_while_it_ends(person, end):
    """Others go on asking while a session is ended; who asks after the end was told is refused."""
    ended = Event()

    def finish():
        end()
        ended.set()
        return set()

    def ask():
        found = set()
        while True:
            after = ended.is_set()
            code = person.get(LIST).status_code
            found.add(code)
            assert not (after and code == 200)
            if code == 401 or after:
                return found

    for found in together(*[ask] * 6, finish):
        assert found <= {200, 401}


def check_ends(service, rounds):
    for _ in range(rounds):
        log_out_from_many_sides(make_person(service))
        person = make_person(service)
        ask_while_it_ends(person, partial(person.post, LOGOUT))
        person = make_person(service)
        ask_while_it_ends(person, partial(set_active, service.database, person.user, active=False))


def check_new_password(service, rounds):
    """Logins with the old password race against a new one: no session that they got outlives it."""
    for _ in range(rounds):
        forgive(service)
        person = make_person(service)
        renew = partial(set_password, service.database, person.user, f"another {uuid4().hex}")
        answers = together(*[partial(log_in, service, person.credentials)] * 6, renew)
        for answer in filter(None, answers):
            assert answer.status_code in {200, 401}
            assert answer.status_code == 401 or not person.is_signed_in(answer.json()["jsessionId"])
        assert sessions_of(person) == 0


@sizes("rounds", 1, share=5, whole=20)
@pytest.mark.req("SS-031", "SS-032")
def test_an_ended_session_is_no_use(quick, rounds):
    check_ends(quick, rounds)


@sizes("rounds", 1, share=5, whole=20)
@pytest.mark.req("SS-031")
def test_no_session_outlives_the_password_it_was_got_with(quick, rounds):
    check_new_password(quick, rounds)


@pytest.fixture(autouse=True)
def _forgiven(quick):
    yield
    forgive(quick)


def forgive(service):
    """Let no failed login count against the next ones, which come from the same address."""
    service.database.execute("DELETE FROM sign_in_failures")
