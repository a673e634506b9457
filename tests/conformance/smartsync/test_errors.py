"""SS-005 to SS-010: the envelope, its table, and faults of the server itself."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from conformance.smartsync import wire
from conformance.smartsync.wire import ENTITIES, JSON, LOGIN, LOGOUT, RS, Person, send
from service import Service, poll
from tailrace.errors import (
    CatalogInvalid,
    DatabaseUnavailable,
    NotAuthenticated,
    NotPermitted,
    RequestInvalid,
    StorageUnavailable,
    TooManyAttempts,
    TooManyJobs,
    TooManyReads,
    TooSoon,
    UnknownDataset,
    UnknownJob,
)
from tailrace.web.errors import Refusal
from tailrace.web.smartsync.errors import CASES, answer, refusal_for

LIST = f"{ENTITIES}?entityType=mu"
# SS-006, in its order.
TABLE = [
    (400, "One or more request validations failed"),
    (401, "Unauthorized"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (404, "Job id is not found"),
    (404, "Job results have expired"),
    (405, "Method Not Allowed"),
    (406, "Not Acceptable"),
    (409, "Job has already ended"),
    (413, "Request Entity Too Large"),
    (415, "Unsupported Media Type"),
    (429, "Too many login attempts"),
    (429, "Too many requests"),
    (429, "Too many jobs waiting"),
    (500, "Internal Server Error"),
    (503, "Service Unavailable"),
]


@pytest.mark.req("SS-006")
def test_the_table_is_that_of_the_specification():
    assert list(CASES.values()) == TABLE


@pytest.mark.req("SS-005", "SS-006", "SS-406")
@pytest.mark.parametrize("profile", ["documented", "live"])
@pytest.mark.parametrize("case", CASES)
def test_the_body_repeats_the_status_but_for_one_case_of_live(profile: str, case: str):
    status, message = CASES[case]
    written = answer(Refusal(case), profile)
    printed = 401 if (profile, case) == ("live", "job_not_found") else status
    assert written.status_code == status
    assert written.body == json.dumps({"message": message, "status": printed}, separators=(",", ":")).encode()
    assert written.headers["content-type"] == "application/json"


@pytest.mark.req("SS-005", "SS-301")
def test_details_come_last():
    written = answer(Refusal("invalid_request", details=("one", "two")), "documented")
    expected = {"message": TABLE[0][1], "status": 400, "details": ["one", "two"]}
    assert list(json.loads(written.body).items()) == list(expected.items())


@pytest.mark.req("SS-010", "SS-006")
@pytest.mark.parametrize(
    ("error", "status", "message", "seconds"),
    [
        (RequestInvalid("secret"), 400, TABLE[0][1], None),
        (NotAuthenticated("secret"), 401, "Unauthorized", None),
        (NotPermitted("secret"), 403, "Forbidden", None),
        (UnknownJob("secret"), 404, "Job id is not found", None),
        (UnknownDataset("secret"), 404, "Not Found", None),
        (TooManyAttempts("secret", retry_after_seconds=7), 429, "Too many login attempts", "7"),
        (TooManyReads("secret", retry_after_seconds=1), 429, "Too many requests", "1"),
        (TooManyJobs("secret", retry_after_seconds=30), 429, "Too many jobs waiting", "30"),
        (DatabaseUnavailable("secret"), 503, "Service Unavailable", "5"),
        (StorageUnavailable("secret"), 503, "Service Unavailable", "5"),
        (CatalogInvalid("secret"), 500, "Internal Server Error", None),
        (TooSoon("secret", retry_after_seconds=7), 500, "Internal Server Error", "7"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_an_error_becomes_its_row_and_its_own_words_stay_inside(error, status, message, seconds):
    written = answer(refusal_for(error), "documented")
    assert json.loads(written.body) == {"message": message, "status": status}
    assert written.headers.get("retry-after") == seconds


@pytest.mark.req("SS-005", "SS-006", "SS-010")
def test_the_examples(service: Service):
    wire.check_unauthorized(send(service, "GET", LIST))
    assert send(service, "GET", LIST).content == b'{"message":"Unauthorized","status":401}'
    assert send(service, "GET", f"{RS}/x").content == b'{"message":"Not Found","status":404}'


@pytest.mark.req("SS-010", "SS-007", "SS-008")
def test_a_fault_in_the_server_tells_nothing_about_it(service: Service, idle: Person):
    mine = ("CorrelationId", "a-fault")
    credentials = json.dumps(idle.credentials).encode()
    service.database.execute("ALTER TABLE sessions RENAME TO sessions_elsewhere")
    try:
        answers = [
            idle.send("GET", LIST, headers=[mine]),
            idle.send("POST", LOGOUT, headers=[mine]),
            send(service, "POST", LOGIN, [JSON, mine], credentials),
        ]
    finally:
        service.database.execute("ALTER TABLE sessions_elsewhere RENAME TO sessions")
    for one in answers:
        wire.check_refusal(one, 500, "Internal Server Error")
        assert one.headers["correlationid"] == "a-fault"
    assert idle.is_signed_in()


@pytest.mark.req("SS-010")
def test_no_refusal_repeats_what_is_secret_or_inside(service: Service, idle: Person):
    odd = "'; DROP TABLE sessions; --"
    cookie = ("Cookie", f"JSESSIONID={idle.session}x; other={idle.password}")
    answers = [
        send(service, "GET", f"{LIST}&jsessionid={idle.session}", [cookie]),
        send(service, "POST", LOGIN, [cookie, JSON], json.dumps({**idle.credentials, "customerId": odd}).encode()),
        send(service, "POST", LOGIN, [JSON], json.dumps({**idle.credentials, "password": [idle.password]}).encode()),
        send(service, "POST", LOGIN, [JSON], json.dumps({**idle.credentials, "userName": odd}).encode()),
        idle.get(f"{ENTITIES}?entityType=mu%27&timestamp=x"),
        idle.get(f"{RS}/exporters/v1/result/{idle.session}"),
        idle.get(f"{RS}/{idle.session}"),
    ]
    for one in answers:
        assert one.status_code >= 400
        told = one.text + str(one.headers)
        inside = ("SELECT", "Traceback", "psycopg", ".py", "uvicorn", "Starlette", "argon2", "sessions.py")
        for word in (idle.session, idle.password, idle.tenant.name, str(service.data), *inside):
            assert word not in told


@pytest.mark.req("SS-010")
def test_neither_passwords_nor_sessions_are_in_the_log(start: Callable[..., Service]):
    server = start(TAILRACE_LOG__LEVEL="debug")
    person = wire.make_person(server)
    wire.log_in(server, {**person.credentials, "password": "a wrong guess"})
    wire.log_in(server, {**person.credentials, "locale": "x", "password": ["no text"]})
    person.get(f"{LIST}&JSESSIONID={person.session}")
    person.post(LOGOUT)
    server.stop()
    log = server.log.read_text()
    assert "/users/v1/login" in log
    for word in (person.password, "wrong guess", "no text", person.session, person.session[:32], person.user.name):
        assert word not in log
    assert str(person.tenant.id) in log


@pytest.mark.req("SS-007", "SS-006")
def test_without_its_database_every_route_is_503(start: Callable[..., Service], postgres: str):
    server = start(TAILRACE_DATABASE__TIMEOUT_S="1")
    person = wire.make_person(server)
    requests = [("GET", LIST, None), ("POST", LOGOUT, None), ("POST", LOGIN, json.dumps(person.credentials).encode())]
    name = conninfo_to_dict(server.environment["DATABASE_URL"])["dbname"]
    with psycopg.connect(postgres, autocommit=True) as admin, ThreadPoolExecutor(len(requests)) as pool:
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            answers = list(pool.map(lambda request: person.send(*request), requests))
        finally:
            admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())
    for one in answers:
        wire.check_refusal(one, 503, "Service Unavailable")
        assert one.headers["retry-after"] == "5"
    poll(lambda: person.get(LIST).status_code == 200, deadline_seconds=15)
