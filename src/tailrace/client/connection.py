"""One server: sends requests to it, and says in a few words what became of a connection."""

from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx2

from tailrace.errors import ServerUnreachable


class Connection:
    """Requests to one server; may be shared by threads. Those that sign in build on it."""

    def __init__(self, url: str, *, timeout_seconds: float) -> None:
        """Prepare; nothing is sent yet. Raises ServerUnreachable when `url` is no web address."""
        self.origin = _check_url(url)
        # Nothing is sent that was not put into the request on purpose: cookies a server sets are not kept.
        cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        self.http = httpx2.Client(timeout=timeout_seconds, cookies=cookies)

    def close(self) -> None:
        """Close the connections to the server."""
        self.http.close()

    def _open(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """Send one request; the answer's body is still to be read, and the answer to be closed.

        Any answer is returned as it is. Raises ServerUnreachable.
        """
        request = self.http.build_request(
            method, self.origin + path, json=body, params=query or None, headers=dict(headers or {})
        )
        try:
            return self.http.send(request, stream=True)
        except httpx2.RequestError as error:
            raise self._unreachable(error) from None

    def _read(self, response: httpx2.Response) -> httpx2.Response:
        """Read the body of an answer to its end; raises ServerUnreachable."""
        try:
            response.read()
        except httpx2.RequestError as error:
            raise self._unreachable(error) from None
        finally:
            response.close()
        return response

    def _unreachable(self, error: httpx2.RequestError) -> ServerUnreachable:
        return ServerUnreachable(f"{self.origin} does not answer ({describe_fault(error)}).")


def describe_fault(error: httpx2.RequestError) -> str:
    """Say in a few words what became of a connection; never with an address, which may hold a signature."""
    if isinstance(error, httpx2.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx2.ConnectError):
        return "no connection"
    return "the connection was lost"


def _check_url(url: str) -> str:
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL:
        parsed = httpx2.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.userinfo or parsed.query or parsed.fragment:
        raise ServerUnreachable(
            "The server's address must look like https://tailrace.example.com or http://127.0.0.1:8080."
        )
    return str(parsed).rstrip("/")
