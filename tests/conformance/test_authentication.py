"""Sections 1.1, 1.2 and 1.6: bearer tokens, access keys, JWTs."""

import hmac
import json
import secrets
from collections.abc import Iterator
from hashlib import sha256
from uuid import UUID, uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from conformance import wire
from conformance.wire import BODY, SIGN_IN, send
from service import EXAMPLE, JOBS, Caller, Service
from tailrace.access.keys import revoke_key

ROUTES = [
    ("GET", JOBS),
    ("POST", JOBS),
    ("GET", f"{JOBS}/20873a3f-b951-4481-b83b-f6fa1ebe0759"),
    ("DELETE", f"{JOBS}/20873a3f-b951-4481-b83b-f6fa1ebe0759"),
]
ROUTES += [(method, path.replace("v1", "V1")) for method, path in ROUTES]
NO_STRINGS = [f"Field '{name}' must be a string" for name in ("accessKeyId", "accessKeySecret")]


@pytest.fixture(autouse=True)
def _forgiven(documented: Service, live: Service) -> Iterator[None]:
    """Let no failed sign-in count against other tests, which come from the same address."""
    yield
    for service in (documented, live):
        service.database.execute("DELETE FROM sign_in_failures")


def sign_in(service: Service, members: object) -> wire.httpx2.Response:
    return send(service, "POST", SIGN_IN, [("Content-Type", "application/json")], json.dumps(members).encode())


def key_of(caller: Caller) -> dict[str, str]:
    return {"accessKeyId": caller.key.access_key_id, "accessKeySecret": caller.key.access_key_secret}


def use(service: Service, token: str) -> wire.httpx2.Response:
    return send(service, "GET", JOBS, [("Authorization", f"Bearer {token}")])


def signing_key(service: Service) -> RSAKey:
    [row] = service.database.execute("SELECT key FROM signing_keys WHERE purpose = 'token'")
    return RSAKey.import_key(row.key)


def signed(service: Service, caller: Caller, **changes: object) -> str:
    """Sign the caller's own claims again, changed; what is None is left out."""
    changed = {name: value for name, value in (wire.claims(caller.token) | changes).items() if value is not None}
    return jwt.encode({"alg": "RS256", "typ": "JWT"}, changed, signing_key(service))


# -- bearer tokens ------------------------------------------------------------------------------------------------


@pytest.mark.req("CX-101", "CX-102", "CX-906")
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_needs_a_token(service: Service, method: str, path: str):
    wire.check_refusal(service, send(service, method, path), "token")


@pytest.mark.req("CX-101")
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_read_without_regard_to_case(service: Service, scheme: str):
    caller = service.caller()
    assert send(service, "GET", JOBS, [("authorization", f"{scheme} {caller.token}")]).status_code == 200


@pytest.mark.req("CX-102", "CX-104", "CX-105")
def test_no_answer_tells_what_is_wrong_with_a_token(service: Service):
    caller = service.caller()
    head, claims, signature = caller.token.split(".")
    none = wire.encode_part(b'{"alg":"none","typ":"JWT"}')
    confused = wire.encode_part(b'{"alg":"HS256","typ":"JWT"}') + "." + claims
    mac = hmac.digest(signing_key(service).as_pem(private=False), confused.encode(), "sha256")
    own = RSAKey.generate_key(2048)
    bad = [
        *("", " ", "x", "x.y.z", "a.b", "é", f"{caller.token} x", caller.token[:-1], f"{head}.{claims}."),
        *(f"{head}.{claims}.{signature[:-8]}AAAAAAAA", f"{none}.{claims}.", f"{none}.{claims}.{signature}"),
        f"{confused}.{wire.encode_part(mac)}",
        jwt.encode({"alg": "RS256"}, wire.claims(caller.token), own),
        *(signed(service, caller, jti=jti) for jti in (str(uuid4()), None, "x")),
        *(signed(service, caller, iss=iss) for iss in ("https://other.example", None)),
        *(signed(service, caller, aud=aud) for aud in ("https://other.example", "access-key", None)),
        *(sign_in(service, key_of(caller)).json()[name] for name in ("id_token", "refresh_token")),
        "A" * 20_000,
    ]
    missing = send(service, "GET", JOBS)
    for token in bad:
        answer = use(service, token)
        wire.check_refusal(service, answer, "token")
        assert wire.same(answer, missing)
    for authorization in ("", "Bearer", caller.token, f"Basic {caller.token}", f"Token {caller.token}", "Bearer,x"):
        assert wire.same(send(service, "GET", JOBS, [("Authorization", authorization)]), missing)
    assert use(service, caller.token).status_code == 200


