"""Keys the service signs with: made at first use, kept in the database, shared by all its processes."""

import secrets
from dataclasses import dataclass

from joserfc.jwk import RSAKey

from tailrace.database.pool import Database

_LOCK = 7_414_651_002
_RSA_BITS = 2048


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The key for tokens (RS256) and the key for download links (HMAC-SHA-256)."""

    token: RSAKey
    link: bytes


def load_signing_keys(database: Database) -> SigningKeys:
    """Read both keys, making those that are missing; safe from many processes at once."""
    with database.transaction() as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        rows = connection.execute(
            "SELECT DISTINCT ON (purpose) purpose, key FROM signing_keys ORDER BY purpose, created_at DESC"
        )
        keys = {row.purpose: row.key for row in rows}
        for purpose, (key_id, key) in _make_missing(keys).items():
            connection.execute(
                "INSERT INTO signing_keys (id, purpose, key) VALUES (%s, %s, %s)", [key_id, purpose, key]
            )
            keys[purpose] = key
    return SigningKeys(token=RSAKey.import_key(keys["token"]), link=bytes.fromhex(keys["link"]))


def _make_missing(keys: dict[str, str]) -> dict[str, tuple[str, str]]:
    made: dict[str, tuple[str, str]] = {}
    if "token" not in keys:
        pair = RSAKey.generate_key(_RSA_BITS, {"use": "sig", "alg": "RS256"})
        made["token"] = (pair.thumbprint(), pair.as_pem(private=True).decode())
    if "link" not in keys:
        made["link"] = (secrets.token_hex(8), secrets.token_hex(32))
    return made
