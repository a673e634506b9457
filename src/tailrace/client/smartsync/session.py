"""One server and one session: logs in when needed, sends requests, logs out."""

import re
import threading
from collections.abc import Mapping
from typing import Any

import httpx2

from tailrace.client.answers import read_json, retry_after
from tailrace.client.connection import Connection
from tailrace.client.smartsync import paths
from tailrace.client.smartsync.answers import check_answer
from tailrace.client.smartsync.pace import Pace
from tailrace.client.smartsync.refusals import NotSignedIn
from tailrace.errors import ClientError

# What may stand in a cookie's value (RFC 6265) and so cannot end it.
_SESSION_ID = re.compile(r"[!#-+\--:<-\[\]-~]+")
# The server refuses the 201st status request of ten seconds (SS-408); another program may share the session.
_STATUS_REQUESTS, _STATUS_SECONDS = 150, 10


class SessionConnection(Connection):
    """Requests to one server in the name of one session; may be shared by threads."""

    def __init__(self, url: str, login: dict[str, Any] | None, session: str, *, timeout_seconds: float) -> None:
        """Take the body of the login, the id of a session, or both; nothing is sent yet.

        Raises ServerUnreachable when `url` is no web address, ClientError when `session` cannot be one's id.
        """
        super().__init__(url, timeout_seconds=timeout_seconds)
        self.session = _check_session(session) if session else ""
        self._login = login
        self._lock = threading.Lock()
        self._own = False
        self.status_pace = Pace(_STATUS_REQUESTS, _STATUS_SECONDS)

    def send(
        self, method: str, path: str, *, body: Any = None, query: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        """Send one request with a session; one refused once is renewed once, if there is a password.

        Any answer is returned as it is. Raises ServerUnreachable, and what `sign_in` raises.
        """
        return self._read(self.open(method, path, body=body, query=query))

    def open(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """Do as `send` does, but leave the answer's body to be read, and the answer to be closed."""
        session = self._current()
        response = self._open(method, path, body=body, query=query, headers=_with_session(headers, session))
        if response.status_code == httpx2.codes.UNAUTHORIZED and self._login:
            response.close()
            self._forget(session)
            session = self._current()
            response = self._open(method, path, body=body, query=query, headers=_with_session(headers, session))
        return response

    def sign_in(self) -> str:
        """Begin a new session and return its id; raises NotSignedIn, RequestRefused, ServerUnreachable."""
        with self._lock:
            self._sign_in()
            return self.session

    def sign_out(self) -> None:
        """End the session; one that has ended already is well too. Raises Refused and ServerUnreachable."""
        with self._lock:
            session, self.session, self._own = self.session, "", False
        if not session:
            return
        response = self._read(self._open("POST", paths.LOGOUT, headers=_with_session({}, session)))
        if response.status_code != httpx2.codes.UNAUTHORIZED:
            check_answer(response)

    @property
    def own(self) -> bool:
        """Whether there is a session that was begun here."""
        return self._own

    def _current(self) -> str:
        with self._lock:
            if not self.session:
                self._sign_in()
            return self.session

    def _forget(self, session: str) -> None:
        """Drop a refused session, unless another thread has renewed it meanwhile."""
        with self._lock:
            if session == self.session:
                self.session, self._own = "", False

    def _sign_in(self) -> None:
        if not self._login:
            raise NotSignedIn("There is no session any more, and no password to begin one.", status=401)
        response = self._read(self._open("POST", paths.LOGIN, body=self._login))
        _check_login(response)
        answer = read_json(response)
        session = answer.get("jsessionId") if isinstance(answer, dict) else None
        if not isinstance(session, str):
            raise ClientError("The answer to the login holds no session; is this a Tailrace server?")
        self.session, self._own = _check_session(session), True


def _check_login(response: httpx2.Response) -> None:
    """Raise what a refused login means; raises NotSignedIn, RequestRefused, ServerUnreachable, Refused."""
    status = response.status_code
    if status == httpx2.codes.UNAUTHORIZED:
        message = "The server does not know this customer and user, or the password is wrong."
        raise NotSignedIn(message, status=status)
    if status == httpx2.codes.TOO_MANY_REQUESTS:
        # Not for anybody to wait out: each further try with a wrong password makes it worse.
        seconds = retry_after(response)
        message = f"Too many logins of this user or from here have failed; wait {seconds} s."
        raise NotSignedIn(message, status=status)
    check_answer(response)


def _with_session(headers: Mapping[str, str] | None, session: str) -> dict[str, str]:
    return {**(headers or {}), "Cookie": f"JSESSIONID={session}"}


def _check_session(session: str) -> str:
    if not _SESSION_ID.fullmatch(session):
        raise ClientError("The session id holds characters that no session id has.")
    return session