@pytest.mark.req("CX-102")
def test_a_token_of_another_server_is_refused(documented: Service, live: Service):
    wire.check_refusal(documented, use(documented, live.caller().token), "token")
    wire.check_refusal(live, use(live, documented.caller().token), "token")


@pytest.mark.req("CX-103")
def test_a_token_is_read_from_its_header_only(service: Service):
    caller = service.caller()
    query = f"?access_token={caller.token}&token={caller.token}&Authorization=Bearer%20{caller.token}"
    cookies = ("Cookie", f"access_token={caller.token}; Authorization=Bearer {caller.token}; token={caller.token}")
    wire.check_refusal(service, send(service, "GET", JOBS + query, [cookies]), "token")
    body = json.dumps({**EXAMPLE, "access_token": caller.token}).encode()
    wire.check_refusal(service, send(service, "POST", JOBS + query, [cookies], body), "token")


@pytest.mark.req("CX-104")
def test_a_token_works_until_its_time_and_no_longer(service: Service):
    caller = service.caller()
    job_id = caller.submit()

    def left(seconds: float) -> wire.httpx2.Response:
        service.database.execute(
            "UPDATE access_tokens SET expires_at = now() + make_interval(secs => %(left)s)"
            " WHERE access_key_id = %(id)s",
            {"left": seconds, "id": caller.key.access_key_id},
        )
        return wire.show(caller, job_id)

    assert left(5).status_code == wire.shown(service)
    wire.check_refusal(service, left(0), "token")


@pytest.mark.req("CX-104", "CX-302")
def test_a_token_stands_for_one_user_of_one_tenant(service: Service):
    one, other = service.caller(), service.caller()
    job_id = wire.running(one)
    assert one.request("GET", JOBS).json() == {"jobs": [{"id": job_id, "status": "RUNNING"}]}
    assert other.request("GET", JOBS, headers={"X-Tenant-Id": str(one.tenant.id)}).json() == {"jobs": []}


@pytest.mark.req("CX-105", "CX-102")
@pytest.mark.parametrize("what", ["token", "key", "user"])
def test_what_is_revoked_is_refused_from_the_next_request_on(service: Service, what: str):
    caller = service.caller()
    assert use(service, caller.token).status_code == 200
    match what:
        case "token":
            jti = {"id": wire.claims(caller.token)["jti"]}
            service.database.execute("UPDATE access_tokens SET revoked_at = now() WHERE id = %(id)s", jti)
        case "key":
            revoke_key(service.database, caller.tenant, caller.key.access_key_id)
        case "user":
            user = {"id": caller.user.id}
            service.database.execute("UPDATE users SET active = false WHERE id = %(id)s", user)
    for method, path in ROUTES[:4]:
        wire.check_refusal(service, send(service, method, path, [wire.bearer(caller)], BODY), "token")


# -- access keys --------------------------------------------------------------------------------------------------


@pytest.mark.req("CX-111", "CX-112", "CX-006", "CX-016")
@pytest.mark.parametrize(
    "content_type", [None, "application/json", "application/json; charset=utf-8", "text/plain", "nonsense"]
)
def test_an_access_key_is_exchanged_for_tokens(service: Service, content_type: str | None):
    body = json.dumps(key_of(service.caller())).encode()
    answer = send(service, "POST", SIGN_IN, [("Content-Type", content_type)] if content_type else [], body)
    assert answer.status_code == 200
    members = wire.check_json(answer)
    assert list(members) == ["access_token", "token_type", "expires_in", "refresh_token", "id_token"]
    assert (members["token_type"], members["expires_in"]) == ("Bearer", 3600)
    assert b'"expires_in":3600,' in answer.content.replace(b" ", b"")
    assert all(isinstance(members[name], str) and members[name] for name in members if name != "expires_in")
    assert use(service, members["access_token"]).status_code == 200


