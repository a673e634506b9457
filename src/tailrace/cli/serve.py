"""`tailrace serve`: the API in this process, a worker beside it, both until SIGTERM or Ctrl-C."""

import ctypes
import ipaddress
import resource
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

import structlog

from tailrace.errors import SettingsInvalid, TailraceError
from tailrace.runtime import Runtime, open_runtime
from tailrace.settings import Settings
from tailrace.web.app import create_app
from tailrace.web.server import listen, serve_app
from tailrace.worker.sources import check_sources

_WATCH_SECONDS = 1.0
# Between two starts of a worker that ends again and again.
_LONGEST_PAUSE_SECONDS = 30.0
_HEALTHY_SECONDS = 60.0
_DRAIN_SECONDS = 40.0
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def serve(data: Path | None, host: str | None, port: int | None, *, with_worker: bool = True) -> None:
    """Serve until told to stop, with a worker beside; prints one line with the address when requests are accepted.

    Raises SettingsInvalid, SourceMismatch, AddressInUse and DatabaseUnavailable before anything is served.
    """
    _take_descriptors()
    with open_runtime(data) as runtime:
        check_sources(runtime)
        server = runtime.settings.server
        listener = listen(host or server.host, server.port if port is None else port)
        address, number = listener.getsockname()[:2]
        public_url = _public_url(runtime.settings, address, number)
        app = create_app(runtime, public_url)
        companion = _Companion(runtime) if with_worker else _Watch(runtime)
        companion.start()
        try:
            serve_app(app, listener, lambda: _say_ready(runtime, public_url), server.trusted_proxies)
        finally:
            companion.stop()


def _take_descriptors() -> None:
    """Have as many descriptors as we may: each client that holds a connection has one, and the usual 1,024 end soon."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _say_ready(runtime: Runtime, public_url: str) -> None:
    print(f"Tailrace is ready at {public_url} (data: {runtime.data})", flush=True)  # noqa: T201 - its one line


def _public_url(settings: Settings, address: str, port: int) -> str:
    if settings.server.public_url:
        return settings.server.public_url
    if not ipaddress.ip_address(address).is_loopback:
        raise SettingsInvalid(
            f"server.public_url must be set when listening on {address}: links must name the address clients use."
        )
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


class _Watch:
    """A look after the private database, in a thread, for as long as we live."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._log = structlog.get_logger()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="companion", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread and what it has started."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._wait():
            pass

    def _wait(self) -> bool:
        """Wait a moment, then see to the database; True when we are to stop."""
        if self._stopping.wait(_WATCH_SECONDS):
            return True
        try:
            self._runtime.ensure_database()
        except TailraceError as error:
            self._log.error("database_not_started", reason=str(error))
        except Exception as error:  # noqa: BLE001 - this thread must go on: the worker ends with it
            self._log.error("database_not_started", reason=type(error).__name__)
        return False


class _Companion(_Watch):
    """The worker process beside the server, started again when it ends.

    One thread starts the worker, waits for its end and lives as long as we do: the kernel tells the worker to stop
    when the thread that started it ends.
    """

    _process: "subprocess.Popen[bytes] | None" = None

    def stop(self) -> None:
        """Let the worker finish what it runs, then end it; another signal makes it hand back what runs at once."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._hurry)
        super().stop()

    def _hurry(self, _number: int, _frame: FrameType | None) -> None:
        if self._process is not None:
            self._process.terminate()

    def _run(self) -> None:
        pause = _WATCH_SECONDS
        while True:
            started = time.monotonic()
            try:
                ending: int | str = self._run_one()
            except (OSError, subprocess.SubprocessError) as error:
                ending = type(error).__name__
            if self._stopping.is_set():
                return
            pause = _WATCH_SECONDS if time.monotonic() - started > _HEALTHY_SECONDS else pause
            self._log.error("worker_ended", status=ending, again_in_seconds=pause)
            if self._stopping.wait(pause):
                return
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _run_one(self) -> int:
        """Start a worker and wait until it has ended, or end it when we are to stop; gives its exit status."""
        self._process = process = self._start()
        while process.poll() is None:
            if self._wait():
                self._end(process)
        return process.returncode

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        process.terminate()
        try:
            process.wait(_DRAIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _start(self) -> "subprocess.Popen[bytes]":
        """Start a worker that is told to stop when this process dies, however it dies.

        It has a session of its own: Ctrl-C is for us, and we tell the worker once.
        """
        command = [sys.executable, "-m", "tailrace", "worker", "--data", str(self._runtime.data)]
        return subprocess.Popen(command, preexec_fn=_die_with_parent, start_new_session=True)  # noqa: PLW1509, S603 - one call into libc


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
