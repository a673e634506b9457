"""CX-431 and CX-432: the same request sent again under one `Idempotency-Key` makes one job."""

import json
import string
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from conformance import wire
from conformance.wire import send
from service import EXAMPLE, JOBS, Caller, Service, poll
from tailrace.access.keys import create_key
from tailrace.access.users import allow, deny

JSON = ("Content-Type", "application/json")
OTHER = {**EXAMPLE, "startDate": "2019-05-23"}
# How many requests wait for a row that another holds.
WAITING = (
    "SELECT count(*) AS waiting FROM pg_stat_activity"
    " WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
)
MISMATCH = (422, "idempotency_mismatch", "Idempotency-Key was used with another request")
IN_PROGRESS = (409, "idempotency_in_progress", "A request with this Idempotency-Key is being handled")


def ask(caller: Caller, key: str | None, body: object = EXAMPLE, token: str = "") -> wire.httpx2.Response:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = [("Authorization", f"Bearer {token or caller.token}"), JSON]
    return send(caller.service, "POST", JOBS, headers + ([("Idempotency-Key", key)] if key is not None else []), text)


def job_of(answer: wire.httpx2.Response) -> str:
    """Check an acceptance, whether first or repeated (CX-201, CX-211); gives the id."""
    assert answer.status_code == 202, answer.text
    job_id = str(wire.check_json(answer))
    assert answer.content == f'"{job_id}"'.encode()
    assert answer.headers["location"] == f"{JOBS}/{job_id}"
    return job_id


def check_conflict(service: Service, answer: wire.httpx2.Response, case: tuple[int, str, str]) -> None:
    status, error, text = case
    expected = {"message": text, "error": error, "errorDescription": text}
    if wire.is_live(service):
        expected = {"message": text}
    assert answer.status_code == status, answer.text
    assert list(wire.check_json(answer).items()) == list(expected.items())
    assert "retry-after" not in answer.headers
    assert "location" not in answer.headers


def listed(caller: Caller) -> list[str]:
    return [job["id"] for job in caller.request("GET", JOBS).json()["jobs"]]


def age_key(caller: Caller, seconds: float) -> None:
    caller.service.database.execute(
        "UPDATE idempotency_keys SET created_at = created_at - make_interval(secs => %(age)s)"
        " WHERE tenant_id = %(tenant)s",
        {"age": seconds, "tenant": caller.tenant.id},
    )


@pytest.mark.req("CX-431", "CX-201", "CX-211")
def test_a_repeat_gives_the_same_id_and_makes_no_job(service: Service):
    caller, key = service.caller(), str(uuid4())
    job_id = job_of(ask(caller, key))
    assert [job_of(ask(caller, key)) for _ in range(3)] == [job_id] * 3
    assert listed(caller) == [job_id]
    assert caller.wait(job_id)["status"] == "SUCCEEDED"
    assert job_of(ask(caller, key)) == job_id
    assert listed(caller) == [job_id]


@pytest.mark.req("CX-431", "CX-804", "CX-803")
def test_a_repeat_is_not_refused_by_the_rules_and_does_not_count_for_them(service: Service):
    caller = service.caller()
    other = service.caller(caller.tenant)
    job_id = wire.hold(service, job_of(ask(caller, "k")))
    wire.check_refusal(service, ask(caller, None), "interval")
    assert job_of(ask(caller, "k")) == job_id
    wire.cancel(caller, job_id)
    wire.age_window(caller, 30)
    theirs = wire.running(other)
    wire.check_refusal(service, ask(caller, None), "busy")
    assert job_of(ask(caller, "k")) == job_id
    wire.age_window(caller, 25)
    assert job_of(ask(caller, "k")) == job_id
    refused = ask(other, "another")
    wire.check_refusal(service, refused, "interval")
    assert 1 <= int(refused.headers["retry-after"]) <= 5, "the repeat has not prolonged the window"
    wire.add_unfinished(other, 99)
    assert job_of(ask(caller, "k")) == job_id
    assert theirs in listed(caller)
    assert listed(caller).count(job_id) == 1


@pytest.mark.req("CX-431")
def test_the_order_of_members_and_blanks_make_no_other_body(service: Service):
    caller = service.caller()
    job_id = job_of(ask(caller, "k"))
    turned = json.dumps(dict(reversed(EXAMPLE.items())), indent=4).encode()
    escaped = json.dumps(EXAMPLE).replace("qm", "\\u0071m").encode()
    for body in (turned, escaped, b" " + json.dumps(EXAMPLE).encode() + b"\n"):
        assert job_of(ask(caller, "k", body)) == job_id


