"""Supervise the private PostgreSQL of one data folder.

Run as `python -m tailrace.database.keeper <data folder> <folder of the binaries> [user id]` by `embedded.py`, never
by hand. One keeper a data folder: it makes the database once, keeps `postgres` running as its own child, and ends when
nobody holds the users' lock any more. SIGTERM: end as soon as nobody uses the database. SIGINT: end at once.
"""

import ctypes
import fcntl
import functools
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tailrace.errors import DatabaseUnavailable

PROBE_S = 0.5  # how often to look whether anybody still uses the database
IDLE_S = 2.0  # unused for so long: end; consecutive commands then share one server
LOSER_S = 1.0  # a keeper that does not get its lock in this time leaves the field to the other
CRASHES, CRASH_WINDOW_S = 5, 10.0
LOG_BYTES = 10 * 1024 * 1024
PORT, SOCKET = 5432, ".s.PGSQL.5432"
EXIT_EXPLAINED = 2  # the last line of keeper.log is a sentence for people

_SUN_PATH = 107
_SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}
_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
_PR_SET_SECUREBITS, _NO_SETUID_FIXUP = 28, 4
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH, _CAPABILITY_VERSION_3 = 1, 2, 0x20080522
# No DETAIL lines and no statements in the log: both quote values of rows.
_SETTINGS = f"""listen_addresses= port={PORT} unix_socket_permissions=0700 max_connections=200 shared_buffers=64MB
    fsync=on synchronous_commit=on jit=off timezone=UTC log_timezone=UTC logging_collector=off log_destination=stderr
    log_min_messages=warning log_error_verbosity=terse log_min_error_statement=panic"""


class Folder:
    """Where everything of the private PostgreSQL lies below one data folder."""

    def __init__(self, data: Path) -> None:
        """Name the paths; nothing is made yet."""
        self.data = data.absolute()
        self.root = self.data / "postgres"
        self.database = self.root / "db"  # PostgreSQL's own data directory; there only when complete
        self.password = self.root / "password"
        self.users_lock = self.root / "users.lock"  # held shared by every process that uses the database
        self.keeper_lock = self.root / "keeper.lock"  # held exclusively by the keeper while it lives
        self.keeper_log = self.root / "keeper.log"
        self.server_log = self.root / "postgres.log"
        self.sockets = self._sockets()

    def _sockets(self) -> Path:
        """Choose the folder of the socket: here, or in /tmp (the same for everybody) where that path is too long."""
        near = self.root / "run"
        length = len(os.fsencode(near / SOCKET))
        if length <= _SUN_PATH and "," not in str(near):  # libpq splits hosts at commas
            return near
        # Not $TMPDIR: all processes must agree; a folder of somebody else is refused.
        return Path("/tmp") / f"tailrace-{hashlib.sha256(os.fsencode(self.data)).hexdigest()[:20]}"


class Lock:
    """An advisory lock on a file (flock), never inherited by programs started."""

    def __init__(self, path: Path) -> None:
        """Name the file; nothing is opened yet."""
        self._path = path
        self._file: int | None = None

    def shared(self, patience_s: float = 0.0) -> bool:
        """Take the lock together with others; true also if this object has it already."""
        return self._take(fcntl.LOCK_SH, patience_s)

    def exclusive(self, patience_s: float = 0.0) -> bool:
        """Take the lock alone."""
        return self._take(fcntl.LOCK_EX, patience_s)

    def release(self) -> None:
        """Give the lock up; a copy of it in a forked process is only forgotten."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _take(self, mode: int, patience_s: float) -> bool:
        if self._file is not None:
            return True
        deadline = time.monotonic() + patience_s
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        while True:
            try:
                fcntl.flock(file, mode | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(file)
                    return False
                time.sleep(0.02)
            else:
                self._file = file
                return True


def open_log(path: Path) -> IO[bytes]:
    """Open a log for appending; a large one is put aside first."""
    with suppress(FileNotFoundError):
        if path.stat().st_size > LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), "ab")


# -- the user the server runs as ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Account:
    """The unprivileged user PostgreSQL runs as when Tailrace runs as root."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]


