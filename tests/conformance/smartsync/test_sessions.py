"""Section 0.2: the session cookie of every other request, how long it is good, and logout."""

import json

import pytest

from conformance.smartsync import wire
from conformance.smartsync.wire import ENTITIES, JSON, LOGIN, LOGOUT, Person, send
from conformance.wire import same
from service import Service
from tailrace.access.passwords import set_password
from tailrace.access.users import set_active

LIST = f"{ENTITIES}?entityType=mu"
ROUTES = [("GET", LIST), ("GET", ENTITIES), ("POST", LOGOUT)]


def ask(service: Service, *cookies: str) -> wire.httpx2.Response:
    return send(service, "GET", LIST, [("Cookie", cookie) for cookie in cookies])


@pytest.mark.req("SS-029", "SS-005", "SS-006")
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_operation_but_login_needs_a_session(service: Service, method: str, path: str):
    wire.check_unauthorized(send(service, method, path))


@pytest.mark.req("SS-029")
def test_the_cookie_is_found_among_others(service: Service, idle: Person):
    it = f"JSESSIONID={idle.session}"
    good = [
        [it],
        [f"{it};"],
        [f"a=b; {it}; c=d"],
        [f"a=b;{it};c=d"],
        [f"lang=fr;  {it}  ; jsessionid=x; XJSESSIONID=y; JSESSIONID2=z; $Path=/"],
        [f'$Version=1; JSESSIONID="{idle.session}"; $Path="/"'],
        [f"JSESSIONID = {idle.session}"],
        [f'a="x; {it}'],
        ["a=b", it],
        [f"{it}; {it}"],
        [it, it],
        [f";;=;{it};=x;é=ü"],
    ]
    for cookies in good:
        assert ask(service, *cookies).status_code == 200, cookies


@pytest.mark.req("SS-029", "SS-030", "SS-010")
def test_no_answer_tells_what_is_wrong_with_a_session(service: Service, idle: Person, documented: Service):
    session, stranger = idle.session, wire.make_person(documented).session
    missing = send(service, "GET", LIST)
    bad = [
        "",
        "JSESSIONID",
        "JSESSIONID=",
        f"JSESSIONID={session[:-1]}",
        f"JSESSIONID={session}x",
        f"JSESSIONID={session.swapcase()}",
        f"JSESSIONID={session.partition('.')[0]}",
        f"JSESSIONID={session},{session}",
        f"JSESSIONID=={session}",
        f'JSESSIONID="{session}',
        f'JSESSIONID=""{session}""',
        f"JSESSIONID='{session}'",
        f'JSESSIONID="{session[:-1]}\\{ord(session[-1]):03o}"',
        f"JSESSIONID=%{ord(session[0]):02x}{session[1:]}",
        f"jsessionid={session}",
        f"JSessionId={session}",
        f"a=b, JSESSIONID={session}",
        f"X-JSESSIONID={session}",
        "JSESSIONID=é",
        "JSESSIONID=" + "A" * 20_000,
        "JSESSIONID=" + "A" * 32 + ".node",
        "JSESSIONID=' OR '1'='1",
        "JSESSIONID=%00",
    ]
    if service is not documented:
        bad.append(f"JSESSIONID={stranger}")
    for cookie in bad:
        answer = ask(service, cookie)
        wire.check_unauthorized(answer)
        assert same(answer, missing), cookie
    assert idle.is_signed_in()


@pytest.mark.req("SS-029")
def test_two_different_cookies_of_the_name_are_nobodys(service: Service, idle: Person):
    """A page of a neighbouring host can add a cookie, but so gets nobody into its own session."""
    attacker = wire.make_person(service).session
    for one, other in ((idle.session, attacker), (attacker, idle.session), (idle.session, ""), ("x", idle.session)):
        wire.check_unauthorized(ask(service, f"JSESSIONID={one}; JSESSIONID={other}"))
        wire.check_unauthorized(ask(service, f"JSESSIONID={one}", f"JSESSIONID={other}"))


@pytest.mark.req("SS-030")
def test_a_session_is_read_from_its_cookie_only(service: Service, idle: Person):
    it = idle.session
    query = f"&JSESSIONID={it}&jsessionid={it}&jsessionId={it}"
    headers = [
        ("Authorization", f"Bearer {it}"),
        ("JSESSIONID", it),
        ("X-JSESSIONID", it),
        ("Cookie2", f"JSESSIONID={it}"),
        ("Set-Cookie", f"JSESSIONID={it}"),
    ]
    wire.check_unauthorized(send(service, "GET", LIST + query, headers))
    body = json.dumps({"JSESSIONID": it, "jsessionId": it}).encode()
    wire.check_unauthorized(send(service, "POST", f"{LOGOUT}?{query}", [*headers, JSON], body))
    wire.check_refusal(send(service, "GET", f"{ENTITIES};jsessionid={it}?entityType=mu"), 404, "Not Found")
    assert idle.is_signed_in()


@pytest.mark.req("SS-030")
def test_bearer_tokens_and_sessions_do_not_stand_in_for_each_other(service: Service, idle: Person):
    caller = service.caller(idle.tenant)
    for header in (("Authorization", f"Bearer {caller.token}"), ("Cookie", f"JSESSIONID={caller.token}")):
        wire.check_unauthorized(send(service, "GET", LIST, [header]))
    other_api = "/data-extraction/v1/jobs"
    for header in (idle.cookie, ("Authorization", f"Bearer {idle.session}")):
        assert send(service, "GET", other_api, [header]).status_code == 401
    # Beside a session a token changes nothing, whoever's it is.
    assert idle.send("GET", LIST, headers=[("Authorization", f"Bearer {caller.token}")]).status_code == 200


