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

# After so many attempts a job fails for good (CX-709).
MAX_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a job may go; resolved when it is accepted, so that a worker needs no dialect's settings."""

    timeout_seconds: int
    max_result_bytes: int
    retention_hours: int
    record_days: int


@dataclass(frozen=True, slots=True)
class Request:
    """All a worker needs to know: columns, range, order, format. `start` and `end` are UTC instants, half-open.

    `range_source` is the stored range column and `order` the stored columns that order rows after it;
    `leave_out_seconds` drops rows younger than that (CX-815).
    """

    table: str
    fields: tuple[Field, ...]
    range_source: str
    start: datetime
    end: datetime
    order: tuple[Field, ...]
    format: str
    limits: Limits
    options: dict[str, Any] = field(default_factory=dict)
    leave_out_seconds: int = 0

    def as_json(self) -> dict[str, Any]:
        """Write the request as the row keeps it."""
        return asdict(self) | {"start": self.start.isoformat(), "end": self.end.isoformat()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read a request from its row."""
        return cls(
            **{
                **data,
                "fields": tuple(Field(**one) for one in data["fields"]),
                "order": tuple(Field(**one) for one in data["order"]),
                "limits": Limits(**data["limits"]),
                "start": datetime.fromisoformat(data["start"]),
                "end": datetime.fromisoformat(data["end"]),
            }
        )


@dataclass(frozen=True, slots=True)
class Lease:
    """A claim on a job: every write of its holder names the epoch, so that a late holder changes nothing.

    `claimed_at` is by the database's clock; `remaining_seconds` is what is left of the time all attempts have together.
    """

    job_id: UUID
    tenant_id: UUID
    dataset: str
    attempt: int
    epoch: int
    claimed_at: datetime
    remaining_seconds: float
    request: Request


@dataclass(frozen=True, slots=True)
class Result:
    """What a succeeded attempt has published: object key, size, rows and digest (hexadecimal)."""

    key: str
    bytes: int
    rows: int
    sha256: str


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
    result_until: datetime | None
    read_at: datetime
