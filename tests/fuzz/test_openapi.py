"""Requests made from the OpenAPI document, sound and broken: a real server must keep to its own description.

Sound requests may still be refused (no such job, no such entity), so it is not asked that they succeed.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from service import JOBS, Service
from tailrace.access.entities import View, grant_views
from tailrace.access.passwords import set_password

pytestmark = [pytest.mark.slow, pytest.mark.share]

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs/reference/openapi.json").read_text(encoding="utf-8"))
SMARTSYNC = "/SMARTSync/services/rs"
# One waits for its job and is the same as its sibling otherwise; the others would end the sign-in all tests share.
LEFT_OUT = {f"{JOBS}/sync", f"{SMARTSYNC}/users/v1/logout", "/auth/endsession"}
OPERATIONS = [
    (path, method) for path, methods in sorted(DOCUMENT["paths"].items()) if path not in LEFT_OUT for method in methods
]


@pytest.fixture(scope="module")
def credentials(documented: Service) -> dict[str, dict[str, str]]:
    """Sign in to both dialects: the headers that open the paths of each."""
    caller = documented.caller()
    set_password(documented.database, caller.user, "correct horse")
    grant_views(documented.database, caller.user, [View(kind, 0) for kind in ("mu", "bu", "ct", "eg", "tog")])
    person = {"customerId": caller.tenant.customer_id, "userName": caller.user.name}
    body = {**person, "password": "correct horse", "locale": "en_US"}
    answer = documented.request("POST", f"{SMARTSYNC}/users/v1/login", json=body)
    assert answer.status_code == 200, answer.text
    return {
        SMARTSYNC: {"Cookie": f"JSESSIONID={answer.json()['jsessionId']}"},
        "/": {"Authorization": f"Bearer {caller.token}"},
    }


@pytest.mark.req("CX-008", "SS-003", "SS-005", "SS-006", "SS-007")
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_answers_are_as_described(path: str, method: str, documented: Service, credentials: Any) -> None:
    checks, operation = _checks(), _schema()[path][method]
    headers = credentials[SMARTSYNC if path.startswith(SMARTSYNC) else "/"]

    @settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def keeps_to_it(case: Any) -> None:
        response = case.call(base_url=documented.url, headers=headers, timeout=30)
        case.validate_response(response, checks=checks)

    keeps_to_it()


@cache
def _schema() -> Any:
    # Imported here, as it takes a second that runs without these tests can do without.
    import schemathesis

    return schemathesis.openapi.from_dict(DOCUMENT)


@cache
def _checks() -> list[Any]:
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    return [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
        checks.response_headers_conformance,
    ]
