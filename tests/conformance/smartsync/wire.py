"""What the tests of the dialect share: its paths, somebody who is signed in, entities, and what answers must be."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx2

from conformance.wire import check_envelope, check_json, send
from service import Service
from tailrace.access.entities import grant_views, read_view, withdraw_views
from tailrace.access.passwords import set_password
from tailrace.access.tenants import Tenant
from tailrace.access.users import User, create_user

RS = "/SMARTSync/services/rs"
LOGIN = f"{RS}/users/v1/login"
LOGOUT = f"{RS}/users/v1/logout"
ENTITIES = f"{RS}/entities/v1"
JSON = ("Content-Type", "application/json")
ID = r"[A-Za-z0-9]{32}\.[A-Za-z0-9_-]{1,32}"
WAITING = {429, 503}
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass
class Person:
    """One user of one tenant, signed in."""

    service: Service
    tenant: Tenant
    user: User
    password: str
    session: str

    @property
    def credentials(self) -> dict[str, Any]:
        """What a login takes."""
        return {
            "customerId": self.tenant.customer_id,
            "userName": self.user.name,
            "password": self.password,
            "locale": "en_US",
        }

    @property
    def cookie(self) -> tuple[str, str]:
        """The header that makes a request this person's."""
        return "Cookie", f"JSESSIONID={self.session}"

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: Sequence[tuple[str, str]] = ()
    ) -> httpx2.Response:
        return send(self.service, method, path, [self.cookie, *headers], body)

    def get(self, path: str) -> httpx2.Response:
        return self.send("GET", path)

    def post(self, path: str, members: object = None) -> httpx2.Response:
        """Send JSON; None sends no body at all."""
        body = None if members is None else json.dumps(members).encode()
        return self.send("POST", path, body, [JSON] if body else [])

    def allow(self, *views: str) -> None:
        grant_views(self.service.database, self.user, [read_view(view) for view in views])

    def deny(self, *views: str) -> None:
        withdraw_views(self.service.database, self.user, [read_view(view) for view in views])

    def add_entity(self, entity: str, **facts: Any) -> None:
        add_entity(self.service, self.tenant, entity, **facts)

    def is_signed_in(self, session: str = "") -> bool:
        answer = send(
            self.service, "GET", f"{ENTITIES}?entityType=mu", [("Cookie", f"JSESSIONID={session or self.session}")]
        )
        assert answer.status_code in (200, 401), answer.text
        return answer.status_code == 200


def make_person(service: Service, tenant: Tenant | None = None, views: Sequence[str] = ()) -> Person:
    """Make a user with a password and views, and sign it in; of a new tenant unless one is given."""
    tenant = tenant or service.tenant()
    user = create_user(service.database, tenant, f"user-{uuid4().hex[:8]}")
    password = f"pass word-{uuid4().hex}"
    set_password(service.database, user, password)
    person = Person(service, tenant, user, password, "")
    person.allow(*views)
    person.session = sign_in(service, person.credentials)
    return person


def log_in(service: Service, members: object, headers: Sequence[tuple[str, str]] = ()) -> httpx2.Response:
    return send(service, "POST", LOGIN, [JSON, *headers], json.dumps(members).encode())


def sign_in(service: Service, members: object) -> str:
    answer = log_in(service, members)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["jsessionId"])


def add_entity(service: Service, tenant: Tenant, entity: str, **facts: Any) -> None:
    """Put an entity there (`mu:1`), long ago and unchanged unless `created`, `changed`, `deleted` say otherwise."""
    kind, number = read_view(entity)
    created = facts.get("created", LONG_AGO)
    service.database.execute(
        "INSERT INTO wfm_entities VALUES (%(tenant)s, %(kind)s, %(number)s, %(name)s, %(bu)s, %(created)s, %(changed)s,"
        " %(deleted)s)",
        {
            "tenant": tenant.id,
            "kind": kind,
            "number": number,
            "name": facts.get("name", f"name of {entity}"),
            "bu": facts.get("bu"),
            "created": created,
            "changed": facts.get("changed", created),
            "deleted": facts.get("deleted"),
        },
    )


# -- what answers must be -----------------------------------------------------------------------------------------


def check_refusal(answer: httpx2.Response, status: int, message: str, *details: str, printed: int = 0) -> None:
    """Compare status, headers and the whole body, in order, with SS-005; `printed` is a status in the body alone."""
    expected: dict[str, Any] = {"message": message, "status": printed or status}
    if details:
        expected["details"] = list(details)
    assert answer.status_code == status, answer.text
    assert list(check_json(answer).items()) == list(expected.items())
    assert ("retry-after" in answer.headers) == (status in WAITING)
    assert "set-cookie" not in answer.headers


def check_faults(answer: httpx2.Response, *details: str) -> None:
    """Check that it is a 400 with exactly these faults."""
    check_refusal(answer, 400, "One or more request validations failed", *details)


def check_unauthorized(answer: httpx2.Response) -> None:
    check_refusal(answer, 401, "Unauthorized")


__all__ = ["check_envelope", "check_json", "send"]
