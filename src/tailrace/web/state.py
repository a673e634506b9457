"""What the web layer holds for all requests of one process."""

import threading
import time
from collections import deque
from dataclasses import dataclass
from uuid import UUID

from tailrace.access.tokens import Tokens
from tailrace.errors import TooManyReads
from tailrace.runtime import Runtime
from tailrace.storage.base import Storage
from tailrace.web.measures import Measures
from tailrace.web.probes import Probes

_WINDOW_SECONDS = 10.0
_MANY_TOKENS = 1000


@dataclass(frozen=True, slots=True)
class WebState:
    """The runtime and what is made of it once: tokens, links, the store, the ceilings, monitoring."""

    runtime: Runtime
    public_url: str
    tokens: Tokens
    link_key: bytes
    storage: Storage
    reads: "ReadCeiling"  # of Data Extraction tokens
    polls: "ReadCeiling"  # of SmartSync sessions
    probes: Probes
    measures: Measures


class ReadCeiling:
    """How often one token or session has read in the last ten seconds, in this process (CX-019, SS-408)."""

    def __init__(self, per_second: int) -> None:
        """Take the ceiling in requests a second."""
        self._most = int(per_second * _WINDOW_SECONDS)
        self._lock = threading.Lock()
        self._reads: dict[UUID, deque[float]] = {}

    def count(self, token_id: UUID) -> None:
        """Count a read; raises TooManyReads above the ceiling."""
        now = time.monotonic()
        with self._lock:
            reads = self._reads.setdefault(token_id, deque())
            while reads and reads[0] <= now - _WINDOW_SECONDS:
                reads.popleft()
            if len(reads) >= self._most:
                raise TooManyReads("Too many requests. Wait and try again", retry_after_seconds=1)
            reads.append(now)
            self._forget_idle(now)

    def _forget_idle(self, now: float) -> None:
        """Drop tokens that read nothing lately, so that memory does not grow with every sign-in."""
        if len(self._reads) > _MANY_TOKENS:
            idle = [token for token, reads in self._reads.items() if not reads or reads[-1] <= now - _WINDOW_SECONDS]
            for token in idle:
                del self._reads[token]
