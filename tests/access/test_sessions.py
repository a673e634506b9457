"""Sessions: known by a secret of which a hash is kept, ended by time, lock, password and number; and the brake."""

import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tailrace.access import sessions
from tailrace.access.keys import authenticate, create_key
from tailrace.access.passwords import set_password
from tailrace.access.sessions import Lives, end_session, find_session, sign_in
from tailrace.access.tenants import create_tenant
from tailrace.access.users import create_user, set_active
from tailrace.database.pool import Database
from tailrace.errors import AlreadyExists, NotAuthenticated, TooManyAttempts

PASSWORD = "correct horse"
HERE = "192.0.2.1"
LIVES = Lives(1800, 43200)


@pytest.fixture
def user(database, user):
    set_password(database, user, PASSWORD)
    return user


def log_in(database, tenant, user, password=PASSWORD, address=HERE):
    return sign_in(database, tenant.customer_id, user.name, password, address, LIVES)


def fail(database, customer_id, name, password="wrong", address=HERE):
    with pytest.raises(NotAuthenticated) as caught:
        sign_in(database, customer_id, name, password, address, LIVES)
    return caught.value.message, caught.value.details


def is_live(database, session_id):
    try:
        return bool(find_session(database, session_id, LIVES))
    except NotAuthenticated:
        return False


def age(database, **seconds):
    for column, by in seconds.items():
        database.execute(f"UPDATE sessions SET {column} = {column} - make_interval(secs => %(by)s)", {"by": by})


def age_failures(database, seconds):
    database.execute(
        "UPDATE sign_in_failures SET failed_at = failed_at - make_interval(secs => %(by)s)", {"by": seconds}
    )


@pytest.mark.req("SS-024", "SS-033")
def test_a_session_stands_for_its_user_and_tenant(database, tenant, user):
    session_id = log_in(database, tenant, user)
    assert re.fullmatch(r"[A-Za-z0-9]{32}\.[A-Za-z0-9_-]{1,32}", session_id)
    found = find_session(database, session_id, LIVES)
    assert (found.tenant_id, found.user_id) == (tenant.id, user.id)
    assert len({log_in(database, tenant, user)[:32] for _ in range(5)}) == 5


@pytest.mark.parametrize(
    ("host", "node"),
    [
        ("web-1.example.org", "web-1"),
        ("Zoë's laptop", "Zo-s-laptop"),
        ("x" * 70, "x" * 32),
        ("", "node"),
        ("...", "node"),
        ("日本", "node"),
        ("a" * 31 + ".b", "a" * 31),
    ],
    ids=range(7),
)
@pytest.mark.req("SS-024")
def test_any_host_name_makes_a_node_name(monkeypatch, host, node):
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    assert sessions._node_name() == node


def test_the_id_is_nowhere_in_the_database(database, tenant, user):
    session_id = log_in(database, tenant, user)
    [row] = database.execute("SELECT s::text AS text FROM sessions s")
    for text in (session_id, session_id[:32]):
        assert text not in row.text
        assert text.encode().hex() not in row.text


@pytest.mark.parametrize(
    "change", ["", "x", "{id} ", " {id}", "{id}x", "{lower}", "{cut}", "{id}\0", "\ud800", "{swapped}"], ids=range(10)
)
def test_what_is_not_exactly_the_id_is_no_session(database, tenant, user, change):
    session_id = log_in(database, tenant, user)
    swapped = session_id[1] + session_id[0] + session_id[2:] if session_id[0] != session_id[1] else "x"
    other = change.format(id=session_id, lower=session_id.swapcase(), cut=session_id[:-1], swapped=swapped)
    assert not is_live(database, other)
    assert is_live(database, session_id)


# -- whose --------------------------------------------------------------------------------------------------------


@pytest.mark.req("SS-026", "SS-033")
def test_whatever_is_wrong_the_answer_is_the_same(database, tenant, user):
    stranger = create_tenant(database, "Stranger")
    idle, locked = create_user(database, tenant, "idle"), create_user(database, tenant, "locked")
    set_password(database, locked, PASSWORD)
    set_active(database, locked, active=False)
    customer = tenant.customer_id
    answers = {
        fail(database, customer, user.name),
        fail(database, customer, user.name, ""),
        fail(database, customer, user.name, "\0\ud800"),
        fail(database, customer, user.name, "x" * 50_000),
        fail(database, stranger.customer_id, user.name, PASSWORD),
        *(fail(database, number, user.name, PASSWORD) for number in (0, -1, 2**31, 2**63, 10**3000)),
        fail(database, customer, idle.name, PASSWORD),
        fail(database, customer, locked.name, PASSWORD),
        *(fail(database, customer, name, PASSWORD) for name in ("", "nobody", "REPORTING", "reporting ", "%")),
        *(fail(database, customer, name, PASSWORD) for name in ("\0", "\ud800", "report\0ing", "x" * 60_000)),
    }
    assert answers == {("Unauthorized", ())}
    assert database.execute("SELECT FROM sessions") == []