@pytest.mark.req("CX-113")
def test_other_members_of_a_sign_in_are_ignored(service: Service):
    more = {"client_id": "x", "client_secret": 1, "grant_type": None, "scope": ["openid"]}
    assert sign_in(service, {**more, **key_of(service.caller())}).status_code == 200


@pytest.mark.req("CX-114", "CX-903")
@pytest.mark.parametrize(
    ("members", "details"),
    [
        ({}, ["Missing required field: 'accessKeyId'", "Missing required field: 'accessKeySecret'"]),
        ({"accessKeyId": "x"}, ["Missing required field: 'accessKeySecret'"]),
        ({"accessKeySecret": "x"}, ["Missing required field: 'accessKeyId'"]),
        ({"accessKeyId": "", "accessKeySecret": "x"}, ["Missing required field: 'accessKeyId'"]),
        ({"accessKeyId": None, "accessKeySecret": "x"}, ["Missing required field: 'accessKeyId'"]),
        ({"accessKeyId": "x", "accessKeySecret": ""}, ["Missing required field: 'accessKeySecret'"]),
        ({"accessKeyId": 1, "accessKeySecret": "x"}, ["Field 'accessKeyId' must be a string"]),
        ({"accessKeyId": ["x"], "accessKeySecret": {}}, NO_STRINGS),
        ({"accesskeyid": "x", "accessKeySecret": "x"}, ["Missing required field: 'accessKeyId'"]),
    ],
)  # fmt: skip
def test_a_sign_in_without_its_members_is_400(service: Service, members: dict[str, object], details: list[str]):
    wire.check_refusal(service, sign_in(service, members), "body", *details)


@pytest.mark.req("CX-114", "CX-102", "CX-906")
def test_every_wrong_key_gets_the_same_answer(service: Service):
    caller, revoked, locked = (service.caller() for _ in range(3))
    revoke_key(service.database, revoked.tenant, revoked.key.access_key_id)
    service.database.execute("UPDATE users SET active = false WHERE id = %(id)s", {"id": locked.user.id})
    good = key_of(caller)
    wrong = [
        {"accessKeyId": "unknown", "accessKeySecret": "x"},
        {**good, "accessKeySecret": "x"},
        {**good, "accessKeySecret": good["accessKeySecret"] + " "},
        {**good, "accessKeyId": good["accessKeyId"].lower()},
        {**good, "accessKeySecret": key_of(locked)["accessKeySecret"]},
        {**good, "accessKeySecret": "é\u0000\ud800"},
        {"accessKeyId": "\ud800" * 300, "accessKeySecret": "x" * 300},
        key_of(revoked),
        key_of(locked),
    ]
    answers = [sign_in(service, members) for members in wrong]
    for answer in answers:
        wire.check_refusal(service, answer, "token")
        assert wire.same(answer, answers[0])


@pytest.mark.req("CX-115")
@pytest.mark.parametrize("own", ["{}==", "{} with blanks, \"quotes\" & 'signs' \\ ~", "{:!<256}"])
def test_keys_are_opaque_text(service: Service, own: str):
    caller = service.caller()
    text, secret = own.format(secrets.token_hex(16)), own.format(secrets.token_hex(8))
    service.database.execute(
        "INSERT INTO access_keys (id, tenant_id, user_id, secret_sha256)"
        " VALUES (%(id)s, %(tenant)s, %(user)s, %(hash)s)",
        {"id": text, "tenant": caller.tenant.id, "user": caller.user.id, "hash": sha256(secret.encode()).digest()},
    )
    assert sign_in(service, {"accessKeyId": text, "accessKeySecret": secret}).status_code == 200


@pytest.mark.req("CX-116")
def test_successful_sign_ins_are_not_limited(service: Service):
    key = key_of(service.caller())
    assert {sign_in(service, key).status_code for _ in range(30)} == {200}


