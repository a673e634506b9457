"""The Python clients: `from tailrace.client import DataExtraction` and `from tailrace.client import SmartSync`."""

from tailrace.client.api import DataExtraction
from tailrace.client.download import Download
from tailrace.client.job import Job
from tailrace.client.progress import Progress, ProgressCallback
from tailrace.client.smartsync import Entity, ExportJob, ExportStatus, Page, SmartSync

__all__ = [
    "DataExtraction",
    "Download",
    "Entity",
    "ExportJob",
    "ExportStatus",
    "Job",
    "Page",
    "Progress",
    "ProgressCallback",
    "SmartSync",
]
