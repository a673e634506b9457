"""Access tokens: signed, and good only while the database says so (CX-101 to CX-118, CX-161 to CX-164)."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from joserfc import jwt
from joserfc.errors import JoseError

from tailrace.access.hashing import hash_secret
from tailrace.access.keys import KeyOwner
from tailrace.access.signing import SigningKeys
from tailrace.database.pool import Database
from tailrace.database.together import Query
from tailrace.errors import NotAuthenticated
from tailrace.faults import fault_point

ACCESS_SECONDS = 3600
REFRESH_SECONDS = 7200
# The client named in tokens that an access key got without any OAuth client (CX-162).
ACCESS_KEY_CLIENT = "access-key"
# Fixed here and never taken from a token.
_ALGORITHMS = ["RS256"]
_LONGEST_TOKEN = 8192
# Of so many tokens it is remembered that their signature is right.
_MANY_TOKENS = 4096
# CX-163: claims clients decode without minding their value.
_EMPTY_CLAIMS = ("given_name", "family_name", "teamId", "icAgentId", "icBUId", "icClusterId")


@dataclass(frozen=True, slots=True)
class Principal:
    """The authenticated caller: one user of one tenant, with what it may do now."""

    tenant_id: UUID
    user_id: UUID
    token_id: UUID
    permissions: frozenset[str]


class Claims(NamedTuple):
    """What a token of ours says: its own id, and whose its user is."""

    token_id: UUID
    tenant_id: UUID


@dataclass(frozen=True, slots=True)
class TokenSet:
    """What a sign-in answers with; `expires_in` is in seconds."""

    access_token: str
    refresh_token: str
    id_token: str
    expires_in: int = ACCESS_SECONDS


class _Checked:
    """What tokens say whose signature was right, by their hashes; which of them are still good is not known here."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claims: dict[bytes, Claims] = {}

    def find(self, digest: bytes) -> Claims | None:
        return self._claims.get(digest)

    def keep(self, digest: bytes, claims: Claims) -> None:
        """Remember one more, in the place of the oldest when there are many."""
        with self._lock:
            if len(self._claims) >= _MANY_TOKENS:
                del self._claims[next(iter(self._claims))]
            self._claims[digest] = claims


