"""Tenants, users, passwords and keys, on a real database."""

import os
import pty
import select
import sys
import time
from pathlib import Path

import pytest
from run_cli import Cli
from typer.testing import CliRunner

from tailrace.access.passwords import verify
from tailrace.access.sessions import Lives, find_session, sign_in
from tailrace.access.tenants import find_tenant
from tailrace.cli.main import app
from tailrace.database.pool import Database
from tailrace.errors import NotAuthenticated

pytestmark = pytest.mark.long

LIVES = Lives(1800, 43200)


def make_user(cli: Cli, tenant: str) -> None:
    cli.ask("tenant", "create", tenant)
    cli.ask("user", "create", "reporting", "--tenant", tenant)


def test_makes_and_lists_tenants(cli: Cli) -> None:
    shown = cli.run("tenant", "create", "Alpha", "--customer-id", "70")
    assert shown == "Tenant 'Alpha' is there, with customer id 70.\n"
    made = cli.ask("tenant", "create", "Beta")
    assert made in cli.ask("tenant", "list")
    assert "Alpha" in cli.run("tenant", "list")


def test_a_name_that_is_taken_is_a_clean_error(cli: Cli) -> None:
    cli.ask("tenant", "create", "twice")
    cli.run("tenant", "create", "twice")
    assert cli.status == 1
    assert cli.err.startswith("error: There is a tenant 'twice' already.\nwhat to do: ")
    assert cli.err.endswith("code: already_exists\n")


def test_unknown_names_are_clean_errors(cli: Cli) -> None:
    make_user(cli, "known")
    for code, words in {
        "unknown_tenant": ("user", "list", "--tenant", "nobody"),
        "unknown_user": ("key", "create", "--tenant", "known", "--user", "nobody"),
        "unknown_key": ("key", "revoke", "nothing", "--tenant", "known"),
        "unknown_permission": ("user", "allow", "nothing", "--tenant", "known", "--user", "reporting"),
        "name_invalid": ("tenant", "create", " blank "),
        "unknown_entity": ("user", "allow", "mu:1", "--tenant", "known", "--user", "reporting"),
    }.items():
        assert cli.run(*words) == ""
        assert (cli.status, cli.err.splitlines()[-1]) == (1, f"code: {code}")


def test_allows_and_denies(cli: Cli) -> None:
    make_user(cli, "rights")
    who = ("--tenant", "rights", "--user", "reporting")
    both = cli.ask("user", "allow", "qm-workflows", "recording-interaction-metadata", *who)
    assert both["permissions"] == ["interaction-metadata", "qm-workflow"]
    assert "interaction-metadata." in cli.run("user", "deny", "qm-workflow", *who)
    [user] = cli.ask("user", "list", "--tenant", "rights")
    assert (user["name"], user["permissions"]) == ("reporting", ["interaction-metadata"])
    assert "interaction-metadata" in cli.run("user", "list", "--tenant", "rights")


def test_a_key_is_shown_once(cli: Cli) -> None:
    make_user(cli, "keys")
    key = cli.ask("key", "create", "--tenant", "keys", "--user", "reporting", "--allow", "qm-workflows")
    assert list(key) == ["accessKeyId", "accessKeySecret"]
    shown = cli.run("key", "list", "--tenant", "keys")
    assert key["accessKeyId"] in shown
    assert key["accessKeySecret"] not in shown
    [user] = cli.ask("user", "list", "--tenant", "keys")
    assert user["permissions"] == ["qm-workflow"]


def test_the_text_says_that_the_secret_is_not_shown_again(cli: Cli) -> None:
    make_user(cli, "text")
    shown = cli.run("key", "create", "--tenant", "text", "--user", "reporting")
    [key] = cli.ask("key", "list", "--tenant", "text")
    assert key["id"] in shown
    assert "not shown again" in shown


def test_a_wrong_dataset_leaves_no_key_behind(cli: Cli) -> None:
    make_user(cli, "careful")
    cli.run("key", "create", "--tenant", "careful", "--user", "reporting", "--allow", "nothing")
    assert cli.status == 1
    assert cli.ask("key", "list", "--tenant", "careful") == []
    assert "no access key yet" in cli.run("key", "list", "--tenant", "careful")


def test_revokes_a_key(cli: Cli) -> None:
    make_user(cli, "revoked")
    key = cli.ask("key", "create", "--tenant", "revoked", "--user", "reporting")
    cli.run("key", "revoke", key["accessKeyId"], "--tenant", "revoked")
    assert cli.status == 0
    [listed] = cli.ask("key", "list", "--tenant", "revoked")
    assert listed["revoked_at"] is not None


def test_a_tenant_without_jobs(cli: Cli) -> None:
    make_user(cli, "jobless")
    assert cli.ask("job", "list", "--tenant", "jobless") == []
    assert cli.run("job", "list", "--tenant", "jobless") == "This tenant has asked for no extraction yet.\n"


# -- SmartSync ----------------------------------------------------------------------------------------------------


@pytest.fixture
def database(module_database: str):
    database = Database(module_database, size=2)
    yield database
    database.close()


