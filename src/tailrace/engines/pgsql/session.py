"""A session with an operator's PostgreSQL: read-only, one moment of the data, and no wait without an end."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from tailrace.errors import OutOfMemory, SourceUnavailable
from tailrace.patience import PatientConnection

Connection = psycopg.Connection[Any]

# The server ends a statement in time and says so; only one that cannot is given up here, a little later.
_GRACE_SECONDS = 15
_CANCEL_SECONDS = 5
_CHECK_SECONDS = 5
_SETTINGS = (
    "SET LOCAL TimeZone = 'UTC'",
    "SET LOCAL DateStyle = 'ISO, YMD'",
    "SET LOCAL standard_conforming_strings = on",
    # Compiling a statement of some hundred expressions takes longer than running it over a slice.
    "SET LOCAL jit = off",
    # A slice has one backend; others are rendered beside it.
    "SET LOCAL max_parallel_workers_per_gather = 0",
    # Between slices a session waits for the store; what ends it is the job's own deadline.
    "SET LOCAL idle_in_transaction_session_timeout = 0",
    # Rows that lie about as the range runs come from its index in order; with the usual cost they would all be sorted.
    "SET LOCAL random_page_cost = 1.1",
    # A slice's rows are sorted in memory.
    "SET LOCAL work_mem = '64MB'",
)


@contextmanager
def open_session(options: Mapping[str, Any]) -> Iterator[Connection]:
    """Open a read-only transaction; with the option `snapshot`, at the moment that another session exported."""
    connection = _connect(options)
    try:
        with told():
            _begin(connection, int(options["statement_timeout_s"]), options.get("snapshot"))
        yield connection
    finally:
        connection.close()


def _connect(options: Mapping[str, Any]) -> Connection:
    seconds = int(options["connect_timeout_s"])
    try:
        conninfo = make_conninfo(
            str(options["url"]),
            connect_timeout=max(seconds, 2),
            tcp_user_timeout=seconds * 1000,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            application_name="tailrace",
            client_encoding="UTF8",
        )
    except psycopg.Error:
        # The words of libpq would quote parts of the password.
        raise SourceUnavailable("PostgreSQL: the source's url cannot be read") from None
    try:
        connection = PatientConnection.connect(conninfo)
    except psycopg.Error as error:
        raise SourceUnavailable(f"PostgreSQL cannot be reached: {_first_line(error)}") from None
    connection.answer_seconds = int(options["statement_timeout_s"]) + _GRACE_SECONDS
    connection.prepare_threshold = None
    return connection


def _begin(connection: Connection, timeout_s: int, snapshot: str | None) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise SourceUnavailable(f"PostgreSQL: the database is encoded in {encoding}; it must be UTF8")
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    if snapshot is not None:
        connection.execute(psycopg.sql.SQL("SET TRANSACTION SNAPSHOT {}").format(snapshot))
    connection.execute("; ".join((*_SETTINGS, f"SET LOCAL statement_timeout = {timeout_s * 1000}")).encode())
    _notice_our_end(connection)


def _notice_our_end(connection: Connection) -> None:
    """Let a statement end soon after a process that was killed in it; not every platform can tell."""
    with suppress(psycopg.Error), connection.transaction():
        connection.execute(f"SET LOCAL client_connection_check_interval = '{_CHECK_SECONDS}s'".encode())


def export_snapshot(connection: Connection) -> str:
    """Let other sessions see what this one sees, as long as it lasts."""
    try:
        [(snapshot,)] = connection.execute("SELECT pg_export_snapshot()").fetchall()
        return str(snapshot)
    except (psycopg.errors.ObjectNotInPrerequisiteState, psycopg.errors.FeatureNotSupported):
        raise SourceUnavailable(
            "PostgreSQL: this server is a standby, on which two sessions cannot see the same moment; "
            "set worker.threads to 1 and worker.share_slices to 0, or name the primary"
        ) from None


def fetch(connection: Connection, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement without parameters and return its rows; raises SourceUnavailable."""
    with told():
        return connection.execute(statement.encode()).fetchall()


def fetch_every(connection: Connection, select: str, number: int) -> Iterator[tuple[Any, ...]]:
    """Run a SELECT and yield the first row, and from there on every so-manieth; PostgreSQL passes over the others."""
    with told():
        connection.execute(f"DECLARE every NO SCROLL CURSOR FOR {select}".encode())
    rows = fetch(connection, "FETCH NEXT FROM every")
    while rows:
        yield from rows
        rows = fetch(connection, f"FETCH RELATIVE {number} FROM every")
    with told():
        connection.execute("CLOSE every")


def cancel(connection: Connection) -> None:
    """Stop what runs on a connection in another thread; one that is gone has nothing to stop."""
    with suppress(psycopg.Error):
        connection.cancel_safe(timeout=_CANCEL_SECONDS)


@contextmanager
def told() -> Iterator[None]:
    """Tell PostgreSQL's faults as SourceUnavailable."""
    try:
        yield
    except psycopg.Error as error:
        raise unavailable(error) from None


# What PostgreSQL says of these is about names; the words of any other may quote a row's value.
_TELLABLE = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.InvalidSchemaName,
)
_SENTENCES: dict[type[psycopg.Error], str] = {
    psycopg.errors.QueryCanceled: "a statement was cancelled, or took longer than the source's statement_timeout_s",
    psycopg.errors.AdminShutdown: "the connection was lost",
    psycopg.errors.CrashShutdown: "the connection was lost",
    psycopg.errors.IdleInTransactionSessionTimeout: "the session was ended while it waited between two statements",
    psycopg.errors.NumericValueOutOfRange: "a number has more digits than its column may have",
    psycopg.errors.InvalidTextRepresentation: "a value, or the tenant's, cannot be read as its column's type",
    psycopg.errors.InvalidDatetimeFormat: "a value cannot be read as a date or time",
    psycopg.errors.DatetimeFieldOverflow: "a date or time is out of range",
    psycopg.errors.SyntaxError: "the table, the query or a column's SQL cannot be read",
    psycopg.errors.AmbiguousColumn: "a column's name is not unique",
    psycopg.errors.SerializationFailure: "the server took back the moment that was being read",
    psycopg.errors.DiskFull: "the server's disk is full",
}


def unavailable(error: psycopg.Error) -> SourceUnavailable:
    """Tell what went wrong without a row's value, a statement or a secret."""
    if isinstance(error, _TELLABLE):
        return SourceUnavailable(f"PostgreSQL: {error.diag.message_primary}")
    if isinstance(error, psycopg.errors.OutOfMemory):
        return OutOfMemory("PostgreSQL: the server has not enough memory")
    for kind, sentence in _SENTENCES.items():
        if isinstance(error, kind):
            return SourceUnavailable(f"PostgreSQL: {sentence}")
    if error.sqlstate is None and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return SourceUnavailable("PostgreSQL: the connection was lost")
    return SourceUnavailable(f"PostgreSQL: {type(error).__name__} ({error.sqlstate or 'no code'})")


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
