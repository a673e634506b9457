"""`tailrace smartsync`: the commands against a peer that speaks the wire."""

import json
import os
import pty
import stat
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fault_peer import Reply
from run_cli import Cli
from smartsync_peer import (
    CANCEL,
    ENTITIES,
    EXPORT,
    EXPORTER,
    JOB_ID,
    LOGIN,
    LOGOUT,
    PASSWORD,
    RESULT,
    STATUS,
    STATUSES,
    SmartPeer,
    run_peer,
)

from service import poll

ASK = ("--start", "2024-05-22", "--end", "2024-05-23", "--format", "PIPE")
FAULTS = ["Invalid timeFormat value: '25'", "Insufficient permissions to view entities: muIds [12, 99]"]


@pytest.fixture
def peer() -> Iterator[SmartPeer]:
    """Run a peer until the test ends."""
    with run_peer() as told:
        yield told


@pytest.fixture
def state(bare_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Name the file the session is kept in, in a state folder of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("TAILRACE_PASSWORD", raising=False)
    return tmp_path / "state" / "tailrace" / "smartsync.json"


class Smart(Cli):
    """Runs commands of the group."""

    def run(self, *arguments: str) -> str:
        return super().run("smartsync", *arguments)

    def fails(self, *arguments: str) -> str:
        """Run a command that must fail and return its code."""
        self.run(*arguments)
        assert self.status == 1
        assert "Traceback" not in self.err
        assert PASSWORD not in self.out + self.err
        return self.err.splitlines()[-1].removeprefix("code: ")


@pytest.fixture
def cli(state: Path, peer: SmartPeer) -> Smart:
    """Run commands with a session."""
    peer.sessions.append("kept.node")
    state.parent.mkdir(parents=True)
    state.write_text(json.dumps({"url": peer.url, "session": "kept.node"}))
    return Smart()


def login(peer: SmartPeer, *more: str) -> tuple[str, ...]:
    return ("login", "--url", peer.url, "--customer", "7", "--user", "reporting", *more)


# -- the session --------------------------------------------------------------------------------------------------


def test_login_keeps_the_session_and_not_the_password(
    peer: SmartPeer, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILRACE_PASSWORD", PASSWORD)
    cli = Smart()
    assert cli.run(*login(peer)) == f"Logged in at {peer.url}; the session is kept in {state}.\n"
    assert json.loads(state.read_text()) == {"url": peer.url, "session": peer.sessions[0]}
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert stat.S_IMODE(state.parent.stat().st_mode) == 0o700
    assert [entry.name for entry in state.parent.iterdir()] == [state.name]
    [request] = peer.requests(LOGIN)
    assert (request.body["customerId"], request.body["userName"]) == (7, "reporting")
    assert peer.requests(LOGOUT) == []
    assert cli.ask(*login(peer)) == {"url": peer.url, "session_file": str(state)}


def in_a_process(peer: SmartPeer, state: Path, **options: Any) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tailrace", "smartsync", *login(peer)]
    return subprocess.Popen(command, env={**os.environ, "XDG_STATE_HOME": str(state.parent.parent)}, **options)


def test_the_password_may_come_by_standard_input(peer: SmartPeer, state: Path) -> None:
    pipe = subprocess.PIPE
    with in_a_process(peer, state, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        out, err = process.communicate(f"{PASSWORD}\n")
    assert (process.returncode, err) == (0, "")
    assert out.startswith("Logged in at ")


def test_the_password_is_asked_for_on_a_terminal_and_not_shown(peer: SmartPeer, state: Path) -> None:
    ours, theirs = pty.openpty()
    pipe = subprocess.PIPE
    # A session of its own, so that the terminal of whoever runs the tests is not asked.
    options = {"stdin": theirs, "stdout": pipe, "stderr": theirs, "text": True, "start_new_session": True}
    with in_a_process(peer, state, **options) as process:
        shown = os.read(ours, 1000)
        # What is typed before the echo is off is thrown away.
        poll(lambda: not termios.tcgetattr(theirs)[3] & termios.ECHO)
        os.write(ours, f"{PASSWORD}\n".encode())
        assert process.stdout
        assert process.stdout.read().startswith("Logged in at ")
    os.set_blocking(ours, False)
    shown += os.read(ours, 1000)
    os.close(theirs)
    os.close(ours)
    assert PASSWORD.encode() not in shown


def test_a_password_is_needed(bare_cli: Cli, peer: SmartPeer, state: Path) -> None:
    bare_cli.run("smartsync", *login(peer))
    assert bare_cli.status == 2
    assert "A password is needed" in bare_cli.err
    assert peer.seen == []


def test_a_wrong_password(peer: SmartPeer, state: Path) -> None:
    cli = Smart()
    assert cli.fails(*login(peer, "--password", "wrong")) == "unauthorized"
    assert "the password is wrong" in cli.err
    assert not state.exists()


def test_logout_ends_the_session_and_removes_the_file(cli: Smart, peer: SmartPeer, state: Path) -> None:
    assert cli.run("logout") == "Logged out.\n"
    assert (peer.sessions, state.exists()) == ([], False)
    assert [request.path for request in peer.seen] == [LOGOUT]


def test_logout_of_an_ended_session_removes_the_file_too(cli: Smart, peer: SmartPeer, state: Path) -> None:
    peer.sessions.clear()
    assert cli.ask("logout") == {"session_file": str(state)}
    assert not state.exists()


def test_the_session_may_be_kept_elsewhere(cli: Smart, peer: SmartPeer, state: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    cli.run(*login(peer, "--password", PASSWORD, "--session-file", str(other)))
    state.unlink()
    assert cli.fails("entities") == "unauthorized"
    assert cli.ask("entities", "--session-file", str(other))


@pytest.mark.parametrize("value", ["", "relative/state"])
def test_without_a_state_folder_it_is_kept_at_home(
    cli: Smart, peer: SmartPeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", value)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    cli.run(*login(peer, "--password", PASSWORD))
    assert (tmp_path / "home" / ".local" / "state" / "tailrace" / "smartsync.json").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"url": "http://x", "session": ""}', '{"url": 1}', "\0"], ids=repr)
def test_a_file_that_is_no_session_file(cli: Smart, state: Path, text: str) -> None:
    state.write_text(text)
    assert cli.fails("status") == "client_error"
    assert "is no session file" in cli.err


def test_a_session_file_that_cannot_be_written(cli: Smart, peer: SmartPeer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place = str(tmp_path / "file" / "session.json")
    assert cli.fails(*login(peer, "--password", PASSWORD, "--session-file", place)) == "client_error"
    assert "cannot be written: " in cli.err


def test_an_ended_session_says_what_to_do(cli: Smart, peer: SmartPeer) -> None:
    peer.sessions.clear()
    assert cli.fails("entities") == "unauthorized"
    assert "what to do: Log in: `tailrace smartsync login`" in cli.err


# -- entities -----------------------------------------------------------------------------------------------------


def test_lists_entities(cli: Smart, peer: SmartPeer) -> None:
    assert cli.ask("entities") == [{"entity_type": "mu", "id": 12, "name": "Lyon", "status": "ADD"}]
    shown = cli.run("entities", "ct", "mu", "--since", "2024-05-22")
    assert [line.split() for line in shown.splitlines()] == [
        ["ENTITY", "TYPE", "ID", "NAME", "STATUS"],
        ["mu", "12", "Lyon", "ADD"],
    ]
    queries = [request.headers["query"] for request in peer.requests(ENTITIES)]
    assert "entityType=mu%2Cct%2Cbu%2Ceg" in queries[0]
    assert "2024.05.22T00" in queries[1]


# -- export -------------------------------------------------------------------------------------------------------


def test_exports_into_a_file(cli: Smart, peer: SmartPeer, tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    more = ("--mu", "1,2", "--date-format", "mmddyyyy", "--time-format", "24", "--field", "date")
    more += ("--field", "agentData=Team", "--option", "excludePipeHeader=true", "--option", "attribute=EXC_EXPORT")
    shown = cli.run("export", EXPORTER, *ASK, *more, "-o", str(target))
    content = peer.document(peer.rows)
    assert target.read_bytes() == content
    assert shown.startswith(f"Saved {target}: 3 records, {len(content)} bytes.\nSHA-256 ")
    assert cli.err == ""
    [request] = peer.requests(EXPORT)
    assert request.body == {
        "startDate": "2024-05-22",
        "endDate": "2024-05-23",
        "outputFormat": "PIPE",
        "muIds": [1, 2],
        "dateFormat": "mmddyyyy",
        "timeFormat": "24",
        "fields": [{"name": "date"}, {"name": "agentData", "value": "Team"}],
        "excludePipeHeader": True,
        "attribute": "EXC_EXPORT",
    }


def test_exports_to_standard_output_byte_by_byte(cli: Smart, peer: SmartPeer) -> None:
    peer.rows = [b"05222024|\xc3\xa9\r\x1b\n"]
    assert cli.run("export", EXPORTER, *ASK, "--ct", "5").encode() == peer.document(peer.rows)
    assert cli.err == ""
    assert peer.requests(EXPORT)[0].body["ctIds"] == [5]


def test_reports_json(cli: Smart, tmp_path: Path) -> None:
    saved = cli.ask("export", EXPORTER, *ASK, "-o", str(tmp_path / "out.txt"))
    assert list(saved) == ["job_id", "path", "records", "bytes", "sha256"]
    assert (saved["job_id"], saved["records"]) == (JOB_ID, 3)


def test_only_submits(cli: Smart, peer: SmartPeer) -> None:
    assert cli.run("export", EXPORTER, *ASK, "--no-wait") == f"{JOB_ID}\n"
    assert cli.ask("export", EXPORTER, *ASK, "--no-wait") == {"job_id": JOB_ID}
    assert {request.path for request in peer.seen} == {EXPORT}


def test_faults_are_listed_one_a_line(cli: Smart, peer: SmartPeer, tmp_path: Path) -> None:
    message = "One or more request validations failed"
    peer.tell(EXPORT, Reply(400, {"message": message, "status": 400, "details": FAULTS}))
    assert cli.fails("export", EXPORTER, *ASK, "-o", str(tmp_path / "out.txt")) == "invalid_request"
    assert cli.err.splitlines()[:3] == [f"error: {message}", *(f"  - {fault}" for fault in FAULTS)]
    assert not (tmp_path / "out.txt").exists()


def test_an_export_that_fails_prints_the_servers_reason(cli: Smart, peer: SmartPeer) -> None:
    peer.tell(STATUS, peer.status("FAILED", errorDetails="Internal server error"))
    assert cli.fails("export", EXPORTER, *ASK) == "export_failed"
    assert "ended as FAILED: Internal server error." in cli.err
    assert cli.out == ""


@pytest.mark.parametrize(
    "words",
    [
        ("export", EXPORTER, *ASK, "--json"),
        ("export", EXPORTER, *ASK, "--no-wait", "-o", "x"),
        ("export", EXPORTER, *ASK, "--mu", "1;2"),
        ("export", EXPORTER, *ASK, "--option", "noequals"),
        ("export", EXPORTER, *ASK, "--option", "patient=true"),
        ("export", EXPORTER, "--start", "2024-05-22"),
        ("result", JOB_ID, "--json"),
        ("entities", "--since", "yesterday"),
        ("bogus",),
    ],
    ids=["json", "no-wait", "ids", "option", "option-of-ours", "missing", "result-json", "since", "command"],
)
def test_usage_errors_exit_with_2(cli: Smart, peer: SmartPeer, words: tuple[str, ...]) -> None:
    cli.run(*words)
    assert cli.status == 2
    assert peer.seen == []


def test_a_terminal_shows_a_bar_and_a_harmless_result(cli: Smart, peer: SmartPeer, state: Path) -> None:
    peer.rows = [b"05222024|\x1b[31m\n"]
    peer.tell(STATUS, peer.status("WAITING"), peer.status("RUNNING"))
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "tailrace", "smartsync", "export", EXPORTER, *ASK]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while chunk := read_some(ours):
            shown += chunk
    os.close(ours)
    assert process.returncode == 0
    for words in ("Waiting for its turn", "Running the export", "Downloading"):
        assert words in shown.decode()
    assert "05222024|\N{REPLACEMENT CHARACTER}[31m" in shown.decode()


def read_some(terminal: int) -> bytes:
    """Read from a terminal; its other end gone counts as the end."""
    try:
        return os.read(terminal, 10_000)
    except OSError:
        return b""


# -- jobs ---------------------------------------------------------------------------------------------------------


def test_shows_one_job(cli: Smart) -> None:
    told = cli.ask("status", JOB_ID)
    assert (told["job_id"], told["state"], told["total_records"]) == (JOB_ID, "COMPLETED_SUCCESSFULLY", 3)
    shown = cli.run("status", JOB_ID)
    assert f"\n\nExporter: {EXPORTER}\nRecords: 3\n" in shown


def test_lists_jobs(cli: Smart, peer: SmartPeer) -> None:
    assert [job["state"] for job in cli.ask("status")] == ["RUNNING"]
    head, row = cli.run("status").splitlines()
    assert head.split() == ["JOB", "ID", "STATE", "EXPORTER", "FORMAT", "CHANGED", "AT", "RECORDS", "BYTES", "ERROR"]
    assert row.split() == [JOB_ID, "RUNNING", EXPORTER, "PIPE", "2024-05-23T08:00:00Z", "-", "-", "-"]
    peer.tell(STATUSES, Reply(200, []))
    assert cli.run("status") == "There is no job yet.\n"


def test_an_unknown_job(cli: Smart) -> None:
    assert cli.fails("status", "f" * 32) == "not_found"
    assert "error: Job id is not found\n" in cli.err


def test_downloads_a_result(cli: Smart, peer: SmartPeer, tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    assert cli.run("result", JOB_ID).encode() == peer.document(peer.rows)
    assert cli.ask("result", JOB_ID, "-o", str(target))["records"] == 3
    assert target.read_bytes() == peer.document(peer.rows)


def test_downloads_a_page(cli: Smart, peer: SmartPeer) -> None:
    page = cli.run("result", JOB_ID, "--start-record", "2", "--records", "1")
    assert page.encode() == peer.document(peer.rows[1:2])


def test_an_expired_result(cli: Smart, peer: SmartPeer, tmp_path: Path) -> None:
    peer.tell(RESULT, Reply(404, {"message": "Job results have expired", "status": 404}))
    assert cli.fails("result", JOB_ID, "-o", str(tmp_path / "out.txt")) == "result_expired"
    assert cli.err.startswith("error: Job results have expired\nwhat to do: Submit the export again.\n")


def test_a_result_that_is_not_there_yet(cli: Smart, peer: SmartPeer) -> None:
    peer.tell(STATUS, *[peer.status("RUNNING")] * 2)
    assert cli.fails("result", JOB_ID) == "not_finished"
    assert cli.out == ""


def test_cancels_a_job(cli: Smart, peer: SmartPeer) -> None:
    assert cli.run("cancel", JOB_ID) == f"Job {JOB_ID} is canceled.\n"
    assert cli.ask("cancel", JOB_ID)["state"] == "CANCELED"
    peer.tell(CANCEL, Reply(409, {"message": "Job has already ended", "status": 409}))
    assert cli.fails("cancel", JOB_ID) == "job_ended"


def test_the_commands_explain_themselves(bare_cli: Cli) -> None:
    shown = bare_cli.run("smartsync", "--help")
    for command in ("login", "logout", "entities", "export", "status", "result", "cancel"):
        assert command in shown
    assert "state-home" not in shown
