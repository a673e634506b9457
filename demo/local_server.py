"""Runs the demo's own Tailrace server, and the command line beside it."""

import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

DATA = Path(__file__).parent / "data"
TAILRACE = Path(sys.executable).with_name("tailrace")
_READY = re.compile(rb"Tailrace is ready at (http://\S+)")
# The first start makes a database.
_START_SECONDS, _STOP_SECONDS = 120, 60


class DemoFailedError(Exception):
    """Something the demo cannot go on without; the message is for people."""


def demo_environment() -> dict[str, str]:
    """Take our environment without Tailrace's variables, so that the demo is the same everywhere."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith("TAILRACE_") and name != "DATABASE_URL"
    }
    return kept | {"TAILRACE_DATA": str(DATA), "TAILRACE_CXONE__MIN_INTERVAL_S": "5"}


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of `tailrace` and return how it ended."""
    command = [str(TAILRACE), *arguments]
    return subprocess.run(command, env=demo_environment(), capture_output=True, text=True, check=False)


def need_command(*arguments: str) -> str:
    """Run a command of `tailrace` and return what it printed; raises DemoFailedError with its error."""
    done = run_command(*arguments)
    if done.returncode:
        raise DemoFailedError(f"`tailrace {' '.join(arguments)}` said:\n{done.stderr.strip()}")
    return done.stdout


@contextmanager
def running_server(log: Path) -> Iterator[str]:
    """Run `tailrace serve` on a free port and give its address; stopped with SIGTERM however the block ends.

    Raises DemoFailedError when it does not become ready.
    """
    command = [str(TAILRACE), "serve", "--data", str(DATA), "--port", "0"]
    with log.open("wb") as errors:
        # A session of its own: Ctrl-C is for the demo, which then stops the server in good order.
        process = subprocess.Popen(
            command, env=demo_environment(), stdout=subprocess.PIPE, stderr=errors, start_new_session=True
        )
    try:
        url = _wait_for_address(process, log)
        _wait_until_ready(url)
        yield url
    finally:
        _stop(process)


def _wait_for_address(process: subprocess.Popen[bytes], log: Path) -> str:
    assert process.stdout is not None  # noqa: S101 - we asked for it
    deadline = time.monotonic() + _START_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select(max(0, deadline - time.monotonic())):
            line = process.stdout.readline()
            if found := _READY.search(line):
                return found[1].decode()
            if not line:
                break
    ending = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
    raise DemoFailedError(f"the server did not start; the end of {log} is:\n{ending}")


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx2.get(f"{url}/readyz").status_code == httpx2.codes.OK:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.1)
    raise DemoFailedError(f"{url}/readyz did not become 200")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()
