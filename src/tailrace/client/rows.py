"""Counts the records of a CSV file while its bytes go by."""


class RecordCounter:
    """Counts CSV records (RFC 4180) in chunks of bytes cut anywhere; a line end inside quotes ends no record.

    A doubled quote leaves and enters the quotes again at once, so a cut between any two bytes does no harm.
    """

    def __init__(self) -> None:
        """Start before the first byte."""
        self._quoted = False
        self._ended = 0
        self._open = False

    def add(self, chunk: bytes) -> None:
        """Take the next bytes; the work is done by `split`, `join` and `count`, not by a loop."""
        if not chunk:
            return
        parts = chunk.split(b'"')
        outside = parts[1::2] if self._quoted else parts[::2]
        self._ended += b"".join(outside).count(b"\n")
        if len(parts) % 2 == 0:
            self._quoted = not self._quoted
        self._open = self._quoted or not chunk.endswith(b"\n")

    @property
    def records(self) -> int:
        """Records seen so far, the header and a last one without line end included."""
        return self._ended + self._open

    @property
    def rows(self) -> int:
        """Records without the header."""
        return max(self.records - 1, 0)