def add_entities(database: Database, tenant: str, *entities: str) -> None:
    for entity in entities:
        kind, _, number = entity.partition(":")
        database.execute(
            "INSERT INTO wfm_entities (tenant_id, entity_type, entity_id, name, bu_id)"
            " SELECT id, %(kind)s, %(number)s, 'x', CASE WHEN %(kind)s = 'mu' THEN 3 END FROM tenants"
            " WHERE name = %(tenant)s",
            {"kind": kind, "number": int(number), "tenant": tenant},
        )


def password_of(database: Database, tenant: str) -> str | None:
    [row] = database.execute(
        "SELECT password_hash FROM users u JOIN tenants t ON t.id = u.tenant_id WHERE t.name = %(tenant)s",
        {"tenant": tenant},
    )
    return row.password_hash


def pipe(cli: Cli, text: str | bytes, *arguments: str) -> str:
    """Run a command with this on standard input."""
    result = CliRunner().invoke(app, [*arguments, *cli._data], input=text, prog_name="tailrace")
    cli.status, cli.out, cli.err = result.exit_code, result.stdout, result.stderr
    return result.stdout


@pytest.mark.req("SS-033")
def test_a_tenant_has_a_customer_id_of_its_own(cli: Cli) -> None:
    given = cli.ask("tenant", "create", "numbered", "--customer-id", "7001")
    assert given["customer_id"] == 7001
    free = [cli.ask("tenant", "create", name)["customer_id"] for name in ("free 1", "free 2")]
    assert 0 < free[0] < free[1] < 7001
    cli.run("tenant", "create", "again", "--customer-id", "7001")
    assert (cli.status, cli.err.splitlines()[-1]) == (1, "code: already_exists")
    assert "customer id 7001" in cli.err
    assert "7001" in cli.run("tenant", "list")
    for number in ("0", "-1", "2147483648", "x"):
        cli.run("tenant", "create", "bad", "--customer-id", number)
        assert cli.status == 2


def test_allows_and_denies_entities_beside_datasets(cli: Cli, database: Database) -> None:
    make_user(cli, "views")
    add_entities(database, "views", "mu:1", "mu:2", "bu:3", "ct:10", "eg:1", "tog:3")
    who = ("--tenant", "views", "--user", "reporting")
    given = cli.ask("user", "allow", "mu:2", "qm-workflows", "mu:1", "tog:3", "ct:all", "eg:1", *who)
    views = ["mu:1", "mu:2", "ct:all", "eg:1", "tog:3"]
    assert given == {"name": "reporting", "permissions": ["qm-workflow"], "views": views}
    [user] = cli.ask("user", "list", "--tenant", "views")
    assert user["views"] == views
    assert "mu:1, mu:2, ct:all, eg:1, tog:3" in cli.run("user", "list", "--tenant", "views")
    shown = cli.run("user", "deny", "mu:1", "eg:1", "mu:2", "tog:3", "ct:all", *who)
    assert shown.splitlines() == [
        "User 'reporting' may now extract with: qm-workflow.",
        "User 'reporting' may now View: nothing.",
    ]


def test_unknown_entities_are_all_named_and_nothing_is_granted(cli: Cli, database: Database) -> None:
    make_user(cli, "strict")
    add_entities(database, "strict", "mu:1")
    who = ("--tenant", "strict", "--user", "reporting")
    cli.run("user", "allow", "mu:1", "mu:8", "qm-workflows", "bu:9", *who)
    assert (cli.status, cli.err.splitlines()[-1]) == (1, "code: unknown_entity")
    assert "no bu:9, mu:8." in cli.err
    for bad in (["mu:1", "nothing"], ["mu:x"], ["queue:1"], ["mu:0"]):
        cli.run("user", "allow", *bad, "qm-workflows", *who)
        assert cli.status == 1
    [user] = cli.ask("user", "list", "--tenant", "strict")
    assert (user["permissions"], user["views"]) == ([], [])


def test_a_wider_view_is_not_taken_back_in_part(cli: Cli, database: Database) -> None:
    make_user(cli, "wide")
    add_entities(database, "wide", "mu:1", "bu:3")
    who = ("--tenant", "wide", "--user", "reporting")
    cli.run("user", "allow", "mu:all", "qm-workflows", *who)
    cli.run("user", "deny", "mu:1", "qm-workflows", *who)
    assert (cli.status, cli.err.splitlines()[-1]) == (1, "code: still_viewable")
    assert "mu:1 through mu:all" in cli.err
    [user] = cli.ask("user", "list", "--tenant", "wide")
    assert (user["permissions"], user["views"]) == (["qm-workflow"], ["mu:all"])


