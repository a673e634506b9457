"""Results in a bucket of S3 or of a store that speaks like it: through obstore, but for two things it lacks.

botocore signs links that say how the file is called, and finds uploads that were begun and never ended. It is
imported when it is first needed, which in a child process is never.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

from obstore.exceptions import BaseError
from obstore.store import S3Store

from tailrace.buckets import Deadlines, open_bucket
from tailrace.errors import StorageUnavailable
from tailrace.storage.remote.objects import ObjectStorage, checked

_TRIES = 3
# What S3 takes for the type of what has none. Of a part without type some stores guess it, and compress text: SeaweedFS
# needs twice as long then. obstore signs the header in uploads, but not when it lists, which some stores refuse.
_UPLOADS = {"default_headers": {"content-type": "binary/octet-stream"}}
# Of a thousand uploads; what is left comes with the next sweep.
_MOST_PAGES = 10


def open_store(options: Mapping[str, Any]) -> "S3Storage":
    """Open a bucket; nothing is asked of it yet.

    Options: `bucket`, `prefix`, `connect_timeout_s`, `timeout_s`, `retry_timeout_s`, `allow_http`, `virtual_host`; and
    `endpoint`, `region`, `access_key_id`, `secret_access_key`, for each of which None means AWS's own ways.
    """
    return S3Storage(options)


class S3Storage(ObjectStorage):
    """The objects of a bucket below a prefix."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Take the options of `open_store`."""
        self._options = options
        deadlines = Deadlines.read(options)
        allow_http = options["allow_http"]
        limits = deadlines.for_requests(allow_http=allow_http)
        super().__init__(
            _open(options, limits),
            _open(options, deadlines.for_downloads(allow_http=allow_http)),
            _open(options, limits | {"client_options": limits["client_options"] | _UPLOADS}),
        )

    def sign(self, key: str, life_seconds: int, filename: str, media_type: str) -> str:
        """Sign a link; the store sends what it says in the answer's headers (CX-510)."""
        wanted = {
            **self._place(checked(key)),
            "ResponseContentType": media_type,
            "ResponseContentDisposition": f'attachment; filename="{filename}"',
            "ResponseCacheControl": "no-store",
        }
        return str(self._call("generate_presigned_url", "get_object", Params=wanted, ExpiresIn=life_seconds))

    def abort_unfinished(self, before: datetime) -> int:
        """End the uploads below the prefix that were begun before; returns how many."""
        old = [found for found in self._uploads() if found["Initiated"] < before]
        for found in old:
            self._call(
                "abort_multipart_upload", Bucket=self._options["bucket"], Key=found["Key"], UploadId=found["UploadId"]
            )
        return len(old)

    def _uploads(self) -> list[dict[str, Any]]:
        """List the uploads below the prefix, page by page."""
        found: list[dict[str, Any]] = []
        place: dict[str, Any] = {"Bucket": self._options["bucket"], "Prefix": f"{self._options['prefix']}/"}
        for _ in range(_MOST_PAGES):
            page = self._call("list_multipart_uploads", **place)
            uploads = page.get("Uploads", [])
            found += uploads
            if not page.get("IsTruncated") or not uploads:
                break
            # Not every store names the place to go on from.
            last = uploads[-1]
            place["KeyMarker"] = page.get("NextKeyMarker") or last["Key"]
            place["UploadIdMarker"] = page.get("NextUploadIdMarker") or last["UploadId"]
        return found

    def _place(self, key: str) -> dict[str, str]:
        return {"Bucket": self._options["bucket"], "Key": f"{self._options['prefix']}/{key}"}

    def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        """Call botocore; its faults name no secret, but may name the account."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self._client, name)(*arguments, **options)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unknown")
            raise StorageUnavailable(f"The store refused {name}: {code}") from error
        except BotoCoreError as error:
            raise StorageUnavailable(f"The store failed at {name}: {type(error).__name__}") from error

    @cached_property
    def _client(self) -> Any:
        from botocore.config import Config
        from botocore.session import Session

        options = self._options
        config = Config(
            signature_version="s3v4",
            connect_timeout=options["connect_timeout_s"],
            read_timeout=options["timeout_s"],
            retries={"total_max_attempts": _TRIES, "mode": "standard"},
            s3={"addressing_style": "virtual" if options["virtual_host"] else "path"},
        )
        return Session().create_client(
            "s3",
            region_name=options["region"],
            endpoint_url=options["endpoint"],
            aws_access_key_id=options["access_key_id"],
            aws_secret_access_key=options["secret_access_key"],
            config=config,
        )


def _open(options: Mapping[str, Any], limits: Mapping[str, Any]) -> S3Store:
    try:
        return open_bucket(options, options["bucket"], limits, options["prefix"])
    except (BaseError, ValueError) as error:
        raise StorageUnavailable(f"The store cannot be opened: {type(error).__name__}") from error
