"""Two tenants with everything a request may name, worthless credentials of all kinds, and what is stored."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from conformance import wire
from conformance.smartsync import exports_wire
from conformance.smartsync.wire import LOGOUT, Person, make_person, sign_in
from service import Caller, Service, poll
from tailrace.access.clients import NewClient, create_client
from tailrace.access.keys import NewKey, create_key, revoke_key
from tailrace.access.users import allow, set_active
from tailrace.catalog.permissions import CANCEL_ANY

Header = tuple[str, str]
# Nobody has these.
UNKNOWN_JOB = UUID("00000000-0000-4000-8000-000000000000")
FOREIGN_MU, UNKNOWN_MU = 424_242, 424_243


@dataclass
class Account:
    """Somebody signed in to both APIs, by an access key and by a password."""

    person: Person
    key: NewKey
    tokens: dict[str, str]

    @property
    def caller(self) -> Caller:
        one = self.person
        return Caller(one.service, one.tenant, one.user, self.key, self.tokens["access_token"])

    @property
    def bearer(self) -> Header:
        return "Authorization", f"Bearer {self.tokens['access_token']}"

    @property
    def cookie(self) -> Header:
        return self.person.cookie


def make_account(person: Person, *permissions: str) -> Account:
    """Give somebody who has a password an access key as well, and sign it in."""
    service = person.service
    allow(service.database, person.user, permissions)
    key = create_key(service.database, person.user)
    return Account(person, key, tokens_of(service, key))


def tokens_of(service: Service, key: NewKey) -> dict[str, str]:
    body = {"accessKeyId": key.access_key_id, "accessKeySecret": key.access_key_secret}
    answer = service.request("POST", wire.SIGN_IN, json=body)
    assert answer.status_code == 200, answer.text
    return {name: text for name, text in answer.json().items() if name.endswith("_token")}


@dataclass
class World:
    """What the victim has, who asks for it, and what lies about that was a credential once."""

    service: Service
    victim: Account
    stranger: Account  # of another tenant, with every permission
    lesser: Account  # of the victim's tenant, without any
    client: NewClient
    jobs: dict[str, UUID] = field(default_factory=dict)
    strangers_jobs: dict[str, UUID] = field(default_factory=dict)
    keys: dict[str, NewKey] = field(default_factory=dict)
    refresh_tokens: dict[str, str] = field(default_factory=dict)
    locked: Person | None = None
    link: str = ""
    dead: dict[str, Header] = field(default_factory=dict)

    @property
    def tenants(self) -> list[UUID]:
        return [self.victim.person.tenant.id, self.stranger.person.tenant.id]

    def marks(self) -> Iterator[str]:
        """What names the victim, its tenant and its things, in every spelling an answer could have."""
        one = self.victim
        for known in (one.person.tenant.id, one.person.user.id, *self.jobs.values()):
            yield from (str(known), known.hex)
        yield from (one.person.tenant.name, one.person.user.name, one.person.password, one.person.session)
        yield from (one.key.access_key_id, one.key.access_key_secret, *one.tokens.values())
        yield from ("name of mu:424242", "Kundin", self.link.partition("signature=")[2])


def make_world(service: Service) -> World:
    wait_until_idle(service)
    victim = make_account(exports_wire.new_centre(service), "qm-workflow")
    victim.person.add_entity(f"mu:{FOREIGN_MU}")
    stranger = make_account(make_person(service, views=[f"{kind}:all" for kind in ("mu", "bu", "ct", "eg", "tog")]))
    allow(service.database, stranger.person.user, ["qm-workflow", CANCEL_ANY])
    stranger.person.add_entity("mu:1", name="the stranger's own")
    lesser = make_account(exports_wire.colleague_of(victim.person))
    world = World(service, victim, stranger, lesser, create_client(service.database, f"client-{uuid4().hex[:8]}"))
    _make_jobs(world)
    _make_dead(world)
    wait_until_idle(service)
    return world


def wait_until_idle(service: Service) -> None:
    """Wait until no worker has anything to do, so that what changes then is the requests' doing."""
    busy = (
        "SELECT id FROM jobs WHERE (state = 'running' AND lease_until < 'infinity')"
        " OR (state = 'queued' AND retry_at < 'infinity')"
    )
    poll(lambda: not service.database.execute(busy))


# -- jobs ---------------------------------------------------------------------------------------------------------


def _make_jobs(world: World) -> None:
    """One of each API that has ended well and one that waits, the victim's; one of each that is the stranger's."""
    victim, stranger = world.victim, world.stranger
    succeeded, link = wire.succeeded(victim.caller)
    world.link = link.removeprefix(world.service.url)
    wire.age_window(victim.caller, 31)
    waiting = wire.running(victim.caller)
    world.jobs = {
        "cxone succeeded": UUID(succeeded),
        "cxone waiting": UUID(waiting),
        "smartsync completed": UUID(exports_wire.completed(victim.person)),
        "smartsync waiting": UUID(exports_wire.in_state(victim.person, "waiting")),
    }
    wire.age_window(stranger.caller, 31)
    own, _ = wire.succeeded(stranger.caller)
    exported = exports_wire.completed(stranger.person, muIds=[1])
    world.strangers_jobs = {"cxone": UUID(own), "smartsync": UUID(exported)}
    # The stranger's next request comes too soon, by the same number of seconds however long the test takes.
    wire.age_window(stranger.caller, -7200)


