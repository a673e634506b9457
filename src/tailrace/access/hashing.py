"""How secrets of 256 random bits are kept and compared: such need no slow hash."""

import hmac
from hashlib import sha256


def hash_secret(secret: str) -> bytes:
    """Hash a secret; text that UTF-8 cannot write hashes to what no secret has."""
    return sha256(secret.encode(errors="replace")).digest()


def is_secret(secret: str, expected: bytes | None) -> bool:
    """Compare a secret with a kept hash, in the same time whether it is right, wrong, or there is no hash at all."""
    matches = hmac.compare_digest(hash_secret(secret), expected or bytes(32))
    return matches and expected is not None
