"""Tenants, files and servers together: rows never mix, files may come in any number and order, and two may start."""

import csv
import io
import subprocess
import sys
from contextlib import contextmanager
from datetime import date
from uuid import uuid4

import httpx2
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tailrace.catalog.loader import load_catalog
from tailrace.intake.sample import load_sample, write_sample_csv

pytestmark = pytest.mark.long

QUICK = {"TAILRACE_CXONE__MIN_INTERVAL_S": "0", "TAILRACE_CXONE__ONE_USER_PER_TENANT": "off"}
START, END = date(2019, 5, 22), date(2019, 5, 28)


@pytest.fixture
def service(start):
    return start(**QUICK)


def sample(service, caller, rows, seed):
    tables = service.data / "tables"
    catalog = load_catalog()
    options = {"rows": rows, "seed": seed, "start": START, "end": END}
    load_sample(service.database, catalog, tables, caller.tenant, "qm-workflows", **options)


def ids_of(text):
    return [row["Workflow ID"] for row in csv.DictReader(io.StringIO(text.decode(), newline=""))]


def test_rows_of_tenants_never_mix(service):
    callers = [service.caller() for _ in range(3)]
    for seed, caller in enumerate(callers):
        sample(service, caller, 300, seed)
    jobs = [(caller, caller.submit()) for _ in range(3) for caller in callers]
    found = {}
    for caller, job in jobs:
        status = caller.wait(job)
        text = httpx2.get(status["result"]["url"]).content
        assert found.setdefault(caller.tenant.name, text) == text
        for other in callers:
            if other is not caller:
                assert other.request("GET", f"/data-extraction/v1/jobs/{job}").status_code == 404
    sets = [set(ids_of(text)) for text in found.values()]
    assert [len(ids) for ids in sets] == [300] * 3
    assert len(set.union(*sets)) == 900


def test_a_tenant_without_rows_gets_the_header_beside_one_with_many(service):
    rich, poor = service.caller(), service.caller()
    sample(service, rich, 300, 1)
    assert len(ids_of(rich.extract())) == 300
    assert poor.extract().count(b"\r\n") == 1


@pytest.mark.req("CX-614", "CX-615")
def test_one_file_or_five_in_any_order_give_the_same_bytes(service, tmp_path):
    whole = tmp_path / "whole.csv"
    options = {"tenant_name": "Harbour", "rows": 2_000, "version": "3", "start": START, "end": END}
    write_sample_csv(load_catalog(), "qm-workflows", whole, **options)
    with whole.open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file))
    parts = [tmp_path / f"part-{number}.csv" for number in range(5)]
    for number, part in enumerate(parts):
        with part.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows[number::5]])
    reversed_rows = tmp_path / "reversed.csv"
    with reversed_rows.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows[::-1]])
    # Read and written by the same Python module, so that an empty text is lost in each alike.
    with whole.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    plans = [[[whole]], [parts], [[part] for part in parts], [[part] for part in parts[::-1]], [[reversed_rows]]]
    found = []
    for loads in plans:
        caller = service.caller()
        for files in loads:
            service.load(caller.tenant, "qm-workflows", *files)
        found.append(caller.extract())
    assert len(ids_of(found[0])) == 2_000
    assert all(text == found[0] for text in found)


@contextmanager
def serving(data, database_url, errors):
    command = [sys.executable, "-m", "tailrace", "serve", "--data", str(data), "--port", "0"]
    environment = {"DATABASE_URL": database_url, "PATH": "/usr/bin:/bin"}
    with errors.open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


def test_two_servers_started_together_on_an_empty_database(postgres, tmp_path):
    name = f"tailrace_empty_{uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        url = make_conninfo(postgres, dbname=name)
        logs = [tmp_path / "one.log", tmp_path / "two.log"]
        with serving(tmp_path / "data", url, logs[0]) as one, serving(tmp_path / "data", url, logs[1]) as two:
            lines = [process.stdout.readline() for process in (one, two)]
            for line, log in zip(lines, logs, strict=True):
                assert line.startswith("Tailrace is ready at "), log.read_text()
                assert httpx2.get(line.split()[4] + "/readyz", timeout=30).status_code == 200
            with psycopg.connect(url) as own:
                [(once, some)] = own.execute("SELECT count(*) = count(DISTINCT name), count(*) > 0 FROM migrations")
                assert (once, some) == (True, True)
                assert own.execute("SELECT count(*) FROM signing_keys").fetchone() == (2,)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
