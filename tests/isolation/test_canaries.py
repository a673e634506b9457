"""No secret and no personal data in what a run writes for people and machines: logs, refusals, metrics, command lines.

Every secret and personal datum of the run is a canary: a text that occurs nowhere else. The run goes through both APIs
and through failures of every kind; then everything it wrote is searched, but for the rows and results themselves.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import httpx2
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from conformance import wire
from conformance.smartsync import exports_wire
from conformance.smartsync.wire import ENTITIES, JSON, LOGIN, Person, add_entity, log_in, sign_in
from isolation.world import Account, make_account
from service import EXAMPLE, JOBS, Service, poll, start_service
from tailrace.access.clients import create_client
from tailrace.access.passwords import set_password
from tailrace.access.users import create_user
from tailrace.database.pool import Database
from tailrace.errors import DatabaseUnavailable, LoadRefused
from tailrace.intake.wfm.load import load_wfm
from wfm.tables import as_csv_folder, small

_RUN = uuid4().hex[:8]


def canary(what: str) -> str:
    return f"kanari{_RUN}{what}"


@dataclass
class Run:
    """A server, what must not show, and what was answered with a refusal."""

    service: Service
    folder: Path
    account: Account
    secrets: dict[str, str] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    command_lines: set[str] = field(default_factory=set)

    def note(self, answer: httpx2.Response) -> httpx2.Response:
        """Keep a refusal; what a process is called meanwhile is kept as well."""
        assert answer.status_code >= 400, answer.text
        self.refusals.append(answer.text + json.dumps(dict(answer.headers)))
        self.command_lines |= set(_command_lines())
        return answer


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("text", marks=[pytest.mark.slow, pytest.mark.share]),
        pytest.param("json", marks=pytest.mark.slow),
    ],
)
def run(
    request: pytest.FixtureRequest, postgres: str, new_database: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Run]:
    """Run everything once for each form of the log; what is left is searched by the tests."""
    folder = tmp_path_factory.mktemp("canaries")
    settings = {
        "TAILRACE_LOG__FORMAT": request.param,
        "TAILRACE_LOG__LEVEL": "debug",
        "TAILRACE_CXONE__MIN_INTERVAL_S": "0",
    }
    url, role = _with_password(postgres, new_database())
    with start_service(folder / "data", url, **settings) as service:
        run = _begin(service, folder)
        run.secrets["the database's password"] = canary("dsn")
        _use_data_extraction(run)
        _use_smartsync(run)
        _fail_sign_ins(run)
        _fail_jobs(run)
        _fail_inside(run)
        run.command_lines |= set(_command_lines())
        yield run
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"REASSIGN OWNED BY {role} TO CURRENT_USER")
        connection.execute(f"DROP ROLE {role}")


def _with_password(postgres: str, database_url: str) -> tuple[str, str]:
    """Name the database with a user of its own, whose password is a canary."""
    role = f"role_{uuid4().hex[:12]}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} SUPERUSER LOGIN PASSWORD '{canary('dsn')}'")
    known = conninfo_to_dict(database_url)
    return make_conninfo(**{**known, "user": role, "password": canary("dsn")}), role


def _begin(service: Service, folder: Path) -> Run:
    tenant = service.tenant()
    user = create_user(service.database, tenant, canary("username"))
    set_password(service.database, user, canary("password"))
    person = Person(service, tenant, user, canary("password"), "")
    person.session = sign_in(service, person.credentials)
    account = make_account(person, "qm-workflow")
    tokens = account.tokens
    secrets = {
        "the password": person.password,
        "the user's name": user.name,
        "the session": person.session,
        "the key's secret": account.key.access_key_secret,
        "the access token": tokens["access_token"].rpartition(".")[2],
        "the refresh token": tokens["refresh_token"],
        "the id token": tokens["id_token"].rpartition(".")[2],
        "what is sent": canary("sent"),
        "an agent's name": canary("agent"),
        "an agent's ssn": canary("ssn"),
        "a row's text": canary("row"),
        "a wrong password": canary("wrong"),
    }
    return Run(service, folder, account, secrets)


# -- the run ------------------------------------------------------------------------------------------------------


def _use_data_extraction(run: Run) -> None:
    caller, described = run.account.caller, wire.dataset()
    source = next(column.source for column in described.columns if column.type == "text")
    row = wire.row(described, **{source: canary("row")})
    wire.load(caller, run.folder, described, [row])
    _, link = wire.succeeded(caller)
    run.secrets["a link's signature"] = link.partition("signature=")[2]
    answer = httpx2.get(link, verify=False)
    assert canary("row") in answer.text, "the canary must be in what is given out"
    run.note(wire.send(run.service, "GET", link + "x"))
    run.note(caller.request("POST", JOBS, json={**EXAMPLE, "version": canary("sent")}))
    run.note(caller.request("POST", JOBS, content=b'{"entityName": "' + canary("sent").encode()))
    run.note(caller.request("GET", f"{JOBS}/{canary('sent')}?q={canary('sent')}"))
    run.note(caller.request("GET", f"/{canary('sent')}", headers={"User-Agent": canary("sent")}))
    run.note(wire.send(run.service, "GET", JOBS, [("Authorization", f"Bearer {canary('sent')}")]))
    bad = run.folder / "bad.csv"
    bad.write_text(f"a,b\n{canary('row')},2\n")
    with pytest.raises(LoadRefused):
        run.service.load(caller.tenant, "qm-workflows", bad)


def _use_smartsync(run: Run) -> None:
    person = run.account.person
    tables = small(user=person.user.name)
    for agent in tables["agent"]:
        agent |= {"first_name": canary("agent"), "last_name": canary("agent"), "ssn": canary("ssn")}
    (run.folder / "wfm").mkdir()
    folder = as_csv_folder(tables, run.folder / "wfm")
    load_wfm(run.service.database, run.service.data / "tables", person.tenant, folder, threads=1)
    assert canary("agent").encode() in exports_wire.export(person)
    run.note(exports_wire.submit(person, "agent-info", outputFormat=canary("sent")))
    run.note(exports_wire.submit_text(person, "agent-info", canary("sent")))
    run.note(person.get(f"{ENTITIES}?entityType={canary('sent')}"))
    run.note(wire.send(run.service, "GET", f"{ENTITIES}?entityType=mu", [("Cookie", f"JSESSIONID={canary('sent')}")]))


def _fail_sign_ins(run: Run) -> None:
    service, key, person = run.service, run.account.key, run.account.person
    client = create_client(service.database, f"client-{uuid4().hex[:8]}")
    run.secrets["the client's secret"] = client.client_secret
    for secret in (canary("wrong"), key.access_key_id):
        body = {"accessKeyId": key.access_key_id, "accessKeySecret": secret}
        run.note(service.request("POST", wire.SIGN_IN, json=body))
    form = {"grant_type": "password", "username": key.access_key_id, "password": canary("wrong")}
    run.note(service.request("POST", "/auth/token", data={**form, "client_id": "x", "client_secret": canary("wrong")}))
    proven = {"client_id": client.client_id, "client_secret": client.client_secret}
    run.note(service.request("POST", "/auth/token", data={**form, **proven}))
    run.note(service.request("POST", "/public/user/refresh", json={"token": canary("wrong")}))
    run.note(log_in(service, {**person.credentials, "password": canary("wrong")}))
    run.note(log_in(service, {**person.credentials, "password": [canary("wrong")]}))
    run.note(wire.send(service, "POST", LOGIN, [JSON], canary("wrong").encode()))


def _fail_jobs(run: Run) -> None:
    """Let a stored file have a text where a number or time belongs, which the engine's own words would quote."""
    caller, service = run.account.caller, run.service
    _kill_a_child(run)
    for stored in service.database.execute("SELECT path FROM stored_files WHERE dataset = 'qm-workflows'"):
        path = service.data / "tables" / stored.path
        _spoil(path)
    job = caller.submit()
    status = caller.wait(job)
    assert status["status"] == "FAILED", status
    run.refusals.append(json.dumps(status))


