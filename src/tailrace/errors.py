"""The error tree: every fault a person can meet, with a stable code and a sentence to act on.

Grouped by the stage at which a fault shows; what only the SmartSync client raises is there. `docs/reference/errors.md`
lists them all; a test keeps the two alike.
"""

from typing import ClassVar


class TailraceError(Exception):
    """The root of all errors Tailrace raises on purpose.

    `code` is stable and may be matched by programs; the message is for people and never holds a secret, SQL or
    another tenant's data. `details` lists every single fault where several were found at once.
    """

    code: ClassVar[str] = "internal_error"
    advice: ClassVar[str] = "Look at the server's log for this time and report it with the correlation id."

    def __init__(self, message: str, *, details: tuple[str, ...] = ()) -> None:
        """Keep the sentence and the single faults behind it."""
        super().__init__(message)
        self.message = message
        self.details = details


# -- setting up ---------------------------------------------------------------------------------------------------


class SettingsInvalid(TailraceError):
    """A setting has a wrong name or value; every fault is named."""

    code = "settings_invalid"
    advice = "Correct the settings named; `tailrace settings` lists all with their meaning."


class SourceMismatch(TailraceError):
    """A dataset's rows in the operator's own source are not as its description and the settings say."""

    code = "source_mismatch"
    advice = (
        "Correct `[datasets.…]` in the settings, or the table or files; docs/how-to has a page for PostgreSQL and one "
        "for a lake."
    )


class CatalogInvalid(TailraceError):
    """A dataset file cannot be used; the file and every fault are named."""

    code = "catalog_invalid"
    advice = "Correct the file named; docs/how-to/add-a-dataset.md explains each key."


class PluginUnknown(TailraceError):
    """A format, engine or store was asked for that has no file."""

    code = "plugin_unknown"
    advice = "Use one of the names listed in the message."


class DatabaseUnavailable(TailraceError):
    """PostgreSQL cannot be reached or started."""

    code = "database_unavailable"
    advice = "Check DATABASE_URL, or the logs in the `postgres` folder of the data folder."


class AddressInUse(TailraceError):
    """The address to listen on is taken or not allowed."""

    code = "address_in_use"
    advice = "Choose another --port, or stop the program that uses this one."


# -- who may ------------------------------------------------------------------------------------------------------


class AlreadyExists(TailraceError):
    """Something of that name is there already."""

    code = "already_exists"
    advice = "Choose another name, or use the one that is there."


class UnknownTenant(TailraceError):
    """No tenant of that name."""

    code = "unknown_tenant"
    advice = "`tailrace tenant list` shows the tenants; `tailrace tenant create` makes one."


class UnknownUser(TailraceError):
    """No user of that name in the tenant."""

    code = "unknown_user"
    advice = "`tailrace user list --tenant T` shows the users; `tailrace user create` makes one."


class UnknownKey(TailraceError):
    """No access key of that id."""

    code = "unknown_key"
    advice = "`tailrace key list --tenant T` shows the access keys."


class UnknownClient(TailraceError):
    """No OAuth client of that id, or its secret is wrong."""

    code = "unknown_client"
    advice = "`tailrace client list` shows the clients; `tailrace client create` registers one."


class UnknownEntity(TailraceError):
    """No active entity of that type and number in the tenant, or not written as `mu:1` or `mu:all`."""

    code = "unknown_entity"
    advice = "Load the tenant's entities first; write `mu:1`, `bu:2`, `ct:3`, `eg:4`, `tog:5`, or `mu:all`."


class StillViewable(TailraceError):
    """A View permission cannot be taken back alone, because a wider one holds it; nothing was changed."""

    code = "still_viewable"
    advice = "Deny the wider permission named, then allow what shall remain."


class PasswordInvalid(TailraceError):
    """A password is too short, too long, or not one line of text."""

    code = "password_invalid"
    advice = "Use 8 to 1,024 characters on one line; `--generate` makes a password."


class UnknownPermission(TailraceError):
    """No dataset or permission of that name."""

    code = "unknown_permission"
    advice = "`tailrace dataset list` shows the datasets and their permission ids."


class NameInvalid(TailraceError):
    """A name has characters or a length that is not allowed."""

    code = "name_invalid"
    advice = "Use 1 to 100 printable characters without blanks at either end."


class NotAuthenticated(TailraceError):
    """The credential is missing, wrong, expired or revoked; which of these is not told."""

    code = "unauthorized"
    advice = "Get a new access token with the access key; make a new key if this one was revoked."


class NotPermitted(TailraceError):
    """The caller is known, but lacks the permission."""

    code = "forbidden"
    advice = "An operator grants it: `tailrace user allow --tenant T --user U DATASET`."


