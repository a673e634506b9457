"""Section 1.4: the OAuth 2.0 token endpoint, ending a sign-in, and what is not offered."""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, quote_plus, urlencode
from uuid import uuid4

import pytest

from conformance import wire
from conformance.wire import SIGN_IN, send
from service import JOBS, Caller, Service
from tailrace.access.clients import NewClient, create_client, revoke_client
from tailrace.access.keys import revoke_key

TOKEN, END, AUTHORIZE, REFRESH = "/auth/token", "/auth/endsession", "/auth/authorize", "/public/user/refresh"
FORM = ("Content-Type", "application/x-www-form-urlencoded")
Form = Mapping[str, str] | Sequence[tuple[str, str]] | bytes

# CX-140: status, code and text.
INVALID_REQUEST = (400, "invalid_request", "The request is not valid")
INVALID_CLIENT = (401, "invalid_client", "The client is not valid")
WRONG_KEY = (400, "invalid_grant", "The access key is not valid")
WRONG_REFRESH = (400, "invalid_grant", "The refresh token is not valid")
UNSUPPORTED = (400, "unsupported_grant_type", "The grant type is not supported")
TOO_MANY = (429, "too_many_attempts", "Too many failed attempts. Wait and try again")


@pytest.fixture(autouse=True)
def _forgiven(documented: Service, live: Service) -> Iterator[None]:
    """Let no failed sign-in count against other tests, which come from the same address."""
    yield
    for service in (documented, live):
        service.database.execute("DELETE FROM sign_in_failures")


def ask(service: Service, form: Form, *headers: tuple[str, str]) -> wire.httpx2.Response:
    body = form if isinstance(form, bytes) else urlencode(form).encode()
    return send(service, "POST", TOKEN, [FORM, *headers], body)


def new_client(service: Service, name: str = "program-{}") -> NewClient:
    return create_client(service.database, name.format(uuid4().hex))


def basic(client_id: str, secret: str) -> tuple[str, str]:
    return "Authorization", f"Basic {b64encode(f'{client_id}:{secret}'.encode()).decode()}"


def password(caller: Caller, client: NewClient | None = None) -> dict[str, str]:
    form = {"username": caller.key.access_key_id, "password": caller.key.access_key_secret}
    credential = {"client_id": client.client_id, "client_secret": client.client_secret} if client else {}
    return {"grant_type": "password", **form, **credential}


