"""An upload in parts: bytes are gathered here, and sent by a thread while more come.

obstore's own writer cannot be told to give up, it would publish half an object; its `put` of an iterator can, by an
error out of the iterator, and removes the parts then.
"""

from collections.abc import Iterator
from contextlib import suppress
from threading import Condition, Thread
from typing import Any

import obstore
from obstore.exceptions import BaseError

from tailrace.faults import fault_point

# A store takes 10,000 parts of one object: 78 GiB.
_PART_BYTES = 8 * 2**20
_PARTS_IN_FLIGHT = 2


class _AbandonedError(Exception):
    """Makes obstore give an upload up."""


class Upload:
    """Takes an object's bytes. One of less than a part goes in a single request, at the end.

    At most five parts are held: one being filled, one waiting, one being handed over, two on their way.
    """

    def __init__(self, store: Any, key: str) -> None:
        """Begin; nothing is sent yet."""
        self._store, self._key = store, key
        self._part = bytearray()
        self._thread: Thread | None = None
        self._changed = Condition()
        self._waiting: bytearray | None = None
        self._state = "open"  # then "complete" or "abandoned" by the writer
        self._ended = False  # by the thread
        self._error: BaseException | None = None

    def write(self, data: memoryview | bytes) -> None:
        """Append; waits while as much is on its way as may be held; raises what the sending raised."""
        rest = memoryview(data).cast("B")
        while rest:
            room = _PART_BYTES - len(self._part)
            self._part += rest[:room]
            rest = rest[room:]
            if len(self._part) == _PART_BYTES:
                self._hand_over()

    def finish(self) -> None:
        """Make the object of what was written, or raise what went wrong."""
        if self._thread is not None and self._part:
            self._hand_over()
        fault_point("store.finish")
        if self._thread is None:
            obstore.put(self._store, self._key, self._part, use_multipart=False)
            self._state = "complete"
            return
        self._end("complete")
        if self._error is not None:
            raise self._error

    def abandon(self) -> None:
        """Leave nothing behind; after `finish` there is nothing to do."""
        if self._state == "open":
            self._end("abandoned")

    def _hand_over(self) -> None:
        """Pass the part on to the thread, which is begun with the first."""
        fault_point("store.part")
        if self._thread is None:
            self._thread = Thread(target=self._send, name="upload", daemon=True)
            self._thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self._waiting is None or self._ended)
            if self._error is not None:
                raise self._error
            # obstore reads it where it lies, until the part is sent.
            self._waiting, self._part = self._part, bytearray()
            self._changed.notify_all()

    def _end(self, state: str) -> None:
        with self._changed:
            self._state = state
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _send(self) -> None:
        """Send the parts; runs in the thread."""
        try:
            with suppress(_AbandonedError):
                obstore.put(
                    self._store,
                    self._key,
                    self._parts(),
                    use_multipart=True,
                    chunk_size=_PART_BYTES,
                    max_concurrency=_PARTS_IN_FLIGHT,
                )
        except (BaseError, OSError) as error:
            self._error = error
        except BaseException as error:  # noqa: BLE001 - whatever it is, the writer must hear of it
            self._error = OSError(type(error).__name__)
        finally:
            with self._changed:
                self._ended = True
                self._waiting = None
                self._changed.notify_all()

    def _parts(self) -> Iterator[bytearray]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting is not None or self._state != "open")
                if self._state == "abandoned":
                    raise _AbandonedError
                part, self._waiting = self._waiting, None
                self._changed.notify_all()
            if part is None:
                return
            yield part