@pytest.mark.req("SS-033")
def test_the_same_name_and_password_in_two_tenants_are_two_accounts(database, tenant, user):
    other = create_tenant(database, "Other")
    twin = create_user(database, other, user.name)
    set_password(database, twin, PASSWORD)
    assert find_session(database, log_in(database, tenant, user), LIVES).tenant_id == tenant.id
    assert find_session(database, log_in(database, other, twin), LIVES).tenant_id == other.id


@pytest.mark.req("SS-033")
def test_customer_ids_are_unique_and_the_lowest_free_one_is_taken(database):
    made = [
        create_tenant(database, name, number).customer_id
        for name, number in [("a", None), ("b", 3), ("c", None), ("d", None), ("e", 2**31 - 1), ("f", None)]
    ]
    assert made == [1, 3, 2, 4, 2**31 - 1, 5]
    with pytest.raises(AlreadyExists, match="customer id 3"):
        create_tenant(database, "g", 3)
    with pytest.raises(AlreadyExists, match="'a'"):
        create_tenant(database, "a")


@pytest.mark.req("SS-033")
def test_tenants_made_at_once_get_different_numbers(database):
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda number: create_tenant(database, f"at once {number}").customer_id, range(16)))
    assert sorted(numbers) == list(range(1, 17))


# -- how long -----------------------------------------------------------------------------------------------------


@pytest.mark.req("SS-031")
@pytest.mark.parametrize(("column", "life"), [("last_used_at", 1800), ("created_at", 43200)])
def test_a_session_ends_by_the_clock(database, tenant, user, column, life):
    session_id = log_in(database, tenant, user)
    database.execute(f"UPDATE sessions SET {column} = now() - make_interval(secs => {life - 5})")
    assert is_live(database, session_id)
    database.execute(f"UPDATE sessions SET {column} = now() - make_interval(secs => {life})")
    assert not is_live(database, session_id)


@pytest.mark.req("SS-031")
def test_a_use_prolongs_the_session_and_is_noted_only_now_and_then(database, tenant, user):
    session_id = log_in(database, tenant, user)

    def noted():
        [row] = database.execute("SELECT last_used_at FROM sessions")
        return row.last_used_at

    age(database, last_used_at=15)
    before = noted()
    assert is_live(database, session_id)
    assert noted() == before, "within one per cent of the idle time"
    age(database, last_used_at=1700)
    assert is_live(database, session_id)
    assert (noted() - before).total_seconds() >= 15


@pytest.mark.req("SS-031", "SS-032")
def test_a_session_that_was_ended_is_over(database, tenant, user):
    one, other = log_in(database, tenant, user), log_in(database, tenant, user)
    session = find_session(database, one, LIVES)
    end_session(database, session)
    end_session(database, session)
    assert not is_live(database, one)
    assert is_live(database, other)


@pytest.mark.req("SS-031", "SS-026")
def test_a_locked_user_is_out_by_every_way_and_back_by_the_same(database, tenant, user):
    key, session_id = create_key(database, user), log_in(database, tenant, user)
    set_active(database, user, active=False)
    assert not is_live(database, session_id)
    fail(database, tenant.customer_id, user.name, PASSWORD)
    with pytest.raises(NotAuthenticated):
        authenticate(database, key.access_key_id, key.access_key_secret, HERE)
    set_active(database, user, active=True)
    assert not is_live(database, session_id), "an ended session does not come back"
    assert is_live(database, log_in(database, tenant, user))
    assert authenticate(database, key.access_key_id, key.access_key_secret, HERE)


@pytest.mark.req("SS-031")
@pytest.mark.parametrize("change", ["lock", "password"])
def test_a_login_under_way_does_not_outlive_a_lock_or_a_new_password(database, tenant, user, monkeypatch, change):
    """The password is right when it is compared, and no more when the session would start."""
    true = sessions.verify

    def verify(*arguments):
        right = true(*arguments)
        if change == "lock":
            set_active(database, user, active=False)
        else:
            set_password(database, user, "another one")
        return right

    monkeypatch.setattr(sessions, "verify", verify)
    fail(database, tenant.customer_id, user.name, PASSWORD)
    assert database.execute("SELECT FROM sessions") == []