def refreshing(client_id: str, token: str) -> dict[str, str]:
    return {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": token}


def check_tokens(service: Service, answer: wire.httpx2.Response) -> dict[str, Any]:
    """CX-112, CX-141; gives the members."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["pragma"] == "no-cache"
    members: dict[str, Any] = wire.check_json(answer)
    assert list(members) == ["access_token", "token_type", "expires_in", "refresh_token", "id_token"]
    assert (members["token_type"], members["expires_in"]) == ("Bearer", 3600)
    assert b'"token_type":"Bearer","expires_in":3600,' in answer.content
    assert works(service, members["access_token"])
    return members


def check_refused(service: Service, answer: wire.httpx2.Response, case: tuple[int, str, str]) -> None:
    """CX-137 to CX-141: status, headers and the whole body, in order."""
    status, code, text = case
    expected = {"message": text, "error": code, "errorDescription": text, "error_description": text}
    if wire.is_live(service):
        expected = {"message": text}
        if code == "invalid_grant":
            status, expected = 401, {"message": "Unauthorized"}
    assert answer.status_code == status, answer.text
    assert list(wire.check_json(answer).items()) == list(expected.items())
    assert answer.headers["pragma"] == "no-cache"
    challenge = 'Basic realm="tailrace"' if code == "invalid_client" else None
    assert answer.headers.get("www-authenticate") == challenge
    assert ("retry-after" in answer.headers) == (case == TOO_MANY)


def works(service: Service, access_token: str) -> bool:
    answer = send(service, "GET", JOBS, [("Authorization", f"Bearer {access_token}")])
    assert answer.status_code in (200, 401), answer.text
    return answer.status_code == 200


def sign_in(caller: Caller) -> dict[str, Any]:
    key = {"accessKeyId": caller.key.access_key_id, "accessKeySecret": caller.key.access_key_secret}
    return dict(send(caller.service, "POST", SIGN_IN, (), json.dumps(key).encode()).json())


def age(caller: Caller, seconds: float) -> None:
    """Let first uses of refresh tokens and failed sign-ins have happened so much earlier."""
    caller.service.database.execute(
        "UPDATE access_tokens SET refresh_used_at = refresh_used_at - make_interval(secs => %(age)s)"
        " WHERE access_key_id = %(key)s",
        {"age": seconds, "key": caller.key.access_key_id},
    )
    caller.service.database.execute(
        "UPDATE sign_in_failures SET failed_at = failed_at - make_interval(secs => %(age)s)", {"age": seconds}
    )


# -- the password grant -------------------------------------------------------------------------------------------


@pytest.mark.req("CX-131", "CX-132", "CX-112", "CX-135", "CX-141", "CX-006", "CX-016")
@pytest.mark.parametrize("way", ["form", "basic", "both"])
def test_an_access_key_is_exchanged_for_tokens(service: Service, way: str):
    caller, client = service.caller(), new_client(service)
    header = [] if way == "form" else [basic(client.client_id, client.client_secret)]
    members = check_tokens(service, ask(service, password(caller, None if way == "basic" else client), *header))
    claims, identity = wire.claims(members["access_token"]), wire.claims(members["id_token"])
    assert (claims["client_id"], claims["aud"]) == (client.client_id, service.url)
    assert (identity["aud"], identity["name"], identity["tenant"]) == (
        *(client.client_id, caller.user.name, caller.tenant.name),
    )
    for one in (claims, identity):
        assert (one["userId"], one["tenantId"]) == (str(caller.user.id), str(caller.tenant.id))


@pytest.mark.req("CX-162", "CX-163", "CX-164", "CX-161")
def test_tokens_of_a_client_have_the_claims_in_order(service: Service):
    caller, client = service.caller(), new_client(service)
    members = ask(service, password(caller, client)).json()
    access, identity = wire.claims(members["access_token"]), wire.claims(members["id_token"])
    names = ["iss", "sub", "aud", "iat", "exp", "jti", "tenantId", "area", "userId", "client_id"]
    assert list(access) == names
    empty = ["given_name", "family_name", "teamId", "icAgentId", "icBUId", "icClusterId"]
    names = ["iss", "sub", "aud", "iat", "exp", "tenantId", "tenant", "area", "userId", "name", *empty]
    assert sorted(identity) == sorted(names)
    assert [identity[name] for name in empty] == [""] * len(empty)
    for claims in (access, identity):
        assert claims["sub"][5:] == claims["userId"] == str(caller.user.id)
        assert [type(claims[name]) for name in ("iat", "exp")] == [int, int]
        assert claims["exp"] - claims["iat"] == 3600


@pytest.mark.req("CX-131", "CX-012")
@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded; charset=UTF-8",
        "application/x-www-form-urlencoded;charset=utf-8",
        "Application/X-WWW-Form-URLEncoded",
    ],
)
def test_the_form_may_be_named_with_parameters_and_in_any_case(service: Service, content_type: str):
    form = {**password(service.caller(), new_client(service)), "scope": "openid", "other": "x"}
    answer = send(service, "POST", TOKEN, [("Content-Type", content_type)], urlencode(form).encode())
    check_tokens(service, answer)


@pytest.mark.req("CX-131", "CX-140")
@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded2",
        "",
        "x",
    ],
)
def test_any_other_content_type_is_refused(service: Service, content_type: str):
    form = password(service.caller(), new_client(service))
    for body in (urlencode(form).encode(), json.dumps(form).encode()):
        answer = send(service, "POST", TOKEN, [("Content-Type", content_type)], body)
        check_refused(service, answer, INVALID_REQUEST)
    check_refused(service, send(service, "POST", TOKEN, (), urlencode(form).encode()), INVALID_REQUEST)


@pytest.mark.req("CX-135", "CX-136")
@pytest.mark.parametrize("name", ["{}@example.org", "a b {}", "{} 100% + more & co=@é", "{}%40x", "{}+x"])
@pytest.mark.parametrize("encode", [str, quote_plus, lambda text: quote(text, safe="")], ids=["raw", "plus", "percent"])
def test_client_ids_may_hold_anything_raw_or_encoded(documented: Service, name: str, encode: Any):
    caller, client = documented.caller(), new_client(documented, name)
    credential = basic(encode(client.client_id), encode(client.client_secret))
    members = check_tokens(documented, ask(documented, password(caller), credential))
    assert wire.claims(members["access_token"])["client_id"] == client.client_id
    # The form says it once more, and says the same.
    check_tokens(documented, ask(documented, password(caller, client), credential))
    # A refresh finds the client in the header as well (CX-133, CX-136).
    again = {"grant_type": "refresh_token", "refresh_token": members["refresh_token"]}
    check_tokens(documented, ask(documented, again, credential))


@pytest.mark.req("CX-135")
def test_the_scheme_is_read_without_regard_to_case(service: Service):
    caller, client = service.caller(), new_client(service)
    name, text = basic(client.client_id, client.client_secret)
    for scheme in ("basic", "BASIC", "bAsIc"):
        check_tokens(service, ask(service, password(caller), (name, text.replace("Basic", scheme))))


@pytest.mark.req("CX-137", "CX-139", "CX-140", "CX-141")
def test_a_client_that_cannot_prove_itself_is_refused(service: Service):
    caller, client, other, revoked = service.caller(), *(new_client(service) for _ in range(3))
    revoke_client(service.database, revoked.client_id)
    pairs = [
        *(("unknown", "x"), ("", ""), ("", client.client_secret), (client.client_id, "")),
        *((client.client_id, "x"), (client.client_id, other.client_secret), (client.client_id.upper(), "x")),
        *((f"{client.client_id} ", client.client_secret), (client.client_id, f"{client.client_secret}\0")),
        *(("\0", "x"), (f"{client.client_id}\0", client.client_secret), ("é" * 5000, "é" * 5000)),
        (revoked.client_id, revoked.client_secret),
    ]
    for client_id, secret in pairs:
        form = {**password(caller), "client_id": client_id, "client_secret": secret}
        check_refused(service, ask(service, form), INVALID_CLIENT)
        check_refused(service, ask(service, password(caller), basic(client_id, secret)), INVALID_CLIENT)
        check_refused(service, ask(service, form, basic(client_id, secret)), INVALID_CLIENT)
    check_refused(service, ask(service, password(caller)), INVALID_CLIENT)
    check_refused(service, ask(service, {**password(caller), "client_id": client.client_id}), INVALID_CLIENT)
    check_refused(service, ask(service, password(caller), ("Authorization", f"Bearer {caller.token}")), INVALID_CLIENT)


@pytest.mark.req("CX-137")
@pytest.mark.parametrize("text", ["", " ", "!", "é", "A", "=", "AA==", "gICA", "OjoA", "x" * 20_000])
def test_an_unreadable_basic_header_is_no_credential(service: Service, text: str):
    answer = ask(service, password(service.caller()), ("Authorization", f"Basic {text}"))
    check_refused(service, answer, INVALID_CLIENT)


@pytest.mark.req("CX-137")
def test_both_ways_at_once_must_say_the_same(service: Service):
    caller, one, other = service.caller(), new_client(service), new_client(service)
    header = basic(one.client_id, one.client_secret)
    check_refused(service, ask(service, password(caller, other), header), INVALID_REQUEST)
    for change in ({"client_id": other.client_id}, {"client_secret": other.client_secret}, {"client_secret": "x"}):
        check_refused(service, ask(service, {**password(caller, one), **change}, header), INVALID_REQUEST)
    wrong = basic(one.client_id, "x")
    check_refused(service, ask(service, password(caller, one), wrong), INVALID_REQUEST)
    check_tokens(service, ask(service, password(caller, one), header))


@pytest.mark.req("CX-138", "CX-139", "CX-140", "CX-906")
def test_every_wrong_access_key_gets_the_same_answer(service: Service):
    client = new_client(service)
    caller, revoked, locked = (service.caller() for _ in range(3))
    revoke_key(service.database, revoked.tenant, revoked.key.access_key_id)
    service.database.execute("UPDATE users SET active = false WHERE id = %(id)s", {"id": locked.user.id})
    good = password(caller, client)
    wrong = [
        *({**good, "username": "unknown"}, {**good, "password": "x"}, {**good, "password": "é\0"}),
        *({**good, "username": f"{good['username']}\0"}, {**good, "username": "\0"}),
        *({**good, "password": f"{good['password']} "}, {**good, "username": "A" * 30_000}),
        *(password(revoked, client), password(locked, client)),
    ]
    answers = [ask(service, form) for form in wrong]
    for answer in answers:
        check_refused(service, answer, WRONG_KEY)
        assert wire.same(answer, answers[0])
    check_tokens(service, ask(service, good))


@pytest.mark.req("CX-138", "CX-139", "CX-141")
def test_the_answers_to_a_wrong_key_byte_for_byte(documented: Service, live: Service):
    bodies = []
    for service in (documented, live):
        form = {**password(service.caller(), new_client(service)), "password": "x"}
        answer = ask(service, form)
        bodies.append((answer.status_code, answer.headers.get("www-authenticate"), answer.content))
    text = b"The access key is not valid"
    full = b'{"message":"%s","error":"invalid_grant","errorDescription":"%s","error_description":"%s"}'
    assert bodies == [(400, None, full % (text, text, text)), (401, None, b'{"message":"Unauthorized"}')]


@pytest.mark.req("CX-116")
def test_successful_requests_are_not_limited(service: Service):
    form = password(service.caller(), new_client(service))
    assert {ask(service, form).status_code for _ in range(30)} == {200}


@pytest.mark.req("CX-117", "CX-139", "CX-141", "CX-906")
def test_ten_failures_of_one_key_close_it_here_and_for_access_keys(service: Service):
    caller, other, client = service.caller(), service.caller(), new_client(service)
    wrong = {**password(caller, client), "password": "x"}
    for _ in range(10):
        check_refused(service, ask(service, wrong), WRONG_KEY)
    for form in (wrong, password(caller, client)):
        refused = ask(service, form)
        check_refused(service, refused, TOO_MANY)
        assert 590 <= int(refused.headers["retry-after"]) <= 600
    key = {"accessKeyId": caller.key.access_key_id, "accessKeySecret": caller.key.access_key_secret}
    wire.check_refusal(service, send(service, "POST", SIGN_IN, (), json.dumps(key).encode()), "attempts")
    check_tokens(service, ask(service, password(other, client)))
    age(caller, 600)
    check_tokens(service, ask(service, password(caller, client)))


@pytest.mark.req("CX-117")
def test_failures_with_an_access_key_count_here_too(service: Service):
    caller = service.caller()
    key = {"accessKeyId": caller.key.access_key_id, "accessKeySecret": "x"}
    for _ in range(10):
        assert send(service, "POST", SIGN_IN, (), json.dumps(key).encode()).status_code == 401
    check_refused(service, ask(service, password(caller, new_client(service))), TOO_MANY)


@pytest.mark.req("CX-117")
def test_a_hundred_failures_from_one_address_close_it(documented: Service):
    caller, client = documented.caller(), new_client(documented)
    for number in range(100):
        form = {**password(caller, client), "username": f"k{number}"}
        assert ask(documented, form).json()["error"] == "invalid_grant"
    check_refused(documented, ask(documented, password(caller, client)), TOO_MANY)


# -- other grants -------------------------------------------------------------------------------------------------


@pytest.mark.req("CX-134", "CX-139", "CX-140", "CX-141")
@pytest.mark.parametrize(
    "grant",
    [
        *("authorization_code", "client_credentials", "implicit", "Password", "password ", "\0", "é"),
        *("urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        *("impersonation", "x" * 10_000),
    ],
)
def test_every_other_grant_type_is_refused(service: Service, grant: str):
    form = {**password(service.caller(), new_client(service)), "grant_type": grant}
    check_refused(service, ask(service, form), UNSUPPORTED)
    check_refused(service, ask(service, {"grant_type": grant}), UNSUPPORTED)


@pytest.mark.req("CX-131", "CX-139", "CX-140")
@pytest.mark.parametrize(
    "body", [b"", b"x", b"grant_type", b"grant_type=", b"&&&", b"grant%20type=password", b"\xff=1", b"%ff=password"]
)
def test_a_request_without_a_grant_type_is_not_valid(service: Service, body: bytes):
    check_refused(service, ask(service, body), INVALID_REQUEST)


@pytest.mark.req("CX-131", "CX-905", "CX-013")
def test_hostile_forms_are_never_a_fault_of_the_server(service: Service):
    caller, client = service.caller(), new_client(service)
    good = urlencode(password(caller, client)).encode()
    hostile = [
        *(b"\x00", good + b"&\x00=\x00", good + b"&password=%00", b"grant_type=password&username=%00&password=%00"),
        *(good + b"&password=%ED%A0%80", good + b"&client_id=%ED%A0%80", good + b"&username=%ff%fe"),
        *(good + b"&username=\xed\xa0\x80", good + b"&x=\xc3\xa9", good + b"&%=%&%zz=%zz", good + b"&a=b=c;d=e"),
        *(good + b"&" + good, good + b"&grant_type=refresh_token", b"&".join([b"a=1"] * 5_000)),
        *(good + b"&password=" + b"A" * 60_000, good + b"&client_id=" + b"A" * 60_000),
        *(b"grant_type=" + b"A" * 60_000, b"=" * 60_000, b"[" * 60_000, b"%" * 60_000),
        *(b"grant_type=refresh_token", b"grant_type=refresh_token&client_id=%00&refresh_token=%00"),
        b"grant_type=refresh_token&refresh_token=%00&client_id=" + client.client_id.encode(),
        b"grant_type=refresh_token&refresh_token=" + b"A" * 60_000 + b"&client_id=" + client.client_id.encode(),
    ]
    for body in hostile:
        answer = ask(service, body)
        assert answer.status_code in (200, 400, 401), (body[:100], answer.text)
        wire.check_json(answer)
        assert answer.headers["pragma"] == "no-cache"
    wire.check_refusal(service, ask(service, good + b"&x=" + b"A" * 65_536), "size")


@pytest.mark.req("CX-014")
def test_only_post_gets_tokens(service: Service):
    query = urlencode(password(service.caller(), new_client(service)))
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        answer = send(service, method, f"{TOKEN}?{query}")
        wire.check_refusal(service, answer, "method")
        assert answer.headers["allow"] == "POST"
    check_refused(service, send(service, "POST", f"{TOKEN}?{query}", [FORM], b""), INVALID_REQUEST)


# -- the refresh grant --------------------------------------------------------------------------------------------


@pytest.mark.req("CX-133", "CX-112", "CX-123", "CX-141")
def test_a_client_refreshes_the_tokens_it_got(service: Service):
    client = new_client(service)
    access, tokens = [], [ask(service, password(service.caller(), client)).json()["refresh_token"]]
    for scope in (None, "openid", "everything é"):
        form = refreshing(client.client_id, tokens[-1]) | ({"scope": scope} if scope else {})
        members = check_tokens(service, ask(service, form))
        access.append(members["access_token"])
        tokens.append(members["refresh_token"])
        assert wire.claims(members["access_token"])["client_id"] == client.client_id
        assert wire.claims(members["id_token"])["aud"] == client.client_id
    assert len(set(tokens)) == len(tokens)
    assert all(works(service, token) for token in access)


@pytest.mark.req("CX-133", "CX-123", "CX-138")
def test_a_used_refresh_token_is_good_for_sixty_seconds(service: Service):
    caller, client = service.caller(), new_client(service)
    old = ask(service, password(caller, client)).json()["refresh_token"]
    new = check_tokens(service, ask(service, refreshing(client.client_id, old)))["refresh_token"]
    age(caller, 50)
    check_tokens(service, ask(service, refreshing(client.client_id, old)))
    age(caller, 10)
    check_refused(service, ask(service, refreshing(client.client_id, old)), WRONG_REFRESH)
    check_tokens(service, ask(service, refreshing(client.client_id, new)))


@pytest.mark.req("CX-133", "CX-138")
def test_a_refresh_token_belongs_to_the_client_it_was_issued_to(service: Service):
    caller, client, other = service.caller(), new_client(service), new_client(service)
    token = ask(service, password(caller, client)).json()["refresh_token"]
    check_refused(service, ask(service, refreshing(other.client_id, token)), WRONG_REFRESH)
    header = basic(other.client_id, other.client_secret)
    form = {"grant_type": "refresh_token", "refresh_token": token}
    check_refused(service, ask(service, form, header), WRONG_REFRESH)
    # The other client's attempt has not used it.
    [row] = service.database.execute(
        "SELECT count(refresh_used_at) AS used FROM access_tokens WHERE client_id = %(id)s", {"id": client.client_id}
    )
    assert row.used == 0
    check_tokens(service, ask(service, refreshing(client.client_id, token)))


@pytest.mark.req("CX-133")
def test_a_token_of_an_access_key_sign_in_may_be_refreshed_by_any_client(service: Service):
    caller = service.caller()
    token = sign_in(caller)["refresh_token"]
    for client in (new_client(service), new_client(service)):
        members = check_tokens(service, ask(service, refreshing(client.client_id, token)))
        assert wire.claims(members["access_token"])["userId"] == str(caller.user.id)
    check_refused(service, ask(service, refreshing("unknown", token)), INVALID_CLIENT)


@pytest.mark.req("CX-137", "CX-133")
def test_a_refresh_needs_a_known_client(service: Service):
    caller, client = service.caller(), new_client(service)
    token = ask(service, password(caller, client)).json()["refresh_token"]
    for client_id in ("", "unknown", "access-key", "\0", f"{client.client_id}\0", client.client_id.upper()):
        check_refused(service, ask(service, refreshing(client_id, token)), INVALID_CLIENT)
    check_refused(service, ask(service, {"grant_type": "refresh_token", "refresh_token": token}), INVALID_CLIENT)
    revoke_client(service.database, client.client_id)
    check_refused(service, ask(service, refreshing(client.client_id, token)), INVALID_CLIENT)


@pytest.mark.req("CX-138", "CX-140")
def test_a_bad_refresh_token_is_refused(service: Service):
    caller, client = service.caller(), new_client(service)
    tokens = ask(service, password(caller, client)).json()
    bad = ["", "x", "\0", tokens["access_token"], tokens["id_token"], tokens["refresh_token"] + " ", "é"]
    for token in bad:
        check_refused(service, ask(service, refreshing(client.client_id, token)), WRONG_REFRESH)
    form = {"grant_type": "refresh_token", "client_id": client.client_id}
    check_refused(service, ask(service, form), WRONG_REFRESH)
    service.database.execute(
        "UPDATE access_tokens SET refresh_until = now() WHERE client_id = %(id)s", {"id": client.client_id}
    )
    form = refreshing(client.client_id, tokens["refresh_token"])
    check_refused(service, ask(service, form), WRONG_REFRESH)


@pytest.mark.req("CX-138", "CX-105")
def test_nothing_is_refreshed_for_a_revoked_key(service: Service):
    caller, client = service.caller(), new_client(service)
    tokens = ask(service, password(caller, client)).json()
    revoke_key(service.database, caller.tenant, caller.key.access_key_id)
    form = refreshing(client.client_id, tokens["refresh_token"])
    check_refused(service, ask(service, form), WRONG_REFRESH)
    assert not works(service, tokens["access_token"])


# -- ending a sign-in ---------------------------------------------------------------------------------------------


@pytest.mark.req("CX-142", "CX-122", "CX-138")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_ending_a_sign_in(service: Service, method: str):
    caller, client = service.caller(), new_client(service)
    first = ask(service, password(caller, client)).json()
    second = ask(service, refreshing(client.client_id, first["refresh_token"])).json()
    other = ask(service, password(caller, client)).json()
    answer = send(service, method, END, [("Authorization", f"Bearer {first['access_token']}")])
    assert (answer.status_code, answer.content) == (204, b"")
    wire.check_envelope(answer)
    for token in (first["refresh_token"], second["refresh_token"]):
        check_refused(service, ask(service, refreshing(client.client_id, token)), WRONG_REFRESH)
        again = send(service, "POST", REFRESH, (), json.dumps({"token": token}).encode())
        wire.check_refusal(service, again, "token")
    usable = [works(service, tokens["access_token"]) for tokens in (first, second, other)]
    assert usable == [False, True, True]
    check_tokens(service, ask(service, refreshing(client.client_id, other["refresh_token"])))
    again = send(service, method, END, [("Authorization", f"Bearer {first['access_token']}")])
    wire.check_refusal(service, again, "token")


@pytest.mark.req("CX-142", "CX-102")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_ending_a_sign_in_needs_its_token(service: Service, method: str):
    client = new_client(service)
    for headers in ([], [("Authorization", "Bearer x")], [basic(client.client_id, client.client_secret)]):
        wire.check_refusal(service, send(service, method, END, headers), "token")
    tokens = sign_in(service.caller())
    for name in ("refresh_token", "id_token"):
        header = ("Authorization", f"Bearer {tokens[name]}")
        wire.check_refusal(service, send(service, method, END, [header]), "token")
    assert works(service, tokens["access_token"])


# -- what is not offered ------------------------------------------------------------------------------------------


@pytest.mark.req("CX-143", "CX-139")
def test_there_is_no_browser_sign_in(service: Service):
    query = "?response_type=code&client_id=x&redirect_uri=https%3A%2F%2Fexample.org&state=%00"
    text = "The response type is not supported"
    for method, target in (("GET", AUTHORIZE), ("GET", AUTHORIZE + query), ("POST", AUTHORIZE)):
        answer = send(service, method, target, [FORM], b"response_type=token" if method == "POST" else None)
        check_refused(service, answer, (400, "unsupported_response_type", text))
        assert "location" not in answer.headers


@pytest.mark.req("CX-143", "CX-003")
@pytest.mark.parametrize(
    "path",
    [
        *("/oauth/token", "/token", "/auth/token/", "/Auth/Token", "/auth", "/auth/revoke", "/auth/introspect"),
        *("/InContactAuthorizationServer/Token", "/authentication/v1/token", "/public/authentication/v1/login"),
        "/public/user/login",
    ],
)
def test_no_other_token_path_exists(service: Service, path: str):
    wire.check_refusal(service, send(service, "POST", path, [FORM], b"grant_type=password"), "path")
