"""What a dialect says when something is refused: one `Refusal` for each case, and how it becomes an answer."""

import json
from collections.abc import Mapping

from starlette.responses import Response


class JsonAnswer(Response):
    """A JSON answer: `application/json` exactly, keys in the order given (CX-006, CX-007)."""

    media_type = "application/json"

    def __init__(self, body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Take a body that json can write."""
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        # Half a surrogate pair, which a client may have sent as an escape, goes back as that escape.
        content = text.encode("utf-8", "backslashreplace")
        super().__init__(content, status_code=status, headers=dict(headers or {}))


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault
    """An answer other than success, in no dialect's words yet; `case` names a row of the dialect's table."""

    def __init__(
        self, case: str, message: str = "", *, details: tuple[str, ...] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        """Keep the case; without a message the dialect's own text for it is used."""
        super().__init__(case)
        self.case = case
        self.message = message
        self.details = details
        self.headers = headers or {}
