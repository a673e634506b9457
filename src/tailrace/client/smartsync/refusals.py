"""What the SmartSync Export APIs refuse, and why an export has no result; all are ClientErrors.

Those that mean the same as an error of the Data Extraction API are of that kind too, with its code.
"""

from tailrace.errors import (
    ClientError,
    ComeBackLater,
    NotAuthenticated,
    RequestInvalid,
    TailraceError,
    UnknownDataset,
    UnknownJob,
)


class Refused(ClientError):  # noqa: N818 - names say what is wrong, as in tailrace.errors
    """The server refused a request; `status` is that of HTTP, `message` and `details` are the server's."""

    code = "refused"
    advice = "Read the message; it is the server's answer."

    def __init__(self, message: str, *, status: int, details: tuple[str, ...] = ()) -> None:
        """Keep the server's sentence, the HTTP status and the single faults."""
        TailraceError.__init__(self, message, details=details)
        self.status = status

    def __str__(self) -> str:
        """Write the message, and each fault on a line of its own."""
        return "\n  - ".join((self.message, *self.details))


class RequestRefused(Refused, RequestInvalid):
    """The server found faults in the request; `details` names each (SS-301)."""

    code = RequestInvalid.code
    advice = RequestInvalid.advice


class NotSignedIn(Refused, NotAuthenticated):
    """There is no session, it has ended, or the login was refused."""

    code = NotAuthenticated.code
    advice = "Log in: `tailrace smartsync login`, or give the client customer, user and password."


class ExporterNotFound(Refused, UnknownDataset):
    """There is no exporter of that name."""

    code = UnknownDataset.code
    advice = "Check the exporter's name; it is written like agent-schedule-detail."


class JobNotFound(Refused, UnknownJob):
    """No such job of this user: the id is wrong, or the job ended more than 48 hours ago."""

    code = UnknownJob.code
    advice = "Check the id; `tailrace smartsync status` lists the jobs of the signed-in user."


class ResultExpired(Refused):
    """The result has been removed; results are kept for 24 hours."""

    code = "result_expired"
    advice = "Submit the export again."


class JobHasEnded(Refused):
    """The job has completed or failed and cannot be cancelled any more."""

    code = "job_ended"
    advice = "Nothing is left to be cancelled; `tailrace smartsync status` shows how the job ended."


class TryLater(Refused, ComeBackLater):
    """The server refuses for now: too many requests, jobs or logins; `retry_after_seconds` says for how long."""

    code = ComeBackLater.code
    advice = ComeBackLater.advice

    def __init__(self, message: str, *, status: int = 429, retry_after_seconds: int) -> None:
        """Keep the server's sentence, the HTTP status and the whole seconds to wait."""
        Refused.__init__(self, message, status=status)
        self.retry_after_seconds = retry_after_seconds


class NotFinished(TryLater):
    """The job has no result yet (HTTP 206)."""

    code = "not_finished"
    advice = "Wait for the job to end; `tailrace smartsync status` shows how far it is."


class ExportFailed(ClientError):  # noqa: N818 - names say what is wrong, as in tailrace.errors
    """An export ended without a result; the message holds the server's `errorDetails`."""

    code = "export_failed"
    advice = "Read the message; a smaller range or fewer entities make a smaller result."
