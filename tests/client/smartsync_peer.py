"""A peer that speaks the SmartSync wire and can be told to fail; built on the peer of the other client's tests."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from fault_peer import Peer, Reply, Seen, make_handler

ROOT = "/SMARTSync/services/rs"
LOGIN, LOGOUT = f"{ROOT}/users/v1/login", f"{ROOT}/users/v1/logout"
ENTITIES, EXPORTERS = f"{ROOT}/entities/v1", f"{ROOT}/exporters/v1"
EXPORTER, JOB_ID = "agent-schedule-detail", "0123456789abcdef0123456789abcdef"
EXPORT, STATUSES = f"{EXPORTERS}/{EXPORTER}", f"{EXPORTERS}/status"
STATUS, RESULT, CANCEL = (f"{EXPORTERS}/{step}/{JOB_ID}" for step in ("status", "result", "cancel"))
PASSWORD = "canary-password"
DONE, MISSPELT = "COMPLETED_SUCCESSFULLY", "COMPLETED_SUCCESFULLY"
HEADER = b"#fields:date|agentName\n#sort:date\n"
NOT_YET = {"message": "Your Job isn't completed yet. Try again later", "status": 206}
EXPIRED = {"message": "Job results have expired", "status": 404}


class SmartPeer(Peer):
    """Knows one user and one job; `rows` are its records, `profile` is that of the wire."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.rows = [b"05222024|O'Neil\n", b"05222024|North\\|East\n", b"05232024|\n"]
        self.sessions: list[str] = []
        self.live = False
        self.output_format = "PIPE"
        self.sizes: dict[str, int] | None = None
        self.whole: bytes | None = None

    def answer(self, seen: Seen) -> Reply:
        told = self.replies.get(seen.path)
        if told:
            return told.popleft()
        if seen.path == LOGIN:
            return self.login(seen.body)
        if seen.headers.get("cookie", "").removeprefix("JSESSIONID=") not in self.sessions:
            return Reply(401, {"message": "Unauthorized", "status": 401})
        return self.serve(seen)

    def login(self, body: dict[str, Any]) -> Reply:
        if body["password"] != PASSWORD:
            return Reply(401, {"message": "Unauthorized", "status": 401})
        self.sessions.append(f"canary{len(self.sessions):026d}.node-1")
        cookie = {"Set-Cookie": f"JSESSIONID={self.sessions[-1]}; Path=/; HttpOnly"}
        return Reply(200, {"jsessionId": self.sessions[-1]}, cookie)

    def serve(self, seen: Seen) -> Reply:
        match seen.method, seen.path:
            case "POST", path if path == LOGOUT:
                self.sessions.clear()
                return Reply(204, b"")
            case "GET", path if path == ENTITIES:
                return Reply(200, [{"entityType": "mu", "id": 12, "name": "Lyon", "status": "ADD"}])
            case "POST", path if path == EXPORT:
                return Reply(200, {"jobId": JOB_ID})
            case "GET", path if path == STATUSES:
                return Reply(200, [self.status("RUNNING").body])
            case "GET", path if path == STATUS:
                return self.status(MISSPELT if self.live else DONE)
            case "POST", path if path == CANCEL:
                return self.status("CANCELED", errorDetails="Job was canceled by a user")
            case "GET", path if path == RESULT:
                return self.result(seen)
        return Reply(404, {"message": "Job id is not found", "status": 401 if self.live else 404})

    def status(self, status: str, code: int = 200, headers: dict[str, str] | None = None, **members: Any) -> Reply:
        body = {
            "jobId": JOB_ID,
            "status": status,
            "exporterType": EXPORTER,
            "lastStatusChange": "2024-05-23T08:00:00.000Z",
            "outputFormat": self.output_format,
        }
        if status in (DONE, MISSPELT):
            sizes = self.sizes or {"compressed": 1, "uncompressed": len(self.document(self.rows))}
            body |= {"totalRecords": len(self.rows), "resultsSizeBytes": sizes}
            body |= {"additionalDetails": f"Exporter: {EXPORTER}\nRecords: {len(self.rows)}\n"}
        return Reply(code, body | members, headers or {})

    def document(self, rows: list[bytes]) -> bytes:
        if self.whole is not None:
            return self.whole
        if self.output_format == "JSON":
            return b"[\n" + b",\n".join(rows) + b"\n]\n"
        return HEADER + b"".join(rows)

    def result(self, seen: Seen | None = None, cut_after: int | None = None) -> Reply:
        """Answer with the result or a page, compressed if that is asked for."""
        query = parse_qs(seen.headers["query"]) if seen else {}
        rows, headers = self.rows, {}
        if query:
            start, size = (int(query[name][0]) for name in ("startRecord", "numRecords"))
            rows, follow = self.rows[start - 1 : start - 1 + size], self.rows[start - 1 + size :]
            headers = {"X-Start-Record": str(start), "X-Count-Records": str(len(rows))}
            if follow:
                headers |= {"X-Next-Record": str(start + size), "X-Remaining-Records": str(len(follow))}
        body = self.document(rows)
        if seen is None or "gzip" in seen.headers.get("accept-encoding", ""):
            body = gzip.compress(body)
            headers["Content-Encoding"] = "GZIP" if self.live else "gzip"
        return Reply(200, body, headers, cut_after)


@contextmanager
def run_peer() -> Iterator[SmartPeer]:
    """Run a peer until the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    peer = SmartPeer(server.server_address[1])

    class Handler(make_handler(peer)):  # type: ignore[misc]
        def parse_request(self) -> bool:
            """Let the query stand among the headers, where the peer sees it."""
            read = super().parse_request()
            if read:
                self.headers["Query"] = self.path.partition("?")[2]
            return bool(read)

    server.RequestHandlerClass = Handler
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield peer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
