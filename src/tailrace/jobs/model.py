"""What a job is: its states, and the resolved request that its row carries to the worker."""

from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any, Literal, Self
from uuid import UUID

from tailrace.formats.base import Field

State = Literal["queued", "running", "succeeded", "failed", "cancelled", "expired"]
UNFINISHED: tuple[State, State] = ("queued", "running")

# Where workers hear of new jobs.
CHANNEL = "tailrace_jobs"
# The state as SQL: expiry is a matter of the clock alone (CX-705).
SHOWN_STATE = "CASE WHEN state = 'succeeded' AND result_until <= now() THEN 'expired' ELSE state::text END AS state"

# Objects kept beside a result, under its key and this ending.
Companion = Literal["gz", "index"]
COMPANIONS: tuple[Companion, ...] = ("gz", "index")

# After so many attempts a job fails for good (CX-709).
MAX_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a job may go; resolved when it is accepted, so that a worker needs no dialect's settings."""

    timeout_seconds: int
    max_result_bytes: int
    retention_hours: int
    record_hours: int
    max_rows: int | None = None


@dataclass(frozen=True, slots=True)
class RangeRows:
    """Rows of one table whose range column lies between `start` and `end`, UTC instants, half-open.

    `column` is the stored range column and `order` the stored columns that order rows after it;
    `leave_out_seconds` drops rows younger than that (CX-815).
    """

    table: str
    column: str
    start: datetime
    end: datetime
    order: tuple[Field, ...]
    leave_out_seconds: int = 0


@dataclass(frozen=True, slots=True)
class ExporterRows:
    """Rows that an exporter's SQL computes from the tenant's WFM tables.

    `asked` holds what the SQL may read of the request, as JSON values: members of the table `request`, and lists for
    the tables `request_…`. `columns` are the columns written, each with its SQL over the exporter's; a change in one
    of `groups` opens a new group. `entities` are the ids whose View permission is checked again at the start (SS-322).
    """

    exporter: str
    asked: dict[str, Any]
    columns: tuple[tuple[str, str], ...]
    groups: tuple[str, ...] = ()
    entities: dict[str, list[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """All a worker needs to know: which rows, their fields, the format, and how far the job may go.

    `companions` are the objects kept beside the result, by their ending: its gzip form, an index of its records.
    """

    rows: RangeRows | ExporterRows
    fields: tuple[Field, ...]
    format: str
    limits: Limits
    options: dict[str, Any] = field(default_factory=dict)
    companions: tuple[Companion, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Write the request as the row keeps it."""
        data = asdict(self)
        if isinstance(self.rows, RangeRows):
            data["rows"] |= {"start": self.rows.start.isoformat(), "end": self.rows.end.isoformat()}
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read a request from its row."""
        return cls(
            **{
                **data,
                "rows": _read_rows(data["rows"]),
                "fields": _read_fields(data["fields"]),
                "limits": Limits(**data["limits"]),
                "companions": tuple(data.get("companions", ())),
            }
        )


def _read_rows(data: dict[str, Any]) -> RangeRows | ExporterRows:
    if "exporter" in data:
        columns = tuple((name, sql) for name, sql in data["columns"])
        return ExporterRows(**{**data, "columns": columns, "groups": tuple(data["groups"])})
    instants = {name: datetime.fromisoformat(data[name]) for name in ("start", "end")}
    return RangeRows(**{**data, **instants, "order": _read_fields(data["order"])})


def _read_fields(data: list[dict[str, Any]]) -> tuple[Field, ...]:
    # Fields of an earlier version's requests said whether they are plain.
    return tuple(Field(**{name: value for name, value in one.items() if name != "plain"}) for one in data)


@dataclass(frozen=True, slots=True)
class Lease:
    """A claim on a job: every write of its holder names the epoch, so that a late holder changes nothing.

    `claimed_at` is by the database's clock; `remaining_seconds` is what is left of the time all attempts have together.
    """

    job_id: UUID
    tenant_id: UUID
    user_id: UUID
    dialect: str
    dataset: str
    attempt: int
    epoch: int
    claimed_at: datetime
    remaining_seconds: float
    request: Request


@dataclass(frozen=True, slots=True)
class Result:
    """What a succeeded attempt has published: object key, size, rows and digest (hexadecimal).

    `compressed_bytes` is the size of the gzip form where there is one, `replaced` counts the characters that the
    format does not allow and that were replaced.
    """

    key: str
    bytes: int
    rows: int
    sha256: str
    compressed_bytes: int | None = None
    replaced: int = 0


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as a dialect shows it; times in UTC, `read_at` is the database's clock at the time of reading."""

    id: UUID
    user_id: UUID
    dataset: str
    version: str
    permission_id: str
    start_date: date
    end_date: date
    state: State
    error_code: str | None
    slices_done: int
    slices_total: int | None
    result_key: str | None
    result_bytes: int | None
    result_compressed_bytes: int | None
    result_rows: int | None
    result_replaced: int | None
    result_until: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    format: str
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Rendered:
    """A share that a helper has rendered: its object, with the bytes and rows in it."""

    key: str
    bytes: int
    rows: int


# What the job's own worker is to do with a share: append an object, render the slices, or wait for a helper.
Taken = Rendered | Literal["render", "wait"]
