"""Section 0: paths, headers, bodies, methods."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conformance import wire
from conformance.wire import BASE, BODY, SIGN_IN, send
from service import EXAMPLE, JOBS, Caller, Service

JSON = ("Content-Type", "application/json")
NO_OBJECT = "Request body is not a JSON object"
WRONG_TYPE = "Content-Type must be application/json"


@pytest.mark.req("CX-001", "CX-002", "CX-211")
@pytest.mark.parametrize("base", ["/data-extraction/v1", "/data-extraction/V1"])
def test_both_spellings_of_the_version_mean_the_same(service: Service, base: str):
    caller = service.caller()
    created = caller.request("POST", f"{base}/jobs", json=EXAMPLE)
    job_id = wire.hold(service, created.json())
    assert (created.status_code, created.headers["location"]) == (202, f"{BASE}/jobs/{job_id}")
    assert caller.request("GET", f"{base}/jobs").json() == {"jobs": [{"id": job_id, "status": "RUNNING"}]}
    assert caller.request("GET", f"{base}/jobs/{job_id}").json()["jobStatus"]["status"] == "RUNNING"
    assert caller.request("DELETE", f"{base}/jobs/{job_id}").json()["jobStatus"]["status"] == "CANCELLED"


@pytest.mark.req("CX-003", "CX-008", "CX-906")
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/data-extraction",
        "/data-extraction/v1",
        "/data-extraction/v1/",
        "/data-extraction/v1/jobs/",
        "/data-extraction/V1/jobs/",
        "/data-extraction/v1/Jobs",
        "/data-extraction/v1/job",
        "/data-extraction/v1//jobs",
        "/data-extraction/v2/jobs",
        "/Data-Extraction/v1/jobs",
        "/data-extraction/v1/jobs/0b0c9d0e-0000-4000-8000-000000000000/",
        "/data-extraction/v1/jobs/0b0c9d0e-0000-4000-8000-000000000000/result",
        "/authentication/v1/token/access-key/",
        "/authentication/v1/token/Access-Key",
        "/authentication/v2/token/access-key",
        "/auth",
    ],
)
def test_an_unknown_path_is_404_and_never_a_redirect(service: Service, path: str):
    for method in ("GET", "POST", "DELETE", "PUT"):
        wire.check_refusal(service, send(service, method, path), "path")


@pytest.mark.req("CX-004", "CX-005")
@pytest.mark.parametrize("host", ["na1.nice-incontact.com", "api-eu1.niceincontact.com", "evil.example:81"])
def test_the_host_name_selects_nothing_and_is_never_repeated(documented: Service, host: str):
    caller = documented.caller()
    pretended = {
        "Host": host,
        "X-Forwarded-Host": host,
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/evil",
        "Forwarded": f"host={host};proto=https",
        "X-Original-URL": "/evil",
        "Referer": f"https://{host}/",
    }
    created = caller.request("POST", JOBS, json=EXAMPLE, headers=pretended)
    assert created.status_code == 202
    assert created.headers["location"] == f"{JOBS}/{created.json()}"
    caller.wait(created.json())
    shown = caller.request("GET", f"{JOBS}/{created.json()}", headers=pretended)
    assert shown.json()["jobStatus"]["result"]["url"].startswith(documented.url + "/")
    assert host not in shown.text + str(shown.headers)


@pytest.mark.req("CX-005", "CX-501")
def test_links_and_tokens_name_the_public_url(tuned: Service):
    caller = tuned.caller()
    _, url = wire.succeeded(caller)
    assert url.startswith("https://tailrace.example/")
    assert send(tuned, "GET", url).status_code == 200
    assert wire.claims(caller.token)["iss"] == "https://tailrace.example"


@pytest.mark.req("CX-006", "CX-007", "CX-009", "CX-016")
@pytest.mark.parametrize(
    "accept", [None, "", "*/*", "text/csv", "application/xml;q=1, */*;q=0", "application/json;q=0", "not a type"]
)
def test_any_accept_gets_json(service: Service, accept: str | None):
    caller = service.caller()
    headers = [] if accept is None else [("Accept", accept)]
    headers += [("Accept-Encoding", "gzip, br, deflate, identity;q=0")]
    for answer, status in (
        (send(service, "GET", JOBS, [*headers, wire.bearer(caller)]), 200),
        (send(service, "POST", JOBS, [*headers, JSON, wire.bearer(caller)], BODY), 202),
        (send(service, "GET", JOBS, headers), 401),
        (send(service, "GET", "/nowhere", headers), 404),
    ):
        assert answer.status_code == status
        wire.check_json(answer)


@pytest.mark.req("CX-010", "CX-013")
@pytest.mark.parametrize("body", [b"<no json>", b"[1]", b"x" * 70_000])
def test_get_and_delete_ignore_type_and_body(service: Service, body: bytes):
    caller = service.caller()
    job_id = wire.running(caller)
    headers = [wire.bearer(caller), ("Content-Type", "application/xml")]
    assert send(service, "GET", JOBS, headers, body).status_code == 200
    assert send(service, "GET", f"{JOBS}/{job_id}", headers, body).status_code == wire.shown(service)
    assert send(service, "DELETE", f"{JOBS}/{job_id}", headers, body).status_code == wire.shown(service)


@pytest.mark.req("CX-011")
@pytest.mark.parametrize(
    "content_type", [None, "application/json", "application/json; charset=utf-8", "Application/JSON ;charset=UTF-8"]
)
def test_post_takes_json_or_no_type(service: Service, content_type: str | None):
    caller = service.caller()
    headers = [wire.bearer(caller)] + ([("Content-Type", content_type)] if content_type else [])
    assert send(service, "POST", JOBS, headers, BODY).status_code == 202


@pytest.mark.req("CX-011", "CX-903")
@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "application/problem+json", "json", ""],
)
def test_post_refuses_any_other_type(service: Service, idle: Caller, content_type: str):
    answer = send(service, "POST", JOBS, [wire.bearer(idle), ("Content-Type", content_type)], BODY)
    wire.check_refusal(service, answer, "body", WRONG_TYPE)


@pytest.mark.req("CX-012")
def test_unknown_headers_and_query_parameters_are_ignored(service: Service):
    caller = service.caller()
    odd = "?entityName=other&startDate=x&profile=live&pageSize=1"
    headers = {"X-Tenant": "other", "Prefer": "respond-async", "X-HTTP-Method-Override": "DELETE"}
    created = caller.request("POST", JOBS + odd, json=EXAMPLE, headers=headers)
    assert created.status_code == 202
    listed = caller.request("GET", JOBS + odd, headers=headers)
    assert [job["id"] for job in listed.json()["jobs"]] == [created.json()]


@pytest.mark.req("CX-013", "CX-008")
def test_the_largest_body_and_one_byte_more(service: Service):
    caller = service.caller()
    largest = BODY + b" " * (65_536 - len(BODY))
    headers = [wire.bearer(caller), JSON]
    for body in (largest + b" ", (part for part in (largest, b" ")), b"{" * 200_000):
        wire.check_refusal(service, send(service, "POST", JOBS, headers, body), "size")
    assert send(service, "POST", JOBS, headers, largest).status_code == 202
    wire.check_refusal(service, send(service, "POST", SIGN_IN, [JSON], largest + b" "), "size")


@pytest.mark.req("CX-014", "CX-008", "CX-906")
@pytest.mark.parametrize(
    ("path", "offered"),
    [
        (JOBS, {"GET", "POST"}),
        (JOBS.replace("v1", "V1"), {"GET", "POST"}),
        (f"{JOBS}/0b0c9d0e-0000-4000-8000-000000000000", {"GET", "DELETE"}),
        (SIGN_IN, {"POST"}),
    ],
)
def test_a_method_not_offered_is_405(service: Service, path: str, offered: set[str]):
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"} - offered:
        answer = send(service, method, path)
        wire.check_refusal(service, answer, "method", texts=method != "HEAD")
        assert set(answer.headers["allow"].split(", ")) == offered


@pytest.mark.req("CX-015")
@pytest.mark.parametrize("own", ["a", "7F3C-x", "0" * 64, "20873a3f-b951-4481-b83b-f6fa1ebe0759"])
def test_a_correlation_id_comes_back(service: Service, own: str):
    for path in (JOBS, SIGN_IN, "/nowhere", "/downloads/x"):
        assert send(service, "GET", path, [("CorrelationId", own)]).headers["correlationid"] == own


@pytest.mark.req("CX-015")
@pytest.mark.parametrize("own", [None, "", "0" * 65, "a_b", "a b", "a,b", "<script>", "é"])
def test_any_other_correlation_id_is_replaced(service: Service, own: str | None):
    headers = [] if own is None else [("correlationid", own)]
    given = [send(service, "GET", JOBS, headers).headers["correlationid"] for _ in range(2)]
    assert all(re.fullmatch(wire.UUID, one) for one in given)
    assert given[0] != given[1]


@pytest.mark.req("CX-018", "CX-903")
@pytest.mark.parametrize(
    "body",
    [
        *(b"", b" ", b"{", b"null", b"true", b"1", b'"text"', b"[]", b"[{}]", b"{} {}", b"{},", b"{'a': 1}", b"a=1"),
        *(b'{"version": NaN}', b'{"version": Infinity}', b'{"a": [-Infinity]}', b'{"version": "\xff"}', b"\xff\xfe"),
        *(b"[" * 60_000, b'{"a":' * 12_000, json.dumps(EXAMPLE).encode("utf-16")),
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_body_must_be_one_json_object(service: Service, idle: Caller, body: bytes):
    answer = send(service, "POST", JOBS, [wire.bearer(idle), JSON], body)
    wire.check_refusal(service, answer, "body", NO_OBJECT)
    wire.check_refusal(service, send(service, "POST", SIGN_IN, [JSON], body), "body", NO_OBJECT)


@pytest.mark.req("CX-018")
def test_of_duplicate_keys_the_last_counts(service: Service):
    def created(body: str) -> int:
        return send(service, "POST", JOBS, [wire.bearer(service.caller()), JSON], body.encode()).status_code

    start, end = '{"version": "99", "version": 1, ', json.dumps(EXAMPLE)[1:]
    assert created(start + end) == 202
    assert created(json.dumps(EXAMPLE)[:-1] + ', "version": "99"}') == 404


@pytest.mark.req("CX-019", "CX-906")
def test_more_than_two_hundred_reads_in_ten_seconds_are_refused(service: Service):
    caller = service.caller()
    again = Caller(service, caller.tenant, caller.user, caller.key, service.sign_in(caller.key))
    paths = [JOBS, f"{JOBS}/{wire.unknown_id()}", f"{JOBS}/none", JOBS.replace("v1", "V1")] * 50
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda path: caller.request("GET", path), paths))
    assert {answer.status_code for answer in answers} == {200, 400, 404}
    refused = caller.request("GET", JOBS)
    assert time.monotonic() - began < 10, "this machine is too slow to tell"
    wire.check_refusal(service, refused, "reads")
    assert refused.headers["retry-after"] == "1"
    assert again.request("GET", JOBS).status_code == 200
    assert wire.post(caller).status_code == 202
    assert caller.request("DELETE", f"{JOBS}/{wire.unknown_id()}").status_code == 404