@pytest.mark.req("CX-432", "CX-906")
def test_the_same_key_with_another_body_is_422(service: Service):
    caller = service.caller()
    job_id = job_of(ask(caller, "k"))
    for body in (OTHER, {**EXAMPLE, "endDate": "2019-05-30"}, {**EXAMPLE, "version": "1"}):
        check_conflict(service, ask(caller, "k", body), MISMATCH)
        wire.age_window(caller, 31)
    assert job_of(ask(caller, "k")) == job_id
    assert listed(caller) == [job_id]


@pytest.mark.req("CX-432")
def test_the_conflict_byte_for_byte(documented: Service, live: Service):
    bodies = []
    for service in (documented, live):
        caller = service.caller()
        job_of(ask(caller, "k"))
        bodies.append(ask(caller, "k", OTHER).content)
    text = b"Idempotency-Key was used with another request"
    full = b'{"message":"%s","error":"idempotency_mismatch","errorDescription":"%s"}' % (text, text)
    assert bodies == [full, b'{"message":"%s"}' % text]


@pytest.mark.req("CX-431", "CX-903", "CX-906")
@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 129, "é", "\x7f", "a\tb", "x" * 20_000, "\xff"])
def test_a_key_that_is_not_valid_is_400(service: Service, key: str):
    caller = service.caller()
    wire.check_refusal(service, ask(caller, key), "body", "Idempotency-Key is not valid")
    assert listed(caller) == []


@pytest.mark.req("CX-431")
@pytest.mark.parametrize("key", ["!", "~", "x" * 128, "\"'\\%;--", string.punctuation, "0"])
def test_any_key_of_printable_ascii_will_do(service: Service, key: str):
    caller = service.caller()
    job_id = job_of(ask(caller, key))
    assert job_of(ask(caller, key)) == job_id


@pytest.mark.req("CX-431")
def test_keys_are_compared_exactly(service: Service):
    caller = service.caller()
    jobs = set()
    for key in ("key", "KEY", "key0"):
        jobs.add(job_of(ask(caller, key)))
        wire.age_window(caller, 31)
    assert len(jobs) == 3


@pytest.mark.req("CX-431", "CX-209")
def test_what_is_checked_before_the_key(service: Service):
    caller = service.caller()
    job_of(ask(caller, "k"))
    wire.check_refusal(service, ask(caller, "k", b" " * 65_537), "size")
    wire.check_refusal(service, ask(caller, "k", token="x"), "token")
    wire.check_refusal(service, ask(caller, "k", b"[]"), "body", "Request body is not a JSON object")
    wire.check_refusal(service, ask(caller, "k", {**EXAMPLE, "version": "99"}), "entity")
    deny(service.database, caller.user, ["qm-workflow"])
    wire.check_refusal(service, ask(caller, "k"), "extract")
    wire.check_refusal(service, ask(caller, "k", OTHER), "extract")


@pytest.mark.req("CX-431")
def test_the_same_key_of_another_user_is_another(service: Service):
    caller = service.caller()
    colleague, stranger = service.caller(caller.tenant), service.caller()
    first = job_of(ask(caller, "k"))
    caller.wait(first)
    wire.age_window(caller, 31)
    second = job_of(ask(colleague, "k", OTHER))
    third = job_of(ask(stranger, "k", OTHER))
    assert len({first, second, third}) == 3
    assert [job_of(ask(one, "k", body)) for one, body in ((caller, EXAMPLE), (colleague, OTHER))] == [first, second]


@pytest.mark.req("CX-431")
def test_the_user_counts_not_the_token_or_the_access_key(service: Service):
    caller = service.caller()
    job_id = job_of(ask(caller, "k"))
    assert job_of(ask(caller, "k", token=service.sign_in(caller.key))) == job_id
    assert job_of(ask(caller, "k", token=service.sign_in(create_key(service.database, caller.user)))) == job_id


@pytest.mark.req("CX-431")
def test_after_twenty_four_hours_the_key_makes_a_new_job(service: Service):
    caller = service.caller()
    first = job_of(ask(caller, "k"))
    caller.wait(first)
    wire.age_window(caller, 31)
    age_key(caller, 24 * 3600 - 10)
    assert job_of(ask(caller, "k")) == first
    check_conflict(service, ask(caller, "k", OTHER), MISMATCH)
    age_key(caller, 10)
    second = job_of(ask(caller, "k", OTHER))
    assert second != first
    assert job_of(ask(caller, "k", OTHER)) == second
    check_conflict(service, ask(caller, "k"), MISMATCH)
    age_key(caller, 24 * 3600 - 10)
    assert job_of(ask(caller, "k", OTHER)) == second, "the 24 hours have begun anew"
    assert sorted(listed(caller)) == sorted([first, second])


