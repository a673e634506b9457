"""Where a site's results rest, and how the harness looks there: past the proxy, with no code of the service."""

import os
import shutil
import signal
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from faults.proxy import Proxy
from s3_server import BUCKET, own_s3_server, start_again
from service import poll

_PREFIX = "faults"
# Long enough for a part on a busy machine, short enough to wait for.
_LIMITS = {"connect_timeout_s": 2, "timeout_s": 4, "retry_timeout_s": 1}


class Disk:
    """Results in a folder."""

    kind = "local"
    environment: Mapping[str, str] = MappingProxyType({})

    def __init__(self, path: Path) -> None:
        self._path = path

    def list_keys(self) -> set[str]:
        return {str(path.relative_to(self._path)) for path in self._path.rglob("*") if path.is_file()}

    def read(self, key: str) -> bytes:
        return (self._path / key).read_bytes()

    def uploads(self) -> list[Any]:
        return []

    def clear(self) -> None:
        shutil.rmtree(self._path, ignore_errors=True)

    def heal(self) -> None:
        """Nothing is between."""

    def close(self) -> None:
        """Nothing is open."""


class Bucket:
    """Results in a bucket, of a server of this site's own that it may kill; `network` is the service's way to it."""

    kind = "s3"

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self._folder = folder
        self._server = self._stack.enter_context(own_s3_server(folder))
        place = urlsplit(self._server.endpoint)
        assert place.hostname
        assert place.port
        self.network = Proxy((place.hostname, place.port))
        self._stack.callback(self.network.close)
        way = f"http://127.0.0.1:{self.network.port}"
        self.environment: Mapping[str, str] = self._server.environment(prefix=_PREFIX, endpoint=way, **_LIMITS)

    def list_keys(self) -> set[str]:
        return set(self._server.keys(_PREFIX))

    def read(self, key: str) -> bytes:
        return bytes(self._server.client.get_object(Bucket=BUCKET, Key=f"{_PREFIX}/{key}")["Body"].read())

    def uploads(self) -> list[dict[str, Any]]:
        return self._server.uploads(_PREFIX)

    def await_part(self) -> None:
        """Wait until the store has a part of an object that is not complete."""
        poll(lambda: any(self._parts(upload) for upload in self.uploads()))

    def _parts(self, upload: dict[str, Any]) -> list[Any]:
        place = {name: upload[name] for name in ("Key", "UploadId")}
        return list(self._server.client.list_parts(Bucket=BUCKET, **place).get("Parts", []))

    def clear(self) -> None:
        for upload in self.uploads():
            place = {name: upload[name] for name in ("Key", "UploadId")}
            self._server.client.abort_multipart_upload(Bucket=BUCKET, **place)
        for key in self.list_keys():
            self._server.client.delete_object(Bucket=BUCKET, Key=f"{_PREFIX}/{key}")

    def heal(self) -> None:
        self.network.heal()

    def kill(self) -> None:
        os.kill(self._server.pid, signal.SIGKILL)
        self.network.sever()

    def start_again(self) -> None:
        self._server = start_again(self._folder, self._server)

    def close(self) -> None:
        self._stack.close()
