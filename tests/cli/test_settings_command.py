"""`tailrace settings` and `tailrace dataset list` need no database."""

import json
from pathlib import Path

import pytest
from run_cli import Cli


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Run commands on an empty folder."""
    return Cli(tmp_path)


def test_shows_what_is_in_force_and_hides_secrets(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:canary@example.com/db")
    monkeypatch.setenv("TAILRACE_SERVER__PORT", "9000")
    shown = cli.run("settings")
    assert "server.port = 9000\n    Port to listen on" in shown
    assert "database.url = ****" in shown
    assert "canary" not in shown
    values = cli.ask("settings")
    assert values["server.port"] == 9000
    assert values["cxone.one_user_per_tenant"] is True
    assert "canary" not in json.dumps(values)


def test_names_every_wrong_setting(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILRACE_SERVER__PORT", "high")
    monkeypatch.setenv("TAILRACE_BOGUS__X", "1")
    cli.run("settings")
    assert cli.status == 1
    assert "server.port" in cli.err
    assert "TAILRACE_BOGUS__X" in cli.err
    assert "code: settings_invalid" in cli.err


def test_lists_datasets(cli: Cli, tmp_path: Path) -> None:
    datasets = cli.ask("dataset", "list")
    workflows = [dataset for dataset in datasets if dataset["name"] == "qm-workflows"]
    assert [(dataset["version"], dataset["columns"]) for dataset in workflows] == [("1", 37), ("3", 38)]
    assert workflows[0]["permission_id"] == "qm-workflow"
    head, *lines = cli.run("dataset", "list").splitlines()
    assert head.split() == ["NAME", "VERSION", "COLUMNS", "PERMISSION", "ID", "TITLE"]
    assert len(lines) == len(datasets)
    assert list(tmp_path.iterdir()) == []


def test_lists_the_operators_datasets_and_names_a_broken_file(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "catalog").mkdir()
    file = tmp_path / "catalog" / "calls.toml"
    file.write_text('name = "calls"\nversion = "1"\nrange_column = "At"\n[[columns]]\nname = "At"\ntype = "datetime"\n')
    assert "calls" in [dataset["name"] for dataset in cli.ask("dataset", "list")]
    file.write_text("name = ")
    cli.run("dataset", "list")
    assert cli.status == 1
    assert str(file) in cli.err
