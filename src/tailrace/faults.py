"""Named points in the code where a test lets something go wrong; each does nothing unless an order names it.

Orders come from the setting `testing.fault`, which is refused unless `testing.faults` is on: never in production. An
order reads `point[@pass]=action[:argument][*once:file]`; several are joined by commas. It is carried out at every
pass, or from the given pass on; with `once`, by the one process that makes the file, and by it once.
"""

import errno
import os
import resource
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

POINTS: Mapping[str, str] = MappingProxyType(
    {
        "submit.before_insert": "API: the rules are checked, nothing is stored",
        "submit.inserted": "API: the job is inserted, not committed",
        "submit.committed": "API: the job is committed, the request not answered",
        "login.started": "API: a session is committed, the login not answered",
        "token.issued": "API: an access token is recorded, the sign-in not answered",
        "cancel.begun": "API: a cancel is asked for, nothing is changed",
        "cancel.committed": "API: a cancel is committed, the request not answered",
        "worker.claim_open": "worker: a job is claimed, not committed",
        "worker.claimed": "worker: the claim is committed, the child knows nothing",
        "worker.started": "worker: the child has its task",
        "worker.renew": "worker: about to renew a lease (heartbeat)",
        "worker.before_finish": "worker: the object is complete, the row says running",
        "worker.finished": "worker: the result is published, the worker does not know",
        "child.source_open": "child: the source is open and measured",
        "child.rows_prepared": "child: an exporter's rows are computed",
        "child.first_block": "child: the first block of rows is written",
        "child.slice": "child: a slice is written",
        "child.before_complete": "child: all is written, the object is not complete",
        "child.complete": "child: the object is complete, nobody was told",
        "share.offered": "child: shares are offered to helpers, none is taken",
        "share.claimed": "helper: a share is claimed, the child knows nothing",
        "share.slice": "helper's child: a slice of a share is written",
        "share.complete": "helper's child: a share's object is complete, nobody was told",
        "share.before_finish": "helper: a share's object is complete, the row says taken",
        "share.appended": "child: a helper's share is in the result, its object still in the store",
        "store.write": "local store: about to write a block",
        "store.sync": "local store: about to flush a file to disk",
        "store.rename": "local store: about to give a file its name",
        "store.read": "local store: about to open a file for reading, its job was looked at",
        "store.part": "object store: about to hand over a part of an object",
        "store.finish": "object store: all of an object is handed over, and it is not complete",
        "store.delete": "about to remove an object",
        "housekeeping.begun": "housekeeping: it is this process that sweeps",
        "housekeeping.removed": "housekeeping: a result past its retention is removed, the row does not say so",
        "housekeeping.midway": "housekeeping: results are done, leavings are not",
    }
)
_POLL_SECONDS = 0.01
_BREATH_BYTES = 2**25
_FILE_BYTES = 512
# What the points are to do. A value for the whole process, as they have no other way to know; empty but in tests.
_orders: "dict[str, list[Order]]" = {}


class Fault(Exception):  # noqa: N818 - what a test lets happen is no error of ours
    """What the action `raise` raises: nothing that any code expects."""


@dataclass(slots=True)
class Order:
    """One thing to go wrong: at which point, from which pass on, what, and the file that says it was done."""

    point: str
    act: Callable[[str], None]
    argument: str
    first: int
    once: str
    passes: int = field(default=0)

    def carry_out(self) -> None:
        """Do it, if it is time and nobody has done it before."""
        self.passes += 1
        if self.passes >= self.first and (not self.once or _take(self.once)):
            self.act(self.argument)


def fault_point(name: str) -> None:
    """Mark a place where a test may let something go wrong."""
    if _orders:
        for order in _orders.get(name, ()):
            order.carry_out()


def arm(text: str) -> None:
    """Let the points of this process do what an order says from now on."""
    _orders.clear()
    for order in read_orders(text):
        _orders.setdefault(order.point, []).append(order)


def read_orders(text: str) -> list[Order]:
    """Read orders; raises ValueError, saying what is wrong."""
    return [_read(part.strip()) for part in text.split(",") if part.strip()]


def _read(text: str) -> Order:
    place, _, what = text.partition("=")
    point, _, first = place.partition("@")
    what, _, once = what.partition("*once:")
    action, _, argument = what.partition(":")
    if point not in POINTS:
        raise ValueError(f"there is no fault point named '{point}'")
    if action not in _ACTIONS:
        raise ValueError(f"'{action}' is no action; there are {', '.join(_ACTIONS)}")
    if not (first or "1").isdecimal():
        raise ValueError(f"'{first}' is no number of a pass")
    return Order(point, _ACTIONS[action], argument, int(first or 1), once)


def _take(path: str) -> bool:
    """Make the file that says an order was carried out, and by which process; False if it is there already."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w") as file:
        file.write(str(os.getpid()))
    return True


# -- actions ------------------------------------------------------------------------------------------------------


def _kill(_: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop(_: str) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _exit(status: str) -> None:
    os._exit(int(status or 1))


def _raise(text: str) -> None:
    raise Fault(text)


def _fail(name: str) -> None:
    """Fail as the system does: `errno:ENOSPC`."""
    number = getattr(errno, name)
    raise OSError(number, os.strerror(number))


def _pause(path: str) -> None:
    """Say `path.reached`, with the number of the process, and wait until the file is there."""
    _take(f"{path}.reached")
    while not Path(path).exists():
        time.sleep(_POLL_SECONDS)


def _use_up_memory(_: str) -> None:
    """Leave this process little memory, and take that."""
    in_use = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    _limit(resource.RLIMIT_AS, in_use + _BREATH_BYTES)
    held = []
    while True:
        held.append(bytearray(_BREATH_BYTES // 8))


def _fill_disk(size: str) -> None:
    """Let no file of this process grow beyond a size, as on a full disk, from now on."""
    _limit(resource.RLIMIT_FSIZE, int(size or _FILE_BYTES))
    with suppress(OSError, ValueError):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def _limit(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (most, hard))


_ACTIONS: Mapping[str, Callable[[str], None]] = MappingProxyType(
    {
        "kill": _kill,
        "stop": _stop,
        "exit": _exit,
        "raise": _raise,
        "errno": _fail,
        "pause": _pause,
        "oom": _use_up_memory,
        "full": _fill_disk,
    }
)
