"""A peer that speaks the wire and can be told to fail: cut connections, other files, wrong digests, refusals."""

import base64
import json
from collections import deque
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from typing import Any

JOB_ID = "20873a3f-b951-4481-b83b-f6fa1ebe0759"
JOBS = "/data-extraction/v1/jobs"
JOB = f"{JOBS}/{JOB_ID}"
TOKEN = "/authentication/v1/token/access-key"
FILE = "/file"
SECRET, TOKEN_TEXT, SIGNATURE = "canary-secret", "canary-token", "canary-signature"


@dataclass
class Reply:
    """One answer; `cut_after` closes the connection after so many bytes of the body."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None


@dataclass
class Seen:
    """One request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class Peer:
    """The server and what it was told: `replies[path]` are used up first, then it behaves."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.replies: dict[str, deque[Reply]] = {}
        self.seen: list[Seen] = []
        self.content = b"A,B\r\n1,2\r\n"
        self.etag = '"one"'
        self.digest: bytes | None = None

    def tell(self, path: str, *replies: Reply) -> None:
        self.replies.setdefault(path, deque()).extend(replies)

    def requests(self, path: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.path == path]

    def answer(self, seen: Seen) -> Reply:
        told = self.replies.get(seen.path)
        if told:
            return told.popleft()
        match seen.method, seen.path:
            case "POST", path if path == TOKEN:
                return Reply(200, {"access_token": TOKEN_TEXT, "token_type": "Bearer", "expires_in": 3600})
            case "POST", path if path == JOBS:
                return Reply(202, JOB_ID)
            case "GET", path if path == JOBS:
                return Reply(200, {"jobs": [{"id": JOB_ID, "status": "RUNNING"}]})
            case "GET", path if path == JOB:
                return self.status("SUCCEEDED", url=f"{self.url}{FILE}?signature={SIGNATURE}")
            case "DELETE", path if path == JOB:
                return self.status("CANCELLED", errorMessage="The job was cancelled")
            case "GET", path if path == FILE:
                return self.file(seen.headers)
        return Reply(404, {"message": "Not found", "error": "not_found"})

    def status(self, status: str, code: int = 202, headers: dict[str, str] | None = None, **result: Any) -> Reply:
        return Reply(code, {"jobStatus": {"id": JOB_ID, "status": status, "result": result}}, headers or {})

    def file(self, headers: dict[str, str], cut_after: int | None = None) -> Reply:
        digest = base64.b64encode(self.digest or sha256(self.content).digest()).decode()
        common = {"ETag": self.etag, "Repr-Digest": f"sha-256=:{digest}:"}
        asked = headers.get("range", "")
        if asked and headers.get("if-range") == self.etag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            place = {"Content-Range": f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"}
            return Reply(206, self.content[start:], common | place, cut_after)
        return Reply(200, self.content, common, cut_after)


def make_handler(peer: Peer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65_536  # head and body in one packet

        def do_any(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen = Seen(self.command, self.path.partition("?")[0], headers, json.loads(raw) if raw else None)
            peer.seen.append(seen)
            reply = peer.answer(seen)
            body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in ({"Content-Length": str(len(body))} | reply.headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: reply.cut_after])
            if reply.cut_after is not None:
                self.close_connection = True

        do_GET = do_POST = do_DELETE = do_any  # noqa: N815 - names of http.server

        def log_message(self, *arguments: object) -> None:
            """Stay quiet."""

    return Handler