@pytest.mark.req("SS-028", "SS-022")
def test_a_login_never_takes_over_an_id_that_was_there(service: Service, person: Person):
    attacker = wire.make_person(service)
    planted = f"JSESSIONID={attacker.session}"
    answer = wire.log_in(service, {**person.credentials, "jsessionId": attacker.session}, [("Cookie", planted)])
    made = answer.json()["jsessionId"]
    assert made not in (attacker.session, person.session)
    assert made[:32] != attacker.session[:32]
    person.add_entity("mu:1")
    person.allow("mu:1")
    assert len(ask(service, f"JSESSIONID={made}").json()) == 1
    assert ask(service, planted).json() == []


@pytest.mark.req("SS-028")
def test_twenty_sessions_live_beside_each_other(service: Service, person: Person):
    others = [wire.sign_in(service, person.credentials) for _ in range(19)]
    assert all(map(person.is_signed_in, [person.session, *others]))
    newest = wire.sign_in(service, person.credentials)
    assert not person.is_signed_in()
    assert all(map(person.is_signed_in, [*others, newest]))


# -- how long -----------------------------------------------------------------------------------------------------


def age(person: Person, column: str, seconds: int) -> None:
    person.service.database.execute(
        f"UPDATE sessions SET {column} = now() - make_interval(secs => %(age)s) WHERE user_id = %(user)s",
        {"age": seconds, "user": person.user.id},
    )


@pytest.mark.req("SS-031")
@pytest.mark.parametrize(("column", "life"), [("last_used_at", 1800), ("created_at", 43200)], ids=["idle", "whole"])
def test_a_session_ends_by_the_clock(service: Service, person: Person, column: str, life: int):
    age(person, column, life - 10)
    assert person.is_signed_in()
    age(person, column, life)
    for method, path in ROUTES:
        wire.check_unauthorized(person.send(method, path))


@pytest.mark.req("SS-031")
def test_every_request_prolongs_it_also_a_refused_one(service: Service, person: Person):
    age(person, "last_used_at", 1700)
    assert person.get(ENTITIES).status_code == 400
    age_row = service.database.execute(
        "SELECT extract(epoch FROM now() - last_used_at) AS age FROM sessions WHERE user_id = %(id)s",
        {"id": person.user.id},
    )
    assert age_row[0].age < 60


@pytest.mark.req("SS-031")
def test_how_long_is_a_setting(start):
    server = start(TAILRACE_SMARTSYNC__SESSION_IDLE_S="60", TAILRACE_SMARTSYNC__SESSION_MAX_S="600")
    person = wire.make_person(server)
    for column, life in (("last_used_at", 60), ("created_at", 600)):
        person.session = wire.sign_in(server, person.credentials)
        age(person, column, life - 5)
        assert person.is_signed_in()
        age(person, column, life)
        assert not person.is_signed_in()


@pytest.mark.req("SS-031")
@pytest.mark.parametrize("what", ["locked", "password"])
def test_a_lock_or_a_new_password_ends_all_sessions_at_once(service: Service, person: Person, what: str):
    colleague = wire.make_person(service, person.tenant)
    sessions = [person.session, wire.sign_in(service, person.credentials)]
    if what == "locked":
        set_active(service.database, person.user, active=False)
    else:
        set_password(service.database, person.user, "quite another one")
    assert not any(map(person.is_signed_in, sessions))
    assert colleague.is_signed_in()
    wire.check_unauthorized(wire.log_in(service, person.credentials))
    set_active(service.database, person.user, active=True)
    assert not any(map(person.is_signed_in, sessions))


# -- logout -------------------------------------------------------------------------------------------------------


@pytest.mark.req("SS-032", "SS-031", "SS-008")
@pytest.mark.parametrize("body", [None, b"", b"{}", b"anything"])
def test_logout_ends_this_session_and_clears_the_cookie(service: Service, person: Person, body: bytes | None):
    other = wire.sign_in(service, person.credentials)
    answer = person.send("POST", LOGOUT, body, [JSON])
    assert (answer.status_code, answer.content) == (204, b"")
    wire.check_envelope(answer)
    assert "content-type" not in answer.headers
    cleared = "JSESSIONID=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict"
    assert answer.headers.get_list("set-cookie") == [cleared]
    assert not person.is_signed_in()
    assert person.is_signed_in(other)
    for method, path in ROUTES:
        wire.check_unauthorized(person.send(method, path))


@pytest.mark.req("SS-032")
@pytest.mark.parametrize("cookie", [[], [("Cookie", "JSESSIONID=" + "A" * 32 + ".node")]], ids=["none", "unknown"])
def test_logout_without_a_live_session_is_401(service: Service, cookie: list[tuple[str, str]]):
    wire.check_unauthorized(send(service, "POST", LOGOUT, cookie))


@pytest.mark.req("SS-021")
def test_login_needs_no_session_and_minds_no_dead_one(service: Service, idle: Person):
    body = json.dumps(idle.credentials).encode()
    for cookie in ("JSESSIONID=x", "JSESSIONID=" + "A" * 32 + ".node", f"JSESSIONID={idle.session}"):
        assert send(service, "POST", LOGIN, [JSON, ("Cookie", cookie)], body).status_code == 200
