"""What the matrix expects of each route and method: a sound request, whose things it may name, who is refused.

A route that the OpenAPI document has and this table has not fails the matrix by its name.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from conformance import wire
from conformance.smartsync import exports_wire
from conformance.smartsync.wire import ENTITIES, LOGIN, LOGOUT
from isolation.world import FOREIGN_MU, UNKNOWN_JOB, UNKNOWN_MU, World
from service import EXAMPLE, JOBS

_JSON = ("Content-Type", "application/json")
_FORM = ("Content-Type", "application/x-www-form-urlencoded")


@dataclass(frozen=True)
class Ask:
    """A request; `named` is what it names that an answer may repeat."""

    path: str
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    named: str = ""


Asks = Callable[[World], Mapping[str, Ask]]


@dataclass(frozen=True)
class Row:
    """What is expected of one route and method.

    `credential` is what opens it: `bearer`, `session`, or nothing. `foreign` are requests for things of others by
    somebody signed in, all answered alike with `refused`, one named "unknown" among them. `lesser` is what the
    victim's colleague without permission gets for each request of `sound` and for one that names what nobody has.
    """

    credential: str
    sound: Callable[[World], Ask]
    foreign: Asks = lambda _world: {}
    refused: int = 0
    own: int = 0  # status of the sound request, asked by the stranger about itself; 0: not asked
    lesser: int = 0
    nothing: bytes | None = None  # what an answer that shows nothing is
    varies: bool = False  # tells the time or counts
    ends: bool = False  # ends the sign-in it is sent with
    changes: frozenset[str] = field(default_factory=frozenset)  # tables that refusals are noted in


def _at(path: str) -> Callable[[World], Ask]:
    return lambda _world: Ask(path)


def _as_json(path: str, members: Any, *headers: tuple[str, str], named: str = "") -> Ask:
    return Ask(path, json.dumps(members).encode(), (_JSON, *headers), named)


# -- by their ids -------------------------------------------------------------------------------------------------


def _job_ids(world: World, own_of_the_other: str) -> dict[str, Any]:
    """Every id that is not one of this API's jobs of the stranger's."""
    other = {f"the stranger's own of {own_of_the_other}": world.strangers_jobs[own_of_the_other]}
    return {"unknown": UNKNOWN_JOB, **world.jobs, **other}


def _cxone_jobs(world: World) -> dict[str, Ask]:
    spelled = {name: str(one) for name, one in _job_ids(world, "smartsync").items()}
    spelled["in capitals"] = spelled["cxone succeeded"].upper()
    asks = {name: Ask(f"{JOBS}/{one}", named=one) for name, one in spelled.items()}
    other = "/data-extraction/V1/jobs"
    return asks | {f"{name}, as printed": Ask(f"{other}/{one}", named=one) for name, one in spelled.items()}


def _smartsync_jobs(verb: str, body: bytes | None = None) -> Asks:
    headers = (_JSON,) if verb == "cancel" else ()

    def asks(world: World) -> dict[str, Ask]:
        ids = {name: one.hex for name, one in _job_ids(world, "cxone").items()}
        ids |= {"with hyphens": str(world.jobs["smartsync completed"])}
        usual = {name: Ask(f"{exports_wire.BASE}/{verb}/{one}", body, headers, one) for name, one in ids.items()}
        small = {name: Ask(ask.path.replace("SMARTSync", "smartsync"), body, headers) for name, ask in usual.items()}
        return usual | {f"{name}, in small letters": ask for name, ask in small.items()}

    return asks


def _pages(world: World) -> dict[str, Ask]:
    asks = dict(_smartsync_jobs("result")(world))
    page = {f"{name}, a page": Ask(f"{ask.path}?startRecord=1&numRecords=1") for name, ask in asks.items()}
    return asks | page


def _result_of_the_victim(world: World) -> Ask:
    return Ask(f"{exports_wire.BASE}/result/{world.jobs['smartsync completed'].hex}")


def _broken_links(world: World) -> dict[str, Ask]:
    path, _, query = world.link.partition("?")
    expires, signature = (part.partition("=")[2] for part in query.split("&"))
    mine = wire.link_of_age(world.stranger.caller, str(world.strangers_jobs["cxone"]), 0)
    own_query = mine.partition("?")[2]
    longer = urlencode({"expires": str(int(expires) + 1000), "signature": signature})
    return {
        "unknown": Ask(f"/downloads/{UNKNOWN_JOB}/{UNKNOWN_JOB}/1-0.csv?{query}"),
        "the victim's, with the stranger's signature": Ask(f"{path}?{own_query}"),
        "the victim's, for longer": Ask(f"{path}?{longer}"),
        "the victim's, without a signature": Ask(f"{path}?expires={expires}"),
        "the victim's, bare": Ask(path),
        "what lies beside it": Ask(f"{path}.gz?{query}"),
        "its folder": Ask(f"{path.rpartition('/')[0]}/?{query}"),
        "a way out of the store": Ask(f"/downloads/..%2f..%2fpostgres%2fpassword?{query}"),
    }


def _entities_of_others(world: World) -> dict[str, Ask]:
    del world
    return {name: _exported(mu) for name, mu in (("unknown", UNKNOWN_MU), ("the victim's", FOREIGN_MU))}


def _exported(mu: int) -> Ask:
    return _as_json(f"{exports_wire.BASE}/agent-info", exports_wire.ask("agent-info", muIds=[mu]), named=str(mu))


def _repeated(path: str) -> Asks:
    """A key that made a job of the victim's makes none of the stranger's known, nor does a new one."""

    def asks(world: World) -> dict[str, Ask]:
        _note_key(world)
        keys = {"unknown": "key-nobody-used", "the victim's": "key-of-the-victim"}
        return {name: _as_json(path, EXAMPLE, ("Idempotency-Key", key), named=key) for name, key in keys.items()}

    return asks


def _note_key(world: World) -> None:
    """Let the victim have used an Idempotency-Key, with the same body."""
    asked = [EXAMPLE["entityName"], EXAMPLE["version"], EXAMPLE["startDate"], EXAMPLE["endDate"]]
    world.service.database.execute(
        "INSERT INTO idempotency_keys (tenant_id, user_id, key, body_sha256, job_id)"
        " VALUES (%(tenant)s, %(user)s, 'key-of-the-victim', sha256(%(body)s::bytea), %(job)s) ON CONFLICT DO NOTHING",
        {
            "tenant": world.victim.person.tenant.id,
            "user": world.victim.person.user.id,
            "body": json.dumps(asked),
            "job": world.jobs["cxone succeeded"],
        },
    )


# -- by what signs in ---------------------------------------------------------------------------------------------


def _access_keys(world: World) -> dict[str, tuple[str, str]]:
    """Pairs of key and secret that open nothing."""
    victim, stranger = world.victim.key, world.stranger.key
    good = {name: (key.access_key_id, key.access_key_secret) for name, key in world.keys.items()}
    return {
        "unknown": ("0" * 32, "0" * 43),
        "the victim's, with the stranger's secret": (victim.access_key_id, stranger.access_key_secret),
        "the victim's, with its own id": (victim.access_key_id, victim.access_key_id),
        **good,
    }


def _sign_ins(world: World) -> dict[str, Ask]:
    pairs = _access_keys(world).items()
    return {
        name: _as_json(wire.SIGN_IN, {"accessKeyId": key, "accessKeySecret": secret}) for name, (key, secret) in pairs
    }


def _refreshes(world: World) -> dict[str, Ask]:
    tokens = {"unknown": "0" * 64, **world.refresh_tokens, "an access token": world.victim.tokens["access_token"]}
    return {name: _as_json("/public/user/refresh", {"token": token}) for name, token in tokens.items()}


def _grants(world: World) -> dict[str, Ask]:
    client = {"client_id": world.client.client_id, "client_secret": world.client.client_secret}
    asks = {}
    for name, (key, secret) in _access_keys(world).items():
        form = {"grant_type": "password", "username": key, "password": secret, **client}
        asks[name] = Ask("/auth/token", urlencode(form).encode(), (_FORM,))
    return asks


def _logins(world: World) -> dict[str, Ask]:
    victim, stranger = world.victim.person.credentials, world.stranger.person.credentials
    assert world.locked
    asked = {
        "unknown": {**victim, "userName": "nobody", "customerId": 2_147_483_647},
        "no such user": {**victim, "userName": "nobody"},
        "the stranger's password": {**victim, "password": stranger["password"]},
        "the stranger at the victim's": {**stranger, "customerId": victim["customerId"]},
        "the victim at the stranger's": {**victim, "customerId": stranger["customerId"]},
        "locked": world.locked.credentials,
    }
    return {name: _as_json(LOGIN, members) for name, members in asked.items()}


def _tenants(world: World) -> dict[str, Ask]:
    path = "/.well-known/cxone-configuration"
    ids = {"unknown": str(UNKNOWN_JOB), "the victim's": str(world.victim.person.tenant.id)}
    return {name: Ask(f"{path}?tenantId={one}", named=one) for name, one in ids.items()}


# -- the table ----------------------------------------------------------------------------------------------------

_FAILURES = frozenset({"sign_in_failures"})


def _cxone_job(world: World) -> Ask:
    return Ask(f"{JOBS}/{world.jobs['cxone succeeded']}")


def _smartsync_job(world: World) -> Ask:
    return Ask(f"{exports_wire.BASE}/status/{world.jobs['smartsync completed'].hex}")


def _cancel(world: World) -> Ask:
    return Ask(f"{exports_wire.BASE}/cancel/{world.jobs['smartsync waiting'].hex}", headers=(_JSON,))


def _cxone_waiting(world: World) -> Ask:
    return Ask(f"{JOBS}/{world.jobs['cxone waiting']}")


def _open(path: str, foreign: Asks = lambda _world: {}, refused: int = 0, **facts: Any) -> Row:
    """A route that takes no credential; its sound request is the one that names what nobody has, if any."""
    return Row("", lambda world: foreign(world).get("unknown", Ask(path)), foreign, refused, **facts)


ROWS: dict[str, Row] = {
    # What signs in
    f"POST {wire.SIGN_IN}": _open(wire.SIGN_IN, _sign_ins, 401, changes=_FAILURES),
    "POST /public/user/refresh": _open("/public/user/refresh", _refreshes, 401),
    "POST /auth/token": _open("/auth/token", _grants, 400, changes=_FAILURES),
    f"POST {LOGIN}": _open(LOGIN, _logins, 401, changes=_FAILURES),
    # Sign-ins
    "GET /auth/endsession": Row("bearer", _at("/auth/endsession"), ends=True),
    "POST /auth/endsession": Row("bearer", _at("/auth/endsession"), ends=True),
    "GET /auth/userinfo": Row("bearer", _at("/auth/userinfo"), own=200, lesser=200),
    "POST /auth/userinfo": Row("bearer", _at("/auth/userinfo"), own=200, lesser=200),
    f"POST {LOGOUT}": Row("session", lambda _world: Ask(LOGOUT, headers=(_JSON,)), ends=True),
    # Data Extraction
    f"GET {JOBS}": Row("bearer", _at(JOBS), own=200, lesser=403),
    f"POST {JOBS}": Row("bearer", lambda _world: _as_json(JOBS, EXAMPLE), _repeated(JOBS), 429, lesser=403),
    f"POST {JOBS}/sync": Row(
        "bearer", lambda _world: _as_json(f"{JOBS}/sync", EXAMPLE), _repeated(f"{JOBS}/sync"), 429, lesser=403
    ),
    f"GET {JOBS}/{{job_id}}": Row("bearer", _cxone_job, _cxone_jobs, 404, lesser=403),
    f"DELETE {JOBS}/{{job_id}}": Row("bearer", _cxone_waiting, _cxone_jobs, 404, lesser=403),
    # SmartSync
    f"GET {ENTITIES}": Row("session", _at(f"{ENTITIES}?entityType=mu,ct,eg,bu"), own=200, lesser=200, nothing=b"[]"),
    f"GET {exports_wire.BASE}/status": Row(
        "session", _at(f"{exports_wire.BASE}/status"), own=200, lesser=200, nothing=b"[]"
    ),
    f"GET {exports_wire.BASE}/status/{{jobId}}": Row(
        "session", _smartsync_job, _smartsync_jobs("status"), 404, lesser=404
    ),
    f"GET {exports_wire.BASE}/result/{{jobId}}": Row("session", _result_of_the_victim, _pages, 404, lesser=404),
    f"POST {exports_wire.BASE}/cancel/{{jobId}}": Row("session", _cancel, _smartsync_jobs("cancel"), 404, lesser=404),
    f"POST {exports_wire.BASE}/{{exporter}}": Row(
        "session", lambda _world: _exported(FOREIGN_MU), _entities_of_others, 400, lesser=400
    ),
    # For everybody
    "GET /downloads/{key}": _open("/downloads/none", _broken_links, 403),
    "GET /auth/authorize": _open("/auth/authorize"),
    "POST /auth/authorize": _open("/auth/authorize"),
    "GET /.well-known/openid-configuration": _open("/.well-known/openid-configuration"),
    "GET /.well-known/cxone-configuration": _open("/.well-known/cxone-configuration", _tenants, 200),
    "GET /auth/jwks": _open("/auth/jwks"),
    "GET /healthz": _open("/healthz", varies=True),
    "GET /readyz": _open("/readyz", varies=True),
    "GET /metrics": _open("/metrics", varies=True),
}
