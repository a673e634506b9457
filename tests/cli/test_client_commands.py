"""OAuth clients, on a real database."""

import pytest
from run_cli import Cli

from tailrace.access.clients import check_client
from tailrace.database.pool import Database
from tailrace.errors import UnknownClient


def test_without_clients_the_list_says_what_to_do(cli: Cli) -> None:
    if cli.ask("client", "list") == []:
        assert "no client yet" in cli.run("client", "list")


@pytest.mark.req("CX-137")
def test_a_clients_secret_is_shown_once_and_proves_it(cli: Cli, module_database: str) -> None:
    made = cli.ask("client", "create", "reporting@example.org")
    assert list(made) == ["clientId", "clientSecret"]
    assert made["clientId"] == "reporting@example.org"
    assert len(made["clientSecret"]) >= 32
    database = Database(module_database, size=1)
    check_client(database, made["clientId"], made["clientSecret"])
    [row] = database.execute("SELECT * FROM oauth_clients WHERE id = 'reporting@example.org'")
    database.close()
    assert made["clientSecret"] not in str(row)
    for words in (("client", "list"), ("client", "list", "--json")):
        assert "reporting@example.org" in cli.run(*words)
        assert made["clientSecret"] not in cli.out


def test_the_text_says_that_the_secret_is_not_shown_again(cli: Cli) -> None:
    shown = cli.run("client", "create", "with a blank")
    assert cli.status == 0
    assert shown.startswith("Client 'with a blank':\n  secret  ")
    assert "not shown again" in shown


def test_every_secret_is_another(cli: Cli) -> None:
    assert cli.ask("client", "create", "one")["clientSecret"] != cli.ask("client", "create", "two")["clientSecret"]


@pytest.mark.req("CX-137")
def test_revokes_a_client(cli: Cli, module_database: str) -> None:
    made = cli.ask("client", "create", "revoked")
    [listed] = [one for one in cli.ask("client", "list") if one["id"] == "revoked"]
    assert list(listed) == ["id", "created_at", "revoked_at"]
    assert listed["revoked_at"] is None
    assert cli.run("client", "revoke", "revoked") == "Client 'revoked' is revoked.\n"
    [listed] = [one for one in cli.ask("client", "list") if one["id"] == "revoked"]
    assert listed["revoked_at"] is not None
    assert cli.ask("client", "revoke", "revoked") == {"id": "revoked", "revoked": True}
    assert listed in cli.ask("client", "list"), "revoking again changes nothing"
    database = Database(module_database, size=1)
    with pytest.raises(UnknownClient):
        check_client(database, "revoked", made["clientSecret"])
    database.close()


def test_a_revoked_clients_id_is_not_given_again(cli: Cli) -> None:
    cli.ask("client", "create", "once")
    cli.ask("client", "revoke", "once")
    cli.run("client", "create", "once")
    assert (cli.status, cli.err.splitlines()[-1]) == (1, "code: already_exists")


def test_an_id_that_is_taken_is_a_clean_error(cli: Cli) -> None:
    cli.ask("client", "create", "twice")
    assert cli.run("client", "create", "twice") == ""
    assert cli.status == 1
    assert cli.err.startswith("error: There is a client 'twice' already.\nwhat to do: ")
    assert cli.err.endswith("code: already_exists\n")


@pytest.mark.req("CX-133", "CX-162")
def test_the_name_of_sign_ins_without_a_client_is_no_clients(cli: Cli) -> None:
    assert cli.run("client", "create", "access-key") == ""
    assert (cli.status, cli.err.splitlines()[-1]) == (1, "code: already_exists")


def test_ids_that_cannot_be_are_clean_errors(cli: Cli) -> None:
    for client_id in ("", " blank ", "x" * 101, "line\nbreak", "null\0"):
        assert cli.run("client", "create", client_id) == ""
        assert (cli.status, cli.err.splitlines()[-1]) == (1, "code: name_invalid"), client_id


def test_an_unknown_client_is_a_clean_error(cli: Cli) -> None:
    assert cli.run("client", "revoke", "nobody") == ""
    assert (cli.status, cli.err.splitlines()[-1]) == (1, "code: unknown_client")


def test_the_commands_explain_themselves(bare_cli: Cli) -> None:
    shown = bare_cli.run("client", "--help")
    assert bare_cli.status == 0
    for command in ("create", "list", "revoke"):
        assert command in shown
        assert "tailrace client" in bare_cli.run("client", command, "--help")
