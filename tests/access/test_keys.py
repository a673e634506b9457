"""Access keys: the secret is nowhere, only the right one opens, and guessing ends soon."""

import psycopg
import pytest

from tailrace.access.keys import authenticate, create_key, list_keys, revoke_key
from tailrace.access.tenants import create_tenant
from tailrace.access.users import create_user
from tailrace.errors import NotAuthenticated, TooManyAttempts, UnknownKey

HERE = "192.0.2.1"


def dump(database_url):
    """Everything the database holds, as text."""
    with psycopg.connect(database_url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        rows = [connection.execute(f"SELECT t::text FROM {name} t".encode()).fetchall() for (name,) in tables]
    return str(rows)


def age_failures(database, seconds):
    database.execute(
        "UPDATE sign_in_failures SET failed_at = failed_at - make_interval(secs => %(seconds)s)", {"seconds": seconds}
    )


def fail(database, key_id, address=HERE):
    with pytest.raises(NotAuthenticated):
        authenticate(database, key_id, "wrong", address)


def test_the_right_key_tells_its_owner(database, tenant, user, key):
    owner = authenticate(database, key.access_key_id, key.access_key_secret, HERE)
    assert (owner.tenant_id, owner.tenant_name) == (tenant.id, tenant.name)
    assert (owner.user_id, owner.user_name) == (user.id, user.name)
    assert owner.access_key_id == key.access_key_id


def test_secrets_are_nowhere_in_the_database(database, database_url, key, owner, tokens):
    issued = tokens.issue(owner)
    fail(database, "canary-key-id")
    with pytest.raises(NotAuthenticated):
        authenticate(database, key.access_key_id, "canary-secret", HERE)
    content = dump(database_url)
    assert key.access_key_id in content
    secrets = (key.access_key_secret, issued.access_token, issued.refresh_token, issued.id_token)
    for secret in (*secrets, "canary"):
        assert secret not in content
        assert secret.encode().hex() not in content


def test_keys_differ_and_are_long(database, user):
    keys = [create_key(database, user) for _ in range(20)]
    assert len({key.access_key_id for key in keys}) == len({key.access_key_secret for key in keys}) == 20
    assert all(len(key.access_key_secret) >= 43 for key in keys)


@pytest.mark.parametrize("secret", ["", "wrong", "x" * 10_000, "\0", "é"])
def test_a_wrong_secret_is_refused(database, key, secret):
    with pytest.raises(NotAuthenticated):
        authenticate(database, key.access_key_id, secret, HERE)


def test_neither_case_nor_blanks_nor_another_key_will_do(database, user, key):
    other = create_key(database, user)
    tries = [
        (key.access_key_id.lower(), key.access_key_secret),
        (key.access_key_id + " ", key.access_key_secret),
        (key.access_key_id, key.access_key_secret + " "),
        (key.access_key_id, key.access_key_secret.swapcase()),
        (key.access_key_id, other.access_key_secret),
        (other.access_key_id, key.access_key_secret),
        ("", key.access_key_secret),
        ("%", key.access_key_secret),
    ]
    for key_id, secret in tries:
        with pytest.raises(NotAuthenticated):
            authenticate(database, key_id, secret, HERE)


def test_whatever_is_wrong_the_answer_is_the_same(database, tenant, user, key):
    revoked = create_key(database, user)
    revoke_key(database, tenant, revoked.access_key_id)
    idle = create_user(database, tenant, "idle")
    inactive = create_key(database, idle)
    database.execute("UPDATE users SET active = false WHERE id = %(id)s", {"id": idle.id})
    tries = [(revoked.access_key_id, revoked.access_key_secret), (inactive.access_key_id, inactive.access_key_secret)]
    messages = set()
    for key_id, secret in [*tries, (key.access_key_id, "wrong"), ("nobody", "wrong")]:
        with pytest.raises(NotAuthenticated) as caught:
            authenticate(database, key_id, secret, HERE)
        messages.add((caught.value.message, caught.value.details))
    assert len(messages) == 1


def test_revoking_keeps_to_the_tenant_and_to_the_first_time(database, tenant, key):
    stranger = create_tenant(database, "Stranger")
    with pytest.raises(UnknownKey):
        revoke_key(database, stranger, key.access_key_id)
    assert list_keys(database, tenant)[0].revoked_at is None
    assert list_keys(database, stranger) == []
    revoke_key(database, tenant, key.access_key_id)
    revoked_at = list_keys(database, tenant)[0].revoked_at
    revoke_key(database, tenant, key.access_key_id)
    assert list_keys(database, tenant)[0].revoked_at == revoked_at is not None


@pytest.mark.req("CX-117")
def test_ten_failures_lock_a_key_even_for_the_right_secret(database, user, key):
    other = create_key(database, user)
    for _ in range(10):
        fail(database, key.access_key_id)
    with pytest.raises(TooManyAttempts) as caught:
        authenticate(database, key.access_key_id, key.access_key_secret, "198.51.100.7")
    assert 590 <= caught.value.retry_after_seconds <= 600
    assert authenticate(database, other.access_key_id, other.access_key_secret, HERE)


@pytest.mark.req("CX-117")
def test_refused_tries_do_not_prolong_the_lock(database, key):
    for _ in range(10):
        fail(database, key.access_key_id)
    age_failures(database, 300)
    for _ in range(3):
        with pytest.raises(TooManyAttempts) as caught:
            authenticate(database, key.access_key_id, "wrong", HERE)
        assert 290 <= caught.value.retry_after_seconds <= 300
    age_failures(database, 300)
    assert authenticate(database, key.access_key_id, key.access_key_secret, HERE)


@pytest.mark.req("CX-117")
def test_the_wait_is_that_of_what_is_locked(database, key):
    """An older failure of the same address has nothing to do with the time the key is locked."""
    fail(database, "somebody-else")
    age_failures(database, 590)
    for _ in range(10):
        fail(database, key.access_key_id)
    with pytest.raises(TooManyAttempts) as caught:
        authenticate(database, key.access_key_id, key.access_key_secret, HERE)
    assert caught.value.retry_after_seconds > 590


@pytest.mark.req("CX-117")
def test_a_hundred_failures_lock_an_address(database, key):
    for number in range(100):
        fail(database, f"guess-{number}")
    with pytest.raises(TooManyAttempts):
        authenticate(database, key.access_key_id, key.access_key_secret, HERE)
    assert authenticate(database, key.access_key_id, key.access_key_secret, "198.51.100.7")


@pytest.mark.req("CX-116")
def test_right_sign_ins_are_not_counted(database, key):
    for _ in range(30):
        authenticate(database, key.access_key_id, key.access_key_secret, HERE)
