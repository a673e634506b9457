"""The client of the SmartSync Export APIs: `from tailrace.client import SmartSync`."""

from tailrace.client.smartsync.api import Entity, SmartSync
from tailrace.client.smartsync.job import ExportJob, Page
from tailrace.client.smartsync.refusals import (
    ExporterNotFound,
    ExportFailed,
    JobHasEnded,
    JobNotFound,
    NotFinished,
    NotSignedIn,
    Refused,
    RequestRefused,
    ResultExpired,
    TryLater,
)
from tailrace.client.smartsync.status import ExportStatus

__all__ = [
    "Entity",
    "ExportFailed",
    "ExportJob",
    "ExportStatus",
    "ExporterNotFound",
    "JobHasEnded",
    "JobNotFound",
    "NotFinished",
    "NotSignedIn",
    "Page",
    "Refused",
    "RequestRefused",
    "ResultExpired",
    "SmartSync",
    "TryLater",
]