# -- asking for an extraction -------------------------------------------------------------------------------------


class RequestInvalid(TailraceError):
    """The request does not follow the documented form; `details` names each fault."""

    code = "invalid_request"
    advice = "Correct the points listed in `details`."


class UnknownDataset(TailraceError):
    """No such dataset, or not in that version."""

    code = "not_found"
    advice = "`tailrace dataset list` shows names and versions."


class UnknownJob(TailraceError):
    """No such job for this tenant."""

    code = "not_found"
    advice = "Check the id; records are kept for cxone.job_record_days."


class IdempotencyMismatch(TailraceError):
    """An Idempotency-Key was used before with another request (CX-432)."""

    code = "idempotency_mismatch"
    advice = "Use a new key for every new request."


class IdempotencyInProgress(TailraceError):
    """The first request with this Idempotency-Key is still being handled (CX-432)."""

    code = "idempotency_in_progress"
    advice = "Send the request again in a moment."


class ComeBackLater(TailraceError):
    """A rule refuses the request for now; `retry_after_seconds` says for how long."""

    code = "come_back_later"
    advice = "Wait for the seconds of Retry-After and send the request again."

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        """Keep the sentence and the whole seconds to wait."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class TooSoon(ComeBackLater):
    """The tenant's last accepted request is too recent (CX-801)."""

    code = "rate_limited"


class TenantBusy(ComeBackLater):
    """Another user of the tenant is extracting (CX-806)."""

    code = "tenant_busy"


class TooManyJobs(ComeBackLater):
    """The tenant has as many unfinished jobs as it may (CX-810)."""

    code = "too_many_jobs"


class TooManyReads(ComeBackLater):
    """One token reads more often than it may (CX-019)."""

    code = "too_many_requests"


class TooManyAttempts(ComeBackLater):
    """Too many failed sign-ins of one key or from one address (CX-117)."""

    code = "too_many_attempts"


# -- bringing rows in ---------------------------------------------------------------------------------------------


class LoadRefused(TailraceError):
    """An input file cannot be loaded; nothing was loaded. `details` names file, line, column and problem."""

    code = "load_refused"
    advice = "Correct the places listed and load again; nothing was loaded."


# -- running an extraction ----------------------------------------------------------------------------------------


class ExtractionFailed(TailraceError):
    """An extraction ended without a result; `code` says why and is stored with the job."""

    code = "internal"
    advice = "The worker's log has the cause; send the request again."


class SourceUnavailable(ExtractionFailed):
    """The data source does not answer or lacks what it must hold."""

    code = "source_unavailable"
    advice = "Check the data source; then send the request again."


class SourceEmpty(SourceUnavailable):
    """A lake holds no file yet that a dataset's settings mean, so whether it fits cannot be told."""

    code = "source_empty"
    advice = "Compare `files` in the settings with the lake, unless its files are still to come."


class OutOfMemory(SourceUnavailable):
    """The engine needs more memory than it may have."""

    code = "out_of_memory"
    advice = "Raise worker.memory_mb, or ask for a shorter range."


class EngineBroken(SourceUnavailable):
    """The engine failed within itself; the fault is neither the source's nor the request's."""

    code = "engine_broken"
    advice = "Send the request again; report it with the worker's log if it happens twice."


class TookTooLong(ExtractionFailed):
    """The job ran longer than it may in all attempts together (CX-709)."""

    code = "took_too_long"
    advice = "Ask for a shorter range, or raise cxone.job_timeout_s."


class ResultTooLarge(ExtractionFailed):
    """The file would be larger than it may be (CX-709)."""

    code = "result_too_large"
    advice = "Ask for a shorter range, or raise cxone.max_result_bytes."


class PermissionWithdrawn(ExtractionFailed):
    """Permission to view what was asked for was withdrawn before the job started (SS-322)."""

    code = "permission_withdrawn"
    advice = "An operator grants it again; then send the request again."


class StorageUnavailable(ExtractionFailed):
    """The result cannot be written."""

    code = "storage_unavailable"
    advice = "Check free space and access to the results folder or store."


# -- using the client ---------------------------------------------------------------------------------------------


class ClientError(TailraceError):
    """The client could not do what was asked; the message says what the server answered."""

    code = "client_error"
    advice = "Read the message; it names the step and the answer."


class ServerUnreachable(ClientError):
    """No answer from the server."""

    code = "server_unreachable"
    advice = "Check --url and that the server runs (`GET /readyz`)."


class DownloadDamaged(ClientError):
    """The bytes received are not those the server announced; nothing was kept."""

    code = "download_damaged"
    advice = "Send the request again; tell the operator if it happens twice."
