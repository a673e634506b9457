"""Two tenants with the like of everything, a database that leaves tenant filters out, and all that asks by tenant.

Tenant `ours` asks, with its own ids and with those of tenant `theirs`. What is theirs has `bbbbbbbb` in its ids and
`theirs` in its texts.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import duckdb
import psycopg

from intake.wfm.small import SMALL, write_folder
from tailrace.access import choices, entities, keys, passwords, sessions, users
from tailrace.access.entities import ENTITY_TYPES, View
from tailrace.access.sessions import Session
from tailrace.access.signing import load_signing_keys
from tailrace.access.tenants import Tenant
from tailrace.access.tokens import Principal, Tokens
from tailrace.access.users import User
from tailrace.database.pool import Database
from tailrace.database.together import Answer, Query
from tailrace.errors import TailraceError
from tailrace.formats.base import Field
from tailrace.intake import manifest
from tailrace.intake.wfm.copies import rewrite_copies
from tailrace.intake.wfm.load import load_wfm
from tailrace.intake.wfm.state import read_state
from tailrace.jobs import queue, results
from tailrace.jobs.idempotency import Repeatable
from tailrace.jobs.model import Limits, RangeRows, Request
from tailrace.jobs.submit import Caller, Order, Rules, submit

FILTER = re.compile(r"(?:\b\w+\.)?tenant_id = (%\(tenant(?:_id)?\)s|%s)|(?<=FROM tenants WHERE )id = (%s)")
ALL = [View(kind, 0) for kind in ENTITY_TYPES]
DAY = date(2024, 5, 22)
LIMITS = Limits(timeout_seconds=60, max_result_bytes=10**6, retention_hours=24, record_hours=24)
REQUEST = Request(
    rows=RangeRows("t", "at", datetime(2024, 5, 22, tzinfo=UTC), datetime(2024, 5, 23, tzinfo=UTC), ()),
    fields=(Field("a", "a", "text"),),
    format="csv",
    limits=LIMITS,
)
ORDER = Order("cxone", "qm-workflows", "3", "", DAY, DAY, REQUEST)
STRICT = Rules(min_interval_seconds=0, one_user_per_tenant=True, max_unfinished_jobs=2)
HURRIED = Rules(min_interval_seconds=30)
# What is copied to PostgreSQL.
COPIED = ("enterprise_group", "business_unit", "management_unit", "contact_type", "time_off_group", "data_group")
VIEWS_AND_MORE = ("entity_view", "code_attribute", "time_off_rule")

Filter = tuple[str, int]


@dataclass(frozen=True)
class House:
    """A tenant's ids; those of its rows are made of one letter."""

    letter: str
    name: str

    @property
    def id(self) -> UUID:
        return UUID(f"{self.letter * 8}-0000-4000-8000-000000000000")

    @property
    def tenant(self) -> Tenant:
        return Tenant(self.id, self.name, datetime(2024, 1, 1, tzinfo=UTC), ord(self.letter))

    def made(self, number: int) -> UUID:
        return UUID(int=self.id.int + number)

    def user(self, number: int) -> User:
        return User(self.made(number), self.id, self.name, active=True)


OURS, THEIRS = House("a", "ours"), House("b", "theirs")
MARIA, PAUL, QUEUED, DONE, SESSION = 1, 2, 11, 12, 21


def build(database: Database) -> None:
    """Make both tenants anew, as alike as can be."""
    with database.transaction() as connection:
        connection.execute("DELETE FROM tenants")
        for house in (OURS, THEIRS):
            statement: Any = _ROWS.format(**_names(house))
            connection.execute(statement)


def _names(house: House) -> dict[str, Any]:
    numbers = {"maria": MARIA, "paul": PAUL, "queued": QUEUED, "done": DONE, "session": SESSION}
    rows = {name: house.made(number) for name, number in numbers.items()}
    request = psycopg.types.json.Jsonb(REQUEST.as_json())
    written = psycopg.adapt.Transformer().as_literal(request).decode()
    return {**rows, "tenant": house.id, "name": house.name, "customer": ord(house.letter), "request": written}


