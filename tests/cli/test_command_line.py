"""What all commands share: help, exit statuses, errors as sentences."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from run_cli import Cli

from tailrace import __version__
from tailrace.cli import serve as serving
from tailrace.cli.main import app
from tailrace.errors import AddressInUse, SettingsInvalid


def all_commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield words, command
    for name, child in getattr(command, "commands", {}).items():
        yield from all_commands(child, (*words, name))


COMMANDS = dict(all_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(bare_cli: Cli, words: tuple[str, ...]) -> None:
    shown = bare_cli.run(*words, "--help")
    assert bare_cli.status == 0
    assert shown.startswith(f"Usage: {' '.join(('tailrace', *words))} ")
    assert "completion" not in shown
    assert COMMANDS[words].help.split("\n")[0].endswith(".")
    if words and not hasattr(COMMANDS[words], "commands"):
        assert "\n  Example:\n    " in shown


@pytest.mark.parametrize(
    "words", [words for words in COMMANDS if words and words[0] not in ("version", "extract", "smartsync")]
)
def test_every_command_that_uses_data_lets_one_choose_it(words: tuple[str, ...]) -> None:
    command = COMMANDS[words]
    if not hasattr(command, "commands"):
        assert "--data" in {option for parameter in command.params for option in parameter.opts}


def test_help_is_quick_for_it_imports_nothing_heavy() -> None:
    code = "import sys, tailrace.cli.main; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"duckdb", "fastapi", "psycopg", "pydantic", "httpx2", "obstore", "uvicorn"} & set(loaded)


@pytest.mark.parametrize(
    "words",
    [
        ("bogus",),
        ("tenant", "bogus"),
        ("tenant", "create"),
        ("sample", "qm-workflows", "--tenant", "acme", "--rows", "many"),
        ("serve", "--port", "70000"),
        ("extract", "qm-workflows", "--version", "3", "--start", "2019-05-22", "--end", "2019-05-29", "-o", "x.csv"),
    ],
    ids=" ".join,
)
def test_usage_errors_exit_with_2(bare_cli: Cli, words: tuple[str, ...]) -> None:
    bare_cli.run(*words)
    assert bare_cli.status == 2
    assert "Error:" in bare_cli.err


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let `tailrace serve` meet a fault."""

    def serve(*_: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(serving, "serve", serve)


def test_an_error_is_a_sentence_with_advice_and_code(bare_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, AddressInUse("Cannot listen on 127.0.0.1 port 80.\x1b[31m"))
    bare_cli.run("serve")
    assert bare_cli.status == 1
    assert bare_cli.err.splitlines() == [
        "error: Cannot listen on 127.0.0.1 port 80.\N{REPLACEMENT CHARACTER}[31m",
        f"what to do: {AddressInUse.advice}",
        "code: address_in_use",
    ]


def test_details_are_listed_unless_the_message_has_them(bare_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, SettingsInvalid("2 faults: one", details=("one", "two")))
    bare_cli.run("serve")
    assert bare_cli.err.splitlines()[:2] == ["error: 2 faults: one", "  - two"]


def test_the_unforeseen_shows_no_trace_and_no_text(bare_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, RuntimeError("canary"))
    bare_cli.run("serve")
    assert bare_cli.status == 1
    assert "--debug" in bare_cli.err
    assert "canary" not in bare_cli.err
    assert "Traceback" not in bare_cli.err


def test_debug_lets_errors_through(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, RuntimeError("canary"))
    with pytest.raises(RuntimeError, match="canary"):
        app(["--debug", "serve"])


def test_control_c_exits_with_130(bare_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, KeyboardInterrupt())
    bare_cli.run("serve")
    assert (bare_cli.status, bare_cli.err) == (130, "")


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "tailrace", "settings", "--data", str(tmp_path)]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert done.stderr == ""


def test_version(bare_cli: Cli) -> None:
    assert bare_cli.run("version") == f"{__version__}\n"
    assert bare_cli.run("--version") == f"{__version__}\n"
