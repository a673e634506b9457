"""Tokens: only our own, unchanged, for access, in time and not revoked; everything else is one and the same refusal."""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from uuid import uuid4

import pytest
from joserfc import jws, jwt
from joserfc.jwk import RSAKey

from tailrace.access.keys import revoke_key
from tailrace.access.tokens import Tokens
from tailrace.access.users import allow, deny
from tailrace.database.together import Query
from tailrace.errors import NotAuthenticated


@pytest.fixture
def token(tokens, owner):
    return tokens.issue(owner).access_token


def decode(part):
    return json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def encode(value):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(text).rstrip(b"=").decode()


def refuse(tokens, token):
    with pytest.raises(NotAuthenticated) as caught:
        tokens.verify(token)
    assert caught.value.message == "Unauthorized"
    assert caught.value.details == ()


@pytest.mark.req("CX-104")
def test_a_token_stands_for_its_user_with_the_permissions_of_now(database, tokens, token, user):
    principal = tokens.verify(token)
    assert (principal.tenant_id, principal.user_id) == (user.tenant_id, user.id)
    assert principal.permissions == {"qm-workflow"}
    allow(database, user, ["interaction-metadata"])
    deny(database, user, ["qm-workflow"])
    assert tokens.verify(token).permissions == {"interaction-metadata"}


@pytest.mark.req("CX-118")
def test_claims(token, owner, tokens):
    header, claims, _ = token.split(".")
    assert decode(header).keys() == {"alg", "typ", "kid"}
    claims = decode(claims)
    assert claims["exp"] - claims["iat"] == 3600
    assert claims["tenantId"] == str(owner.tenant_id)
    assert tokens.issue(owner).access_token != token


def test_every_changed_character_is_refused(tokens, token):
    header, claims, signature = token.split(".")
    assert tokens.verify(f"{header}.{claims}.{signature}")
    for at in range(0, len(token) - 1, 7):
        if token[at] != ".":
            other = "A" if token[at] != "A" else "B"
            refuse(tokens, token[:at] + other + token[at + 1 :])


def test_changed_claims_with_the_old_signature_are_refused(tokens, token):
    header, claims, signature = token.split(".")
    for change in ({"exp": 9_999_999_999}, {"userId": "x"}, {"jti": "00000000-0000-0000-0000-000000000000"}):
        refuse(tokens, f"{header}.{encode(decode(claims) | change)}.{signature}")


def test_another_key_is_refused(tokens, token, signing_keys):
    claims = decode(token.split(".")[1])
    stranger = RSAKey.generate_key(2048)
    for kid in (stranger.thumbprint(), signing_keys.token.thumbprint()):
        header = {"alg": "RS256", "typ": "JWT", "kid": kid}
        refuse(tokens, jwt.encode(header, claims, stranger))
        refuse(tokens, jwt.encode(header | {"jwk": stranger.as_dict(private=False)}, claims, stranger))


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
@pytest.mark.parametrize("signature", ["", "AAAA"])
def test_no_algorithm_is_refused(tokens, token, algorithm, signature):
    claims = token.split(".")[1]
    refuse(tokens, f"{encode({'alg': algorithm, 'typ': 'JWT'})}.{claims}.{signature}")
    refuse(tokens, f"{encode({'typ': 'JWT'})}.{claims}.{token.split('.')[2]}")


@pytest.mark.parametrize("algorithm", ["HS256", "HS512"])
def test_the_public_key_is_no_shared_secret(tokens, token, signing_keys, algorithm):
    public = signing_keys.token
    signed = f"{encode({'alg': algorithm, 'typ': 'JWT', 'kid': public.thumbprint()})}.{token.split('.')[1]}"
    for secret in (public.as_pem(private=False), public.as_der(private=False), json.dumps(public.as_dict()).encode()):
        digest = hmac.digest(secret, signed.encode(), algorithm.replace("HS", "sha"))
        refuse(tokens, f"{signed}.{encode(digest)}")


@pytest.mark.parametrize("algorithm", ["PS256", "RS512"])
def test_other_algorithms_of_our_own_key_are_refused(tokens, token, signing_keys, algorithm):
    claims = decode(token.split(".")[1])
    key = RSAKey.import_key(signing_keys.token.as_pem(private=True))
    refuse(tokens, jwt.encode({"alg": algorithm}, claims, key, algorithms=[algorithm]))


