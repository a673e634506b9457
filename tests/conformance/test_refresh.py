"""Section 1.3: refreshing a sign-in with its refresh token."""

import json
from typing import Any

import pytest

from conformance import wire
from conformance.wire import SIGN_IN, send
from service import JOBS, Caller, Service
from tailrace.access.keys import revoke_key

REFRESH = "/public/user/refresh"


def sign_in(caller: Caller) -> dict[str, Any]:
    key = {"accessKeyId": caller.key.access_key_id, "accessKeySecret": caller.key.access_key_secret}
    return dict(send(caller.service, "POST", SIGN_IN, (), json.dumps(key).encode()).json())


def refresh(service: Service, token: object) -> wire.httpx2.Response:
    return send(service, "POST", REFRESH, [("Content-Type", "application/json")], json.dumps({"token": token}).encode())


def refreshed(service: Service, token: str) -> dict[str, Any]:
    answer = refresh(service, token)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def works(service: Service, access_token: str) -> bool:
    answer = send(service, "GET", JOBS, [("Authorization", f"Bearer {access_token}")])
    assert answer.status_code in (200, 401), answer.text
    return answer.status_code == 200


def age_first_use(caller: Caller, seconds: float) -> None:
    caller.service.database.execute(
        "UPDATE access_tokens SET refresh_used_at = refresh_used_at - make_interval(secs => %(age)s)"
        " WHERE access_key_id = %(key)s",
        {"age": seconds, "key": caller.key.access_key_id},
    )


def leave_refresh(caller: Caller, seconds: float) -> None:
    """Let the refresh tokens of a caller live so many seconds more."""
    caller.service.database.execute(
        "UPDATE access_tokens SET refresh_until = now() + make_interval(secs => %(left)s)"
        " WHERE access_key_id = %(key)s",
        {"left": seconds, "key": caller.key.access_key_id},
    )


@pytest.mark.req("CX-121", "CX-006", "CX-007", "CX-016")
def test_a_refresh_token_is_exchanged_for_new_tokens(service: Service):
    caller = service.caller()
    first = sign_in(caller)
    answer = refresh(service, first["refresh_token"])
    assert answer.status_code == 200
    members = wire.check_json(answer)
    life = {"tokenExpirationTimeSec": 3600, "refreshTokenExpirationTimeSec": 7200, "sessionId": None}
    new = {"token": members["token"], "refreshToken": members["refreshToken"], **life}
    assert list(members.items()) == list(new.items())
    assert b'"tokenExpirationTimeSec":3600,"refreshTokenExpirationTimeSec":7200,"sessionId":null}' in answer.content
    assert works(service, members["token"])
    assert isinstance(members["refreshToken"], str)
    assert "." not in members["refreshToken"]


@pytest.mark.req("CX-121", "CX-161", "CX-162", "CX-164")
def test_a_refreshed_access_token_stands_for_the_same_user(service: Service):
    first = sign_in(service.caller())
    before, after = wire.claims(first["access_token"]), wire.claims(refreshed(service, first["refresh_token"])["token"])
    assert list(after) == list(before)
    timeless = {"iat": 0, "exp": 0, "jti": ""}
    assert after | timeless == before | timeless
    assert after["jti"] != before["jti"]
    assert after["exp"] - after["iat"] == 3600


@pytest.mark.req("CX-118", "CX-121")
def test_refreshed_tokens_live_their_full_time(service: Service):
    caller = service.caller()
    token = sign_in(caller)["refresh_token"]
    leave_refresh(caller, 100)
    [row] = service.database.execute(
        "SELECT extract(epoch FROM expires_at - issued_at) AS life, extract(epoch FROM refresh_until - issued_at)"
        " AS refresh FROM access_tokens WHERE id = %(id)s",
        {"id": wire.claims(refreshed(service, token)["token"])["jti"]},
    )
    assert (row.life, row.refresh) == (3600, 7200)


@pytest.mark.req("CX-123")
def test_every_refresh_gives_a_new_refresh_token_and_leaves_access_tokens_valid(service: Service):
    first = sign_in(service.caller())
    access, refreshing = [first["access_token"]], [first["refresh_token"]]
    for _ in range(4):
        new = refreshed(service, refreshing[-1])
        access.append(new["token"])
        refreshing.append(new["refreshToken"])
    assert len(set(refreshing)) == len(set(access)) == 5
    assert [works(service, token) for token in access] == [True] * 5


