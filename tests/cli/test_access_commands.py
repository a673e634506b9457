"""Tenants, users and keys, on a real database."""

from run_cli import Cli


def make_user(cli: Cli, tenant: str) -> None:
    cli.ask("tenant", "create", tenant)
    cli.ask("user", "create", "reporting", "--tenant", tenant)


def test_makes_and_lists_tenants(cli: Cli) -> None:
    assert cli.run("tenant", "create", "Alpha") == "Tenant 'Alpha' is there.\n"
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