def _spoil(path: Path) -> None:
    """Make a number of a stored file a text that is none."""
    column = next(one for one in wire.dataset().columns if one.type in ("integer", "decimal", "boolean"))
    other = path.with_suffix(".spoilt")
    duckdb.execute(
        f"COPY (SELECT * REPLACE ('{canary('row')}' AS \"{column.source}\") FROM read_parquet('{path}'))"
        f" TO '{other}' (FORMAT parquet)"
    )
    other.replace(path)


def _kill_a_child(run: Run) -> None:
    """Kill the worker's children while one has a job; the job is run again."""
    service = run.service
    children = poll(lambda: _children(*_children(service.process.pid)))
    for child in children:
        os.kill(child, signal.SIGSTOP)
    job = run.account.caller.submit()
    running = "SELECT id FROM jobs WHERE id = %(id)s AND state = 'running'"
    poll(lambda: service.database.execute(running, {"id": job}))
    run.command_lines |= set(_command_lines())
    for child in children:
        os.kill(child, signal.SIGKILL)
    assert run.account.caller.wait(job)["status"] == "SUCCEEDED"


def _fail_inside(run: Run) -> None:
    """Let the database refuse what is stored, in words that quote the row, which the server did not foresee."""
    service = run.service
    service.database.execute("ALTER TABLE idempotency_keys ADD CONSTRAINT broken CHECK (false) NOT VALID")
    headers = {"Idempotency-Key": canary("sent")}
    answer = run.note(run.account.caller.request("POST", JOBS, json=EXAMPLE, headers=headers))
    assert answer.status_code == 500
    service.database.execute("ALTER TABLE idempotency_keys DROP CONSTRAINT broken")
    add_entity(service, run.account.person.tenant, "mu:987", name=canary("agent"))