def test_id_and_refresh_tokens_are_no_access_tokens(tokens, owner):
    issued = tokens.issue(owner)
    refuse(tokens, issued.id_token)
    refuse(tokens, issued.refresh_token)
    assert "jti" not in decode(issued.id_token.split(".")[1])


def test_a_token_of_another_server_with_the_same_keys_is_refused(database, signing_keys, owner, token, tokens):
    other = Tokens(database, signing_keys, issuer="https://other.test", area="na1")
    refuse(other, token)
    refuse(tokens, other.issue(owner).access_token)


@pytest.mark.req("CX-104", "CX-105")
def test_time_and_revocation_count_at_once(database, tenant, owner, tokens):
    def issue():
        return tokens.issue(owner).access_token

    expired, revoked, forgotten, left = issue(), issue(), issue(), issue()
    for token in (expired, revoked, forgotten, left):
        assert tokens.verify(token)

    def change(statement, token):
        database.execute(statement, {"id": decode(token.split(".")[1])["jti"]})

    change("UPDATE access_tokens SET expires_at = now() WHERE id = %(id)s", expired)
    change("UPDATE access_tokens SET revoked_at = now() WHERE id = %(id)s", revoked)
    change("DELETE FROM access_tokens WHERE id = %(id)s", forgotten)
    for token in (expired, revoked, forgotten):
        refuse(tokens, token)
    assert tokens.verify(left)
    revoke_key(database, tenant, owner.access_key_id)
    refuse(tokens, left)


@pytest.mark.req("CX-105")
def test_an_inactive_user_is_refused(database, tokens, token, user):
    database.execute("UPDATE users SET active = false WHERE id = %(id)s", {"id": user.id})
    refuse(tokens, token)


def test_a_removed_tenant_is_refused(database, tokens, token, tenant):
    database.execute("DELETE FROM tenants WHERE id = %(id)s", {"id": tenant.id})
    refuse(tokens, token)


DEEP = encode(b"[" * 5000)
SHAPES = ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "a.b.c.d.e", "é.é.é", "\0", "x" * 8193, f"{DEEP}.e30.AAAA"]
SHAPES += [f"{encode(header)}.e30.AAAA" for header in (None, 3, [], "text", {}, {"alg": 3}, {"alg": ["RS256"]})]
SHAPES += [f"{encode({'alg': 'RS256', **more})}.e30.AAAA" for more in ({"kid": 3}, {"crit": ["x"]}, {"b64": False})]


@pytest.mark.req("CX-102")
@pytest.mark.parametrize("text", SHAPES, ids=range(len(SHAPES)))
def test_what_is_no_token_is_refused_like_one(tokens, text):
    refuse(tokens, text)


@pytest.mark.parametrize("claims", [b"null", b"[]", b"3", b'"x"', b"\xff", b"{", b""])
def test_claims_that_are_no_object_are_refused_even_if_we_signed_them(tokens, signing_keys, claims):
    refuse(tokens, jws.serialize_compact({"alg": "RS256"}, claims, signing_keys.token))
    refuse(tokens, jws.serialize_compact({"alg": "RS256"}, b'{"jti": 3, "iss": 1, "aud": 2}', signing_keys.token))


@pytest.mark.req("CX-104", "CX-105")
def test_what_is_remembered_of_a_token_does_not_make_it_good(database, tenant, owner, tokens, monkeypatch):
    monkeypatch.setattr("tailrace.access.tokens._MANY_TOKENS", 2)
    issued = [tokens.issue(owner).access_token for _ in range(4)]
    for token in (*issued, *issued):
        assert ask(tokens, token)[0] == tokens.verify(token)
    assert len(tokens._checked._claims) == 2
    revoke_key(database, tenant, owner.access_key_id)
    for token in issued:
        with pytest.raises(NotAuthenticated):
            ask(tokens, token)


def ask(tokens, token):
    """Ask, with a token, which tenants there are to be seen."""
    return tokens.verify_and_ask(token, lambda tenant: Query("SELECT id, %(id)s AS asked FROM tenants", {"id": tenant}))


def test_what_is_asked_with_a_token_is_asked_for_its_tenant(database, tokens, token, user):
    principal, rows = ask(tokens, token)
    assert (principal.tenant_id, [tuple(row) for row in rows]) == (user.tenant_id, [(user.tenant_id, user.tenant_id)])


def test_a_token_signed_for_another_tenant_than_its_keys_is_refused(tokens, owner):
    signed = tokens.issue(replace(owner, tenant_id=uuid4())).access_token
    refuse(tokens, signed)
    with pytest.raises(NotAuthenticated):
        ask(tokens, signed)
