"""What the tests of this folder share: one user with a key, and a service's tokens."""

import pytest

from tailrace.access.keys import authenticate, create_key
from tailrace.access.signing import load_signing_keys
from tailrace.access.tenants import create_tenant
from tailrace.access.tokens import Tokens
from tailrace.access.users import allow, create_user
from tailrace.database.pool import Database

ISSUER = "https://tailrace.test"


@pytest.fixture(scope="session")
def database_url(new_database):
    """One database for all tests of this folder, emptied after each: quicker than one each."""
    return new_database()


@pytest.fixture
def database(database_url):
    database = Database(database_url, size=8)
    yield database
    database.execute("TRUNCATE tenants, sign_in_failures, signing_keys CASCADE")
    database.close()


@pytest.fixture
def tenant(database):
    return create_tenant(database, "Harbour Ferries")


@pytest.fixture
def user(database, tenant):
    user = create_user(database, tenant, "reporting")
    allow(database, user, ["qm-workflow"])
    return user


@pytest.fixture
def key(database, user):
    return create_key(database, user)


@pytest.fixture
def owner(database, key):
    return authenticate(database, key.access_key_id, key.access_key_secret, "192.0.2.1")


@pytest.fixture
def signing_keys(database):
    return load_signing_keys(database)


@pytest.fixture
def tokens(database, signing_keys):
    return Tokens(database, signing_keys, issuer=ISSUER, area="na1")