# -- what was written ---------------------------------------------------------------------------------------------


def _children(*parents: int) -> list[int]:
    found: list[int] = []
    for parent in parents:
        for task in Path(f"/proc/{parent}/task").iterdir():
            with suppress(FileNotFoundError):
                found += map(int, (task / "children").read_text().split())
    return found


def _command_lines() -> Iterator[str]:
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            with suppress(OSError):
                yield (process / "cmdline").read_bytes().decode(errors="replace")


def found_in(run: Run, text: str) -> list[str]:
    return [what for what, secret in run.secrets.items() if secret in text]


def test_the_canaries_are_told_apart(run):
    assert len(run.secrets) >= 14
    assert all(len(secret) > 12 for secret in run.secrets.values())


def test_the_log_has_none_and_tells_of_everything(run):
    log = run.service.log.read_text()
    assert found_in(run, log) == []
    for event in ("request", "internal_error", "attempt_failed", "attempt_ended", "job_claimed"):
        assert event in log, "the run was meant to have this as well"
    assert "worker_ended" not in log, "a killed child costs no more than its attempt"
    assert _RUN not in log


def test_the_log_has_no_query_strings_and_no_bodies(run):
    log = run.service.log.read_text()
    for text in ("expires=", "signature=", "entityType=", "accessKeyId", "jsessionId", "userName", "entityName"):
        assert text not in log


def test_postgresqls_logs_have_none(run, postgres):
    folder = Path(conninfo_to_dict(postgres).get("host", "")).parent
    logs = [path for path in folder.glob("*.log*") if path.is_file()]
    if not logs:
        pytest.skip("this PostgreSQL is somebody else's")
    for path in logs:
        assert found_in(run, path.read_text(errors="replace")) == [], path.name


def test_no_refusal_tells_a_secret(run):
    """What a request holds that is no secret may be named in its refusal, as the specifications have it."""
    for refusal in run.refusals:
        assert [what for what in found_in(run, refusal) if what != "what is sent"] == []


def test_the_metrics_have_none(run):
    assert found_in(run, run.service.request("GET", "/metrics").text) == []
    assert found_in(run, run.service.request("GET", "/readyz").text) == []


def test_no_command_line_has_any(run):
    assert found_in(run, "\n".join(run.command_lines)) == []


def test_no_other_file_of_the_data_folder_has_any(run):
    """Besides the stored rows and the results, which are what it is for."""
    rows = {run.service.data / "tables", run.service.data / "results"}
    for path in run.service.data.rglob("*"):
        if path.is_file() and not rows & set(path.parents):
            assert found_in(run, path.read_bytes().decode(errors="replace")) == [], path


def test_no_secret_is_stored_as_it_is(run):
    names = "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'"
    harmless = {"what is sent", "the user's name", "an agent's name"}
    for table in run.service.database.execute(names):
        for row in run.service.database.execute(f"SELECT t::text AS row FROM {table.name} t"):
            assert set(found_in(run, row.row)) <= harmless, table.name


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:BAD@127.0.0.1:1/none",
        "postgresql://user:BAD@127.0.0.1:none/none",
        "postgresql://user:word/BAD@127.0.0.1/none",
        "postgresql://user:BAD/word@127.0.0.1/none",
        "postgresql://user:word@BAD@127.0.0.1/none",
        "postgresql://user:word@127.0.0.1/none?BAD=x",
        "host=127.0.0.1 passwort=BAD",
        "host=127.0.0.1 password=a BAD",
    ],
)
def test_a_database_url_that_is_wrong_is_not_quoted(url):
    with pytest.raises(DatabaseUnavailable) as refused:
        Database(url.replace("BAD", canary("bad")), timeout_seconds=1).probe()
    assert canary("bad") not in str(refused.value)


def test_neither_does_the_command_line_quote_it(tmp_path):
    command = [sys.executable, "-m", "tailrace", "serve", "--data", str(tmp_path), "--port", "0"]
    environment = {**os.environ, "DATABASE_URL": f"postgresql://user:{canary('bad')}/word@127.0.0.1/none"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert canary("bad") not in ended.stdout + ended.stderr
