"""Section 0.1: paths, methods, bodies, headers."""

import json

import pytest

from conformance.smartsync import wire
from conformance.smartsync.wire import ENTITIES, JSON, LOGIN, LOGOUT, RS, Person, send
from service import Service

KNOWN = {LOGIN: "POST", LOGOUT: "POST", ENTITIES: "GET"}


@pytest.mark.req("SS-001", "SS-002")
@pytest.mark.parametrize("first", ["SMARTSync", "SMARTSYNC", "smartsync", "SmartSync", "sMARTsYNC"])
def test_the_first_segment_may_be_in_any_case(service: Service, person: Person, first: str):
    def spelled(path: str) -> str:
        return path.replace("SMARTSync", first)

    answer = send(service, "POST", spelled(LOGIN), [JSON], json.dumps(person.credentials).encode())
    person.session = answer.json()["jsessionId"]
    assert person.get(f"{spelled(ENTITIES)}?entityType=mu").json() == []
    wire.check_unauthorized(send(service, "GET", spelled(ENTITIES)))
    wire.check_refusal(person.get(spelled(f"{RS}/nothing")), 404, "Not Found")
    assert person.post(spelled(LOGOUT)).status_code == 204
    assert not person.is_signed_in()


@pytest.mark.req("SS-001", "SS-007")
@pytest.mark.parametrize(
    "path",
    [
        "/SMARTSync/",
        "/SMARTSync/services",
        "/SMARTSync/services/rs",
        f"{RS}/",
        f"{LOGIN}/",
        f"{LOGOUT}/",
        f"{ENTITIES}/",
        f"{RS}/users/v1",
        f"{RS}/users/v1/Login",
        f"{RS}/Users/v1/login",
        f"{RS}/users/V1/login",
        f"{RS}/users/v2/login",
        f"{RS}/entities/V1",
        f"{RS}/Entities/v1",
        f"{RS}/entities",
        f"{RS}//entities/v1",
        "/SMARTSync//services/rs/entities/v1",
        "/SMARTSync/Services/rs/entities/v1",
        "/SMARTSync/services/RS/entities/v1",
        "/smartsync/services/rs/entities/v1/",
        f"{RS}/entities/v1/1",
        f"{RS}/entities/v1%2F",
        f"{RS}/../rs/entities/v1",
    ],
)
def test_an_unknown_path_is_404_and_never_a_redirect(idle: Person, path: str):
    for method in ("GET", "POST", "DELETE"):
        wire.check_refusal(idle.send(method, path), 404, "Not Found")


@pytest.mark.req("SS-007", "SS-006")
@pytest.mark.parametrize("path", KNOWN)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_known_path_with_another_method_is_405(idle: Person, method: str, path: str):
    if method != KNOWN[path]:
        answer = idle.send(method, path)
        wire.check_refusal(answer, 405, "Method Not Allowed")
        assert answer.headers["allow"] == KNOWN[path]


@pytest.mark.req("SS-008")
def test_every_answer_has_the_headers_of_the_envelope(service: Service, idle: Person):
    mine = ("CorrelationId", "my-own-id")
    answers = [
        send(service, "POST", LOGIN, [JSON, mine], json.dumps(idle.credentials).encode()),
        send(service, "POST", LOGIN, [JSON, mine], b"{}"),
        send(service, "POST", LOGOUT, [mine]),
        *(idle.send("GET", path, headers=[mine]) for path in (f"{ENTITIES}?entityType=mu", ENTITIES, f"{RS}/x")),
        idle.send("PUT", LOGIN, headers=[mine]),
    ]
    assert [answer.status_code for answer in answers] == [200, 400, 401, 200, 400, 404, 405]
    for answer in answers:
        wire.check_json(answer)
        assert answer.headers["correlationid"] == "my-own-id"


# -- bodies -------------------------------------------------------------------------------------------------------


@pytest.mark.req("SS-004", "SS-006")
@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "text/json",
        "json",
        "application/jsonp",
        "*/*",
        "multipart/form-data; boundary=x",
    ],
)
def test_a_body_of_another_type_is_415(idle: Person, content_type: str):
    body = json.dumps(idle.credentials).encode()
    for path in (LOGIN, LOGOUT):
        answer = idle.send("POST", path, body, [("Content-Type", content_type)])
        wire.check_refusal(answer, 415, "Unsupported Media Type")
    assert idle.is_signed_in()


@pytest.mark.req("SS-004", "SS-203")
@pytest.mark.parametrize("length", ["measured", "chunked"])
def test_a_body_that_is_too_large_is_413(service: Service, idle: Person, length: str):
    members = {**idle.credentials, "more": ""}
    members["more"] = "x" * (65_536 - len(json.dumps(members)))
    fits = json.dumps(members).encode()

    def sent(path: str, body: bytes, *headers: tuple[str, str]) -> wire.httpx2.Response:
        return send(service, "POST", path, headers, [body[:40_000], body[40_000:]] if length == "chunked" else body)

    assert len(fits) == 65_536
    assert sent(LOGIN, fits, JSON).status_code == 200
    for path in (LOGIN, LOGOUT):
        for headers in ([JSON], [("Content-Type", "text/plain")], [idle.cookie]):
            wire.check_refusal(sent(path, fits + b" ", *headers), 413, "Request Entity Too Large")


@pytest.mark.req("SS-203", "SS-004")
def test_checks_come_in_their_order(idle: Person, service: Service):
    plain = ("Content-Type", "text/plain")
    wire.check_unauthorized(send(service, "POST", LOGOUT, [plain], b"x"))
    assert idle.send("POST", LOGOUT, b"x", [plain]).status_code == 415
    assert send(service, "POST", LOGIN, [plain], b"x").status_code == 415
    wire.check_unauthorized(send(service, "GET", ENTITIES))


@pytest.mark.req("SS-004")
def test_without_a_body_no_type_is_wrong(service: Service, person: Person):
    wire.check_faults(
        send(service, "POST", LOGIN, [("Content-Type", "text/plain")], b""), "Request body is not a JSON object"
    )
    assert person.send("POST", LOGOUT, b"", [("Content-Type", "text/plain")]).status_code == 204


# -- other sites --------------------------------------------------------------------------------------------------


@pytest.mark.req("SS-009", "SS-006")
@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "Same-Origin", "anything"])
def test_what_a_browser_posts_for_another_site_is_403(service: Service, idle: Person, site: str):
    header = ("Sec-Fetch-Site", site)
    answers = [
        wire.log_in(service, idle.credentials, [header]),
        idle.send("POST", LOGOUT, headers=[header]),
        send(service, "POST", LOGOUT, [header]),
        idle.send("POST", LOGOUT, headers=[("Sec-Fetch-Site", "none"), header]),
    ]
    for answer in answers:
        wire.check_refusal(answer, 403, "Forbidden")
    assert idle.is_signed_in()


@pytest.mark.req("SS-009")
@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_what_a_browser_posts_for_its_user_passes(service: Service, person: Person, site: str):
    header = ("Sec-Fetch-Site", site)
    assert wire.log_in(service, person.credentials, [header]).status_code == 200
    assert person.send("POST", LOGOUT, headers=[header]).status_code == 204


@pytest.mark.req("SS-009")
def test_reading_is_not_asked_where_it_comes_from(idle: Person):
    answer = idle.send("GET", f"{ENTITIES}?entityType=mu", headers=[("Sec-Fetch-Site", "cross-site")])
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]
