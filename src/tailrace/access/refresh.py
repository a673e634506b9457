"""Refreshing and ending a sign-in (CX-121 to CX-123, CX-142)."""

from dataclasses import dataclass
from uuid import UUID

from tailrace.access.hashing import hash_secret
from tailrace.access.keys import KeyOwner
from tailrace.access.tokens import ACCESS_KEY_CLIENT
from tailrace.database.pool import Database
from tailrace.errors import NotAuthenticated

# A refresh token may be used again for so long after its first use: the answer to that may have been lost.
_GRACE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class SignIn:
    """What a refresh goes on from: whom the sign-in stands for, its id, and the client it was made by."""

    owner: KeyOwner
    id: UUID
    client_id: str


def use_refresh_token(database: Database, token: str, client_id: str | None = None) -> SignIn:
    """Use a refresh token; with `client_id` only if it was issued to that client, or to none in particular.

    Raises NotAuthenticated when it is unknown, expired, revoked or used up.
    """
    rows = database.execute(
        """
        UPDATE access_tokens t SET refresh_used_at = coalesce(t.refresh_used_at, now())
        FROM access_keys k JOIN users u ON u.id = k.user_id JOIN tenants n ON n.id = k.tenant_id
        WHERE t.refresh_sha256 = %(hash)s AND k.id = t.access_key_id
          AND t.refresh_until > now() AND t.refresh_revoked_at IS NULL AND k.revoked_at IS NULL AND u.active
          AND coalesce(t.refresh_used_at > now() - make_interval(secs => %(grace)s), true)
          AND (%(client)s::text IS NULL OR t.client_id IN (%(client)s, %(any)s))
        RETURNING k.id, k.tenant_id, n.name AS tenant_name, k.user_id, u.name AS user_name, t.sign_in_id, t.client_id
        """,
        {
            "hash": hash_secret(token),
            "grace": _GRACE_SECONDS,
            "client": client_id,
            "any": ACCESS_KEY_CLIENT,
        },
    )
    if not rows:
        raise NotAuthenticated("Unauthorized")
    return SignIn(KeyOwner(*rows[0][:5]), rows[0].sign_in_id, client_id or rows[0].client_id)


def end_sign_in(database: Database, token_id: UUID) -> None:
    """Revoke an access token and all refresh tokens of the same sign-in; other access tokens live out their hour."""
    database.execute(
        """
        UPDATE access_tokens SET
            refresh_revoked_at = coalesce(refresh_revoked_at, now()),
            revoked_at = CASE WHEN id = %(id)s THEN coalesce(revoked_at, now()) ELSE revoked_at END
        WHERE sign_in_id = (SELECT sign_in_id FROM access_tokens WHERE id = %(id)s)
        """,
        {"id": token_id},
    )
