"""Statements that go to the server together: one round trip, one transaction, each prepared once a connection.

psycopg's own pipeline looks at the socket after every statement. Of a status poll that took more than all else.
"""

from collections import namedtuple
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, LiteralString, NamedTuple

from psycopg import OperationalError, adapt, generators, pq
from psycopg._queries import PostgresQuery
from psycopg.abc import PQGen, Transformer
from psycopg.errors import FeatureNotSupported, InvalidSqlStatementName, error_from_result

from tailrace.patience import PatientConnection

_FAILED = (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.PIPELINE_ABORTED)
# What was prepared is of no use any more: a table has other columns now, or something between us has changed sessions.
_STALE = (FeatureNotSupported, InvalidSqlStatementName)


class PreparingConnection(PatientConnection):
    """A connection that knows what has been prepared on it: text and types of a statement, with its name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin with nothing."""
        super().__init__(*args, **kwargs)
        self.prepared: dict[tuple[bytes, tuple[int, ...]], bytes] = {}

    def _deallocate(self, name: bytes | None) -> PQGen[None]:
        """Forget with psycopg, which has all forgotten after a rollback: a statement may rest on what is gone."""
        if name is None:
            self.prepared.clear()
        yield from super()._deallocate(name)


class Query(NamedTuple):
    """A statement with its parameters, to be run later."""

    statement: LiteralString
    parameters: dict[str, Any] | None


class Answer(NamedTuple):
    """What came of a statement: its rows, and how many it met."""

    rows: list[Any]
    met: int


def send_together(connection: PreparingConnection, queries: Sequence[Query]) -> list[Answer]:
    """Run statements as one transaction of their own; raises what is wrong with the first that fails."""
    transformer = adapt.Transformer(connection)
    asked = [_prepare(connection, transformer, query) for query in queries]
    connection.pgconn.enter_pipeline_mode()
    try:
        results = connection.wait(_exchange(connection.pgconn, asked))
        connection.pgconn.exit_pipeline_mode()
    except BaseException:
        # Nobody can tell in what state it is; the pool makes another.
        connection.close()
        raise
    _refuse_failed(connection, results, len(asked))
    return [_read(transformer, result) for result in results]


def _prepare(connection: PreparingConnection, transformer: Transformer, query: Query) -> tuple[bytes, PostgresQuery]:
    """Find the name a statement was prepared under, or prepare it; gives it with its parameters as the server's."""
    converted = PostgresQuery(transformer)
    converted.convert(*query)
    key = converted.query, converted.types
    if key not in connection.prepared:
        name = b"tailrace_%d" % len(connection.prepared)
        connection.pgconn.send_prepare(name, *key)
        _refuse_failed(connection, connection.wait(generators.execute(connection.pgconn)), 1)
        connection.prepared[key] = name
    return connection.prepared[key], converted


def _exchange(pgconn: pq.abc.PGconn, asked: Sequence[tuple[bytes, PostgresQuery]]) -> PQGen[list[pq.abc.PGresult]]:
    """Send all at once, then take an answer for each, and the one for the end of the transaction."""
    for name, query in asked:
        pgconn.send_query_prepared(name, query.params, query.formats)
    pgconn.pipeline_sync()
    yield from generators.send(pgconn)
    results: list[pq.abc.PGresult] = []
    for _ in asked:
        results += yield from generators.fetch_many(pgconn)
    yield from generators.fetch_many(pgconn)
    return results


def _refuse_failed(connection: PreparingConnection, results: Sequence[pq.abc.PGresult], wanted: int) -> None:
    """Raise what is wrong with the first that failed; a connection that would fail again is given up."""
    for result in results:
        if result.status in _FAILED:
            error = error_from_result(result)
            if isinstance(error, _STALE):
                connection.close()
            raise error
    if len(results) < wanted:
        raise OperationalError("the server has gone away")


def _read(transformer: Transformer, result: pq.abc.PGresult) -> Answer:
    transformer.set_pgresult(result)
    row = _row_of(*(result.fname(column) or b"" for column in range(result.nfields)))
    return Answer(transformer.load_rows(0, result.ntuples, row._make), result.command_tuples or 0)


@lru_cache(512)
def _row_of(*names: bytes) -> Any:
    """Make the kind of named tuple that rows with these columns are."""
    return namedtuple("Row", [name.decode() for name in names], rename=True)  # noqa: PYI024 - names are known at run time
