"""The brake on guessing: failed sign-ins are counted for what was guessed at, and for the address they came from."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from tailrace.database.pool import Database
from tailrace.errors import TooManyAttempts

# CX-117, SS-027: so many failures of one subject, or from one address, within ten minutes.
_FAILURES_PER_SUBJECT, _FAILURES_PER_ADDRESS, _WINDOW_SECONDS = 10, 100, 600


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to sign in: by what `means` (keys and passwords count apart), at whose `subject`, from which address."""

    means: str
    subject: str
    address: str

    def counted(self) -> dict[str, int]:
        """Name what its failure counts for, with how many of them are too many.

        The subject is hashed, as it may be anything a client sent.
        """
        hashed = sha256(self.subject.encode(errors="surrogatepass")).hexdigest()
        return {
            f"{self.means}:{hashed}": _FAILURES_PER_SUBJECT,
            f"{self.means}-address:{self.address}": _FAILURES_PER_ADDRESS,
        }


_RECENT = """
    SELECT subject, count(*) AS failures,
           ceil(extract(epoch FROM min(failed_at) - now()) + %(window)s)::int AS wait
    FROM sign_in_failures
    WHERE subject = ANY(%(subjects)s) AND failed_at > now() - make_interval(secs => %(window)s)
    GROUP BY subject
"""


def refuse_guessing(database: Database, attempt: Attempt) -> None:
    """Raise TooManyAttempts while there were too many failures; refused tries do not prolong the wait."""
    _refuse(attempt, database.execute(_RECENT, _parameters(attempt)))


def note_failure(database: Database, attempt: Attempt) -> None:
    """Count a failure; raises TooManyAttempts instead if others, tried at the same time, were too many already."""
    parameters = _parameters(attempt)
    with database.transaction() as connection:
        for subject in parameters["subjects"]:
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%(it)s, 0))", {"it": subject})
        _refuse(attempt, connection.execute(_RECENT, parameters).fetchall())
        connection.execute(
            "INSERT INTO sign_in_failures (subject, failed_at) SELECT unnest(%(subjects)s::text[]), clock_timestamp()",
            parameters,
        )


def _parameters(attempt: Attempt) -> dict[str, Any]:
    # Sorted, as two that lock the same ones must do so in the same order.
    return {"subjects": sorted(attempt.counted()), "window": _WINDOW_SECONDS}


def _refuse(attempt: Attempt, recent: list[Any]) -> None:
    most = attempt.counted()
    waits = [row.wait for row in recent if row.failures >= most[row.subject]]
    if waits:
        raise TooManyAttempts("Too many failed attempts. Wait and try again", retry_after_seconds=max(1, *waits))
