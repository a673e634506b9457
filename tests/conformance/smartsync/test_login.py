"""Section 0.2: login, and the brake on guessing."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.smartsync import wire
from conformance.smartsync.wire import JSON, LOGIN, Person, log_in, send
from conformance.wire import listening_at, same
from service import Service
from tailrace.access.users import create_user, set_active

pytestmark = pytest.mark.long

NAMES = ("customerId", "userName", "password", "locale")
MISSING = [f"Missing required parameter: '{name}'" for name in NAMES]
NOT_AN_OBJECT = "Request body is not a JSON object"


@pytest.mark.req("SS-021", "SS-022", "SS-023", "SS-024", "SS-003", "SS-008")
def test_a_login_answers_with_the_id_in_the_body_and_the_same_in_the_cookie(service: Service, idle: Person):
    answer = log_in(service, idle.credentials)
    assert answer.status_code == 200
    members = wire.check_json(answer)
    assert list(members) == ["jsessionId"]
    assert re.fullmatch(wire.ID, members["jsessionId"])
    expected = f"JSESSIONID={members['jsessionId']}; Path=/; HttpOnly; SameSite=Strict"
    assert answer.headers.get_list("set-cookie") == [expected]
    assert idle.is_signed_in(members["jsessionId"])


@pytest.mark.req("SS-023", "SS-032")
def test_behind_https_the_cookie_is_secure(start: Callable[..., Service]):
    server = start(TAILRACE_SERVER__PUBLIC_URL="https://tailrace.example")
    server.url = listening_at(server)
    person = wire.make_person(server)
    assert log_in(server, person.credentials).headers["set-cookie"].endswith("; SameSite=Strict; Secure")
    assert person.post(wire.LOGOUT).headers["set-cookie"].endswith("; Secure")


@pytest.mark.req("SS-004", "SS-021")
@pytest.mark.parametrize("content_type", [None, "application/json", "Application/JSON; charset=utf-8"])
def test_a_login_is_json_or_of_no_type(service: Service, idle: Person, content_type: str | None):
    headers = [("Content-Type", content_type)] if content_type else []
    assert send(service, "POST", LOGIN, headers, json.dumps(idle.credentials).encode()).status_code == 200


@pytest.mark.req("SS-025", "SS-021")
def test_other_members_are_ignored(service: Service, idle: Person):
    more = {"jsessionId": "x", "JSESSIONID": ["y"], "tenant": 3, "": None}
    assert log_in(service, {**more, **idle.credentials}).status_code == 200


@pytest.mark.req("SS-034")
def test_the_locale_changes_nothing(service: Service, idle: Person):
    texts = set()
    for locale in ("en_US", "fr_FR", "xx_YY"):
        session = wire.sign_in(service, {**idle.credentials, "locale": locale})
        cookie = ("Cookie", f"JSESSIONID={session}")
        texts.add(send(service, "GET", wire.ENTITIES, [cookie, ("Accept-Language", "fr")]).text)
    assert len(texts) == 1
    assert "Missing required parameter" in texts.pop()


@pytest.mark.req("SS-025", "SS-005", "SS-301")
@pytest.mark.parametrize("gone", [(*NAMES,), *[(name,) for name in NAMES], ("password", "customerId")], ids="-".join)
@pytest.mark.parametrize("how", ["absent", "null"])
def test_what_is_missing_is_named(service: Service, idle: Person, gone: tuple[str, ...], how: str):
    kept = {name: value for name, value in idle.credentials.items() if name not in gone}
    answer = log_in(service, kept | (dict.fromkeys(gone) if how == "null" else {}))
    wire.check_faults(answer, *(f"Missing required parameter: '{name}'" for name in NAMES if name in gone))


LONG = "x" * 150


@pytest.mark.req("SS-025", "SS-301")
@pytest.mark.parametrize(
    ("member", "written", "shown"),
    [
        ("customerId", '"7"', "7"),
        ("customerId", "7.0", "7.0"),
        ("customerId", "1e400", "1e400"),
        ("customerId", "true", "true"),
        ("customerId", '[7, {"a": null}, []]', '[7,{"a":null},[]]'),
        ("userName", "7", "7"),
        ("userName", "{}", "{}"),
        ("userName", f'["{LONG}"]', f'["{LONG}'[:100]),
        ("userName", "[" * 400 + "]" * 400, "[" * 100),
        ("locale", '"en"', "en"),
        ("locale", '"en_us"', "en_us"),
        ("locale", '"en_USA"', "en_USA"),
        ("locale", '"en_US\\n"', "en_US\n"),
        ("locale", '""', ""),
        ("locale", f'"{LONG}"', LONG[:100]),
        ("locale", '"\\ud800 \\u00e9 \\" \\u0000"', '\ud800 é " \0'),
        ("locale", "false", "false"),
    ],
    ids=range(17),
)
def test_a_wrong_value_is_named_as_it_was_given(service: Service, idle: Person, member: str, written: str, shown: str):
    members = {name: json.dumps(value) for name, value in idle.credentials.items()} | {member: written}
    body = "{" + ",".join(f'"{name}":{value}' for name, value in members.items()) + "}"
    answer = send(service, "POST", LOGIN, [JSON], body.encode())
    wire.check_faults(answer, f"Invalid {member} value: '{shown}'")


@pytest.mark.req("SS-025", "SS-010")
@pytest.mark.parametrize("password", [12345678, ["secret"], {"secret": "secret"}, True, 1.5], ids=range(5))
def test_a_password_is_never_repeated(service: Service, idle: Person, password: object):
    wire.check_faults(log_in(service, {**idle.credentials, "password": password}), "Invalid password value")


@pytest.mark.req("SS-025", "SS-301")
def test_all_faults_come_together_the_missing_first(service: Service):
    answer = log_in(service, {"locale": "x", "password": 1, "customerId": "1"})
    invalid = ["Invalid customerId value: '1'", "Invalid password value", "Invalid locale value: 'x'"]
    wire.check_faults(answer, "Missing required parameter: 'userName'", *invalid)
    wire.check_faults(log_in(service, {}), *MISSING)


@pytest.mark.req("SS-025", "SS-301")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"{",
        b"{}x",
        b"\xff",
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":NaN}',
        b"[" * 60_000,
        b"{'a':1}",
    ],
    ids=range(11),
)
def test_what_is_no_object_is_400(service: Service, body: bytes):
    wire.check_faults(send(service, "POST", LOGIN, [JSON], body), NOT_AN_OBJECT)


# -- who ----------------------------------------------------------------------------------------------------------


@pytest.mark.req("SS-026", "SS-033", "SS-010")
def test_every_wrong_login_gets_the_same_answer(service: Service, person: Person):
    stranger, locked = wire.make_person(service), wire.make_person(service, person.tenant)
    set_active(service.database, locked.user, active=False)
    bare = create_user(service.database, person.tenant, "without a password")
    good = person.credentials
    wrong = [
        {**good, "password": "wrong"},
        {**good, "password": ""},
        {**good, "password": person.password + " "},
        {**good, "password": person.password + "\0"},
        {**good, "password": "\ud800" * 20},
        {**good, "password": "x" * 60_000},
        {**good, "userName": "nobody"},
        {**good, "userName": ""},
        {**good, "userName": person.user.name.upper()},
        {**good, "userName": person.user.name + " "},
        {**good, "userName": "\0\ud800"},
        {**good, "userName": bare.name},
        {**good, "customerId": stranger.tenant.customer_id},
        *({**good, "customerId": number} for number in (0, -1, 2**31, 2**70, 10**3000)),
        {**stranger.credentials, "customerId": person.tenant.customer_id},
        locked.credentials,
    ]
    answers = [log_in(service, members) for members in wrong]
    for answer in answers:
        wire.check_unauthorized(answer)
        assert same(answer, answers[0])
    assert log_in(service, good).status_code == 200


@pytest.mark.req("SS-026")
def test_it_takes_as_long_whatever_is_wrong(documented: Service):
    person, locked = wire.make_person(documented), wire.make_person(documented)
    set_active(documented.database, locked.user, active=False)
    good = person.credentials
    cases = [
        {**good, "password": "wrong"},
        {**good, "userName": "nobody"},
        {**good, "customerId": 2**31 - 1},
        {**good, "customerId": 2**63},
        {**good, "userName": "\0"},
        {**good, "password": "x" * 60_000},
        locked.credentials,
    ]

    def spent() -> int:
        """Tell what the server has spent on processors, whatever else this machine does."""
        after_name = Path(f"/proc/{documented.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(after_name[11]) + int(after_name[12])

    def cost(members: object) -> int:
        before = spent()
        for _ in range(10):
            assert log_in(documented, members).status_code == 401
        documented.database.execute("DELETE FROM sign_in_failures")
        return spent() - before

    costs = list(map(cost, cases))
    assert min(costs) >= 10, "hundredths of a second for ten hashes"
    assert max(costs) < 2 * min(costs), costs


@pytest.mark.req("SS-033")
def test_the_same_name_in_two_tenants_is_two_people(service: Service):
    from tailrace.access.passwords import set_password

    one, tenant = wire.make_person(service), service.tenant()
    twin = create_user(service.database, tenant, one.user.name)
    set_password(service.database, twin, one.password)
    one.add_entity("mu:1", name="one's")
    wire.add_entity(service, tenant, "mu:1", name="the twin's")
    other = Person(service, tenant, twin, one.password, "")
    other.session = wire.sign_in(service, other.credentials)
    for person, name in ((one, "one's"), (other, "the twin's")):
        person.allow("mu:1")
        [entity] = person.get(f"{wire.ENTITIES}?entityType=mu&customerId=1").json()
        assert entity["name"] == name


# -- guessing -----------------------------------------------------------------------------------------------------


def age_failures(service: Service, seconds: int) -> None:
    service.database.execute(
        "UPDATE sign_in_failures SET failed_at = failed_at - make_interval(secs => %(age)s)", {"age": seconds}
    )


@pytest.mark.req("SS-027", "SS-006")
def test_ten_failures_brake_a_user_for_ten_minutes(service: Service, person: Person):
    colleague = wire.make_person(service, person.tenant)
    wrong = {**person.credentials, "password": "wrong"}
    assert [log_in(service, wrong).status_code for _ in range(10)] == [401] * 10
    for members in (wrong, person.credentials):
        refused = log_in(service, members)
        wire.check_refusal(refused, 429, "Too many login attempts")
        assert 590 <= int(refused.headers["retry-after"]) <= 600
    assert log_in(service, colleague.credentials).status_code == 200
    assert person.is_signed_in(), "the sessions there are go on"
    age_failures(service, 500)
    assert 90 <= int(log_in(service, person.credentials).headers["retry-after"]) <= 100
    age_failures(service, 100)
    assert log_in(service, person.credentials).status_code == 200


@pytest.mark.req("SS-027")
def test_a_hundred_failures_brake_an_address(documented: Service):
    person = wire.make_person(documented)
    wrong = {**person.credentials, "password": "wrong"}
    for number in range(100):
        assert log_in(documented, {**wrong, "userName": f"guess {number}"}).status_code == 401
    wire.check_refusal(log_in(documented, person.credentials), 429, "Too many login attempts")
    # Nothing the caller says of itself makes it another address.
    said = [("X-Forwarded-For", "198.51.100.7"), ("Forwarded", "for=198.51.100.7"), ("X-Real-IP", "198.51.100.7")]
    assert log_in(documented, person.credentials, said).status_code == 429
    age_failures(documented, 600)
    assert log_in(documented, person.credentials).status_code == 200


@pytest.mark.req("SS-027")
def test_faults_of_form_and_right_logins_do_not_count(documented: Service):
    person = wire.make_person(documented)
    for _ in range(12):
        assert log_in(documented, {**person.credentials, "locale": "x"}).status_code == 400
        assert log_in(documented, person.credentials).status_code == 200