# Theirs have one more of most kinds: a foreign row can neither hide behind ours nor be counted as one of them.
_ROWS = """
    INSERT INTO tenants (id, name, customer_id) VALUES ('{tenant}', '{name}', {customer});
    INSERT INTO users (id, tenant_id, name, password_hash)
        VALUES ('{maria}', '{tenant}', 'maria', 'x'), ('{paul}', '{tenant}', 'paul', 'x');
    INSERT INTO user_permissions VALUES ('{tenant}', '{maria}', '{name}'), ('{tenant}', '{paul}', '{name}');
    INSERT INTO access_keys (id, tenant_id, user_id, secret_sha256) VALUES ('KEY {name}', '{tenant}', '{maria}', '');
    INSERT INTO sessions (id, secret_sha256, tenant_id, user_id)
        VALUES ('{session}', decode(md5('{name}'), 'hex'), '{tenant}', '{maria}');
    INSERT INTO entity_views SELECT '{tenant}', '{maria}', unnest(ARRAY['mu', 'ct', 'eg', 'bu', 'tog']), 0;
    INSERT INTO entity_views VALUES ('{tenant}', '{maria}', 'mu', 1), ('{tenant}', '{paul}', 'bu', {customer});
    INSERT INTO wfm_entities SELECT '{tenant}', kind, {customer}, kind || ' of {name}', {customer}, now(), now()
        FROM unnest(ARRAY['mu', 'ct', 'eg', 'bu', 'tog']) AS kind;
    INSERT INTO wfm_entities SELECT '{tenant}', kind, 1, kind || ' one of {name}', 1, now(), now()
        FROM unnest(ARRAY['mu', 'ct', 'eg', 'bu', 'tog']) AS kind;
    INSERT INTO wfm_data_groups VALUES ('{tenant}', 1, 'Team of {name}'), ('{tenant}', {customer}, 'Site of {name}');
    INSERT INTO wfm_code_attributes VALUES ('{tenant}', 'ATTRIBUTE of {name}');
    INSERT INTO wfm_time_off_rules
        VALUES ('{tenant}', 1, 'Vacation of {name}', '2024-01-01', '2024-12-31', 'minutes');
    INSERT INTO stored_files (tenant_id, dataset, input_sha256, input_name, path, rows, bytes)
        VALUES ('{tenant}', 'd', '{name}', '{name}.csv', '{tenant}/d/1', 1, 1),
               ('{tenant}', 'wfm.activity_code', '{name}', '{name}.csv', '{tenant}/wfm.activity_code/1', 1, 1);
    INSERT INTO jobs (id, tenant_id, user_id, dialect, dataset, version, permission_id, start_date, end_date, request)
        SELECT id, '{tenant}', '{maria}', 'cxone', 'of {name}', '3', '', '2024-05-22', '2024-05-22', {request}
        FROM unnest(ARRAY['{queued}', '{done}']::uuid[]) AS id;
    UPDATE jobs SET state = 'succeeded', finished_at = now(), result_key = '{tenant}/{done}', result_bytes = 1,
                    result_rows = 1, result_until = now() + interval '1 day' WHERE id = '{done}';
    INSERT INTO tenant_turns (tenant_id, dialect, accepted_at)
        VALUES ('{tenant}', 'cxone', now() - interval '1 hour' * ({customer} % 2)), ('{tenant}', 'smartsync', now());
"""


def rows_of(database: Database, house: House) -> list[str]:
    """Read all that a tenant has, as text."""
    tables = [row.name for row in database.execute(OF_TENANTS)]
    statement: Any = " UNION ALL ".join(
        f"SELECT '{name} ' || t::text AS row FROM {name} t WHERE {'id' if name == 'tenants' else 'tenant_id'} = %(t)s"
        for name in tables
    )
    return sorted(row.row for row in database.execute(statement, {"t": house.id}))


OF_TENANTS = """
    SELECT DISTINCT relname AS name FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace
      AND (attname = 'tenant_id' OR (relname, attname) = ('tenants', 'id'))
    ORDER BY relname
"""


# -- statements without their filters -----------------------------------------------------------------------------