# -- what was a credential once -----------------------------------------------------------------------------------


def _make_dead(world: World) -> None:
    """Make users of the victim's tenant with its permissions, and take from each what made the credential good."""
    world.dead |= {
        "a token nobody signed": ("Authorization", "Bearer " + world.victim.tokens["access_token"][:-12] + "A" * 12),
        "a refresh token": ("Authorization", f"Bearer {world.victim.tokens['refresh_token']}"),
        "an id token": ("Authorization", f"Bearer {world.victim.tokens['id_token']}"),
        "an access key": ("Authorization", f"AccessKey {world.victim.key.access_key_id}"),
        "a session nobody has": ("Cookie", f"JSESSIONID={'a' * 32}.node"),
        "a session id as token": ("Authorization", f"Bearer {world.victim.person.session}"),
        "a token as session": ("Cookie", f"JSESSIONID={world.victim.tokens['access_token']}"),
    }
    _make_dead_tokens(world)
    _make_dead_sessions(world)


def _colleague(world: World) -> Account:
    person = make_person(world.service, world.victim.person.tenant, views=["mu:all"])
    return make_account(person, "qm-workflow")


def _make_dead_tokens(world: World) -> None:
    service, database = world.service, world.service.database
    revoked, locked, expired, ended = (_colleague(world) for _ in range(4))
    revoke_key(database, world.victim.person.tenant, revoked.key.access_key_id)
    set_active(database, locked.person.user, active=False)
    database.execute(
        "UPDATE access_tokens SET expires_at = now() - interval '1 second' WHERE access_key_id = %(key)s",
        {"key": expired.key.access_key_id},
    )
    assert wire.send(service, "POST", "/auth/endsession", [ended.bearer]).status_code == 204
    world.dead |= {
        "a revoked key's token": revoked.bearer,
        "a locked user's token": locked.bearer,
        "an expired token": expired.bearer,
        "an ended sign-in's token": ended.bearer,
        "a locked user's session": locked.cookie,
    }
    world.keys = {"revoked": revoked.key, "locked": locked.key}
    world.locked = locked.person
    world.refresh_tokens = {
        name: one.tokens["refresh_token"] for name, one in (("revoked", revoked), ("locked", locked), ("ended", ended))
    }


def _make_dead_sessions(world: World) -> None:
    """One person's sessions: idle for too long, and ended."""
    person = make_person(world.service, world.victim.person.tenant, views=["mu:all"])
    idle = person.session
    person.session = ended = sign_in(world.service, person.credentials)
    assert person.send("POST", LOGOUT, headers=[("Content-Type", "application/json")]).status_code == 204
    # Less than twice the idle time, after which housekeeping may remove it.
    world.service.database.execute(
        "UPDATE sessions SET last_used_at = now() - interval '45 minutes' WHERE secret_sha256 = sha256(%(id)s::bytea)",
        {"id": idle},
    )
    world.dead |= {
        "a session idle for too long": ("Cookie", f"JSESSIONID={idle}"),
        "an ended session": ("Cookie", f"JSESSIONID={ended}"),
    }


# -- what is stored -----------------------------------------------------------------------------------------------

# Which rows of a table without a tenant's id are a tenant's; a table that is not named here is compared whole.
_OF_TENANT = {
    "tenants": "id = ANY(%(tenants)s)",
    "access_tokens": "access_key_id IN (SELECT id FROM access_keys WHERE tenant_id = ANY(%(tenants)s))",
}
_TABLES = """
    SELECT c.table_name AS name, bool_or(c.column_name = 'tenant_id') AS of_tenant
    FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
    WHERE table_schema = 'public' AND table_type = 'BASE TABLE' GROUP BY 1
"""


def stored(world: World, tenants: Iterable[UUID]) -> dict[str, list[str]]:
    """Everything that is stored of these tenants, and all that is nobody's: every row of every table, every object."""
    tenants = list(tenants)
    found = {}
    for table in world.service.database.execute(_TABLES):
        where = _OF_TENANT.get(table.name, "tenant_id = ANY(%(tenants)s)" if table.of_tenant else "true")
        rows = world.service.database.execute(
            f"SELECT to_jsonb(t) AS row FROM {table.name} t WHERE {where}", {"tenants": tenants}
        )
        found[table.name] = sorted(_written(world, row.row) for row in rows)
    folders = [world.service.data / "results" / str(tenant) for tenant in tenants]
    found["objects"] = sorted(
        f"{path} {path.stat().st_size}" for folder in folders for path in folder.rglob("*") if path.is_file()
    )
    return found


def _written(world: World, row: dict[str, Any]) -> str:
    """Write a row; when a session that lives was used is noted now and then, and is no change."""
    living = {str(one.person.user.id) for one in (world.victim, world.stranger, world.lesser)}
    if row.get("user_id") in living:
        row.pop("last_used_at", None)
    return json.dumps(row, sort_keys=True)