@pytest.mark.req("CX-123", "CX-122")
def test_a_used_refresh_token_is_good_for_sixty_seconds_after_its_first_use(service: Service):
    caller = service.caller()
    old = sign_in(caller)["refresh_token"]
    new = refreshed(service, old)
    age_first_use(caller, 50)
    again = refreshed(service, old)
    assert again["refreshToken"] not in (old, new["refreshToken"])
    age_first_use(caller, 10)  # the second use does not prolong it
    wire.check_refusal(service, refresh(service, old), "token")
    wire.check_refusal(service, refresh(service, old), "token")
    for later in (new, again):
        assert works(service, later["token"])
        assert works(service, refreshed(service, later["refreshToken"])["token"])


@pytest.mark.req("CX-123")
def test_a_refresh_token_that_was_not_used_does_not_wear_out(service: Service):
    caller = service.caller()
    unused, other = sign_in(caller)["refresh_token"], sign_in(caller)["refresh_token"]
    refreshed(service, other)
    age_first_use(caller, 61)
    wire.check_refusal(service, refresh(service, other), "token")
    refreshed(service, unused)


@pytest.mark.req("CX-118", "CX-122")
def test_a_refresh_token_works_until_its_time_and_no_longer(service: Service):
    caller = service.caller()
    token = sign_in(caller)["refresh_token"]
    leave_refresh(caller, 5)
    refreshed(service, token)
    leave_refresh(caller, 0)
    wire.check_refusal(service, refresh(service, token), "token")


@pytest.mark.req("CX-122", "CX-102")
@pytest.mark.parametrize("what", ["key", "user"])
def test_nothing_is_refreshed_for_a_revoked_key_or_a_locked_user(service: Service, what: str):
    caller = service.caller()
    tokens = sign_in(caller)
    if what == "key":
        revoke_key(service.database, caller.tenant, caller.key.access_key_id)
    else:
        service.database.execute("UPDATE users SET active = false WHERE id = %(id)s", {"id": caller.user.id})
    wire.check_refusal(service, refresh(service, tokens["refresh_token"]), "token")


@pytest.mark.req("CX-122", "CX-905")
def test_every_bad_refresh_token_gets_the_same_answer(service: Service):
    caller = service.caller()
    tokens = sign_in(caller)
    good = tokens["refresh_token"]
    bad = ["x", " ", f"{good} ", good[:-1], good.swapcase(), "\0", f"{good}\0", "é\ud800", "A" * 60_000]
    bad += [tokens["access_token"], tokens["id_token"]]
    answers = [refresh(service, token) for token in bad]
    for answer in answers:
        wire.check_refusal(service, answer, "token")
        assert wire.same(answer, answers[0])
    refreshed(service, good)


@pytest.mark.req("CX-122", "CX-903")
@pytest.mark.parametrize(
    ("members", "detail"),
    [
        ({}, "Missing required field: 'token'"),
        ({"refreshToken": "x", "Token": "x"}, "Missing required field: 'token'"),
        ({"token": None}, "Missing required field: 'token'"),
        ({"token": 1}, "Field 'token' must be a string"),
        ({"token": True}, "Field 'token' must be a string"),
        ({"token": ["x"]}, "Field 'token' must be a string"),
        ({"token": {}}, "Field 'token' must be a string"),
    ],
)
def test_a_refresh_without_its_token_is_400(service: Service, members: dict[str, object], detail: str):
    wire.check_refusal(service, send(service, "POST", REFRESH, (), json.dumps(members).encode()), "body", detail)


@pytest.mark.req("CX-018", "CX-013", "CX-014")
def test_odd_requests_to_refresh(service: Service):
    for body in (b"", b"[]", b'"x"', b"{", b"\xff", b'{"token": NaN}', b"[" * 60_000, b'{"token":"\x00"}'):
        fault = "Request body is not a JSON object"
        wire.check_refusal(service, send(service, "POST", REFRESH, (), body), "body", fault)
    wire.check_refusal(service, send(service, "POST", REFRESH, (), b" " * 65_537), "size")
    answer = send(service, "GET", REFRESH)
    wire.check_refusal(service, answer, "method")
    assert answer.headers["allow"] == "POST"


@pytest.mark.req("CX-102")
def test_a_refresh_token_of_another_server_is_refused(documented: Service, live: Service):
    wire.check_refusal(documented, refresh(documented, sign_in(live.caller())["refresh_token"]), "token")