@pytest.mark.req("CX-432")
def test_a_refused_first_request_does_not_use_up_the_key(service: Service):
    caller = service.caller(permissions=[])
    wire.check_refusal(service, ask(caller, "k", b"{}x"), "body", "Request body is not a JSON object")
    wire.check_refusal(service, ask(caller, "k", {**EXAMPLE, "version": "99"}), "entity")
    wire.check_refusal(service, ask(caller, "k", OTHER), "extract")
    allow(service.database, caller.user, ["qm-workflow"])
    before = caller.submit()
    wire.check_refusal(service, ask(caller, "k", OTHER), "interval")
    wire.check_refusal(service, ask(caller, "k"), "interval")
    caller.wait(before)
    wire.age_window(caller, 31)
    other = service.caller(caller.tenant)
    theirs = wire.running(other)
    wire.check_refusal(service, ask(caller, "k", OTHER), "busy")
    wire.cancel(other, theirs)
    wire.age_window(caller, 31)
    job_id = job_of(ask(caller, "k"))
    assert job_of(ask(caller, "k")) == job_id


@pytest.mark.req("CX-431", "CX-432", "CX-212")
def test_of_many_at_once_one_makes_a_job(service: Service):
    caller = service.caller()
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: ask(caller, "k"), range(6)))
    accepted = [answer for answer in answers if answer.status_code != 409]
    [job_id] = {job_of(answer) for answer in accepted}
    for answer in answers:
        if answer.status_code == 409:
            check_conflict(service, answer, IN_PROGRESS)
    assert listed(caller) == [job_id]
    assert job_of(ask(caller, "k")) == job_id


@pytest.mark.req("CX-432", "CX-906")
def test_while_the_first_is_being_handled_it_is_409(service: Service):
    caller = service.caller()
    wire.running(caller)
    wire.age_window(caller, 31)
    with ThreadPoolExecutor(1) as pool, service.database.transaction() as connection:
        # The first request waits for the tenant's turn, which is held here.
        connection.execute("SELECT FROM tenant_turns WHERE tenant_id = %s FOR UPDATE", [caller.tenant.id])
        first = pool.submit(ask, caller, "k")
        poll(lambda: service.database.execute(WAITING).pop().waiting)
        check_conflict(service, ask(caller, "k"), IN_PROGRESS)
        check_conflict(service, ask(caller, "k", OTHER), IN_PROGRESS)
        assert not first.done()
    job_id = job_of(first.result(30))
    assert job_of(ask(caller, "k")) == job_id


@pytest.mark.req("CX-012", "CX-801")
def test_without_a_key_every_request_is_another(service: Service):
    caller = service.caller()
    first = job_of(ask(caller, None))
    wire.check_refusal(service, ask(caller, None), "interval")
    wire.age_window(caller, 31)
    assert job_of(ask(caller, None)) != first


@pytest.mark.req("CX-431", "CX-012")
def test_switched_off_the_header_is_ignored(start: Callable[..., Service]):
    service = start(TAILRACE_CXONE__EXTENSION_IDEMPOTENCY="off")
    caller = service.caller()
    first = job_of(ask(caller, "k"))
    wire.check_refusal(service, ask(caller, "k"), "interval")
    for key, body in (("k", EXAMPLE), ("k", OTHER), ("not valid", EXAMPLE)):
        wire.age_window(caller, 31)
        assert job_of(ask(caller, key, body)) != first
    assert len(listed(caller)) == 4


@pytest.mark.req("CX-431", "CX-207", "CX-905")
def test_deep_bodies_under_a_key_are_no_fault_of_the_server(live: Service):
    caller = live.caller()
    for depth in (*range(900, 1000, 5), 5_000, 30_000):
        deep: Any = json.dumps(EXAMPLE)[:-1] + ', "extra": ' + "[" * depth + "]" * depth + "}"
        answer = ask(caller, f"k{depth}", deep.encode())
        assert answer.status_code in (202, 400), (depth, answer.text)
        wire.age_window(caller, 31)
    answer = ask(caller, "half", json.dumps({**EXAMPLE, "extra": "\ud800\0"}).encode())
    job_of(answer)