class Filtering(Database):
    """The database, which notes the tenant filters of its statements and leaves one of them out.

    Without `belt` no statement is bound to a tenant.
    """

    def __init__(self, conninfo: str) -> None:
        super().__init__(conninfo, size=2)
        self.belt = True
        self.left_out: Filter | None = None
        self.run: list[tuple[str, psycopg.Cursor[Any] | SimpleNamespace]] = []
        self._pool.kwargs |= {"cursor_factory": _cursor_of(self)}  # type: ignore[operator]

    def execute(self, statement: Any, parameters: Any = None, *, tenant: UUID | None = None) -> list[Any]:
        return super().execute(statement, parameters, tenant=tenant if self.belt else None)

    def execute_both(self, first: Query, second: Query, *, tenant: UUID) -> tuple[list[Any], list[Any]]:
        if self.belt:
            return super().execute_both(first, second, tenant=tenant)
        return self.execute(*first), self.execute(*second)

    def _together(self, connection: Any, *queries: Query) -> list[Answer]:
        """Send what is sent together as it always is, but for the filter that is left out."""
        noted = [(query.statement, SimpleNamespace(rowcount=-1)) for query in queries]
        self.run += [one for one in noted if FILTER.search(one[0])]
        answers = super()._together(connection, *(Query(self.rewrite(text), values) for text, values in queries))
        for (_, met), answer in zip(noted, answers, strict=True):
            met.rowcount = answer.met
        return answers

    @contextmanager
    def transaction(self, *, tenant: UUID | None = None) -> Iterator[Any]:
        with super().transaction(tenant=tenant if self.belt else None) as connection:
            yield connection

    def rewrite(self, statement: Any) -> Any:
        """Put what is always true in the place of the filter that is left out."""
        if self.left_out is None or statement != self.left_out[0]:
            return statement
        found = list(FILTER.finditer(statement))[self.left_out[1]]
        always = f"{found[1] or found[2]}::uuid IS NOT NULL"
        return statement[: found.start()] + always + statement[found.end() :]


def _cursor_of(database: Filtering) -> type[psycopg.Cursor[Any]]:
    class Cursor(psycopg.Cursor[Any]):
        def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(query, str) and FILTER.search(query):
                database.run.append((query, self))
            return super().execute(database.rewrite(query), *args, **kwargs)

    return Cursor


@dataclass(frozen=True)
class Seen:
    """What came of a call: its outcome, what is theirs in the answer, how many rows each statement met.

    And whether theirs were changed. Any of these may show that a foreign row was met.
    """

    outcome: str
    foreign: tuple[str, ...]
    met: tuple[int, ...]
    changed: bool


def observe(filtering: Filtering, plain: Database, call: Callable[[Database], Any]) -> Seen:
    """Make the call in a world made anew."""
    build(plain)
    before = rows_of(plain, THEIRS)
    filtering.run.clear()
    answer: Any = None
    try:
        answer, outcome = call(filtering), "answered"
    except (TailraceError, ValueError, psycopg.Error) as refused:
        outcome = type(refused).__name__
    foreign = tuple(re.findall(r"bbbbbbbb|theirs", repr(answer)))
    met = tuple(cursor.rowcount for _, cursor in filtering.run)
    return Seen(outcome, foreign, met, rows_of(plain, THEIRS) != before)


# -- all that asks by tenant --------------------------------------------------------------------------------------


def _cancel(database: Database, job: UUID) -> Any:
    return queue.cancel(database, OURS.id, job)


def _submit(database: Database, rules: Rules, repeatable: Repeatable | None = None) -> None:
    submit(database, Caller(OURS.id, OURS.made(MARIA)), ORDER, rules, repeatable)


def _publish(database: Database) -> set[str]:
    new = manifest.NewFile(f"{OURS.id}/d/2", 1, 1, None, None, "new.csv", "new", (), ())
    with database.transaction(tenant=OURS.id) as connection:
        return manifest.publish(connection, OURS.id, "d", [new])


def _load_wfm(database: Database, folder: Path) -> None:
    source = write_folder(
        folder / str(uuid4()), {name: SMALL[name] for name in ("customer", "activity_code", "code_attribute")}
    )
    load_wfm(database, folder / "tables", OURS.tenant, source, threads=1)


def _rewrite_copies(database: Database, folder: Path) -> None:
    tables = (*COPIED, *VIEWS_AND_MORE)
    source = write_folder(folder / str(uuid4()), {name: SMALL[name] for name in tables})
    with duckdb.connect() as rows, database.transaction(tenant=OURS.id) as connection:
        for name in tables:
            rows.execute(f"CREATE TABLE {name} AS FROM read_csv('{source / name}.csv', all_varchar = true)")
        rewrite_copies(connection, rows, OURS.id, read_state(connection, OURS.id), dict.fromkeys(tables))


def _tokens(database: Database) -> Tokens:
    return Tokens(database, load_signing_keys(database), issuer="https://tailrace.test", area="na1")


