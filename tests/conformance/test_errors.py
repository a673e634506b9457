"""Section 9: its examples word by word, and faults of the server itself."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, LiteralString, cast

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from conformance import wire
from conformance.wire import SIGN_IN, cancel, post, send, show
from service import EXAMPLE, JOBS, Caller, Service, poll

NO_VERSION = {name: text for name, text in EXAMPLE.items() if name != "version"} | {"endDate": "2019-05-21"}
THIRTY = "Only one request to extract data is allowed in 30 seconds. Wait and try again"


def body(text: str) -> list[tuple[str, Any]]:
    """Read an example as section 9 prints it: members in their order."""
    return list(json.loads(text).items())


def check(answer: wire.httpx2.Response, status: int, text: str, **headers: str) -> None:
    assert answer.status_code == status
    assert list(wire.check_json(answer).items()) == body(text)
    for name, value in headers.items():
        assert answer.headers[name.replace("_", "-")] == value


def within_window(caller: Caller) -> wire.httpx2.Response:
    caller.submit()
    wire.age_window(caller, 13)
    return post(caller)


@pytest.mark.req("CX-901", "CX-903", "CX-904", "CX-906", "CX-006", "CX-007")
def test_the_examples_of_profile_documented(documented: Service):
    caller, nobody = documented.caller(), documented.caller(permissions=[])
    check(
        post(caller, NO_VERSION),
        400,
        '{"message":"Invalid request","error":"invalid_request","errorDescription":"Invalid request",'
        '"details":["Missing required field: \'version\'","endDate must not be before startDate"]}',
        content_type="application/json",
    )
    check(
        send(documented, "GET", JOBS),
        401,
        '{"message":"Unauthorized","error":"unauthorized","errorDescription":"Unauthorized"}',
        www_authenticate="Bearer",
    )
    view = "User does not have permission to view job status"
    refused = nobody.request("GET", JOBS)
    check(refused, 403, f'{{"message":"{view}","error":"forbidden","errorDescription":"{view}"}}')
    assert "retry-after" not in refused.headers
    unknown = "Entity or version not found"
    check(
        post(caller, version="99"),
        404,
        f'{{"message":"{unknown}","error":"not_found","errorDescription":"{unknown}"}}',
    )
    check(
        send(documented, "PUT", JOBS),
        405,
        '{"message":"Method not allowed","error":"method_not_allowed","errorDescription":"Method not allowed"}',
        allow="GET, POST",
    )
    check(
        within_window(caller),
        429,
        f'{{"message":"{THIRTY}","error":"rate_limited","errorDescription":"{THIRTY}"}}',
        retry_after="17",
    )
    [job] = caller.request("GET", JOBS).json()["jobs"]
    caller.wait(job["id"])
    check(
        cancel(caller, job["id"]),
        409,
        '{"message":"Job is not running","error":"job_not_running","errorDescription":"Job is not running"}',
    )
    check(
        send(documented, "GET", wire.link_of_age(caller, job["id"], 31)),
        403,
        '{"message":"The link has expired","error":"link_expired","errorDescription":"The link has expired"}',
    )


@pytest.mark.req("CX-902", "CX-903", "CX-904", "CX-906", "CX-006")
def test_the_examples_of_profile_live(live: Service):
    caller = live.caller()
    check(
        post(caller, NO_VERSION),
        400,
        '{"message":"Invalid request: Missing required field: \'version\'; endDate must not be before startDate"}',
    )
    check(send(live, "GET", JOBS), 401, '{"message":"Unauthorized"}', www_authenticate="Bearer")
    check(post(caller, version="99"), 404, '{"message":"Entity or version not found"}')
    check(within_window(caller), 403, f'{{"message":"{THIRTY}"}}', retry_after="17")


@pytest.mark.req("CX-904", "CX-902")
def test_only_a_rules_refusal_says_when_to_come_back(live: Service):
    caller = live.caller()
    refused = live.caller(caller.tenant, permissions=["job-cancel-any"])
    wire.running(caller)
    by_rule, by_permission = post(caller), post(refused)
    assert by_rule.status_code == by_permission.status_code == 403
    assert "retry-after" in by_rule.headers
    assert "retry-after" not in by_permission.headers


@contextmanager
def broken(service: Service) -> Iterator[None]:
    """Take away what every request with a token needs."""
    service.database.execute("ALTER TABLE access_tokens RENAME TO access_tokens_elsewhere")
    try:
        yield
    finally:
        service.database.execute("ALTER TABLE access_tokens_elsewhere RENAME TO access_tokens")


@pytest.mark.req("CX-905", "CX-906", "CX-008", "CX-015", "CX-016")
def test_a_fault_in_the_server_tells_nothing_about_it(service: Service):
    caller = service.caller()
    mine = ("CorrelationId", "a-fault")
    key = json.dumps({"accessKeyId": caller.key.access_key_id, "accessKeySecret": caller.key.access_key_secret})
    with broken(service):
        answers = [send(service, method, JOBS, [wire.bearer(caller), mine], wire.BODY) for method in ("GET", "POST")]
        answers.append(send(service, "POST", SIGN_IN, [mine], key.encode()))
    for answer in answers:
        wire.check_refusal(service, answer, "fault")
        assert answer.headers["correlationid"] == "a-fault"
    assert post(caller).status_code == 202


@pytest.mark.req("CX-905")
def test_no_refusal_repeats_what_is_secret_or_inside(service: Service):
    caller = service.caller()
    secret = "s3cret-" + caller.key.access_key_secret
    odd = "'; DROP TABLE jobs; --"
    answers = [
        send(service, "GET", f"{JOBS}?access_token={secret}", [("Authorization", f"Bearer {secret}")]),
        send(service, "POST", SIGN_IN, body=json.dumps({"accessKeyId": secret, "accessKeySecret": secret}).encode()),
        post(caller, entityName=odd, version=odd),
        post(caller, startDate=odd, endDate=odd),
        show(caller, odd),
        send(service, "GET", f"/downloads/{secret}?expires=1&signature={secret}"),
        send(service, "GET", f"/{secret}"),
    ]
    for answer in answers:
        assert answer.status_code >= 400
        told = answer.text + str(answer.headers)
        for word in (
            secret,
            "DROP",
            "SELECT",
            "Traceback",
            "psycopg",
            ".py",
            str(service.data),
            "uvicorn",
            "Starlette",
        ):
            assert word not in told


# -- without a database -------------------------------------------------------------------------------------------


@contextmanager
def unreachable(service: Service, postgres: str) -> Iterator[None]:
    """Let no connection to the server's database be made or kept."""
    name = conninfo_to_dict(service.environment["DATABASE_URL"])["dbname"]
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(cast("LiteralString", f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'))
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            yield
        finally:
            admin.execute(cast("LiteralString", f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'))


@pytest.mark.req("CX-017", "CX-906", "CX-008", "CX-502")
def test_without_its_database_every_route_is_503(start: Any, postgres: str):
    server = start(TAILRACE_DATABASE__TIMEOUT_S="1")
    caller = server.caller()
    job_id, url = wire.succeeded(caller)
    key = {"accessKeyId": caller.key.access_key_id, "accessKeySecret": caller.key.access_key_secret}
    token = [wire.bearer(caller)]
    requests: list[tuple[Any, ...]] = [
        *(("GET", JOBS, token), ("POST", JOBS, token, wire.BODY), ("GET", f"{JOBS}/{job_id}", token)),
        *(("DELETE", f"{JOBS}/{job_id}", token), ("GET", JOBS.replace("v1", "V1"), token)),
        *(("POST", SIGN_IN, [], json.dumps(key).encode()), ("GET", url), ("GET", url, [("Range", "bytes=0-1")])),
    ]
    with unreachable(server, postgres), ThreadPoolExecutor(len(requests)) as pool:
        answers = list(pool.map(lambda request: send(server, *request), requests))
    for request, answer in zip(requests, answers, strict=True):
        assert answer.status_code == 503, request
        wire.check_refusal(server, answer, "database")
        assert answer.headers["retry-after"] == "5"
    check(
        answers[0],
        503,
        '{"message":"Service unavailable. Wait and try again","error":"unavailable",'
        '"errorDescription":"Service unavailable. Wait and try again"}',
    )
    poll(lambda: send(server, *requests[0]).status_code == 200, deadline_seconds=15)
    assert send(server, "GET", url).status_code == 200
