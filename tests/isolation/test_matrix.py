"""No tenant sees another's row, file, name, or whether it exists: every route and method of the OpenAPI document.

Each is asked with another tenant's things, by somebody without permission, with what was a credential once, with the
other API's credential, and without any. What is unknown and what is another's is answered with the same bytes, nothing
of the victim's shows, and nothing stored changes.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from uuid import UUID

import httpx2
import pytest

from conformance.smartsync.wire import sign_in
from conformance.wire import link_of_age, send
from isolation.rows import ROWS, Ask, Row
from isolation.world import Account, Header, World, stored, tokens_of
from tailrace.web.app import bare_app, describe_api

# The length follows from the content, which may repeat names of different length.
_NOT_COMPARED = {"date", "correlationid", "content-length"}
_SERVER_FAULTS = 500
_ENDED = {"bearer": "cxone succeeded", "session": "smartsync completed"}


@cache
def operations() -> list[str]:
    paths = describe_api(bare_app())["paths"]
    return [f"{method.upper()} {path}" for path, methods in paths.items() for method in methods]


def row_of(operation: str) -> Row:
    assert operation in ROWS, f"{operation} has no row in tests/isolation/rows.py: say there who may see what"
    return ROWS[operation]


def put(world: World, operation: str, ask: Ask, *credentials: Header) -> httpx2.Response:
    method = operation.partition(" ")[0]
    if row_of(operation).changes:  # so many failures would be braked
        world.service.database.execute("DELETE FROM sign_in_failures")
    answer = send(world.service, method, ask.path, [*ask.headers, *credentials], ask.body)
    assert answer.status_code < _SERVER_FAULTS, f"{operation} {ask.path}: {answer.status_code}"
    return answer


def facts(answer: httpx2.Response, named: str = "") -> tuple[int, dict[str, str], bytes]:
    """What is the same of two answers that are alike, but for the name that was asked for."""
    headers = {name: text for name, text in answer.headers.items() if name not in _NOT_COMPARED}
    content = answer.content.replace(named.encode(), b"NAMED") if named else answer.content
    return answer.status_code, headers, content


def check_alike(answers: Mapping[str, httpx2.Response], asks: Mapping[str, Ask], like: str) -> None:
    """Check that all answers are alike but for what each repeats of its request."""
    expected = facts(answers[like], asks[like].named)
    for name, answer in answers.items():
        assert facts(answer, asks[name].named) == expected, f"{name} is not answered like {like}"


def check_hidden(world: World, answer: httpx2.Response, repeated: str = "") -> None:
    """Check that nothing of the victim's shows, but what the request itself named."""
    text = answer.text + json.dumps(dict(answer.headers))
    shown = [mark for mark in world.marks() if mark in text and mark not in (repeated, repeated.replace("-", ""))]
    assert not shown


@contextmanager
def nothing_changes(
    world: World, but: frozenset[str] = frozenset(), tenants: list[UUID] | None = None
) -> Iterator[None]:
    before = stored(world, tenants or world.tenants)
    yield
    after = stored(world, tenants or world.tenants)
    changed = {table for table in after if after[table] != before.get(table)}
    assert changed <= but


def credential_of(row: Row, account: Account) -> list[Header]:
    return {"bearer": [account.bearer], "session": [account.cookie], "": []}[row.credential]


def test_the_server_describes_the_routes_of_the_matrix(world):
    paths = world.service.request("GET", "/openapi.json").json()["paths"]
    offered = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert offered == set(operations())


def test_no_row_of_the_matrix_is_about_a_route_that_is_gone():
    assert ROWS.keys() - set(operations()) == set()


