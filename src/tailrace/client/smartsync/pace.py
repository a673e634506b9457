"""Keeps requests below a number within any stretch of time."""

import threading
import time
from collections import deque


class Pace:
    """Lets `most` turns through in any `seconds`; may be shared by threads."""

    def __init__(self, most: int, seconds: float) -> None:
        """Begin with all turns free."""
        self._seconds = seconds
        self._turns: deque[float] = deque(maxlen=most)
        self._lock = threading.Lock()

    def take_turn(self) -> None:
        """Return when the next turn may be taken; threads take them in the order they came."""
        with self._lock:
            now = time.monotonic()
            full = len(self._turns) == self._turns.maxlen
            turn_at = max(now, self._turns[0] + self._seconds) if full else now
            self._turns.append(turn_at)
        if turn_at > now:
            time.sleep(turn_at - now)
