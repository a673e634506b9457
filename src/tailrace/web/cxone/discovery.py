"""Discovery documents (section 1.5 and annex A of the specification)."""

import re
from urllib.parse import urlsplit

from fastapi import APIRouter, Request

from tailrace.errors import NotAuthenticated
from tailrace.web.cxone import schema
from tailrace.web.cxone.authentication import Bearer, bearer
from tailrace.web.errors import JsonAnswer
from tailrace.web.requests import State
from tailrace.web.state import WebState

router = APIRouter(tags=["Discovery"])

_UUID_FORM = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DOCUMENT = schema.responses(200, {"type": "object"})


@router.get(
    "/.well-known/openid-configuration",
    summary="OpenID discovery",
    operation_id="openidConfiguration",
    responses=_DOCUMENT,
)
def openid_configuration(state: State) -> JsonAnswer:
    """Annex A.1."""
    url = state.public_url
    return JsonAnswer(
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


@router.get(
    "/.well-known/cxone-configuration",
    summary="Where the tenant's services are",
    operation_id="cxoneConfiguration",
    responses=_DOCUMENT,
)
def cxone_configuration(request: Request, state: State) -> JsonAnswer:
    """Annex A.2; the answer never shows whether a tenant exists (CX-155)."""
    url, settings = state.public_url, state.runtime.settings.cxone
    domain = settings.domain or urlsplit(url).hostname or ""
    return JsonAnswer(
        {
            "private": False,
            "ui_endpoint": url,
            "auth_endpoint": url,
            "api_endpoint": url,
            "area": settings.area,
            "cluster": "local",
            "domain": domain,
            "acdDomain": domain,
            "uhDomain": domain,
            "tenantId": _tenant_id(request, state),
            "globaldomain": domain,
            "globaldomain_v1": domain,
        }
    )


@router.get("/auth/jwks", summary="Keys that tokens can be checked with", operation_id="jwks", responses=_DOCUMENT)
def jwks(state: State) -> JsonAnswer:
    """The public part of the signing key (CX-152)."""
    return JsonAnswer({"keys": state.tokens.public_keys()})


_USER = schema.responses(200, {"type": "object"}, 401)


@router.get(
    "/auth/userinfo",
    summary="Who the token stands for",
    operation_id="userinfo",
    responses=_USER,
    openapi_extra=schema.SECURED,
)
@router.post(
    "/auth/userinfo",
    summary="Who the token stands for",
    operation_id="userinfoByPost",
    responses=_USER,
    openapi_extra=schema.SECURED,
)
def userinfo(state: State, caller: Bearer) -> JsonAnswer:
    """The claims of an id token, without those about the token itself."""
    return JsonAnswer(state.tokens.describe_user(caller))


def _tenant_id(request: Request, state: WebState) -> str:
    """The query's tenant if that is a UUID, else that of a valid token (CX-155)."""
    given = request.query_params.get("tenantId", "")
    if _UUID_FORM.fullmatch(given):
        return given
    try:
        return str(bearer(request, state).tenant_id)
    except NotAuthenticated:
        return ""