def test_a_long_list_of_views_is_cut_for_people_alone(cli: Cli, database: Database) -> None:
    make_user(cli, "many")
    entities = [f"mu:{number}" for number in range(1, 31)]
    add_entities(database, "many", *entities)
    shown = cli.run("user", "allow", *entities, "--tenant", "many", "--user", "reporting")
    assert shown.endswith("mu:9, mu:10, and 20 more.\n")
    [user] = cli.ask("user", "list", "--tenant", "many")
    assert user["views"] == entities


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("correct horse\n", "correct horse"),
        ("correct horse\r\n", "correct horse"),
        ("Grüße aus Malmö", "Grüße aus Malmö"),
        (" blanks count \n", " blanks count "),
    ],
    ids=range(4),
)
def test_a_password_is_read_from_a_pipe(cli: Cli, database: Database, given: str, read: str) -> None:
    name = f"pipe {read} {len(given)}".strip()
    make_user(cli, name)
    shown = pipe(cli, given, "user", "password", "reporting", "--tenant", name)
    assert (cli.status, shown) == (0, f"The password of user 'reporting', tenant '{name}', is set.\n"), cli.err
    assert verify(password_of(database, name), read)


@pytest.mark.parametrize(
    "given",
    ["", "\n", "short\n", "two lines\nof text\n", "nul\0 inside\n", "x" * 1025, "x" * 9000, b"\xff\xfe not UTF-8"],
    ids=range(8),
)
def test_what_is_no_password_is_a_clean_error(cli: Cli, database: Database, given: str) -> None:
    # The first of these makes the user, the others find it.
    for made in (["tenant", "create", "refusing"], ["user", "create", "reporting", "--tenant", "refusing"]):
        cli.run(*made)
    pipe(cli, given, "user", "password", "reporting", "--tenant", "refusing")
    assert (cli.status, cli.err.splitlines()[-1]) == (1, "code: password_invalid")
    assert password_of(database, "refusing") is None


def test_a_password_is_no_argument(cli: Cli) -> None:
    make_user(cli, "argument")
    cli.run("user", "password", "reporting", "secret words", "--tenant", "argument")
    assert cli.status == 2
    cli.run("user", "password", "reporting", "--password", "secret words", "--tenant", "argument")
    assert cli.status == 2


def test_a_generated_password_is_shown_once_and_lets_in(cli: Cli, database: Database) -> None:
    make_user(cli, "made")
    customer = find_tenant(database, "made").customer_id
    shown = cli.run("user", "password", "reporting", "--tenant", "made", "--generate")
    [password] = [line.split()[1] for line in shown.splitlines() if line.startswith("  password")]
    session = sign_in(database, customer, "reporting", password, "192.0.2.1", LIVES)
    made = cli.ask("user", "password", "reporting", "--tenant", "made", "--generate")
    assert list(made) == ["name", "password"]
    with pytest.raises(NotAuthenticated):
        find_session(database, session, LIVES)
    assert sign_in(database, customer, "reporting", made["password"], "192.0.2.1", LIVES)


def test_an_unknown_user_is_told_before_a_password_is_asked_for(cli: Cli) -> None:
    make_user(cli, "early")
    pipe(cli, "", "user", "password", "nobody", "--tenant", "early")
    assert (cli.status, cli.err.splitlines()[-1]) == (1, "code: unknown_user")


def on_a_terminal(arguments: list[str], *typed: str) -> tuple[int, str]:
    """Run the command on a terminal and type these lines at its prompts; gives its status and all that was shown."""
    process, terminal = pty.fork()
    if process == 0:
        os.execv(sys.executable, [sys.executable, "-m", "tailrace", *arguments])
    shown, lines, until = b"", list(typed), time.monotonic() + 60
    while time.monotonic() < until:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            shown += os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        if lines and shown.count(b": ") >= len(typed) - len(lines) + 1:
            os.write(terminal, f"{lines.pop(0)}\n".encode())
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    os.close(terminal)
    return status, shown.decode()


def test_on_a_terminal_a_password_is_asked_for_twice_and_not_shown(
    cli: Cli, database: Database, tmp_path: Path
) -> None:
    make_user(cli, "terminal")
    command = ["user", "password", "reporting", "--tenant", "terminal", *cli._data]
    status, shown = on_a_terminal(command, "correct horse", "correct horse")
    assert status == 0, shown
    assert "is set." in shown
    assert "correct" not in shown
    assert verify(password_of(database, "terminal"), "correct horse")


def test_locks_and_unlocks(cli: Cli, database: Database) -> None:
    make_user(cli, "locks")
    password = cli.ask("user", "password", "reporting", "--tenant", "locks", "--generate")["password"]
    who = find_tenant(database, "locks").customer_id, "reporting", password, "192.0.2.1", LIVES
    session = sign_in(database, *who)
    assert cli.run("user", "lock", "reporting", "--tenant", "locks") == "User 'reporting' is locked.\n"
    assert cli.ask("user", "list", "--tenant", "locks")[0]["active"] is False
    with pytest.raises(NotAuthenticated):
        find_session(database, session, LIVES)
    with pytest.raises(NotAuthenticated):
        sign_in(database, *who)
    assert cli.ask("user", "unlock", "reporting", "--tenant", "locks") == {"name": "reporting", "active": True}
    assert sign_in(database, *who)
    for verb in ("lock", "unlock"):
        cli.run("user", verb, "nobody", "--tenant", "locks")
        assert (cli.status, cli.err.splitlines()[-1]) == (1, "code: unknown_user")
