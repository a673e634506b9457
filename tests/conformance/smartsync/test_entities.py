"""Section 1: the list of entities."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from conformance.smartsync import wire
from conformance.smartsync.wire import ENTITIES, Person
from service import Service

ALL = "ct,mu,eg,bu"
SINCE = datetime(2024, 5, 22, 8, 30, 15, 250_000, UTC)
WRITTEN = "2024.05.22T08:30:15.250Z"
MOMENT = timedelta(milliseconds=1)


@pytest.fixture
def viewer(person: Person) -> Person:
    """Let somebody View all there is: BU 1 with MU 1, MU 2 and CT 10, BU 2 with MU 3, and MU 4, CT 11, EG 1 alone."""
    for entity, bu in {"bu:1": None, "bu:2": None, "eg:1": None, "mu:4": None, "ct:11": None}.items():
        person.add_entity(entity, bu=bu)
    for entity, bu in {"mu:2": 1, "mu:1": 1, "ct:10": 1, "mu:3": 2}.items():
        person.add_entity(entity, bu=bu)
    person.add_entity("tog:1")
    person.allow("mu:all", "ct:all", "eg:all", "bu:all", "tog:all")
    return person


def ask(person: Person, types: str | None = ALL, timestamp: str | None = None, more: str = "") -> wire.httpx2.Response:
    query = [f"entityType={types}"] if types is not None else []
    query += [f"timestamp={timestamp}"] if timestamp is not None else []
    return person.get(f"{ENTITIES}?{'&'.join(query)}{more}")


def listed(person: Person, types: str = ALL, timestamp: str | None = None) -> list[str]:
    answer = ask(person, types, timestamp)
    assert answer.status_code == 200, answer.text
    return [f"{entity['entityType']}:{entity['id']}" for entity in wire.check_json(answer)]


@pytest.mark.req("SS-103", "SS-101", "SS-106", "SS-003")
def test_an_entity_has_exactly_these_members(service: Service, person: Person):
    person.add_entity("mu:12", name="Lyon")
    person.add_entity("mu:13", name='Zoë "日本" \\ <&>')
    person.allow("mu:12", "mu:13")
    answer = ask(person, "mu")
    first, second = wire.check_json(answer)
    assert list(first.items()) == [("entityType", "mu"), ("id", 12), ("name", "Lyon"), ("status", "ADD")]
    assert second["name"] == 'Zoë "日本" \\ <&>'
    assert '"id":12,' in answer.text.replace(" ", "")


@pytest.mark.req("WM-321", "SS-101", "SS-104")
@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ("mu", ["mu:1", "mu:2", "mu:3", "mu:4"]),
        ("ct", ["ct:10", "ct:11"]),
        ("bu,eg", ["bu:1", "bu:2", "eg:1"]),
        ("eg,bu", ["eg:1", "bu:1", "bu:2"]),
        ("ct,mu,ct", ["ct:10", "ct:11", "mu:1", "mu:2", "mu:3", "mu:4"]),
        ("xx,eg,,tog,MU,queue", ["eg:1"]),
        ("eg,%20bu", ["eg:1"]),
        ("eg%2Cbu", ["eg:1", "bu:1", "bu:2"]),
    ],
)
def test_types_come_in_the_order_asked(viewer: Person, types: str, expected: list[str]):
    assert listed(viewer, types) == expected


@pytest.mark.req("SS-104")
def test_ids_are_ordered_as_numbers_and_nothing_is_left_out(person: Person):
    numbers = [*range(1, 1200, 3), 2, 100_000, 2**53, 10**17]
    for number in numbers:
        person.add_entity(f"mu:{number}")
    person.allow("mu:all")
    assert [entity["id"] for entity in ask(person, "mu").json()] == sorted(numbers)


@pytest.mark.req("SS-102")
@pytest.mark.parametrize("more", ["", "?", "?entitytype=mu", "?entityTypes=mu", "?EntityType=mu"])
def test_without_types_it_is_400(idle: Person, more: str):
    wire.check_faults(idle.get(ENTITIES + more), "Missing required parameter: 'entityType'")


@pytest.mark.req("SS-102", "SS-301")
@pytest.mark.parametrize("value", ["", "tog", "MU", "xx,yy", "mu ", "mu;ct", "'", "x" * 101, "é\0"])
def test_without_a_known_type_it_is_400(idle: Person, value: str):
    wire.check_faults(ask(idle, quote(value)), f"Invalid entityType value: '{value[:100]}'")


@pytest.mark.req("SS-102", "SS-108", "SS-301")
def test_both_faults_are_told(idle: Person):
    faults = ["Missing required parameter: 'entityType'", "Invalid timestamp value: 'x'"]
    wire.check_faults(ask(idle, None, "x"), *faults)
    wire.check_faults(ask(idle, "x", ""), "Invalid entityType value: 'x'", "Invalid timestamp value: ''")


@pytest.mark.req("SS-007")
def test_other_parameters_and_a_content_type_are_ignored(viewer: Person):
    plain = ask(viewer, "mu").json()
    assert ask(viewer, "mu", more="&page=2&limit=1&x&=&status=DELETE").json() == plain
    headers = [("Content-Type", "text/xml"), ("Accept", "text/html")]
    assert viewer.send("GET", f"{ENTITIES}?entityType=mu", headers=headers).json() == plain


# -- who may ------------------------------------------------------------------------------------------------------


@pytest.mark.req("SS-105")
@pytest.mark.parametrize(
    ("views", "expected"),
    [
        ([], []),
        (["mu:2"], ["mu:2"]),
        (["bu:1"], ["ct:10", "mu:1", "mu:2", "bu:1"]),
        (["bu:2", "ct:11"], ["ct:11", "mu:3", "bu:2"]),
        (["bu:all"], ["ct:10", "mu:1", "mu:2", "mu:3", "bu:1", "bu:2"]),
        (["mu:all"], ["mu:1", "mu:2", "mu:3", "mu:4"]),
        (["eg:1", "tog:1"], ["eg:1"]),
    ],
    ids=lambda value: " ".join(value) or "nothing",
)
def test_only_what_the_user_may_view_is_listed(service: Service, viewer: Person, views: list[str], expected: list[str]):
    other = wire.make_person(service, viewer.tenant, views)
    assert listed(other) == expected


@pytest.mark.req("SS-105")
def test_a_permission_counts_from_the_next_request_on(viewer: Person):
    viewer.deny("mu:all", "bu:all")
    assert listed(viewer, "mu,bu") == []
    viewer.allow("mu:3")
    assert listed(viewer, "mu,bu") == ["mu:3"]
    viewer.deny("mu:3")
    assert listed(viewer, "mu,bu") == []


@pytest.mark.req("SS-105", "SS-033")
def test_another_tenants_entities_do_not_exist(service: Service, viewer: Person):
    stranger = wire.make_person(service)
    stranger.add_entity("mu:1", name="mine")
    stranger.allow("mu:all", "bu:all", "ct:all", "eg:all")
    for more in ("", f"&customerId={viewer.tenant.customer_id}", f"&tenantId={viewer.tenant.id}"):
        assert [entity["name"] for entity in ask(stranger, more=more).json()] == ["mine"]
    headers = [("X-Tenant-Id", str(viewer.tenant.id)), ("customerId", str(viewer.tenant.customer_id))]
    assert len(stranger.send("GET", f"{ENTITIES}?entityType=mu,bu", headers=headers).json()) == 1


# -- since --------------------------------------------------------------------------------------------------------


@pytest.mark.req("SS-106", "SS-107", "SS-109")
def test_what_happened_at_or_after_the_time(person: Person):
    before, after = SINCE - MOMENT, SINCE + MOMENT
    facts: dict[str, tuple[dict[str, Any], str | None, str | None]] = {
        "mu:1": ({"created": before}, "ADD", None),
        "mu:2": ({"created": SINCE}, "ADD", "ADD"),
        "mu:3": ({"created": after}, "ADD", "ADD"),
        "mu:4": ({"created": before, "changed": SINCE}, "ADD", "CHANGE"),
        "mu:5": ({"created": before, "changed": after}, "ADD", "CHANGE"),
        "mu:6": ({"created": SINCE, "changed": after}, "ADD", "ADD"),
        "mu:7": ({"created": before, "deleted": before}, None, None),
        "mu:8": ({"created": before, "deleted": SINCE}, None, "DELETE"),
        "mu:9": ({"created": before, "changed": SINCE, "deleted": after}, None, "DELETE"),
        "mu:10": ({"created": SINCE, "deleted": after}, None, None),
    }
    for entity, (fact, _, _) in facts.items():
        person.add_entity(entity, **fact)
    person.allow("mu:all")

    def told(timestamp: str | None) -> dict[str, str]:
        return {f"mu:{entity['id']}": entity["status"] for entity in ask(person, "mu", timestamp).json()}

    assert told(None) == {entity: now for entity, (_, now, _) in facts.items() if now}
    assert told(WRITTEN) == {entity: then for entity, (_, _, then) in facts.items() if then}


@pytest.mark.req("SS-109", "SS-105")
def test_a_deleted_entity_is_told_to_those_who_could_view_it(service: Service, person: Person):
    person.add_entity("bu:1")
    person.add_entity("mu:1", bu=1, deleted=SINCE)
    through_bu, nobody = (wire.make_person(service, person.tenant, views) for views in (["bu:1"], []))
    person.allow("mu:1")
    assert listed(person, "mu", WRITTEN) == listed(through_bu, "mu", WRITTEN) == ["mu:1"]
    assert listed(nobody, "mu", WRITTEN) == []
    assert listed(person, "mu") == []


@pytest.mark.req("SS-108")
@pytest.mark.parametrize(
    "written",
    [
        "2024.05.22T08:30:15.250Z",
        "2024.05.22T08:30:15.250%2B0000",
        "2024.05.22T08:30:15.250+0000",
        "2024.05.22T08:30:15.250-0000",
        "2024.05.22T09:30:15.250%2B0100",
        "2024.05.22T09:30:15.250+0100",
        "2024.05.22T09:30:15.250%200100",
        "2024.05.22T00:30:15.250-0800",
        "2024.05.23T08:15:15.250+2345",
        "2024.05.22T14:00:15.250+0530",
        "2024.05.22T08%3A30%3A15.250Z",
    ],
)
def test_one_time_in_several_spellings(person: Person, written: str):
    person.add_entity("mu:1", created=SINCE - MOMENT)
    person.add_entity("mu:2", created=SINCE)
    person.allow("mu:all")
    assert listed(person, "mu", written) == ["mu:2"]


@pytest.mark.req("SS-108", "SS-102")
@pytest.mark.parametrize(
    "value",
    [
        "",
        "2024-05-22T08:30:15.250Z",
        "2024.05.22 08:30:15.250Z",
        "2024.05.22T08:30:15.250",
        "2024.05.22T08:30:15Z",
        "2024.05.22T08:30:15.25Z",
        "2024.05.22T08:30:15.2500Z",
        "2024.05.22T08:30:15,250Z",
        "2024.05.22T08:30:15.250z",
        "2024.05.22t08:30:15.250Z",
        "2024.05.22T08:30:15.250UTC",
        "2024.05.22T08:30:15.250+01:00",
        "2024.05.22T08:30:15.250+01",
        "2024.05.22T08:30:15.250+2400",
        "2024.05.22T08:30:15.250+0160",
        "2024.05.22T24:00:00.000Z",
        "2024.05.22T08:60:00.000Z",
        "2024.05.22T08:30:60.000Z",
        "2024.02.30T08:30:15.250Z",
        "2023.02.29T08:30:15.250Z",
        "2024.13.01T08:30:15.250Z",
        "0000.01.01T00:00:00.000Z",
        "2024.5.22T08:30:15.250Z",
        "24.05.22T08:30:15.250Z",
        "٢٠٢٤.05.22T08:30:15.250Z",
        "2024.05.22T08:30:15.250Z\n",
        " 2024.05.22T08:30:15.250Z",
        "1716366615250",
        "now",
        "x" * 300,
        "'; DROP TABLE sessions; --",
    ],
    ids=range(31),
)
def test_what_is_no_time_is_400(idle: Person, value: str):
    wire.check_faults(ask(idle, "mu", quote(value)), f"Invalid timestamp value: '{value[:100]}'")


@pytest.mark.req("SS-108")
@pytest.mark.parametrize(
    ("written", "number"), [("0001.01.01T00:00:00.000+1400", 1), ("9999.12.31T23:59:59.999-1400", 0)]
)
def test_the_ends_of_time_are_times(person: Person, written: str, number: int):
    person.add_entity("mu:1")
    person.allow("mu:all")
    assert len(listed(person, "mu", written)) == number
