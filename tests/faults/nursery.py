"""Processes of the service, made by forking one that has imported all of it.

An interpreter that has imported what a worker needs is there after half a second of work, and a scenario starts five of
them or more. What is forked is a process like any other: it has its own memory, connections and pipes, is killed and
frozen alone, and its exit status is told. A worker has a nursery of its own, forked when it begins, for its children:
that dies with it, and they with that.

`python -m faults.nursery <descriptor>` takes orders from the socket of that number until its other end is closed.
"""

import atexit
import ctypes
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

_PR_SET_PDEATHSIG = 1
_ORDER_BYTES, _DESCRIPTORS = 2**17, 4
_NOT_TOLD = -signal.SIGKILL


@dataclass
class Order:
    """What is to live; without an environment it has its nursery's. `tell` is where its number and end are told."""

    role: str
    arguments: Sequence[str]
    environment: Mapping[str, str] | None
    tell: socket.socket
    streams: tuple[int, ...]


class Forked:
    """A process that a nursery has made, with as much of `subprocess.Popen` as is used of it."""

    def __init__(
        self,
        nursery: socket.socket,
        role: str,
        arguments: Sequence[str],
        streams: tuple[int, int, int],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.returncode: int | None = None
        self._told, tell = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with tell:
            text = json.dumps([role, arguments, environment and dict(environment)]).encode()
            socket.send_fds(nursery, [text], [tell.fileno(), *streams])
        self.pid = int(self._told.recv(64))

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], 0)[0]:
            # A nursery that was killed cannot tell; what it made has died with it.
            self.returncode = int(self._told.recv(64) or _NOT_TOLD)
            self._told.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            select.select([self._told], [], [], timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def kill(self) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


class Child(Forked):
    """A child of a worker, as the worker starts it: between pipes."""

    def __init__(self, nursery: socket.socket, command: Sequence[str], **_pipes: Any) -> None:
        (its_input, tasks), (answers, its_output) = os.pipe(), os.pipe()
        super().__init__(nursery, "child", command[3:], (its_input, its_output, 2))
        os.close(its_input)
        os.close(its_output)
        self.stdin, self.stdout = open(tasks, "wb"), open(answers, "rb")  # noqa: SIM115, PTH123


class Nursery:
    """The one of a site."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._orders, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            command = [sys.executable, "-m", __name__, str(its.fileno())]
            path = os.pathsep.join(filter(None, sys.path))
            whole = {**environment, "PYTHONPATH": path}
            self._process = subprocess.Popen(command, env=whole, pass_fds=[its.fileno()], stdin=subprocess.DEVNULL)
        self.pid = self._process.pid

    def start(
        self, role: str, arguments: Sequence[str], streams: tuple[int, int, int], environment: Mapping[str, str]
    ) -> Forked:
        return Forked(self._orders, role, arguments, streams, environment)

    def close(self) -> None:
        self._orders.close()
        self._process.wait()


# -- in the nursery -----------------------------------------------------------------------------------------------


def tend(orders: socket.socket) -> Order:
    """Fork a process for each order; returns in that, and ends in the nursery when nobody can order any more."""
    made: dict[int, tuple[int, socket.socket]] = {}
    while True:
        ready, _, _ = select.select([orders.fileno(), *made], [], [])
        for ended in made.keys() & ready:
            _report(ended, *made.pop(ended))
        if orders.fileno() not in ready:
            continue
        order = _take(orders)
        if order is None:
            _end(made)
        elif pid := os.fork():
            order.tell.send(str(pid).encode())
            made[os.pidfd_open(pid)] = pid, order.tell
            for stream in order.streams:
                os.close(stream)
        else:
            return order


def _take(orders: socket.socket) -> Order | None:
    text, descriptors, _, _ = socket.recv_fds(orders, _ORDER_BYTES, _DESCRIPTORS)
    if not text:
        return None
    role, arguments, environment = json.loads(text)
    return Order(role, arguments, environment, socket.socket(fileno=descriptors[0]), tuple(descriptors[1:]))


def _report(descriptor: int, pid: int, tell: socket.socket) -> None:
    """Tell how a process has ended, if anybody still listens."""
    os.close(descriptor)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with suppress(OSError), tell:
        tell.send(str(code).encode())


def _end(made: dict[int, tuple[int, socket.socket]]) -> None:
    for pid, _ in made.values():
        os.kill(pid, signal.SIGKILL)
    os._exit(0)


# -- in what it makes ---------------------------------------------------------------------------------------------


def become(order: Order) -> None:
    """Be what was ordered, with nothing of the nursery's left open, and end as that ends."""
    for number, stream in enumerate(order.streams):
        os.dup2(stream, number)
    order.tell.detach()
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    if order.environment is not None:
        os.environ.clear()
        os.environ.update(order.environment)
    sys.argv = [order.role, *order.arguments]
    _leave(_run(order.role))


def _run(role: str) -> int:
    from faults.roles import ROLES

    try:
        if role == "worker":
            _open_nursery()
        ROLES[role]()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - it ends as an interpreter does, and says why
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _leave(code: int) -> None:
    """End as an interpreter does, but do not free one by one what was imported: that would copy its memory first."""
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _open_nursery() -> None:
    """Have the children of this worker made by a nursery of its own."""
    from tailrace.worker import process

    own, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork():
        its.close()
        process.subprocess = _Subprocess(own)
        return
    own.close()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    become(tend(its))


class _Subprocess:
    """What a worker uses of the module `subprocess`."""

    PIPE = subprocess.PIPE

    def __init__(self, nursery: socket.socket) -> None:
        self._nursery = nursery

    def Popen(self, command: Sequence[str], **pipes: Any) -> Child:  # noqa: N802 - the module's name for it
        return Child(self._nursery, command, **pipes)


def main() -> None:
    # Not in a process of the tests, which needs none of it.
    from faults.roles import import_the_rest

    import_the_rest()
    # What is there is there to stay: no collection need look at it, and so copy it.
    gc.freeze()
    become(tend(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    main()
