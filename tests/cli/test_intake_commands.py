"""Rows in, on a real database: files and sample rows."""

from pathlib import Path

import pytest
from run_cli import Cli

SAMPLE = ("sample", "qm-workflows", "--rows", "500", "--seed", "7")


@pytest.fixture
def tenant(cli: Cli, request: pytest.FixtureRequest) -> str:
    """Make a tenant of the test's own."""
    name = request.node.name
    cli.ask("tenant", "create", name)
    return name


def test_a_sample_file_is_loaded_once(cli: Cli, tenant: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    made = cli.ask(*SAMPLE, "--tenant", tenant, "--output", str(file), "--version", "1")
    assert made == {"path": str(file), "rows": 500, "version": "1"}
    first = cli.ask("load", "qm-workflows", str(file), "--tenant", tenant)
    assert (first["rows"], first["files"][0]["file"], first["files"][0]["already_loaded"]) == (500, "rows.csv", False)
    again = cli.run("load", "qm-workflows", str(file), "--tenant", tenant)
    assert again.splitlines()[-1] == "0 rows loaded."
    assert "yes" in again.splitlines()[1]


def test_a_sample_file_has_the_newest_versions_columns(cli: Cli, tenant: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    assert "version 3" in cli.run(*SAMPLE, "--tenant", tenant, "--output", str(file))
    assert "Workflow ID" in file.read_text().splitlines()[0]


def test_sample_rows_are_loaded_once(cli: Cli, tenant: str) -> None:
    assert cli.ask(*SAMPLE, "--tenant", tenant)["rows"] == 500
    assert cli.ask(*SAMPLE, "--tenant", tenant)["rows"] == 0


def test_mistakes_are_clean_errors(cli: Cli, tenant: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("A,B\n1,2\n")
    to = ("--tenant", tenant)
    for code, words in {
        "load_refused": ("load", "qm-workflows", str(wrong), *to),
        "not_found": ("load", "nothing", str(wrong), *to),
        "unknown_tenant": ("load", "qm-workflows", str(wrong), "--tenant", "nobody"),
        "invalid_request": (*SAMPLE, *to, "--start", "yesterday"),
    }.items():
        assert cli.run(*words) == ""
        assert (cli.status, cli.err.splitlines()[-1]) == (1, f"code: {code}"), words
    for words in (
        ("load", "qm-workflows", str(tmp_path / "missing.csv"), *to),
        (*SAMPLE, *to, "--start", "2019-06-02", "--end", "2019-06-01"),
        ("sample", "nothing", *to),
        (*SAMPLE, *to, "--output", str(tmp_path / "x.csv"), "--version", "99"),
        (*SAMPLE, *to, "--output", str(tmp_path / "no" / "x.csv")),
    ):
        cli.run(*words)
        assert cli.status == 1
        assert cli.err.startswith("error: ") or cli.err.startswith("Loading ")
        assert "unforeseen" not in cli.err


def write_tables(folder: Path) -> Path:
    folder.mkdir()
    (folder / "customer.csv").write_text("name,period_minutes\nHarbour Ferries,15\n")
    (folder / "data_group.csv").write_text("group_id,name\n1,Team\n2,Site\n")
    return folder


def test_a_folder_of_wfm_tables(cli: Cli, tenant: str, tmp_path: Path) -> None:
    folder = write_tables(tmp_path / "wfm")
    first = cli.ask("load", "wfm", "--tenant", tenant, str(folder))
    assert first == {
        "rows": 3,
        "tables": [
            {"table": "customer", "file": "customer.csv", "rows": 1, "already_loaded": False},
            {"table": "data_group", "file": "data_group.csv", "rows": 2, "already_loaded": False},
        ],
    }
    (folder / "data_group.csv").write_text("group_id,name\n1,Crew\n")
    again = cli.run("load", "wfm", "--tenant", tenant, str(folder))
    assert [line.split() for line in again.splitlines()] == [
        ["TABLE", "FILE", "ROWS", "ALREADY", "LOADED"],
        ["customer", "customer.csv", "0", "yes"],
        ["data_group", "data_group.csv", "1", "no"],
        ["1", "rows", "loaded."],
    ]


def test_mistakes_with_wfm_tables(cli: Cli, tenant: str, tmp_path: Path) -> None:
    folder = write_tables(tmp_path / "wfm")
    for paths in ((), (folder, folder), (folder / "customer.csv",)):
        assert cli.run("load", "wfm", "--tenant", tenant, *map(str, paths)) == ""
        assert cli.status == 2
        assert "one folder with a file for each table" in " ".join(cli.err.split()) or not paths
    (folder / "customer.csv").write_text("name,period_minutes\na,15\nb,20\n")
    cli.run("load", "wfm", "--tenant", tenant, str(folder))
    assert cli.status == 1
    assert "customer.csv, line 3, column 'period_minutes': '20' is not one of 15, 30" in cli.err
    assert cli.err.endswith("code: load_refused\n")
    cli.run("load", "wfm", "--tenant", tenant, str(tmp_path / "missing"))
    assert "missing: No such file or directory" in cli.err
    cli.run("load", "wfm", "--tenant", "nobody", str(folder))
    assert cli.err.endswith("code: unknown_tenant\n")
