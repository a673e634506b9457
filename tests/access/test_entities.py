"""Entities: who may View which, what is listed since when, and what may be granted and taken back."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tailrace.access.choices import Choices, DataGroup, TimeOffRule, find_choices
from tailrace.access.entities import (
    View,
    grant_views,
    list_entities,
    read_view,
    refused,
    viewable,
    views_of,
    withdraw_views,
)
from tailrace.access.tenants import create_tenant
from tailrace.access.users import create_user
from tailrace.errors import StillViewable, UnknownEntity

LISTED = ("mu", "ct", "eg", "bu")
SINCE = datetime(2024, 5, 22, tzinfo=UTC)
OLD, NEW = SINCE - timedelta(days=1), SINCE + timedelta(days=1)


def add(database, tenant, entity, bu=None, created=OLD, changed=None, deleted=None):
    kind, number = read_view(entity)
    database.execute(
        "INSERT INTO wfm_entities VALUES (%(t)s, %(k)s, %(n)s, %(name)s, %(bu)s, %(c)s, %(ch)s, %(d)s)",
        {
            "t": tenant.id,
            "k": kind,
            "n": number,
            "name": entity.upper(),
            "bu": bu,
            "c": created,
            "ch": changed or created,
            "d": deleted,
        },
    )


@pytest.fixture
def world(database, tenant):
    """BU 1 has MU 1, MU 2 and CT 10; MU 3 and CT 11 are in no BU, MU 4 is in BU 2."""
    for entity, bu in {
        "bu:1": None,
        "bu:2": None,
        "mu:1": 1,
        "mu:2": 1,
        "mu:3": None,
        "mu:4": 2,
        "ct:10": 1,
        "ct:11": None,
        "eg:1": None,
        "tog:1": None,
        "tog:2": None,
    }.items():
        add(database, tenant, entity, bu)


def views(*texts):
    return [read_view(text) for text in texts]


def listed(database, user, since=None, types=LISTED):
    return [
        f"{found.entity_type}:{found.id}" for found in list_entities(database, user.tenant_id, user.id, types, since)
    ]


@pytest.mark.req("SS-105")
@pytest.mark.parametrize(
    ("granted", "seen"),
    [
        ([], []),
        (["mu:1"], ["mu:1"]),
        (["mu:3", "ct:11"], ["mu:3", "ct:11"]),
        (["mu:all"], ["mu:1", "mu:2", "mu:3", "mu:4"]),
        (["bu:1"], ["mu:1", "mu:2", "ct:10", "bu:1"]),
        (["bu:all"], ["mu:1", "mu:2", "mu:4", "ct:10", "bu:1", "bu:2"]),
        (["eg:1"], ["eg:1"]),
        (["tog:all"], []),
        (["bu:2", "mu:4", "mu:all", "mu:4"], ["mu:1", "mu:2", "mu:3", "mu:4", "bu:2"]),
    ],
    ids=lambda value: " ".join(value) or "none",
)
def test_only_what_may_be_viewed_is_listed(database, user, world, granted, seen):
    grant_views(database, user, views(*granted))
    assert listed(database, user) == seen
    assert [f"mu:{number}" for number in viewable(database, user.tenant_id, user.id, "mu")] == [
        x for x in seen if x[:2] == "mu"
    ]


@pytest.mark.req("SS-105")
def test_time_off_groups_have_views_of_their_own(database, user, world):
    grant_views(database, user, views("tog:2", "bu:all", "mu:all"))
    assert viewable(database, user.tenant_id, user.id, "tog") == [2]
    grant_views(database, user, views("tog:all"))
    assert viewable(database, user.tenant_id, user.id, "tog") == [1, 2]


@pytest.mark.req("SS-105")
def test_all_is_also_what_comes_later(database, tenant, user, world):
    grant_views(database, user, views("mu:all", "bu:1"))
    add(database, tenant, "mu:5")
    add(database, tenant, "ct:12", bu=1)
    assert {"mu:5", "ct:12"} <= set(listed(database, user))


@pytest.mark.req("SS-104")
def test_order_is_by_type_as_asked_then_by_number(database, tenant, user, world):
    grant_views(database, user, views("mu:all", "ct:all", "bu:all"))
    add(database, tenant, "mu:100")
    assert listed(database, user, types=("bu", "mu")) == ["bu:1", "bu:2", "mu:1", "mu:2", "mu:3", "mu:4", "mu:100"]
    assert listed(database, user, types=("ct",)) == ["ct:10", "ct:11"]


@pytest.mark.req("SS-105")
def test_another_user_and_another_tenant_see_nothing(database, tenant, user, world):
    grant_views(database, user, views("mu:all", "bu:all"))
    colleague = create_user(database, tenant, "colleague")
    elsewhere = create_tenant(database, "Elsewhere")
    stranger = create_user(database, elsewhere, user.name)
    add(database, elsewhere, "mu:1")
    assert listed(database, colleague) == []
    assert listed(database, stranger) == []
    grant_views(database, stranger, views("mu:1"))
    assert listed(database, stranger) == ["mu:1"]
    # Somebody else's tenant beside one's own user, as no caller should ever pass them.
    assert list_entities(database, elsewhere.id, user.id, LISTED, None) == []


@pytest.mark.req("SS-106", "SS-107", "SS-109")
@pytest.mark.parametrize(
    ("created", "changed", "deleted", "now", "then"),
    [
        (OLD, OLD, None, "ADD", None),
        (NEW, NEW, None, "ADD", "ADD"),
        (SINCE, SINCE, None, "ADD", "ADD"),
        (OLD, NEW, None, "ADD", "CHANGE"),
        (OLD, SINCE, None, "ADD", "CHANGE"),
        (NEW, NEW + timedelta(days=1), None, "ADD", "ADD"),
        (OLD, OLD, NEW, None, "DELETE"),
        (OLD, OLD, SINCE, None, "DELETE"),
        (OLD, NEW, NEW, None, "DELETE"),
        (OLD, OLD, SINCE - timedelta(milliseconds=1), None, None),
        (SINCE - timedelta(milliseconds=1), SINCE - timedelta(milliseconds=1), None, "ADD", None),
        (NEW, NEW, NEW, None, None),
        (SINCE, SINCE, SINCE, None, None),
    ],
    ids=range(13),
)
def test_what_happened_since(database, tenant, user, created, changed, deleted, now, then):
    add(database, tenant, "mu:1", created=created, changed=changed, deleted=deleted)
    grant_views(database, user, views("mu:all"))

    def status(since):
        return next((found.status for found in list_entities(database, tenant.id, user.id, LISTED, since)), None)

    assert status(None) == now
    assert status(SINCE) == then
    assert status(SINCE.astimezone(timezone(timedelta(hours=-9)))) == then


@pytest.mark.parametrize(
    "since",
    [
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-14))),
    ],
    ids=["first", "last"],
)
def test_the_ends_of_time_are_times(database, user, world, since):
    grant_views(database, user, views("mu:1"))
    assert len(listed(database, user, since)) == (since.year == 1)


@pytest.mark.req("SS-216", "SS-321", "SS-324")
def test_refused_ids_are_named_once_in_the_order_asked(database, tenant, user, world):
    elsewhere = create_tenant(database, "Elsewhere")
    add(database, elsewhere, "mu:77")
    grant_views(database, user, views("mu:1", "bu:2", "tog:1"))

    def ask(**asked):
        return refused(database, tenant.id, user.id, asked)

    assert ask(mu=[1], bu=[2], ct=[], tog=[1]) == {}
    assert ask() == {}
    assert ask(mu=[99, 3, 1, 77, 3, 2, 99, 4]) == {"mu": [99, 3, 77, 2]}
    assert ask(ct=[10], bu=[1, 2], mu=[1], tog=[2, 1]) == {"ct": [10], "bu": [1], "tog": [2]}
    assert ask(mu=[2**63, 10**3000, 0, -1]) == {"mu": [2**63, 10**3000, 0, -1]}
    assert ask(tog=[0]) == {"tog": [0]}, "0 is no way to ask for all"


@pytest.mark.req("SS-321")
def test_all_covers_no_id_that_does_not_exist(database, tenant, user, world):
    grant_views(database, user, views("mu:all", "bu:all"))
    assert refused(database, tenant.id, user.id, {"mu": [1, 99, 0]}) == {"mu": [99, 0]}


# -- granting -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["mu:1", "bu:12", "ct:999999999999999999", "eg:all", "tog:3"])
def test_views_are_read_as_they_are_written(text):
    assert str(read_view(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mu",
        "mu:",
        "mu:0",
        "mu:-1",
        "mu:01",
        "mu:1 ",
        "MU:1",
        "mu:ALL",
        "queue:1",
        "mu:1,2",
        "mu:١",
        "mu:1\n",
        "mu:" + "9" * 19,
    ],
)
def test_what_is_no_entity_is_refused(text):
    with pytest.raises(UnknownEntity):
        read_view(text)


def test_what_does_not_exist_is_named_and_nothing_is_granted(database, tenant, user, world):
    elsewhere = create_tenant(database, "Elsewhere")
    add(database, elsewhere, "mu:77")
    with pytest.raises(UnknownEntity, match=r"no bu:9, mu:77, mu:99\."):
        grant_views(database, user, views("mu:1", "mu:99", "mu:77", "bu:9", "eg:all"))
    assert views_of(database, tenant) == {}
    grant_views(database, user, [])
    assert views_of(database, tenant) == {}


def test_granting_twice_is_granting_once(database, tenant, user, world):
    for _ in range(2):
        grant_views(database, user, views("mu:2", "mu:1", "bu:all", "mu:1"))
    assert views_of(database, tenant) == {user.id: [View("mu", 1), View("mu", 2), View("bu", 0)]}


def test_taking_back_keeps_to_the_user_and_what_was_named(database, tenant, user, world):
    colleague = create_user(database, tenant, "colleague")
    for who in (user, colleague):
        grant_views(database, who, views("mu:1", "mu:2", "ct:all"))
    withdraw_views(database, user, views("mu:1", "ct:all", "eg:1"))
    assert views_of(database, tenant) == {user.id: views("mu:2"), colleague.id: views("mu:1", "mu:2", "ct:all")}


@pytest.mark.parametrize(
    ("granted", "taken", "text"),
    [
        (["mu:all"], ["mu:1"], "mu:1 through mu:all"),
        (["mu:all", "mu:1"], ["mu:1", "eg:1"], "mu:1 through mu:all"),
        (["bu:1", "mu:1"], ["mu:1"], "mu:1 through bu:1"),
        (["bu:all"], ["ct:10"], "ct:10 through bu:all"),
        (["bu:all"], ["bu:1"], "bu:1 through bu:all"),
    ],
    ids=range(5),
)
def test_what_a_wider_permission_holds_is_not_taken_back_quietly(database, tenant, user, world, granted, taken, text):
    grant_views(database, user, views(*granted))
    before = views_of(database, tenant)
    with pytest.raises(StillViewable, match=text):
        withdraw_views(database, user, views(*taken))
    assert views_of(database, tenant) == before


def test_the_wider_permission_may_go_with_the_others(database, tenant, user, world):
    grant_views(database, user, views("mu:all", "mu:1", "bu:1"))
    withdraw_views(database, user, views("mu:1", "mu:all", "bu:1"))
    assert views_of(database, tenant) == {}


# -- choices ------------------------------------------------------------------------------------------------------


def test_choices_are_the_tenants_own_in_order(database, tenant):
    elsewhere = create_tenant(database, "Elsewhere")
    for owner, text in ((tenant, ""), (elsewhere, "not ")):
        who = {"t": owner.id, "text": text}
        database.execute(
            "INSERT INTO wfm_data_groups VALUES (%(t)s, 10, %(text)s || 'Site'), (%(t)s, 9, %(text)s || 'Team')", who
        )
        database.execute(
            "INSERT INTO wfm_code_attributes VALUES (%(t)s, %(text)s || 'a'), (%(t)s, %(text)s || 'EXC_EXPORT')", who
        )
        database.execute(
            "INSERT INTO wfm_time_off_rules VALUES (%(t)s, 3, %(text)s || '2024', '2024-01-01', '2024-12-31', 'm')",
            who,
        )
    rule = TimeOffRule(3, "2024", datetime(2024, 1, 1).date(), datetime(2024, 12, 31).date(), "m")
    groups = (DataGroup(9, "Team"), DataGroup(10, "Site"))
    assert find_choices(database, tenant.id) == Choices(("EXC_EXPORT", "a"), groups, (rule,))
