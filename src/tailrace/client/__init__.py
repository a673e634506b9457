"""The Python client: `from tailrace.client import DataExtraction`."""

from tailrace.client.api import DataExtraction
from tailrace.client.download import Download
from tailrace.client.job import Job
from tailrace.client.progress import Progress, ProgressCallback

__all__ = ["DataExtraction", "Download", "Job", "Progress", "ProgressCallback"]