def _view_with_token(database: Database, job: UUID) -> Any:
    """Ask as a status poll does: whose the token is and for the job at once."""
    tokens = _tokens(database)
    owner = keys.KeyOwner(f"KEY {OURS.name}", OURS.id, OURS.name, OURS.made(MARIA), "maria")
    token = tokens.issue(owner).access_token
    caller, found = tokens.verify_and_ask(token, partial(results.job_query, dialect="cxone", job_id=job))
    return caller.permissions, results.read_job(found)


def _describe(database: Database, user: UUID) -> Any:
    return _tokens(database).describe_user(Principal(OURS.id, user, uuid4(), frozenset()))


def calls(folder: Path) -> dict[str, Callable[[Database], Any]]:
    """Name everything that is done for one tenant; where ids are named, also with those of the other tenant."""
    found: dict[str, Callable[[Database], Any]] = {
        "list jobs": lambda d: results.view_jobs(d, OURS.id, "cxone"),
        "list jobs to operators": lambda d: queue.list_jobs(d, OURS.id),
        "submit": lambda d: _submit(d, STRICT),
        "submit soon": lambda d: _submit(d, HURRIED),
        "choices": lambda d: choices.find_choices(d, OURS.id),
        "views of": lambda d: entities.views_of(d, OURS.tenant),
        "users": lambda d: users.list_users(d, OURS.tenant),
        "keys": lambda d: keys.list_keys(d, OURS.tenant),
        "files": lambda d: manifest.stored_files(d, OURS.id, "d"),
        "WFM files": lambda d: manifest.wfm_files(d, OURS.id),
        "known inputs": lambda d: manifest.known_inputs(d, OURS.id, "d", ["ours", "theirs"]),
        "publish": _publish,
        "rewrite copies": lambda d: _rewrite_copies(d, folder),
        "load WFM tables": lambda d: _load_wfm(d, folder),
    }
    for house in (OURS, THEIRS):
        found |= {f"{name} with {house.name}": call for name, call in _with_ids(house).items()}
    return found


def _with_ids(house: House) -> dict[str, Callable[[Database], Any]]:
    """Name what our tenant does with the ids of a house."""
    maria, queued, done = house.made(MARIA), house.made(QUEUED), house.made(DONE)
    # The user of another tenant, in our hands.
    user = User(maria, OURS.id, "maria", active=True)
    paul = User(house.made(PAUL), OURS.id, "paul", active=True)
    their_number = ord(THEIRS.letter)
    return {
        "view job": lambda d: results.view_job(d, OURS.id, "cxone", done),
        "view job with a token": lambda d: _view_with_token(d, done),
        "view own job": lambda d: results.view_own_job(d, OURS.id, maria, "cxone", done),
        "view own jobs": lambda d: results.view_own_jobs(d, OURS.id, maria, "cxone"),
        "find request": lambda d: results.find_request(d, OURS.id, done),
        "cancel": lambda d: _cancel(d, queued),
        "cancel what is done": lambda d: _cancel(d, done),
        "list entities": lambda d: entities.list_entities(d, OURS.id, maria, ENTITY_TYPES, None),
        "list entities of a unit": lambda d: entities.list_entities(d, OURS.id, house.made(PAUL), ENTITY_TYPES, None),
        "viewable": lambda d: entities.viewable(d, OURS.id, maria, "mu"),
        "viewable of a unit": lambda d: entities.viewable(d, OURS.id, house.made(PAUL), "mu"),
        "refused": lambda d: entities.refused(d, OURS.id, maria, {"mu": [1, their_number], "bu": [their_number]}),
        "refused of a unit": lambda d: entities.refused(d, OURS.id, house.made(PAUL), {"mu": [1, their_number, 97]}),
        "grant views": lambda d: entities.grant_views(d, OURS.user(MARIA), [View("mu", ord(house.letter))]),
        "withdraw views": lambda d: entities.withdraw_views(d, user, [View("mu", 1)]),
        "withdraw all views": lambda d: entities.withdraw_views(d, user, ALL),
        "withdraw views of a unit": lambda d: entities.withdraw_views(d, paul, [View("mu", ord(house.letter))]),
        "lock": lambda d: users.set_active(d, user, active=False),
        "deny": lambda d: users.deny(d, user, ["ours", "theirs"]),
        "password": lambda d: passwords.set_password(d, user, "correct horse"),
        "revoke key": lambda d: keys.revoke_key(d, OURS.tenant, f"KEY {house.name}"),
        "end session": lambda d: sessions.end_session(d, Session(house.made(SESSION), OURS.id, maria)),
        "describe user": lambda d: _describe(d, maria),
    }
