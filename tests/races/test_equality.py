"""Many tenants, jobs and workers: every result is what the specification says, each time, and there is one (P2, P9)."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import httpx2

from conformance import wire
from conformance.smartsync import exports_wire as exports
from conformance.smartsync.wire import Person
from model.history import read_history
from races.together import row_of, wait_for_all
from service import Caller
from sizes import sizes

FIRST = date(2019, 5, 20)
DAYS, ROWS = 20, 120
TEXTS = ["plain", "", 'say "so"', "a,b", " led", "two\nlines", "你好 😀", "=1+1", "\ttab", "né\r\nx"]
TIMES = 2
# Days with something in them in the hand-written tables, and days without.
STARTS = [
    date(2024, 5, 22),
    date(2024, 5, 20),
    date(2024, 3, 9),
    date(2024, 10, 26),
    date(2024, 1, 1),
    date(2024, 7, 1),
]
LENGTHS = [1, 0, 3, 2, 6, 13]


@dataclass
class Tenant:
    """A tenant with rows for both dialects, and what is asked of each job."""

    number: int
    caller: Caller
    person: Person
    rows: list[dict[str, Any]]
    jobs: list[tuple[str, Any]] = field(default_factory=list)


def make_tenant(service, folder, number, jobs):
    person = exports.new_centre(service)
    caller = service.caller(person.tenant)
    described = wire.dataset()
    rows = make_rows(described, Random(number))
    wire.load(caller, folder, described, Random(-number).sample(rows, len(rows)))
    tenant = Tenant(number, caller, person, rows)
    for job in range(jobs):
        tenant.jobs.append(range_of(number, job) if job % 2 else export_of(number * jobs + job))
    return tenant


def make_rows(described, chance):
    """Rows in their order: no two at the same instant."""
    place = next(column.source for column in described.columns if column.name == described.range_column)
    instants = sorted(chance.sample(range(DAYS * 86_400_000), ROWS))
    start = wire.utc(FIRST.year, FIRST.month, FIRST.day)
    return [
        wire.row(
            described,
            **{column.source: value_of(column, chance) for column in described.columns if column.source != place},
            **{place: start + timedelta(milliseconds=instant)},
        )
        for instant in instants
    ]


def value_of(column, chance):
    if column.nullable and chance.random() < 0.3:
        return None
    match column.type:
        case "text":
            return chance.choice(TEXTS)
        case "integer":
            return chance.randrange(-(10**9), 10**9)
        case "decimal":
            return Decimal(chance.randrange(-(10**8), 10**8)).scaleb(-column.scale)
        case "datetime":
            return wire.utc(2019, 5, 1) + timedelta(milliseconds=chance.randrange(10**9))
        case "boolean":
            return chance.random() < 0.5
    raise AssertionError(column)


def range_of(number, job):
    start = FIRST + timedelta(days=(number + job) % (DAYS - 2))
    return "range", (start, start + timedelta(days=1 + job % 10))


def export_of(number):
    """Go round the exporters, their formats, and ranges."""
    forms = [(name, form) for name, exporter in exports.catalogue().items() for form in exporter.formats]
    name, form = forms[number % len(forms)]
    start = STARTS[number % len(STARTS)]
    end = start + timedelta(days=LENGTHS[number // len(forms) % len(LENGTHS)])
    dates = {"startDate": start.isoformat(), "endDate": end.isoformat()}
    return "export", (name, {**dates, "outputFormat": form})


def submit_all(tenant):
    return [submit(tenant, *job) for job in tenant.jobs]


def submit(tenant, kind, asked):
    if kind == "range":
        start, end = asked
        return tenant.caller.submit(startDate=start.isoformat(), endDate=end.isoformat())
    name, changes = asked
    return exports.submitted(tenant.person, name, **changes)


def expected(tenant, kind, asked):
    if kind == "export":
        name, changes = asked
        return exports.expected(tenant.person, name, **changes)
    start, end = (datetime.combine(day, datetime.min.time()) for day in asked)
    described = wire.dataset()
    rows = [row for row in tenant.rows if start <= row[described.range_column].replace(tzinfo=None) < end]
    return wire.expected_file(described, rows)


def fetch(tenant, kind, job_id):
    if kind == "range":
        status = tenant.caller.status(job_id)
        assert status["status"] == "SUCCEEDED", status
        return httpx2.get(status["result"]["url"], verify=False, timeout=60).raise_for_status().content
    answer = exports.result(tenant.person, job_id)
    assert answer.status_code == 200, (answer.status_code, answer.text)
    return answer.content


def check_one_result(service, job_id):
    """What lies in the store for a job is its one result, and what is kept beside that."""
    row = row_of(service, job_id)
    results = service.data / "results"
    found = {str(path.relative_to(results)) for path in (results / str(row.tenant_id) / str(row.id)).iterdir()}
    endings = ("", ".gz", ".index") if row.dialect == "smartsync" else ("",)
    assert found == {row.result_key + ending for ending in endings}


def check_all(service, folder, tenants, jobs):
    made = [make_tenant(service, folder, number, jobs) for number in range(1, tenants + 1)]
    wanted = [[expected(tenant, *job) for job in tenant.jobs] for tenant in made]
    ids = []
    for _ in range(TIMES):
        with ThreadPoolExecutor(len(made)) as threads:
            accepted = list(threads.map(submit_all, made))
        ids += [job for jobs in accepted for job in jobs]
        wait_for_all(service, ids, deadline_seconds=900)
        for tenant, texts, mine in zip(made, wanted, accepted, strict=True):
            for (kind, asked), text, job_id in zip(tenant.jobs, texts, mine, strict=True):
                assert fetch(tenant, kind, job_id) == text, (tenant.number, kind, asked)
                check_one_result(service, job_id)
    ends = Counter(move.job.hex for move in read_history(service.database) if move.new == "succeeded")
    assert ends == Counter(job.replace("-", "") for job in ids)
    assert len(ids) == TIMES * tenants * jobs
    workers = service.database.execute("SELECT DISTINCT worker FROM jobs")
    assert len(workers) == 4


@sizes("tenants, jobs", share=(4, 3), whole=(20, 25))
def test_all_tenants_get_what_is_theirs(crew_of_four, tmp_path, tenants, jobs):
    check_all(crew_of_four, tmp_path, tenants, jobs)