@pytest.mark.req("CX-117", "CX-906")
def test_ten_failures_of_one_key_close_it_until_their_window_has_passed(service: Service):
    caller, other = service.caller(), service.caller()
    wrong = {**key_of(caller), "accessKeySecret": "x"}
    # A failure of another key is no reason to let anybody in earlier.
    sign_in(service, {**key_of(other), "accessKeySecret": "x"})
    age_failures(service, 590)
    assert [sign_in(service, wrong).status_code for _ in range(10)] == [401] * 10
    for members in (wrong, key_of(caller)):
        refused = sign_in(service, members)
        wire.check_refusal(service, refused, "attempts")
        assert 590 <= int(refused.headers["retry-after"]) <= 600
    assert sign_in(service, key_of(other)).status_code == 200
    age_failures(service, 500)
    assert 90 <= int(sign_in(service, key_of(caller)).headers["retry-after"]) <= 100
    age_failures(service, 100)
    assert sign_in(service, key_of(caller)).status_code == 200


@pytest.mark.req("CX-117")
def test_a_hundred_failures_from_one_address_close_it(service: Service):
    key = key_of(service.caller())
    for number in range(100):
        assert sign_in(service, {"accessKeyId": f"k{number}", "accessKeySecret": "x"}).status_code == 401
    refused = sign_in(service, key)
    wire.check_refusal(service, refused, "attempts")
    assert 500 < int(refused.headers["retry-after"]) <= 600
    age_failures(service, 600)
    assert sign_in(service, key).status_code == 200


def age_failures(service: Service, seconds: int) -> None:
    service.database.execute(
        "UPDATE sign_in_failures SET failed_at = failed_at - make_interval(secs => %(age)s)", {"age": seconds}
    )


# -- tokens -------------------------------------------------------------------------------------------------------


@pytest.mark.req("CX-118", "CX-161", "CX-162", "CX-163", "CX-164")
def test_tokens_say_what_they_must(service: Service):
    caller = service.caller()
    answer = sign_in(service, key_of(caller)).json()
    access, identity = answer["access_token"], answer["id_token"]
    for token in (access, identity):
        head = json.loads(wire.decode_part(token.split(".")[0]))
        assert head == {"alg": "RS256", "typ": "JWT", "kid": head["kid"]}
        assert head["kid"] == signing_key(service).thumbprint()
        assert len(wire.decode_part(token.split(".")[2])) >= 2048 // 8
        jwt.decode(token, signing_key(service), algorithms=["RS256"])
    assert "." not in answer["refresh_token"]
    assert len(answer["refresh_token"]) >= 32
    user_id, tenant_id = str(caller.user.id), str(caller.tenant.id)
    claims = wire.claims(access)
    issued = claims["iat"]
    assert type(issued) is int
    assert str(UUID(claims["jti"])) == claims["jti"]
    common = {"iss": service.url, "sub": f"user:{user_id}", "iat": issued, "exp": issued + 3600}
    common |= {"tenantId": tenant_id, "area": "na1", "userId": user_id}
    assert claims == {**common, "aud": service.url, "jti": claims["jti"], "client_id": "access-key"}
    empty = dict.fromkeys(("given_name", "family_name", "teamId", "icAgentId", "icBUId", "icClusterId"), "")
    names = {"tenant": caller.tenant.name, "name": caller.user.name}
    assert wire.claims(identity) == {**common, "aud": "access-key", **names, **empty}
    [row] = service.database.execute(
        "SELECT extract(epoch FROM expires_at - issued_at) AS life, extract(epoch FROM refresh_until - issued_at)"
        " AS refresh, extract(epoch FROM clock_timestamp() - issued_at) AS age FROM access_tokens WHERE id = %(id)s",
        {"id": claims["jti"]},
    )
    assert (row.life, row.refresh) == (3600, 7200)
    assert 0 <= row.age < 30


@pytest.mark.req("CX-162")
def test_the_area_is_a_setting(tuned: Service):
    assert wire.claims(tuned.caller().token)["area"] == "eu1"
