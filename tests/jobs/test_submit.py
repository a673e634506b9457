"""The door: who may, under which rules, also when many knock at once; and the request's way through its row."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.errors import NotPermitted, TenantBusy, TooManyJobs, TooSoon
from tailrace.formats.base import Field
from tailrace.jobs import queue
from tailrace.jobs.model import ExporterRows, Limits, RangeRows, Request
from tailrace.jobs.submit import Rules, submit

AT_ONCE = 50


def knock(house, tenant, rules, users):
    """Let many submit at once; count what each was told."""
    together = Barrier(AT_ONCE)

    def ask(number):
        together.wait()
        try:
            house.submit(tenant, rules, user=number % users)
        except (TooSoon, TenantBusy, TooManyJobs) as refusal:
            return type(refusal) if refusal.retry_after_seconds >= 1 else "not told when"
        return "accepted"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return Counter(pool.map(ask, range(AT_ONCE)))


def stored(house):
    [row] = house.database.execute("SELECT count(*) AS jobs FROM jobs")
    return row.jobs


@pytest.mark.req("CX-801", "CX-212")
def test_of_fifty_at_once_exactly_one_is_accepted(house, rules):
    told = knock(house, house.tenant(), rules(min_interval_seconds=30), users=1)
    assert told == {"accepted": 1, TooSoon: AT_ONCE - 1}
    assert stored(house) == 1


@pytest.mark.req("CX-806", "CX-212")
def test_of_many_users_at_once_one_becomes_the_holder(house, rules):
    tenant = house.tenant(users=AT_ONCE)
    told = knock(house, tenant, rules(one_user_per_tenant=True), users=AT_ONCE)
    assert told == {"accepted": 1, TenantBusy: AT_ONCE - 1}


@pytest.mark.req("CX-807")
def test_the_holder_may_go_on_while_others_may_not(house, rules):
    tenant = house.tenant(users=5)
    house.submit(tenant, rules(one_user_per_tenant=True), user=0)
    told = knock(house, tenant, rules(one_user_per_tenant=True), users=5)
    assert told == {"accepted": AT_ONCE // 5, TenantBusy: AT_ONCE * 4 // 5}


@pytest.mark.req("CX-810")
def test_never_more_unfinished_jobs_than_allowed(house, rules):
    told = knock(house, house.tenant(), rules(max_unfinished_jobs=7), users=1)
    assert told == {"accepted": 7, TooManyJobs: AT_ONCE - 7}


def test_tenants_do_not_wait_for_each_other(house, rules):
    tight = rules(min_interval_seconds=30, one_user_per_tenant=True, max_unfinished_jobs=1)
    for _ in range(3):
        house.submit(house.tenant(), tight)
    assert stored(house) == 3


@pytest.mark.req("CX-803", "CX-805")
def test_the_interval_to_the_second(house, rules):
    tenant, tight = house.tenant(), rules(min_interval_seconds=30)
    house.submit(tenant, tight)
    for age, left in ((0, 30), (10, 20), (29, 1)):
        house.database.execute(
            "UPDATE tenant_turns SET accepted_at = clock_timestamp() - make_interval(secs => %(age)s)",
            {"age": age + 0.0},
        )
        with pytest.raises(TooSoon, match="allowed in 30 seconds") as caught:
            house.submit(tenant, tight)
        assert caught.value.retry_after_seconds == left
    house.database.execute("UPDATE tenant_turns SET accepted_at = clock_timestamp() - interval '30 seconds'")
    house.submit(tenant, tight)


@pytest.mark.req("CX-803")
def test_the_end_of_the_job_does_not_end_the_interval(house, rules):
    tenant = house.tenant()
    house.submit(tenant, rules(min_interval_seconds=30))
    lease = house.claim()
    queue.finish(house.database, lease, house.result(lease))
    with pytest.raises(TooSoon):
        house.submit(tenant, rules(min_interval_seconds=30))


@pytest.mark.req("CX-804")
def test_a_refusal_does_not_prolong_the_interval(house, rules):
    tenant = house.tenant()
    house.submit(tenant, rules(min_interval_seconds=30))
    [before] = house.database.execute("SELECT accepted_at FROM tenant_turns")
    with pytest.raises(TooSoon):
        house.submit(tenant, rules(min_interval_seconds=30))
    assert house.database.execute("SELECT accepted_at FROM tenant_turns") == [before]


@pytest.mark.req("CX-808")
def test_the_hold_ends_with_the_last_unfinished_job(house, rules):
    tenant, tight = house.tenant(users=2), rules(one_user_per_tenant=True)
    jobs = [house.submit(tenant, tight) for _ in range(3)]
    first, second = house.claim(), house.claim()
    queue.finish(house.database, first, house.result(first))
    queue.give_up(house.database, second, "internal", final=True)
    with pytest.raises(TenantBusy) as caught:
        house.submit(tenant, tight, user=1)
    assert caught.value.retry_after_seconds == 30
    queue.cancel(house.database, tenant, jobs[2])
    house.submit(tenant, tight, user=1)
    with pytest.raises(TenantBusy):
        house.submit(tenant, tight, user=0)


@pytest.mark.req("CX-209")
def test_rules_are_checked_in_the_documented_order(house, rules):
    tenant = house.tenant(users=2)
    tight = rules(min_interval_seconds=30, one_user_per_tenant=True, max_unfinished_jobs=1)
    house.submit(tenant, tight)
    stranger = replace(house.caller(tenant, 1), permissions=frozenset({"interaction-metadata"}))
    with pytest.raises(NotPermitted):
        submit(house.database, stranger, house.order(), tight)
    with pytest.raises(TenantBusy):
        house.submit(tenant, tight, user=1)
    with pytest.raises(TooSoon):
        house.submit(tenant, tight)
    with pytest.raises(TooManyJobs):
        house.submit(tenant, replace(tight, min_interval_seconds=0))
    assert stored(house) == 1


def test_other_dialects_jobs_do_not_count(house, rules):
    tenant = house.tenant(users=2)
    tight = rules(min_interval_seconds=30, one_user_per_tenant=True, max_unfinished_jobs=1)
    house.submit(tenant, tight, dialect="smartsync")
    house.submit(tenant, tight, user=1)


def test_waiting_jobs_have_a_limit_of_their_own(house, rules):
    tenant = house.tenant()
    two = rules(max_unfinished_jobs=None, max_waiting_jobs=2)
    for _ in range(2):
        house.submit(tenant, two)
    with pytest.raises(TooManyJobs, match="Too many jobs waiting"):
        house.submit(tenant, two)
    assert house.claim() is not None
    house.submit(tenant, two)


def test_the_row_says_who_and_what(house):
    tenant = house.tenant()
    row = house.row(house.submit(tenant))
    assert (row.tenant_id, row.user_id, row.dialect) == (tenant, house.users[tenant][0], "cxone")
    assert (row.dataset, row.version, row.permission_id) == ("qm-workflows", "3", "qm-workflow")
    assert (row.start_date, row.end_date) == (date(2019, 5, 22), date(2019, 5, 29))
    assert (row.state, row.attempt, row.epoch, row.deadline_at) == ("queued", 0, 0, None)


@pytest.mark.req("CX-811", "CX-812")
@pytest.mark.parametrize(
    ("start", "end", "until"),
    [
        (date(2019, 5, 22), date(2019, 5, 29), datetime(2019, 5, 29, tzinfo=UTC)),
        (date(2019, 5, 22), date(2019, 5, 23), datetime(2019, 5, 23, tzinfo=UTC)),
        (date(2019, 5, 22), date(2019, 5, 22), datetime(2019, 5, 23, tzinfo=UTC)),
        (date(2019, 12, 31), date(2019, 12, 31), datetime(2020, 1, 1, tzinfo=UTC)),
        (date(2020, 2, 28), date(2020, 2, 28), datetime(2020, 2, 29, tzinfo=UTC)),
    ],
)
def test_dates_become_half_open_instants(house, catalog, start, end, until):
    rows = house.order(start_date=start, end_date=end).request.rows
    assert (rows.start, rows.end) == (datetime(start.year, start.month, start.day, tzinfo=UTC), until)


def test_every_dataset_comes_back_from_its_row_as_it_went_in(house, catalog):
    tenant = house.tenant()
    caller = replace(house.caller(tenant), permissions=frozenset(catalog.permission_ids()))
    for dataset in catalog:
        order = house.order(
            dataset=dataset.name, version=dataset.version, options={"spreadsheet_safe": True}, leave_out_seconds=90
        )
        job = submit(house.database, caller, order, Rules(max_unfinished_jobs=100))
        assert Request.from_json(house.row(job).request) == order.request
        assert house.claim().request == order.request


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
FIELDS = st.builds(
    Field,
    name=NAMES,
    source=NAMES,
    type=st.sampled_from(["text", "integer", "decimal", "datetime", "date", "boolean"]),
    precision=st.integers(1, 38),
    scale=st.integers(0, 18),
    true_text=NAMES,
    false_text=NAMES,
    backslash_plus=st.booleans(),
)
INSTANTS = st.datetimes(timezones=st.just(UTC))
RANGES = st.builds(
    RangeRows,
    table=NAMES,
    column=NAMES,
    start=INSTANTS,
    end=INSTANTS,
    order=st.lists(FIELDS, max_size=2).map(tuple),
    leave_out_seconds=st.integers(0, 10**6),
)
VALUES = st.booleans() | NAMES | st.integers(0, 9) | st.none()
COMPUTED = st.builds(
    ExporterRows,
    exporter=NAMES,
    asked=st.dictionaries(NAMES, VALUES | st.lists(st.integers(0, 9)), max_size=3),
    columns=st.lists(st.tuples(NAMES, NAMES), max_size=2).map(tuple),
    groups=st.lists(NAMES, max_size=2).map(tuple),
    entities=st.dictionaries(NAMES, st.lists(st.integers(1, 9)), max_size=2),
)
REQUESTS = st.builds(
    Request,
    rows=RANGES | COMPUTED,
    fields=st.lists(FIELDS, max_size=3).map(tuple),
    format=NAMES,
    limits=st.builds(Limits, *[st.integers(0, 2**53)] * 4, max_rows=st.none() | st.integers(1, 9)),
    options=st.dictionaries(NAMES, VALUES, max_size=2),
    companions=st.sampled_from([(), ("gz",), ("gz", "index")]),
)


@given(REQUESTS)
def test_any_request_survives_json(request):
    assert Request.from_json(json.loads(json.dumps(request.as_json()))) == request