class Tokens:
    """Issues and checks the tokens of one service."""

    def __init__(self, database: Database, keys: SigningKeys, *, issuer: str, area: str) -> None:
        """Take the signing keys, the service's public URL and its area."""
        self._database = database
        self._key = keys.token
        self._issuer = issuer
        self._area = area
        self._header = {"alg": "RS256", "typ": "JWT", "kid": self._key.thumbprint()}
        self._checked = _Checked()

    def issue(self, owner: KeyOwner, client_id: str = ACCESS_KEY_CLIENT, sign_in_id: UUID | None = None) -> TokenSet:
        """Issue the tokens of a sign-in and record them; `sign_in_id` names one that is being refreshed."""
        token_id, refresh = uuid4(), secrets.token_urlsafe(48)
        [row] = self._database.execute(
            """
            INSERT INTO access_tokens
                (id, access_key_id, expires_at, refresh_sha256, refresh_until, client_id, sign_in_id)
            VALUES (%(id)s, %(key)s, now() + make_interval(secs => %(life)s), %(refresh)s,
                    now() + make_interval(secs => %(refresh_life)s), %(client)s, %(sign_in)s)
            RETURNING extract(epoch FROM now())::bigint AS issued
            """,
            {
                "id": token_id,
                "key": owner.access_key_id,
                "life": ACCESS_SECONDS,
                "refresh": hash_secret(refresh),
                "refresh_life": REFRESH_SECONDS,
                "client": client_id,
                "sign_in": sign_in_id or uuid4(),
            },
        )
        fault_point("token.issued")
        times = {"iat": row.issued, "exp": row.issued + ACCESS_SECONDS}
        access = self._access_token(owner, token_id, times, client_id)
        # In the order of CX-163: what stands here first, the identity's own members after it.
        claims = {"iss": "", "sub": "", "aud": client_id, **times, **self._identity(owner)}
        return TokenSet(access, refresh, self._sign(claims))

    def public_keys(self) -> list[dict[str, object]]:
        """Describe the key that tokens can be checked with, without its private part (CX-152)."""
        public = self._key.as_dict(private=False)
        return [
            {
                "kty": "RSA",
                "use": "sig",
                "alg": _ALGORITHMS[0],
                "kid": self._header["kid"],
                "n": public["n"],
                "e": public["e"],
            }
        ]

    def describe_user(self, principal: Principal) -> dict[str, object]:
        """Tell who a token stands for: the claims of an id token without those about the token itself (CX-153)."""
        [row] = self._database.execute(
            """
            SELECT '' AS key, t.id AS tenant_id, t.name AS tenant_name, u.id AS user_id, u.name AS user_name
            FROM users u JOIN tenants t ON t.id = u.tenant_id
            WHERE u.tenant_id = %(tenant)s AND u.id = %(user)s
            """,
            {"tenant": principal.tenant_id, "user": principal.user_id},
            tenant=principal.tenant_id,
        )
        return {name: value for name, value in self._identity(KeyOwner(*row)).items() if name != "iss"}

    def verify(self, token: str) -> Principal:
        """Tell whose token this is; raises NotAuthenticated whatever is wrong with it (CX-102)."""
        claims = self._read(token)
        return _as_principal(claims, self._database.execute(*_find_owner(claims)))

    def verify_and_ask(self, token: str, ask: Callable[[UUID], Query]) -> tuple[Principal, list[Any]]:
        """Tell whose token this is, and what a query of its tenant finds, in one round trip; raises NotAuthenticated.

        The query is made for the tenant we signed the token for. What it finds is told of a token that is good now.
        """
        claims = self._read(token)
        owner, found = self._database.execute_both(_find_owner(claims), ask(claims.tenant_id), tenant=claims.tenant_id)
        return _as_principal(claims, owner), found

    def _read(self, token: str) -> Claims:
        """Read a token of ours; the signature of the same bytes by the same key is right once and for all."""
        digest = hash_secret(token)
        claims = self._checked.find(digest)
        if claims is None:
            claims = self._check(token)
            self._checked.keep(digest, claims)
        return claims

    def _check(self, token: str) -> Claims:
        """Check the signature and the claims that need no database."""
        try:
            if len(token) > _LONGEST_TOKEN:
                raise NotAuthenticated("Unauthorized")
            claims = jwt.decode(token, self._key, algorithms=_ALGORITHMS).claims
            # An id token is signed by the same key, but has no jti and another audience. `exp` is left to the
            # database's clock, which knows the same instant.
            if claims["iss"] != self._issuer or claims["aud"] != self._issuer:
                raise NotAuthenticated("Unauthorized")
            return Claims(UUID(claims["jti"]), UUID(claims["tenantId"]))
        except (JoseError, AttributeError, KeyError, TypeError, ValueError):
            raise NotAuthenticated("Unauthorized") from None

    def _access_token(self, owner: KeyOwner, token_id: UUID, times: dict[str, int], client_id: str) -> str:
        return self._sign(
            {
                "iss": self._issuer,
                "sub": f"user:{owner.user_id}",
                "aud": self._issuer,
                **times,
                "jti": str(token_id),
                "tenantId": str(owner.tenant_id),
                "area": self._area,
                "userId": str(owner.user_id),
                "client_id": client_id,
            }
        )

    def _identity(self, owner: KeyOwner) -> dict[str, object]:
        return {
            "iss": self._issuer,
            "sub": f"user:{owner.user_id}",
            "tenantId": str(owner.tenant_id),
            "tenant": owner.tenant_name,
            "area": self._area,
            "userId": str(owner.user_id),
            "name": owner.user_name,
            **dict.fromkeys(_EMPTY_CLAIMS, ""),
        }

    def _sign(self, claims: dict[str, object]) -> str:
        return jwt.encode(self._header, claims, self._key, algorithms=_ALGORITHMS)


def _find_owner(claims: Claims) -> Query:
    """Ask whose token this is and what its user may do now; there is no row when it is not good any more."""
    return Query(
        """
        SELECT k.tenant_id, k.user_id, t.id,
               array(SELECT p.permission_id FROM user_permissions p WHERE p.user_id = k.user_id) AS permissions
        FROM access_tokens t
        JOIN access_keys k ON k.id = t.access_key_id
        JOIN users u ON u.id = k.user_id
        WHERE t.id = %(id)s AND t.expires_at > now() AND t.revoked_at IS NULL AND k.revoked_at IS NULL AND u.active
        """,
        {"id": claims.token_id},
    )


def _as_principal(claims: Claims, rows: list[Any]) -> Principal:
    if not rows or rows[0].tenant_id != claims.tenant_id:
        raise NotAuthenticated("Unauthorized")
    row = rows[0]
    return Principal(row.tenant_id, row.user_id, row.id, frozenset(row.permissions))