@pytest.mark.parametrize("operation", operations())
def test_what_is_no_credential_opens_nothing(world, operation):
    row = row_of(operation)
    ask = row.sound(world)
    dead = world.dead if row.credential else {"a revoked key's token": world.dead["a revoked key's token"]}
    credentials = {"none": [], **{name: [header] for name, header in dead.items()}}
    if row.credential != "bearer":
        credentials["the other API's token"] = [world.victim.bearer]
    if row.credential != "session":
        credentials["the other API's session"] = [world.victim.cookie]
    if operation == "GET /.well-known/cxone-configuration":
        del credentials["the other API's token"]  # it names the tenant of a token, its holder's own (CX-155)
    with nothing_changes(world, row.changes):
        answers = {name: put(world, operation, ask, *headers) for name, headers in credentials.items()}
    if row.credential:
        assert answers["none"].status_code == 401
    if row.varies:
        assert len({answer.status_code for answer in answers.values()}) == 1
    else:
        check_alike(answers, dict.fromkeys(answers, ask), "none")
    for answer in answers.values():
        check_hidden(world, answer, ask.named)


@pytest.mark.parametrize("operation", [one for one in operations() if one not in ROWS or ROWS[one].refused])
def test_another_tenants_things_are_unknown(world, operation):
    row = row_of(operation)
    asks = row.foreign(world)
    with nothing_changes(world, row.changes):
        answers = {name: put(world, operation, ask, *credential_of(row, world.stranger)) for name, ask in asks.items()}
    live = world.service.environment.get("TAILRACE_CXONE__PROFILE") == "live"
    in_live = {429: 403, 400: 401 if operation == "POST /auth/token" else 400}
    assert answers["unknown"].status_code == (in_live.get(row.refused, row.refused) if live else row.refused)
    check_alike(answers, asks, "unknown")
    for name, answer in answers.items():
        check_hidden(world, answer, asks[name].named)


@pytest.mark.parametrize("operation", [one for one in operations() if one not in ROWS or ROWS[one].own])
def test_lists_hold_what_is_ones_own(world, operation):
    row = row_of(operation)
    with nothing_changes(world):
        answer = put(world, operation, row.sound(world), *credential_of(row, world.stranger))
    assert answer.status_code == row.own
    assert answer.content != row.nothing, "the test proves nothing if there is nothing to show"
    check_hidden(world, answer)


@pytest.mark.parametrize("operation", [one for one in operations() if one not in ROWS or ROWS[one].lesser])
def test_who_may_nothing_learns_nothing(world, operation):
    row = row_of(operation)
    asks = {"the victim's": row.sound(world), **row.foreign(world)}
    with nothing_changes(world):
        answers = {name: put(world, operation, ask, *credential_of(row, world.lesser)) for name, ask in asks.items()}
    assert answers["the victim's"].status_code == row.lesser
    check_alike(answers, asks, "the victim's")
    assert row.nothing is None or answers["the victim's"].content == row.nothing


@pytest.mark.parametrize("operation", [one for one in operations() if one not in ROWS or ROWS[one].ends])
def test_ending_a_sign_in_ends_no_other(world, operation):
    row, stranger = row_of(operation), world.stranger
    tokens = tokens_of(world.service, stranger.key)
    session = sign_in(world.service, stranger.person.credentials)
    again = {
        "bearer": ("Authorization", f"Bearer {tokens['access_token']}"),
        "session": ("Cookie", f"JSESSIONID={session}"),
    }
    with nothing_changes(world, tenants=[world.victim.person.tenant.id]):
        assert put(world, operation, row.sound(world), again[row.credential]).status_code == 204
    assert put(world, operation, row.sound(world), again[row.credential]).status_code == 401
    for other in (world.victim, stranger):
        assert other.person.is_signed_in()
        assert send(world.service, "GET", "/auth/userinfo", [other.bearer]).status_code == 200


def test_what_is_asked_for_is_there_for_the_victim(world):
    """Were the requests above not sound, their refusals would prove nothing."""
    for operation, row in ROWS.items():
        own = credential_of(row, world.victim)
        if row.credential and operation.startswith("GET") and not row.ends:
            assert put(world, operation, row.sound(world), *own).status_code in (200, 202), operation
        if row.refused == 404:
            [ask] = [ask for name, ask in row.foreign(world).items() if name == _ENDED[row.credential]]
            assert put(world, operation, ask, *own).status_code in (200, 202, 409), operation
    link = link_of_age(world.victim.caller, str(world.jobs["cxone succeeded"]), 0)
    assert send(world.service, "GET", link).content.startswith(b"Tenant Name,")