@pytest.mark.req("SS-028")
def test_twenty_sessions_of_a_user_live_and_the_oldest_ends(database, tenant, user):
    other = create_user(database, tenant, "other")
    set_password(database, other, PASSWORD)
    theirs = log_in(database, tenant, other)
    made = [log_in(database, tenant, user) for _ in range(21)]
    assert [is_live(database, session_id) for session_id in made] == [False] + [True] * 20
    assert is_live(database, theirs)


@pytest.mark.req("SS-028")
def test_sessions_that_have_ended_push_no_live_one_out(database, tenant, user):
    oldest = log_in(database, tenant, user)
    age(database, created_at=100)
    for _ in range(19):
        log_in(database, tenant, user)
    database.execute(
        "UPDATE sessions SET last_used_at = now() - interval '1 hour' WHERE created_at > now() - interval '1 minute'"
    )
    log_in(database, tenant, user)
    assert is_live(database, oldest)
    [row] = database.execute("SELECT count(*) AS number FROM sessions")
    assert row.number == 2


@pytest.mark.req("SS-028")
def test_logins_at_once_keep_to_twenty_and_the_last_ones_live(database, tenant, user):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: log_in(database, tenant, user), range(26)))
    assert sum(is_live(database, session_id) for session_id in made) == 20
    assert is_live(database, log_in(database, tenant, user))


def test_a_removed_user_has_no_session(database, tenant, user):
    session_id = log_in(database, tenant, user)
    database.execute("DELETE FROM users WHERE id = %(id)s", {"id": user.id})
    assert not is_live(database, session_id)


# -- guessing -----------------------------------------------------------------------------------------------------


@pytest.mark.req("SS-027")
def test_ten_failures_brake_one_user_for_ten_minutes_and_no_longer(database, tenant, user):
    other = create_user(database, tenant, "other")
    set_password(database, other, PASSWORD)
    for _ in range(10):
        fail(database, tenant.customer_id, user.name)
    with pytest.raises(TooManyAttempts) as caught:
        log_in(database, tenant, user, address="198.51.100.7")
    assert 590 <= caught.value.retry_after_seconds <= 600
    assert log_in(database, tenant, other), "another user of the same customer"
    age_failures(database, 300)
    with pytest.raises(TooManyAttempts) as caught:
        log_in(database, tenant, user, "wrong")
    assert 290 <= caught.value.retry_after_seconds <= 300, "refused tries do not prolong it"
    age_failures(database, 300)
    assert log_in(database, tenant, user)


@pytest.mark.req("SS-027")
def test_the_same_name_of_another_customer_is_not_braked(database, tenant, user):
    other = create_tenant(database, "Other")
    twin = create_user(database, other, user.name)
    set_password(database, twin, PASSWORD)
    for _ in range(10):
        fail(database, tenant.customer_id, user.name)
    assert log_in(database, other, twin)


@pytest.mark.req("SS-027")
def test_users_that_do_not_exist_are_braked_like_others(database):
    for _ in range(10):
        fail(database, 999, "no\0bo\ud800dy")
    with pytest.raises(TooManyAttempts):
        sign_in(database, 999, "no\0bo\ud800dy", "wrong", HERE, LIVES)


@pytest.mark.req("SS-027")
def test_a_hundred_failures_brake_an_address_but_not_its_access_keys(database, tenant, user):
    key = create_key(database, user)
    database.execute(
        "INSERT INTO sign_in_failures (subject) SELECT %(address)s FROM generate_series(1, 99)",
        {"address": f"login-address:{HERE}"},
    )
    fail(database, 999, "nobody")
    with pytest.raises(TooManyAttempts):
        log_in(database, tenant, user)
    assert log_in(database, tenant, user, address="198.51.100.7")
    assert authenticate(database, key.access_key_id, key.access_key_secret, HERE)


@pytest.mark.req("SS-027")
def test_right_logins_are_not_counted(database, tenant, user):
    for _ in range(12):
        log_in(database, tenant, user)
    assert database.execute("SELECT FROM sign_in_failures") == []


@pytest.mark.req("SS-027")
def test_guesses_at_once_are_braked_too(database_url, tenant, user):
    together = threading.Barrier(32)

    def guess(number):
        together.wait()
        try:
            sign_in(wide, tenant.customer_id, user.name, f"guess {number}", HERE, LIVES)
        except TooManyAttempts:
            return 429
        except NotAuthenticated:
            return 401
        return 200

    wide = Database(database_url, size=32)
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(guess, range(32)))
    wide.close()
    assert sorted(answers) == [401] * 10 + [429] * 22