def account_of(uid: int) -> Account:
    """Look a user up; one without a name has its number as only group."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return Account(str(uid), uid, uid, (uid,))
    return Account(entry.pw_name, uid, entry.pw_gid, tuple(os.getgrouplist(entry.pw_name, entry.pw_gid)))


_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(*arguments: int) -> None:
    if _libc.prctl(*(ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:5])) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _limit_capabilities(capability: int) -> None:
    """Keep one capability only, and let it survive exec."""
    bit = 1 << capability
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
    if _libc.capset(header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capset")
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability)


def become(account: Account | None, capability: int | None, end: int, parent: int, enter: Sequence[Path]) -> None:
    """Turn a forked child into what the server may be; runs between fork and exec.

    The order matters: a change of user clears both the capabilities and the parent-death signal.
    """
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    os.umask(0o077)
    if account:
        _prctl(_PR_SET_KEEPCAPS, int(capability is not None))
        if capability is not None:
            with suppress(OSError):  # initdb asks access(2), which counts capabilities only with this bit
                _prctl(_PR_SET_SECUREBITS, _NO_SETUID_FIXUP)
        os.setgroups(account.groups)
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)
    if capability is not None:
        _limit_capabilities(capability)
    for path in enter:
        (path / "..").stat()
    _prctl(_PR_SET_PDEATHSIG, end)
    if os.getppid() != parent:
        os._exit(1)


# -- processes and files left by a kill -9 ------------------------------------------------------------------------


def _works_in(pid: int) -> Path:
    """Tell in which folder a living PostgreSQL works: "?" if we may not know, "-" if the process is none."""
    try:
        if Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip() == "postgres":
            return Path(f"/proc/{pid}/cwd").readlink()
    except PermissionError:
        return Path("?")
    except OSError:  # gone, or a zombie
        return Path("-")
    return Path("-")


def kill_leftovers(folder: Folder, patience_s: float = 5.0) -> None:
    """End servers and backends that outlived their keeper: a busy backend would keep a new server from starting."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        left = [pid for pid in pids if folder.root in _works_in(pid).parents]
        if not left:
            return
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def drop_stale_locks(folder: Folder) -> None:
    """Remove lock files of dead servers; their number may belong to a zombie or a stranger by now."""
    for path in (folder.database / "postmaster.pid", folder.sockets / f"{SOCKET}.lock"):
        with suppress(FileNotFoundError, ValueError, IndexError):
            place = _works_in(abs(int(path.read_text(encoding="utf-8", errors="replace").split()[0])))
            if place != Path("?") and folder.root not in place.parents:
                path.unlink()


# -- the keeper ---------------------------------------------------------------------------------------------------


def say(text: str) -> None:
    """Write a line to keeper.log."""
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}", file=sys.stderr, flush=True)


