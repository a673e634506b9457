"""Section 1.5 and annex A: discovery documents, keys to check tokens with, who a token stands for."""

import json
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import KeySet

from conformance import wire
from conformance.wire import SIGN_IN, send
from service import JOBS, Caller, Service

OPENID, CXONE = "/.well-known/openid-configuration", "/.well-known/cxone-configuration"
JWKS, USERINFO = "/auth/jwks", "/auth/userinfo"


def compact(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def openid(url: str) -> bytes:
    """Annex A.1."""
    return compact(
        {
            "issuer": url,
            "authorization_endpoint": f"{url}/auth/authorize",
            "token_endpoint": f"{url}/auth/token",
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "token_endpoint_auth_signing_alg_values_supported": [],
            "jwks_uri": f"{url}/auth/jwks",
            "userinfo_endpoint": f"{url}/auth/userinfo",
            "end_session_endpoint": f"{url}/auth/endsession",
            "scopes_supported": ["openid"],
            "response_types_supported": [],
            "grant_types_supported": ["password", "refresh_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "request_object_signing_alg_values_supported": [],
            "display_values_supported": [],
            "claim_types_supported": ["normal"],
        }
    )


def cxone(url: str, domain: str, tenant_id: str = "", area: str = "na1") -> bytes:
    """Annex A.2."""
    return compact(
        {
            "private": False,
            "ui_endpoint": url,
            "auth_endpoint": url,
            "api_endpoint": url,
            "area": area,
            "cluster": "local",
            "domain": domain,
            "acdDomain": domain,
            "uhDomain": domain,
            "tenantId": tenant_id,
            "globaldomain": domain,
            "globaldomain_v1": domain,
        }
    )


def document(service: Service, path: str, *headers: tuple[str, str]) -> bytes:
    answer = send(service, "GET", path, headers)
    assert answer.status_code == 200, answer.text
    wire.check_json(answer)
    return answer.content


def tenant_of(service: Service, query: str = "", *headers: tuple[str, str]) -> str:
    content = document(service, CXONE + query, *headers)
    tenant_id = str(json.loads(content)["tenantId"])
    assert content == cxone(service.url, "127.0.0.1", tenant_id)
    return tenant_id


def sign_in(caller: Caller) -> dict[str, Any]:
    key = {"accessKeyId": caller.key.access_key_id, "accessKeySecret": caller.key.access_key_secret}
    return dict(send(caller.service, "POST", SIGN_IN, (), json.dumps(key).encode()).json())


@pytest.mark.req("CX-151", "CX-006", "CX-007", "CX-016")
def test_the_openid_document_byte_for_byte(service: Service):
    assert document(service, OPENID) == openid(service.url)
    assert document(service, OPENID + "?x=1", ("Authorization", "Bearer x"), ("Accept", "text/html")) == openid(
        service.url
    )


@pytest.mark.req("CX-151", "CX-005", "CX-156")
def test_documents_name_the_public_url_and_the_area(tuned: Service):
    url = "https://tailrace.example"
    forged = [("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "http"), ("Forwarded", "host=evil.example")]
    assert document(tuned, OPENID, *forged) == openid(url)
    assert document(tuned, CXONE, *forged) == cxone(url, "tailrace.example", area="eu1")


@pytest.mark.req("CX-154", "CX-156")
def test_the_domain_is_a_setting(start: Any):
    public = {"TAILRACE_SERVER__PUBLIC_URL": "https://Tailrace.Example:8443"}
    server = start(TAILRACE_CXONE__DOMAIN="niceincontact.example", **public)
    server.url = wire.listening_at(server)
    found = json.loads(document(server, CXONE))
    for name in ("domain", "acdDomain", "uhDomain", "globaldomain", "globaldomain_v1"):
        assert found[name] == "niceincontact.example"
    assert not any(found[name].endswith("/") for name in ("ui_endpoint", "auth_endpoint", "api_endpoint"))


@pytest.mark.req("CX-151")
def test_what_the_openid_document_names_is_there(service: Service):
    found = json.loads(document(service, OPENID))
    token = ("Authorization", f"Bearer {service.caller().token}")
    answers = {name: send(service, "GET", found[name], [token]) for name in found if name.endswith(("endpoint", "uri"))}
    assert {name: answer.status_code for name, answer in answers.items()} == {
        "authorization_endpoint": 400,
        "token_endpoint": 405,
        "jwks_uri": 200,
        "userinfo_endpoint": 200,
        "end_session_endpoint": 204,
    }


# -- keys ---------------------------------------------------------------------------------------------------------


@pytest.mark.req("CX-152", "CX-161")
def test_the_keys_verify_the_tokens(service: Service):
    content = document(service, JWKS)
    [key] = json.loads(content)["keys"]
    members = ["kty", "use", "alg", "kid", "n", "e"]
    assert content == compact({"keys": [{name: key[name] for name in members}]})
    assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")
    assert len(wire.decode_part(key["n"])) >= 2048 // 8
    keys = KeySet.import_key_set({"keys": [key]})
    tokens = sign_in(service.caller())
    for name in ("access_token", "id_token"):
        read = jwt.decode(tokens[name], keys, algorithms=["RS256"])
        assert (read.header["kid"], read.claims["iss"]) == (key["kid"], service.url)
        head, claims, signature = tokens[name].split(".")
        with pytest.raises(BadSignatureError):
            jwt.decode(f"{head}.{claims[:-4]}AAAA.{signature}", keys, algorithms=["RS256"])


@pytest.mark.req("CX-152")
def test_every_server_has_keys_of_its_own(documented: Service, live: Service):
    assert document(documented, JWKS) != document(live, JWKS)


# -- who a token stands for ---------------------------------------------------------------------------------------


@pytest.mark.req("CX-153", "CX-163", "CX-006", "CX-007")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_userinfo_gives_the_claims_of_the_id_token(service: Service, method: str):
    caller = service.caller()
    tokens = sign_in(caller)
    answer = send(service, method, USERINFO, [("Authorization", f"Bearer {tokens['access_token']}")])
    assert answer.status_code == 200
    empty = dict.fromkeys(("given_name", "family_name", "teamId", "icAgentId", "icBUId", "icClusterId"), "")
    expected = {
        "sub": f"user:{caller.user.id}",
        "tenantId": str(caller.tenant.id),
        "tenant": caller.tenant.name,
        "area": "na1",
        "userId": str(caller.user.id),
        "name": caller.user.name,
        **empty,
    }
    assert list(wire.check_json(answer).items()) == list(expected.items())
    identity = wire.claims(tokens["id_token"])
    assert {name: identity[name] for name in identity if name not in ("iss", "aud", "iat", "exp")} == expected


@pytest.mark.req("CX-153", "CX-102", "CX-103")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_userinfo_needs_an_access_token(service: Service, method: str):
    tokens = sign_in(service.caller())
    for text in ("Bearer", "Bearer x", f"Bearer {tokens['id_token']}", f"Bearer {tokens['refresh_token']}"):
        wire.check_refusal(service, send(service, method, USERINFO, [("Authorization", text)]), "token")
    target = f"{USERINFO}?access_token={tokens['access_token']}"
    wire.check_refusal(service, send(service, method, target), "token")


# -- where the tenant's services are ------------------------------------------------------------------------------


@pytest.mark.req("CX-154", "CX-155")
def test_the_tenant_is_the_querys_or_the_tokens_or_none(service: Service):
    caller, other, nobody = service.caller(), service.caller(), str(uuid4())
    token = wire.bearer(caller)
    assert tenant_of(service) == ""
    assert tenant_of(service, "", token) == str(caller.tenant.id)
    for given in (str(caller.tenant.id), str(other.tenant.id), nobody, nobody.upper()):
        assert tenant_of(service, f"?tenantId={given}") == given
        assert tenant_of(service, f"?x=y&tenantId={given}", token) == given
        assert tenant_of(service, f"?tenantId={given}", ("Authorization", "Bearer x")) == given


@pytest.mark.req("CX-155")
def test_a_tenant_id_that_is_no_uuid_does_not_count(service: Service):
    caller = service.caller()
    tenant_id = str(caller.tenant.id)
    odd = [
        *("", "x", caller.tenant.name, "0", "\0", "é", "\r\nX: y", f" {tenant_id}", f"{tenant_id} ", f"{tenant_id}\n"),
        *(tenant_id.replace("-", ""), f"{{{tenant_id}}}", f"urn:uuid:{tenant_id}", tenant_id[:-1], f"{tenant_id}0"),
        *(f"{tenant_id[:2]}_{tenant_id[3:]}", tenant_id.replace(tenant_id[0], "\u0663"), "A" * 20_000),
    ]
    for text in odd:
        assert tenant_of(service, f"?tenantId={quote(text)}") == ""
        assert tenant_of(service, f"?tenantId={quote(text)}", wire.bearer(caller)) == tenant_id
    assert tenant_of(service, "?tenantId=%ED%A0%80%ff") == ""


@pytest.mark.req("CX-155", "CX-102")
def test_a_token_that_is_not_valid_is_no_reason_to_refuse(service: Service):
    caller = service.caller()
    tokens = sign_in(caller)
    service.database.execute(
        "UPDATE access_tokens SET expires_at = now() WHERE id = %(id)s", {"id": wire.claims(caller.token)["jti"]}
    )
    for text in ("", "x", "Bearer", f"Bearer {caller.token}", f"Bearer {tokens['id_token']}", "Basic eDp5", "é"):
        assert tenant_of(service, "", ("Authorization", text)) == ""


@pytest.mark.req("CX-154", "CX-019")
def test_only_reads_of_the_api_count_as_reads(documented: Service):
    caller = documented.caller()
    header = [wire.bearer(caller)]
    answers = [send(documented, "GET", path, header) for path in (CXONE, USERINFO) for _ in range(101)]
    assert {answer.status_code for answer in answers} == {200}
    assert send(documented, "GET", JOBS, header).status_code == 200


@pytest.mark.req("CX-014")
@pytest.mark.parametrize(("path", "allowed"), [(OPENID, "GET"), (CXONE, "GET"), (JWKS, "GET"), (USERINFO, "GET, POST")])
def test_other_methods_are_not_offered(service: Service, path: str, allowed: str):
    answer = send(service, "PUT", path)
    wire.check_refusal(service, answer, "method")
    assert answer.headers["allow"] == allowed
