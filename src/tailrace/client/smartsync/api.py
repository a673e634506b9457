"""The door of the client: log in, list entities, submit exports, find jobs."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import TracebackType
from typing import Any, Self

from tailrace.client.answers import read_json
from tailrace.client.progress import ProgressCallback
from tailrace.client.smartsync import paths, request
from tailrace.client.smartsync.answers import check_answer
from tailrace.client.smartsync.job import ExportJob
from tailrace.client.smartsync.refusals import ExporterNotFound, JobNotFound
from tailrace.client.smartsync.session import SessionConnection
from tailrace.client.smartsync.status import read_statuses
from tailrace.client.waiting import submit_patiently
from tailrace.errors import ClientError, TailraceError

_ALL_TYPES = ("mu", "ct", "bu", "eg")
# One part of a path; anything else would ask for another path.
_PART = re.compile(r"[A-Za-z0-9_-]+")
# Needed by the login, without effect (SS-034).
_LOCALE = "en_US"


@dataclass(frozen=True, slots=True)
class Entity:
    """A management unit (`mu`), contact type (`ct`), business unit (`bu`) or enterprise group (`eg`).

    `status` is `ADD`; with `since`, `CHANGE` and `DELETE` too.
    """

    entity_type: str
    id: int
    name: str
    status: str


class SmartSync:
    """The SmartSync Export APIs of one server, used in the name of one user.

    A context manager, which ends the session it began. `timeout_seconds` bounds each step of the network, not an
    export. The login happens at the first call; and again, once for a call, when the session has ended and there is a
    password.
    """

    def __init__(
        self,
        url: str,
        *,
        customer_id: int | None = None,
        user: str | None = None,
        password: str | None = None,
        session: str | None = None,
        timeout_seconds: float = 30,
    ) -> None:
        """Prepare with customer, user and password, with the id of a session, or with both; nothing is sent yet.

        Raises ServerUnreachable when `url` is no web address, ClientError when there is neither.
        """
        who = {"customerId": customer_id, "userName": user, "password": password}
        login = None if None in who.values() else {**who, "locale": _LOCALE}
        if not login and not session:
            raise ClientError("Give customer_id, user and password, or the id of a session.")
        self._connection = SessionConnection(url, login, session or "", timeout_seconds=timeout_seconds)

    def __repr__(self) -> str:
        """Show the server, never the session."""
        return f"SmartSync({self._connection.origin!r})"

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the session if it was begun here, and close the connections."""
        try:
            if self._connection.own:
                self._connection.sign_out()
        except TailraceError:
            # It ends by itself when nobody uses it; what happened inside the block matters more.
            pass
        finally:
            self.close()

    def login(self) -> str:
        """Begin a new session and return its id; raises NotSignedIn, RequestRefused, ServerUnreachable."""
        return self._connection.sign_in()

    def logout(self) -> None:
        """End the session; jobs go on. Raises ServerUnreachable."""
        self._connection.sign_out()

    def close(self) -> None:
        """Close the connections to the server; the session stays."""
        self._connection.close()

    def entities(self, *types: str, since: datetime | None = None) -> list[Entity]:
        """List the entities the user may view, of these types (none: all four); with `since`, what has changed.

        An instant without zone counts as UTC. Raises RequestRefused, NotSignedIn, ServerUnreachable.
        """
        query = {"entityType": ",".join(types or _ALL_TYPES)}
        if since is not None:
            query["timestamp"] = request.write_since(since)
        response = self._connection.send("GET", paths.ENTITIES, query=query)
        check_answer(response)
        return _entities(read_json(response))

    def export(  # noqa: PLR0913 - one for each parameter of the wire
        self,
        exporter: str,
        *,
        start: date | str,
        end: date | str,
        output_format: str,
        mu_ids: Iterable[int] | None = None,
        bu_ids: Iterable[int] | None = None,
        ct_ids: Iterable[int] | None = None,
        date_format: str | None = None,
        time_format: str | int | None = None,
        fields: request.FieldChoice | Iterable[request.FieldChoice] | None = None,
        attribute: str | None = None,
        last_modified: datetime | str | None = None,
        record_type: str | None = None,
        time_off_groups: request.TimeOffGroups | None = None,
        all_time_off_groups: bool | Mapping[str, Any] | None = None,
        exclude_header: bool | None = None,
        keep_empty: bool | None = None,
        disable_midnight_cut_off: bool | None = None,
        patient: bool = False,
        progress: ProgressCallback | None = None,
        **parameters: Any,
    ) -> ExportJob:
        """Ask for an export from `start` to `end`, both included, and return the job.

        `fields` takes names, `agentData=Team`, `id=ssn`, or objects of the wire; `time_off_groups` ids, rules by id, or
        objects. `parameters` go into the request as they are. With `patient`, a full queue is waited out, ten minutes
        at most. Raises RequestRefused with `details`, ExporterNotFound, NotSignedIn, TryLater, ServerUnreachable.
        """
        given = {
            "startDate": request.write_day(start),
            "endDate": request.write_day(end),
            "outputFormat": output_format,
            "dateFormat": date_format,
            "timeFormat": time_format,
            "muIds": request.write_ids(mu_ids),
            "buIds": request.write_ids(bu_ids),
            "ctIds": request.write_ids(ct_ids),
            "timeOffGroupList": request.write_time_off(time_off_groups),
            "allTimeOffGroups": request.write_all_time_off(all_time_off_groups),
            "keepEmptyJsonFields": keep_empty,
            "excludePipeHeader": exclude_header,
            "attribute": attribute,
            "lastModifiedTime": request.write_modified(last_modified),
            "disableMidnightCutOff": disable_midnight_cut_off,
            "recordType": record_type,
            "fields": request.write_fields(fields),
        }
        body = request.write_body(given, parameters)
        if not patient:
            return self._submit(exporter, body)
        return submit_patiently(lambda: self._submit(exporter, body), progress)

    def job(self, job_id: str) -> ExportJob:
        """Find a job by its id and ask for its status; raises JobNotFound, NotSignedIn, TryLater, ServerUnreachable."""
        if not _PART.fullmatch(job_id):
            raise JobNotFound("A job id is 32 digits and letters from a to f.", status=404)
        job = ExportJob(self._connection, job_id)
        job.status()
        return job

    def jobs(self) -> list[ExportJob]:
        """List the user's jobs, newest first, with `last_status`; raises NotSignedIn, TryLater, ServerUnreachable."""
        self._connection.status_pace.take_turn()
        response = self._connection.send("GET", paths.STATUS)
        check_answer(response)
        return [ExportJob(self._connection, status.job_id, status) for status in read_statuses(read_json(response))]

    def _submit(self, exporter: str, body: dict[str, Any]) -> ExportJob:
        if not _PART.fullmatch(exporter):
            raise ExporterNotFound("An exporter's name is written like agent-schedule-detail.", status=404)
        response = self._connection.send("POST", f"{paths.EXPORTERS}/{exporter}", body=body)
        check_answer(response, ExporterNotFound)
        answer = read_json(response)
        job_id = answer.get("jobId") if isinstance(answer, dict) else None
        if not isinstance(job_id, str) or not _PART.fullmatch(job_id):
            raise ClientError("The server's answer holds no job id; is this a Tailrace server?")
        return ExportJob(self._connection, job_id)


def _entities(answer: Any) -> list[Entity]:
    try:
        return [Entity(item["entityType"], item["id"], item["name"], item["status"]) for item in answer]
    except (TypeError, KeyError):
        raise ClientError("The server's answer holds no list of entities; is this a Tailrace server?") from None
