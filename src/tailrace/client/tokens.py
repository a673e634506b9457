"""One server and one access key: signs in, keeps the token fresh, sends requests."""

import threading
import time
from typing import Any

import httpx2

from tailrace.client.answers import read_json, retry_after
from tailrace.client.connection import Connection
from tailrace.errors import ClientError, NotAuthenticated, ServerUnreachable

_TOKEN_PATH = "/authentication/v1/token/access-key"  # noqa: S105 - a path, not a password
# A token is renewed so long before its end that a request sent with it arrives in time.
_MARGIN_SECONDS = 60


class TokenConnection(Connection):
    """Requests to one server in the name of one access key; may be shared by threads."""

    def __init__(self, url: str, access_key_id: str, access_key_secret: str, *, timeout_seconds: float) -> None:
        """Prepare; nothing is sent yet. Raises ServerUnreachable when `url` is no web address."""
        super().__init__(url, timeout_seconds=timeout_seconds)
        self._key = {"accessKeyId": access_key_id, "accessKeySecret": access_key_secret}
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at = 0.0

    def send(self, method: str, path: str, body: dict[str, str] | None = None) -> httpx2.Response:
        """Send one request with a valid token; a token refused once is renewed once.

        Any answer is returned as it is. Raises ServerUnreachable and, from signing in, NotAuthenticated.
        """
        token = self._fresh_token()
        response = self._send(method, path, body, token)
        if response.status_code == httpx2.codes.UNAUTHORIZED:
            self._forget(token)
            response = self._send(method, path, body, self._fresh_token())
        return response

    def _send(self, method: str, path: str, body: dict[str, str] | None, token: str = "") -> httpx2.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self._read(self._open(method, path, body=body, headers=headers))

    def _fresh_token(self) -> str:
        with self._lock:
            if time.monotonic() >= self._renew_at:
                self._sign_in()
            return self._token

    def _forget(self, token: str) -> None:
        """Drop a refused token, unless another thread has renewed it meanwhile."""
        with self._lock:
            if token == self._token:
                self._renew_at = 0.0

    def _sign_in(self) -> None:
        started = time.monotonic()
        response = self._send("POST", _TOKEN_PATH, self._key)
        token, life_seconds = _read_token(response)
        self._token = token
        self._renew_at = started + max(life_seconds - _MARGIN_SECONDS, life_seconds / 2)


def _read_token(response: httpx2.Response) -> tuple[str, float]:
    """Take token and seconds of life from the answer; raises NotAuthenticated, ServerUnreachable and ClientError."""
    match response.status_code:
        case 200:
            return _token_answer(read_json(response))
        case 400 | 401 | 403:
            raise NotAuthenticated(
                "The server does not know this access key, or the secret is wrong, or it was revoked."
            )
        case 429:
            seconds = retry_after(response)
            raise NotAuthenticated(f"Too many sign-ins with this key or from here have failed; wait {seconds} s.")
        case 503:
            raise ServerUnreachable("The server is not ready; its database cannot be reached.")
        case status:
            raise ClientError(f"Signing in was answered with {status}; is this a Tailrace server?")


def _token_answer(answer: Any) -> tuple[str, float]:
    try:
        token, life_seconds = answer["access_token"], float(answer.get("expires_in", 0))
    except (KeyError, TypeError, ValueError, AttributeError):
        token, life_seconds = None, 0.0
    if not isinstance(token, str) or not token:
        raise ClientError("The answer to signing in holds no token; is this a Tailrace server?")
    return token, life_seconds
