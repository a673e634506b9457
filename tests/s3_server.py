"""A real S3 server, SeaweedFS from its wheel: one for all test processes of a run, in a folder of the run.

Whoever uses it holds a shared lock. A keeper beside it waits for that lock alone, which it gets when the last user has
ended, however that came, and stops the server then.
"""

import fcntl
import json
import os
import secrets
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

BUCKET = "results"
_START_SECONDS = 120.0
_PARTS = ("master", "volume", "filer", "s3")


@dataclass(frozen=True)
class S3Server:
    """Where the server is, and the keys of its one user."""

    endpoint: str
    access_key_id: str
    secret_access_key: str
    pid: int = 0

    def options(self, **others: Any) -> dict[str, Any]:
        """What `open_store` needs for a place of the caller's own; `others` win."""
        return {
            "bucket": BUCKET,
            "prefix": uuid4().hex,
            "endpoint": self.endpoint,
            "region": "us-east-1",
            "access_key_id": self.access_key_id,
            "secret_access_key": self.secret_access_key,
            "virtual_host": False,
            "allow_http": True,
            "connect_timeout_s": 5,
            "timeout_s": 30,
            "retry_timeout_s": 30,
            **others,
        }

    def environment(self, **others: Any) -> dict[str, str]:
        """The same as settings of a service."""
        options = {"kind": "s3", **self.options(**others)}
        return {f"TAILRACE_STORAGE__{name.upper()}": str(value) for name, value in options.items()}

    @cached_property
    def client(self) -> Any:
        """Another way to the same server, to look at what the store did."""
        return botocore.session.Session().create_client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
        )

    def keys(self, prefix: str) -> list[str]:
        """List the objects below a prefix."""
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/").get("Contents", [])
        return [one["Key"].removeprefix(f"{prefix}/") for one in found]

    def uploads(self, prefix: str) -> list[dict[str, Any]]:
        """List the uploads below a prefix that have not ended."""
        return list(self.client.list_multipart_uploads(Bucket=BUCKET, Prefix=f"{prefix}/").get("Uploads", []))


@contextmanager
def shared_s3_server(folder: Path) -> Iterator[S3Server]:
    """Use the folder's server, starting it if nobody has."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "in-use.lock").open("w") as in_use, (folder / "starting.lock").open("w") as starting:
        fcntl.flock(in_use, fcntl.LOCK_SH)
        fcntl.flock(starting, fcntl.LOCK_EX)
        about = folder / "server.json"
        if not about.exists():
            started = _start(folder, Path(in_use.name))
            about.write_text(json.dumps(asdict(started)))
        fcntl.flock(starting, fcntl.LOCK_UN)
        yield S3Server(**json.loads(about.read_text()))


@contextmanager
def own_s3_server(folder: Path) -> Iterator[S3Server]:
    """Start a server that a test may kill."""
    folder.mkdir(parents=True)
    with (folder / "in-use.lock").open("w") as in_use:
        fcntl.flock(in_use, fcntl.LOCK_SH)
        yield _start(folder, Path(in_use.name))


def start_again(folder: Path, server: S3Server) -> S3Server:
    """Start a server of `own_s3_server` that was killed, at its place and with what it held."""
    again = replace(server, pid=_launch(folder, folder / "in-use.lock"))
    _wait_until_ready(again, folder / "server.log")
    return again


def _start(folder: Path, lock: Path) -> S3Server:
    """Start the server and its keeper, and wait until buckets can be made."""
    data = folder / "data"
    data.mkdir()
    key, secret = f"TEST{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30)
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": key, "secretKey": secret}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "identities.json").write_text(json.dumps({"identities": [identity]}))
    ports = _free_ports(2 * len(_PARTS))
    options = [
        option
        for number, part in enumerate(_PARTS)
        for option in (f"-{part}.port={ports[2 * number]}", f"-{part}.port.grpc={ports[2 * number + 1]}")
    ]
    command = [
        str(Path(sysconfig.get_path("scripts")) / "weed"),
        "server",
        f"-dir={data}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        *options,
        "-filer",
        "-s3",
        f"-s3.config={folder / 'identities.json'}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.iam=false",
        "-s3.autoCreateBucket=false",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=256",
        "-volume.max=0",
    ]
    (folder / "command.json").write_text(json.dumps(command))
    server = S3Server(f"http://127.0.0.1:{ports[-2]}", key, secret, _launch(folder, lock))
    _wait_until(lambda: server.client.create_bucket(Bucket=BUCKET), folder / "server.log")
    _wait_until_ready(server, folder / "server.log")
    return server


def _launch(folder: Path, lock: Path) -> int:
    """Start the server and its keeper; gives the server's process."""
    command = json.loads((folder / "command.json").read_text())
    with (folder / "server.log").open("a") as log:
        keeper = subprocess.Popen(
            [sys.executable, __file__, str(lock), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    assert keeper.stdout is not None
    return int(keeper.stdout.readline())


def _free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _wait_until_ready(server: S3Server, log: Path) -> None:
    """An object in the bucket shows that all parts of the server have found each other."""
    _wait_until(lambda: server.client.put_object(Bucket=BUCKET, Key="ready", Body=b"ready"), log)


def _wait_until(step: Callable[[], object], log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while not _works(step):
        assert time.monotonic() < until, log.read_text()[-5000:]
        time.sleep(0.05)


def _works(step: Callable[[], object]) -> bool:
    try:
        step()
    except (BotoCoreError, ClientError):
        return False
    return True


def _keep(lock: str, command: list[str]) -> None:
    """Run the server until nobody uses it any more; the environment's AWS settings are none of its business."""
    environment: Mapping[str, str] = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    sys.stdout.write(f"{server.pid}\n")
    sys.stdout.flush()
    with Path(lock).open("w") as in_use:
        fcntl.flock(in_use, fcntl.LOCK_EX)
    server.kill()
    server.wait()


if __name__ == "__main__":
    _keep(sys.argv[1], sys.argv[2:])