class Keeper:
    """Make the database once and keep its server running for as long as somebody uses it."""

    def __init__(self, folder: Folder, binaries: Path, account: Account | None) -> None:
        """Find out which right the server's user needs to reach its files."""
        self.folder = folder
        self.users = Lock(folder.users_lock)
        self._binaries = binaries
        self._account = account
        self._make_sockets()
        self._own_files()
        self._capability = self._needed_capability()
        self._crashes: list[float] = []

    def run(self) -> None:
        """Run until nobody uses the database; `users` is then still held, so that nobody comes in between."""
        kill_leftovers(self.folder)
        self._make_database()
        server = self._start()
        hurry, unused_since = False, 0.0
        while True:
            got = signal.sigtimedwait(_SIGNALS, PROBE_S)
            hurry = hurry or (got is not None and got.si_signo == signal.SIGTERM)
            if server.poll() is not None:
                server = self._restart(server.returncode)
            unused_since = self._unused_since(unused_since)
            unused = unused_since and (hurry or time.monotonic() - unused_since >= IDLE_S)
            if (unused and self.users.exclusive()) or (got is not None and got.si_signo == signal.SIGINT):
                return self._stop(server)

    def _unused_since(self, before: float) -> float:
        """Tell since when nobody was seen to use the database; 0 while somebody does."""
        if not self.users.exclusive():
            return 0.0
        self.users.release()
        return before or time.monotonic()

    def _start(self) -> subprocess.Popen[bytes]:
        drop_stale_locks(self.folder)
        settings = [*_SETTINGS.split(), f"unix_socket_directories={self.folder.sockets}"]
        command = ["postgres", "-D", str(self.folder.database), *(f"--{setting}" for setting in settings)]
        with open_log(self.folder.server_log) as log:
            # SIGQUIT: the server ends at once with all its backends and recovers from its log at the next start
            return self._spawn(command, signal.SIGQUIT, log.fileno())

    def _restart(self, code: int) -> subprocess.Popen[bytes]:
        """Start the server again, unless that was in vain several times."""
        now = time.monotonic()
        self._crashes = [moment for moment in self._crashes if now - moment < CRASH_WINDOW_S] + [now]
        if len(self._crashes) >= CRASHES:
            raise DatabaseUnavailable(f"postgres ended {CRASHES} times in {CRASH_WINDOW_S:.0f} s ({_ending(code)})")
        say(f"postgres ended ({_ending(code)}); starting it again")
        time.sleep(0.2 * (len(self._crashes) - 1))
        kill_leftovers(self.folder)
        return self._start()

    def _stop(self, server: subprocess.Popen[bytes]) -> None:
        """End the server: a clean shutdown first, harder ways if that takes too long."""
        for number, patience_s in ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0)):
            server.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                server.wait(patience_s)
                break
        if self.folder.sockets.parent != self.folder.root:
            with suppress(OSError):
                self.folder.sockets.rmdir()

    def _make_database(self) -> None:
        """Make the database files aside and rename them when complete: a kill in between leaves nothing broken."""
        for unfinished in self.folder.root.glob("db.new-*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        if self.folder.database.exists():
            return
        new = self.folder.root / f"db.new-{secrets.token_hex(4)}"
        if self._initdb(new, "--locale=C.UTF-8") != 0 and (code := self._initdb(new, "--no-locale")) != 0:
            raise DatabaseUnavailable(f"initdb could not make the database ({_ending(code)})")
        new.rename(self.folder.database)

    def _initdb(self, target: Path, locale: str) -> int:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(mode=0o700)
        self._give(target)
        password = os.memfd_create("password")  # readable for the server's user wherever our own file lies
        os.write(password, self.folder.password.read_bytes())
        command = ["initdb", "-D", str(target), "--username=tailrace", "--encoding=UTF8", locale, "--no-instructions"]
        command += ["--auth=scram-sha-256", f"--pwfile=/proc/self/fd/{password}"]
        code = self._spawn(command, signal.SIGKILL, None, password).wait()
        os.close(password)
        return code

    def _make_sockets(self) -> None:
        path = self.folder.sockets
        path.mkdir(mode=0o700, exist_ok=True)
        ours = {os.geteuid(), self._account.uid if self._account else os.geteuid()}
        if path.is_symlink() or (path.parent != self.folder.root and path.stat().st_uid not in ours):
            raise DatabaseUnavailable(f"{path} is needed for the socket but belongs to somebody else; remove it")
        self._give(path)

    def _own_files(self) -> None:
        """Hand the database files to the server's user, if they belong to another."""
        database = self.folder.database
        if self._account and database.exists() and database.stat().st_uid != self._account.uid:
            for folder, _, files in os.walk(database):
                for path in (Path(folder), *(Path(folder, name) for name in files)):
                    self._give(path)

    def _give(self, path: Path) -> None:
        if self._account:
            os.chown(path, self._account.uid, self._account.gid, follow_symlinks=False)

    def _needed_capability(self) -> int | None:
        """Find the least right with which the server's user reaches binaries and files, by trying."""
        if self._account is None:
            return None
        for capability in (None, _CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE):
            if self._reaches(capability):
                return capability
        raise DatabaseUnavailable(
            f"PostgreSQL must not run as root, and the user {self._account.name} cannot reach "
            f"{self.folder.root} or {self._binaries}. Choose a data folder this user can reach (no folder above it "
            "closed to others), or run Tailrace as an ordinary user."
        )

    def _reaches(self, capability: int | None) -> bool:
        self._capability = capability
        try:
            return self._spawn(["postgres", "--version"], signal.SIGKILL).wait() == 0
        except (OSError, subprocess.SubprocessError):
            return False

    def _spawn(self, command: Sequence[str], end: int, log: int | None = None, *keep: int) -> subprocess.Popen[bytes]:
        """Start a program as the server's user; it gets the signal `end` when this keeper dies."""
        enter = [path for path in (self.folder.root, self.folder.sockets, self.folder.database) if path.exists()]
        # preexec_fn is safe here: the keeper has one thread
        return subprocess.Popen(
            [str(self._binaries / command[0]), *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if log is None else log,
            stderr=log,
            pass_fds=keep,
            cwd="/",
            env={name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ},
            preexec_fn=functools.partial(become, self._account, self._capability, end, os.getpid(), enter),  # noqa: PLW1509
        )


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def main(arguments: Sequence[str]) -> int:
    """Keep the database of a data folder, unless another keeper does."""
    folder = Folder(Path(arguments[0]))
    lock = Lock(folder.keeper_lock)
    if not lock.exclusive(LOSER_S):
        return 0
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        keeper = Keeper(folder, Path(arguments[1]), account_of(int(arguments[2])) if arguments[2:] else None)
        keeper.run()
    except (DatabaseUnavailable, OSError) as error:
        rights = "root needs CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_SETGID and CAP_SETUID here, an ordinary user nothing"
        say(f"{error} ({rights})" if isinstance(error, PermissionError) and os.geteuid() == 0 else str(error))
        return EXIT_EXPLAINED
    lock.release()
    keeper.users.release()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
