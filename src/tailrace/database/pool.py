"""Connections to PostgreSQL: one pool a process, transactions with a deadline, faults as DatabaseUnavailable."""

import logging
import re
import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import namedtuple_row
from psycopg_pool import ConnectionPool, PoolTimeout

from tailrace.database.tenant_role import find_role, has_role
from tailrace.database.together import Answer, PreparingConnection, Query, send_together
from tailrace.errors import DatabaseUnavailable

Connection = psycopg.Connection[Any]
# The server ends a statement in time and says so; only one that cannot is given up here, a little later.
_ANSWER_FACTOR = 1.5
# Faults of the connection or the server, not of the statement.
_OUTAGES = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.IdleInTransactionSessionTimeout,
    # A standby, or a server that an operator keeps from writing for a while.
    psycopg.errors.ReadOnlySqlTransaction,
    PoolTimeout,
)
# What makes a transaction one tenant's, until its end: as a query, and as commands that may come before any query.
_SCOPE = "SELECT set_config('role', %(role)s, true), set_config('tailrace.tenant', %(tenant)s, true)"
_SCOPE_FIRST = sql.SQL("SET LOCAL ROLE {}; SET LOCAL tailrace.tenant = {}")

_PORTS = re.compile(r"[0-9,]*")

# The pool reports every failed reconnect as a warning of its own; /readyz and our events tell it once.
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


class Database:
    """The control plane's database, shared by the threads of one process.

    What is done with `tenant` sees and writes rows of that tenant alone, whatever the statements say; without it, all.
    """

    def __init__(self, conninfo: str, *, size: int = 10, timeout_seconds: int = 10) -> None:
        """Prepare the pool; connections are opened when they are needed."""
        self.conninfo = _with_deadlines(conninfo, timeout_seconds)
        self._kind = _connection_class(timeout_seconds * _ANSWER_FACTOR)
        self._pool = ConnectionPool(
            self.conninfo,
            connection_class=self._kind,
            min_size=0,
            max_size=size,
            open=True,
            timeout=timeout_seconds,
            reconnect_timeout=timeout_seconds,
            max_idle=60,
            kwargs={"row_factory": namedtuple_row, "autocommit": True},
            check=self._check,
        )
        self._role: str | None = None

    @contextmanager
    def transaction(self, *, tenant: UUID | None = None) -> Iterator[Connection]:
        """Lend a connection inside a transaction: committed at the end, rolled back on an exception.

        Raises DatabaseUnavailable when the server cannot be reached or goes away.
        """
        with _translated(), self._pool.connection() as connection:
            first = None if tenant is None else _SCOPE_FIRST.format(self._role_on(connection), str(tenant))
            with connection.transaction():
                if first is not None:
                    connection.execute(first)
                yield connection

    def parts_tenants(self) -> bool:
        """Tell whether what is done for one tenant is done in the role that owns nothing."""
        with _translated(), self._pool.connection() as connection:
            return has_role(connection)

    def execute(
        self, statement: LiteralString, parameters: dict[str, Any] | None = None, *, tenant: UUID | None = None
    ) -> list[Any]:
        """Run one statement in a transaction of its own and return its rows (named tuples)."""
        with _translated(), self._pool.connection() as connection:
            if tenant is not None:
                return self._together(connection, self._scope(connection, tenant), Query(statement, parameters))[1].rows
            cursor = connection.execute(statement, parameters)
            # Asking for `description` would describe every column.
            return [] if cursor.rownumber is None else cursor.fetchall()

    def execute_both(self, first: Query, second: Query, *, tenant: UUID) -> tuple[list[Any], list[Any]]:
        """Run a statement for the whole service, then one for a tenant, in one transaction and one round trip.

        Both are run whatever the first one finds: only its reader can tell whether the second's rows may be used.
        """
        with _translated(), self._pool.connection() as connection:
            found = self._together(connection, first, self._scope(connection, tenant), second)
            return found[0].rows, found[2].rows

    def _together(self, connection: PreparingConnection, *queries: Query) -> list[Answer]:
        return send_together(connection, queries)

    def _scope(self, connection: Connection, tenant: UUID) -> Query:
        """Ask for what follows in the transaction to be done for one tenant."""
        return Query(_SCOPE, {"role": self._role_on(connection), "tenant": str(tenant)})

    def _role_on(self, connection: Connection) -> str:
        """Name the role that a tenant's statements run as, looked up once."""
        if self._role is None:
            self._role = find_role(connection)
        return self._role

    def listen(self, channel: LiteralString) -> Connection:
        """Open a connection of its own that hears the notifications of a channel; the caller closes it."""
        with _translated():
            connection = self._kind.connect(self.conninfo, autocommit=True)
            connection.execute("LISTEN " + channel)
            return connection

    def _check(self, connection: Connection) -> None:
        """Find a dead connection before it is lent; costs a round trip only when the server spoke without being asked.

        A server that ends a session says so, or closes the socket: either makes the socket readable. Where one
        connection is dead the others likely are: all are dropped, rather than found out one by one with pauses.
        """
        try:
            if connection.closed or _has_input(connection):
                connection.execute("")
        except psycopg.Error:
            self._pool.drain()
            raise

    def is_read_only(self) -> bool:
        """Tell whether the server takes no writes at present."""
        return bool(self.execute("SELECT current_setting('transaction_read_only')::boolean AS told")[0].told)

    def probe(self) -> None:
        """Connect once without the pool, which would try for long and could not say what is wrong."""
        with _translated():
            psycopg.connect(self.conninfo).close()

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


def _connection_class(answer_seconds: float) -> type[PreparingConnection]:
    """Make the class whose connections wait so long; psycopg makes them, so they cannot be told one by one."""
    return type("_PatientConnection", (PreparingConnection,), {"answer_seconds": answer_seconds})


def _with_deadlines(conninfo: str, timeout_seconds: int) -> str:
    """Add what makes a dead server or a lost packet an error within the deadline."""
    _refuse_misread(conninfo)
    return make_conninfo(
        conninfo,
        connect_timeout=timeout_seconds,
        tcp_user_timeout=timeout_seconds * 1000,
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        application_name="tailrace",
        options=f"-c statement_timeout={timeout_seconds * 1000} -c timezone=UTC"
        f" -c idle_in_transaction_session_timeout={timeout_seconds * 6000}",
    )


def _refuse_misread(conninfo: str) -> None:
    """Refuse what libpq cannot read or reads otherwise than it was meant; its words would quote parts of a password."""
    try:
        known = conninfo_to_dict(conninfo)
        reason = "" if "@" not in str(known.get("host", "")) else "the host has an @"
        reason = reason or ("" if _PORTS.fullmatch(str(known.get("port", ""))) else "the port is no number")
    except psycopg.ProgrammingError as error:
        reason = str(error).partition('"')[0].strip()
    if reason:
        raise DatabaseUnavailable(
            f"DATABASE_URL cannot be read ({reason}); in a password, signs such as @ : / # are written as %40 etc."
        ) from None


def _has_input(connection: Connection) -> bool:
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except _OUTAGES as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DatabaseUnavailable(f"PostgreSQL cannot be reached: {reason}") from error
