"""Passwords: kept as Argon2id hashes, compared in the same time whoever asks (SS-026)."""

import secrets
from threading import BoundedSemaphore

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from tailrace.access.users import User
from tailrace.database.pool import Database
from tailrace.errors import PasswordInvalid

_MEMORY_KIB, _PASSES, _LANES = 19 * 1024, 2, 1
_SALT_BYTES, _HASH_BYTES = 16, 32
_SHORTEST, _LONGEST = 8, 1024
_GENERATED_BYTES = 18
# Each hash takes 19 MiB: the threads of a process take turns rather than all of them at once.
_TURNS = BoundedSemaphore(4)
# Of a password that nobody knows, in the parameters of all others: what is compared where there is no hash.
_NOBODYS = "$argon2id$v=19$m=19456,t=2,p=1$CgirgffSESjNCM7Zcjhz1A$1ovar2vD9gat685RjxYEn2NSX6nhGXM2ujMBjKdHxS0"


def generate_password() -> str:
    """Make a password of 24 letters, digits, `-` and `_`."""
    return secrets.token_urlsafe(_GENERATED_BYTES)


def set_password(database: Database, user: User, password: str) -> None:
    """Set a user's password and end the user's sessions (SS-031); raises PasswordInvalid."""
    _check(password)
    hashed = _hash(password)
    with database.transaction(tenant=user.tenant_id) as connection:
        parameters = {"tenant": user.tenant_id, "user": user.id, "hash": hashed}
        connection.execute(
            "UPDATE users SET password_hash = %(hash)s WHERE tenant_id = %(tenant)s AND id = %(user)s", parameters
        )
        connection.execute("DELETE FROM sessions WHERE tenant_id = %(tenant)s AND user_id = %(user)s", parameters)


def verify(hashed: str | None, password: str) -> bool:
    """Tell whether a password is the one hashed; it takes as long when there is no hash or it cannot be right."""
    possible = hashed if len(password) <= _LONGEST else None
    # A longer one costs no more than the longest; half a surrogate pair is in no password.
    given = password[:_LONGEST].encode(errors="surrogatepass")
    with _TURNS:
        try:
            Argon2id.verify_phc_encoded(given, possible or _NOBODYS)
        except InvalidKey:
            return False
    return bool(possible)


def _hash(password: str) -> str:
    salt = secrets.token_bytes(_SALT_BYTES)
    kdf = Argon2id(salt=salt, length=_HASH_BYTES, iterations=_PASSES, lanes=_LANES, memory_cost=_MEMORY_KIB)
    with _TURNS:
        return kdf.derive_phc_encoded(password.encode())


def _check(password: str) -> None:
    if not _SHORTEST <= len(password) <= _LONGEST:
        raise PasswordInvalid(f"The password must have {_SHORTEST} to {_LONGEST:,} characters.")
    # Control characters mean that more than a password was read; half a surrogate pair is no text.
    if any(char < " " or "\ud800" <= char <= "\udfff" for char in password):
        raise PasswordInvalid("The password must be one line of text without control characters.")
