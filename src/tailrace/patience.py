"""A connection to PostgreSQL that waits for no answer without an end: the control plane's, and an operator's own."""

from typing import Any

import psycopg

_INTERVAL_SECONDS = 0.1


class PatientConnection(psycopg.Connection[Any]):
    """A connection that gives up on a server which takes packets but does not answer.

    `statement_timeout` is the server's word, and TCP's time-outs end where packets are acknowledged: a frozen server,
    or a broken thing between us and it, keeps both. So the answer to each statement has a deadline here too, once
    `answer_seconds` says how long it may take.
    """

    answer_seconds = 0.0

    def wait(self, gen: Any, interval: float = _INTERVAL_SECONDS, timeout: float | None = None) -> Any:
        """Wait as psycopg does; an answer that does not come within the deadline ends the connection."""
        if timeout is not None or not self.answer_seconds:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.answer_seconds)
        except psycopg.errors._WaitTimeout:  # noqa: SLF001 - psycopg names it so, and says when it is raised
            self.close()
            raise psycopg.OperationalError(f"no answer within {self.answer_seconds:.0f} seconds") from None
