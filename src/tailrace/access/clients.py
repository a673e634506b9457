"""OAuth clients: programs known to the token endpoint by an id and a secret (CX-133 to CX-137)."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from psycopg.errors import UniqueViolation

from tailrace.access.hashing import hash_secret, is_secret
from tailrace.access.names import check_name
from tailrace.access.tokens import ACCESS_KEY_CLIENT
from tailrace.database.pool import Database
from tailrace.errors import AlreadyExists, UnknownClient


@dataclass(frozen=True, slots=True)
class NewClient:
    """A client just registered, the only time its secret is known."""

    client_id: str
    client_secret: str


@dataclass(frozen=True, slots=True)
class Client:
    """A client as it is listed."""

    id: str
    created_at: datetime
    revoked_at: datetime | None


def create_client(database: Database, client_id: str) -> NewClient:
    """Register a client; raises AlreadyExists and NameInvalid."""
    check_name(client_id)
    if client_id == ACCESS_KEY_CLIENT:  # whatever is issued under this name, any client may refresh (CX-133)
        raise AlreadyExists(f"'{client_id}' stands for sign-ins without a client.")
    new = NewClient(client_id, secrets.token_urlsafe(32))
    try:
        database.execute(
            "INSERT INTO oauth_clients (id, secret_sha256) VALUES (%(id)s, %(hash)s)",
            {"id": client_id, "hash": hash_secret(new.client_secret)},
        )
    except UniqueViolation:
        raise AlreadyExists(f"There is a client '{client_id}' already.") from None
    return new


def list_clients(database: Database) -> list[Client]:
    """List the clients by id."""
    return [
        Client(*row) for row in database.execute("SELECT id, created_at, revoked_at FROM oauth_clients ORDER BY id")
    ]


def revoke_client(database: Database, client_id: str) -> None:
    """Revoke a client: it gets no more tokens; raises UnknownClient."""
    statement = "UPDATE oauth_clients SET revoked_at = coalesce(revoked_at, now()) WHERE id = %(id)s RETURNING id"
    if not database.execute(statement, {"id": client_id}):
        raise UnknownClient("There is no client of that id.")


def check_client(database: Database, client_id: str, client_secret: str | None) -> None:
    """Make sure that a client is registered and, where one is given, that its secret is right; raises UnknownClient."""
    if "\0" in client_id:
        raise UnknownClient("The client is not valid")
    rows = database.execute(
        "SELECT secret_sha256 FROM oauth_clients WHERE id = %(id)s AND revoked_at IS NULL", {"id": client_id}
    )
    expected = rows[0].secret_sha256 if rows else None
    if not (bool(rows) if client_secret is None else is_secret(client_secret, expected)):
        raise UnknownClient("The client is not valid")
