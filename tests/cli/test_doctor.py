"""`tailrace doctor`: what is well, and each thing that is not, told in turn."""

import json

import pytest
from run_cli import Cli

from s3_way import way_to

pytestmark = pytest.mark.long


@pytest.fixture
def cli(tmp_path, database_url, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", database_url)
    return Cli(tmp_path)


def states(cli):
    return {found["part"]: found["state"] for found in json.loads(cli.run("doctor", "--json"))}


def test_all_is_well(cli, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    assert set(states(cli).values()) == {"ok"}
    assert cli.status == 0
    cli.run("doctor")
    assert "ok       tables: of this version, tenants kept apart by row-level security" in cli.out
    # What it wrote is gone again.
    assert [path for path in sorted(tmp_path.rglob("*")) if path.is_file()] == before


def test_tables_that_are_behind_are_left_so(cli, database):
    database.execute("DELETE FROM migrations WHERE name LIKE '0005%'")
    assert states(cli)["tables"] == "warning"
    assert cli.status == 0
    assert database.execute("SELECT FROM migrations WHERE name LIKE '0005%'") == []


def test_a_database_that_is_not_there(cli, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody:canary@127.0.0.1:9/none")
    monkeypatch.setenv("TAILRACE_DATABASE__TIMEOUT_S", "1")
    found = states(cli)
    assert (found["database"], found["store (local)"]) == ("wrong", "ok")
    assert cli.status == 1
    assert "canary" not in cli.out + cli.err


def test_a_folder_that_cannot_be_written(cli, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TAILRACE_STORAGE__FOLDER", str(tmp_path / "file" / "results"))
    assert states(cli)["store (local)"] == "wrong"
    assert cli.status == 1


def test_a_bucket(cli, s3_server, monkeypatch):
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    found = states(cli)
    assert set(found.values()) == {"ok"}
    assert {"store (s3)", "links", "clock of the store", "unfinished uploads"} <= found.keys()


def test_a_bucket_that_is_not_there_or_not_ours(cli, s3_server, monkeypatch):
    for wrong in ({"bucket": "nowhere"}, {"secret_access_key": "canary"}):
        for name, value in s3_server.environment(**wrong).items():
            monkeypatch.setenv(name, str(value))
        assert states(cli)["store (s3)"] == "wrong"
        assert cli.status == 1
        assert "canary" not in cli.out + cli.err


def test_a_store_that_says_nothing(cli, s3_server, monkeypatch):
    with way_to(s3_server.endpoint) as way:
        short = {"endpoint": way.endpoint, "connect_timeout_s": 1, "timeout_s": 1, "retry_timeout_s": 1}
        for name, value in s3_server.environment(**short).items():
            monkeypatch.setenv(name, str(value))
        way.fall_silent()
        assert states(cli)["store (s3)"] == "wrong"


def test_settings_of_a_dataset_that_there_is_not(cli, tmp_path):
    (tmp_path / "tailrace.toml").write_text("[datasets.shiftz]\n")
    assert states(cli)["datasets"] == "wrong"
    assert "shiftz" in cli.out


def test_a_source_that_does_not_answer(cli, tmp_path):
    (tmp_path / "tailrace.toml").write_text(
        """
        [sources.warehouse]
        kind = "postgresql"
        url = "postgresql://nobody:canary@127.0.0.1:9/none"
        [datasets.qm-workflows]
        source = "warehouse"
        table = "steps"
        tenant_column = "owner"
        """
    )
    assert states(cli)["source 'warehouse' of qm-workflows"] == "wrong"
    assert cli.status == 1
    assert "canary" not in cli.out + cli.err
