"""What the server tells of an export (SS-402)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tailrace.errors import ClientError

WAITING, RUNNING, COMPLETED = "WAITING", "RUNNING", "COMPLETED_SUCCESSFULLY"
FAILED, CANCELED = "FAILED", "CANCELED"
# The vendor's documentation prints it so on one page, and profile `live` sends it (SS-403).
_MISSPELT = "COMPLETED_SUCCESFULLY"


@dataclass(frozen=True, slots=True)
class ExportStatus:
    """One export as the server told it last.

    `state` is `WAITING`, `RUNNING`, `COMPLETED_SUCCESSFULLY`, `FAILED` or `CANCELED`, however the server spells it;
    `error_details` says why there is no result. Numbers are None until the export has completed; sizes are in bytes.
    """

    job_id: str
    state: str
    exporter: str = ""
    output_format: str = ""
    changed_at: datetime | None = None
    error_details: str = ""
    total_records: int | None = None
    compressed_bytes: int | None = None
    uncompressed_bytes: int | None = None
    additional_details: str = ""

    @property
    def completed(self) -> bool:
        """Whether there is a result."""
        return self.state == COMPLETED

    @property
    def ended(self) -> bool:
        """Whether the state will not change any more."""
        return self.state in {COMPLETED, FAILED, CANCELED}


def read_status(answer: Any) -> ExportStatus:
    """Read one status object; raises ClientError."""
    if not isinstance(answer, dict) or not all(isinstance(answer.get(key), str) for key in ("jobId", "status")):
        raise ClientError("The server's answer holds no job status; is this a Tailrace server?")
    sizes = answer.get("resultsSizeBytes")
    sizes = sizes if isinstance(sizes, dict) else {}
    return ExportStatus(
        job_id=answer["jobId"],
        state=COMPLETED if answer["status"] == _MISSPELT else answer["status"],
        exporter=_text(answer, "exporterType"),
        output_format=_text(answer, "outputFormat").upper(),
        changed_at=_instant(answer.get("lastStatusChange")),
        error_details=_text(answer, "errorDetails"),
        total_records=_number(answer, "totalRecords"),
        compressed_bytes=_number(sizes, "compressed"),
        uncompressed_bytes=_number(sizes, "uncompressed"),
        additional_details=_text(answer, "additionalDetails"),
    )


def read_statuses(answer: Any) -> list[ExportStatus]:
    """Read an array of status objects; raises ClientError."""
    if not isinstance(answer, list):
        raise ClientError("The server's answer holds no list of jobs; is this a Tailrace server?")
    return [read_status(entry) for entry in answer]


def _text(answer: Mapping[str, Any], key: str) -> str:
    return str(answer.get(key) or "")


def _number(answer: Mapping[str, Any], key: str) -> int | None:
    value = answer.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _instant(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None
