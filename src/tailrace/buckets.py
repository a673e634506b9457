"""How a bucket of S3, or of a store that speaks like it, is opened through obstore, and what it says when it fails."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from obstore.store import S3Store

_LONGEST_DOWNLOAD = timedelta(days=1)
# Time ends the tries, not their number: ten of them are over in three seconds where connections are refused.
_MOST_RETRIES = 100_000
_LONGEST_PAUSE = timedelta(seconds=2)
# What a fault says of itself, most telling first: the store's own code, the status, what went wrong on the way.
_REASONS = (re.compile(r"<Code>(\w+)</Code>"), re.compile(r"status code: (\d+)"), re.compile(r"\bkind: (Timeout|\w+)"))


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a connection, one request, and all tries of it may take, in seconds."""

    connect: int
    request: int
    retry: int

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> "Deadlines":
        """Take those of a store's options."""
        return cls(options["connect_timeout_s"], options["timeout_s"], options["retry_timeout_s"])

    def for_requests(self, *, allow_http: bool) -> dict[str, Any]:
        """Say to obstore how long short requests may take."""
        return self._config(allow_http, timeout=f"{self.request}s")

    def for_downloads(self, *, allow_http: bool) -> dict[str, Any]:
        """Say to obstore that a whole download may take long, but no single step of it."""
        return self._config(allow_http, timeout=_LONGEST_DOWNLOAD, read_timeout=f"{self.request}s")

    def _config(self, allow_http: bool, **limits: Any) -> dict[str, Any]:  # noqa: FBT001 - passed on by name above
        return {
            "client_options": {"allow_http": allow_http, "connect_timeout": f"{self.connect}s", **limits},
            "retry_config": {
                "max_retries": _MOST_RETRIES,
                "retry_timeout": timedelta(seconds=self.retry),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": _LONGEST_PAUSE,
                    "base": 2,
                },
            },
        }


def open_bucket(
    options: Mapping[str, Any], bucket: str, limits: Mapping[str, Any], prefix: str | None = None
) -> S3Store:
    """Open a bucket; nothing is asked of it yet.

    Options: `virtual_host`; and `endpoint`, `region`, `access_key_id`, `secret_access_key`, for each of which None
    means AWS's own ways. `limits` come from Deadlines. Raises obstore's own errors and ValueError.
    """
    given = {name: options[name] for name in ("region", "access_key_id", "secret_access_key") if options[name]}
    if options["endpoint"]:
        given["endpoint"] = _endpoint(options, bucket)
    return S3Store(bucket, prefix=prefix, virtual_hosted_style_request=options["virtual_host"], **given, **limits)


def _endpoint(options: Mapping[str, Any], bucket: str) -> str:
    """Put the bucket before the host if that is the style: obstore wants it there."""
    endpoint = str(options["endpoint"]).rstrip("/")
    if not options["virtual_host"]:
        return endpoint
    parts = urlsplit(endpoint)
    return parts._replace(netloc=f"{bucket}.{parts.netloc}").geturl()


def reason_of(error: Exception) -> str:
    """Say in a word what went wrong; the whole text would name keys of accounts and fill pages."""
    text = str(error)
    found = next((match for match in (pattern.search(text) for pattern in _REASONS) if match), None)
    return found[1] if found else type(error).__name__
