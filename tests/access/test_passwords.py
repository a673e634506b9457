"""Passwords: hashed with the documented strength, compared in the same time, at most a few at once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tailrace.access import passwords
from tailrace.access.passwords import generate_password, set_password, verify
from tailrace.access.sessions import Lives, find_session, sign_in
from tailrace.errors import NotAuthenticated, PasswordInvalid

PASSWORD = "Grüße aus Malmö"
LIVES = Lives(1800, 43200)


def stored(database, user):
    [row] = database.execute("SELECT password_hash FROM users WHERE id = %(id)s", {"id": user.id})
    return row.password_hash


def test_a_password_is_kept_as_argon2id_with_the_documented_strength(database, user):
    assert stored(database, user) is None
    set_password(database, user, PASSWORD)
    hashed = stored(database, user)
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PASSWORD not in hashed
    assert verify(hashed, PASSWORD)
    set_password(database, user, PASSWORD)
    assert stored(database, user) != hashed, "each with a salt of its own"


@pytest.mark.parametrize(
    "wrong",
    ["", " ", PASSWORD + " ", PASSWORD.upper(), PASSWORD + "\0", "\0", "\ud800", PASSWORD[:-1], "x" * 2000, "%"],
    ids=range(10),
)
def test_a_wrong_password_is_wrong_whatever_it_is(database, user, wrong):
    set_password(database, user, PASSWORD)
    assert not verify(stored(database, user), wrong)
    assert not verify(None, wrong)


@pytest.mark.parametrize(
    "password", ["x" * 8, "x" * 1024, "é" * 1024, "with blanks, \"quotes\" & 'signs' \\ ~"], ids=range(4)
)
def test_passwords_of_every_length_allowed_work(database, user, password):
    set_password(database, user, password)
    assert verify(stored(database, user), password)
    assert not verify(stored(database, user), password + "x"), "none is cut"


def test_what_is_longer_than_any_password_is_not_taken_for_its_beginning(database, user):
    set_password(database, user, "x" * 1024)
    assert not verify(stored(database, user), "x" * 1025)


@pytest.mark.parametrize(
    "password", ["", "short", "x" * 1025, "two\nlines of it", "nul\0inside", "\ud800" * 8, "tab\tinside"], ids=range(7)
)
def test_what_cannot_be_a_password_is_refused_and_changes_nothing(database, user, password):
    set_password(database, user, PASSWORD)
    before = stored(database, user)
    with pytest.raises(PasswordInvalid) as caught:
        set_password(database, user, password)
    assert "inside" not in str(caught.value)
    assert stored(database, user) == before


def test_generated_passwords_differ_and_can_be_set(database, user):
    made = {generate_password() for _ in range(50)}
    assert len(made) == 50
    assert {len(password) for password in made} == {24}
    set_password(database, user, made.pop())


@pytest.mark.req("SS-031")
def test_a_new_password_ends_the_sessions_of_that_user_alone(database, tenant, user):
    set_password(database, user, PASSWORD)
    other = passwords_user(database, tenant)
    mine, theirs = (
        sign_in(database, tenant.customer_id, who.name, PASSWORD, "192.0.2.1", LIVES) for who in (user, other)
    )
    set_password(database, user, PASSWORD + "!")
    with pytest.raises(NotAuthenticated):
        find_session(database, mine, LIVES)
    assert find_session(database, theirs, LIVES)


def passwords_user(database, tenant):
    from tailrace.access.users import create_user

    other = create_user(database, tenant, "other")
    set_password(database, other, PASSWORD)
    return other


@pytest.mark.req("SS-026")
def test_it_takes_as_long_without_a_hash(database, user):
    set_password(database, user, PASSWORD)
    hashed = stored(database, user)

    def seconds(given, password):
        # Of this thread on the processor, whatever else this machine does.
        started = time.thread_time()
        for _ in range(5):
            verify(given, password)
        return time.thread_time() - started

    cases = [(hashed, PASSWORD), (hashed, "wrong"), (None, PASSWORD), (hashed, "x" * 60_000), (hashed, "")]
    taken = [seconds(*case) for case in cases]
    assert max(taken) < 2 * min(taken), taken


def test_only_a_few_are_hashed_at_once(monkeypatch):
    at_once, most, lock = 0, 0, threading.Lock()
    true = passwords.Argon2id.verify_phc_encoded

    class Counting:
        @staticmethod
        def verify_phc_encoded(*arguments):
            nonlocal at_once, most
            with lock:
                at_once += 1
                most = max(most, at_once)
            try:
                true(*arguments)
            finally:
                with lock:
                    at_once -= 1

    monkeypatch.setattr(passwords, "Argon2id", Counting)
    with ThreadPoolExecutor(32) as pool:
        assert not any(pool.map(lambda _: verify(None, "x"), range(64)))
    assert 1 < most <= 4
