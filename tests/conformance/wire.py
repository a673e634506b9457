"""What the conformance tests share: section 9's table, odd requests, and hands that move time and states."""

import http.client
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2

import oracle
from service import EXAMPLE, JOBS, Caller, Service
from tailrace.catalog.loader import load_catalog
from tailrace.catalog.model import Dataset
from tailrace.jobs.queue import _CLAIM_LOCK
from tailrace.jobs.results import sign_link, view_job

BASE = "/data-extraction/v1"
SIGN_IN = "/authentication/v1/token/access-key"
UUID4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_LISTENING = "0A"
BODY = json.dumps(EXAMPLE).encode()

# CX-906: status in `documented`, in `live`, `error`, `message`.
CASES = {
    "body": (400, 400, "invalid_request", "Invalid request"),
    "token": (401, 401, "unauthorized", "Unauthorized"),
    "extract": (403, 403, "forbidden", "User does not have permission to extract this entity"),
    "view": (403, 403, "forbidden", "User does not have permission to view job status"),
    "cancel": (403, 403, "forbidden", "User does not have permission to cancel this job"),
    "entity": (404, 404, "not_found", "Entity or version not found"),
    "job": (404, 404, "not_found", "Job not found"),
    "path": (404, 404, "not_found", "Not found"),
    "method": (405, 405, "method_not_allowed", "Method not allowed"),
    "finished": (409, 409, "job_not_running", "Job is not running"),
    "size": (413, 413, "payload_too_large", "Request body is too large"),
    "interval": (
        *(429, 403, "rate_limited"),
        "Only one request to extract data is allowed in 30 seconds. Wait and try again",
    ),
    "busy": (429, 403, "tenant_busy", "Another user of this tenant is extracting data. Wait and try again"),
    "jobs": (429, 403, "too_many_jobs", "Too many jobs of this tenant are running. Wait and try again"),
    "reads": (429, 429, "too_many_requests", "Too many requests. Wait and try again"),
    "attempts": (429, 429, "too_many_attempts", "Too many failed attempts. Wait and try again"),
    "old link": (403, 403, "link_expired", "The link has expired"),
    "bad link": (403, 403, "link_invalid", "The link is not valid"),
    "fault": (500, 500, "internal_error", "Internal Server Error"),
    "database": (503, 503, "unavailable", "Service unavailable. Wait and try again"),
}
WAITING = {"interval", "busy", "jobs", "reads", "attempts", "database"}


def is_live(service: Service) -> bool:
    return service.environment.get("TAILRACE_CXONE__PROFILE") == "live"


def shown(service: Service) -> int:
    """Tell the status code of an answer that shows a job (CX-311)."""
    return 200 if is_live(service) else 202


def listening_at(service: Service) -> str:
    """Find where a server listens whose public URL says something else."""
    process = Path(f"/proc/{service.process.pid}")
    sockets = {target.name for target in (link.readlink() for link in (process / "fd").iterdir())}
    for line in (process / "net" / "tcp").read_text().splitlines()[1:]:
        _, address, _, state, *_, inode = line.split()[:10]
        if state == _LISTENING and f"socket:[{inode}]" in sockets:
            return f"http://127.0.0.1:{int(address.partition(':')[2], 16)}"
    raise AssertionError("the server does not listen")


# -- what answers must be -----------------------------------------------------------------------------------------


def check_envelope(answer: httpx2.Response) -> None:
    """CX-015, CX-016."""
    assert answer.headers["correlationid"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "content-encoding" not in answer.headers


def check_json(answer: httpx2.Response) -> Any:
    """CX-006, CX-007; gives the value."""
    check_envelope(answer)
    assert answer.headers["content-type"] == "application/json"
    assert not answer.content.startswith(b"\xef\xbb\xbf")
    return json.loads(answer.content.decode("utf-8"))


def check_refusal(service: Service, answer: httpx2.Response, case: str, *details: str, texts: bool = True) -> None:
    """Compare status, headers and the whole body, in order, with section 9; `texts` false for an answer to HEAD."""
    documented, live, error, message = CASES[case]
    assert answer.status_code == (live if is_live(service) else documented), answer.text
    check_envelope(answer)
    assert answer.headers["content-type"] == "application/json"
    assert ("retry-after" in answer.headers) == (case in WAITING), "CX-904"
    assert answer.headers.get("www-authenticate") == ("Bearer" if case == "token" else None)
    if not texts:
        return
    if is_live(service):
        expected: dict[str, Any] = {"message": f"{message}: {'; '.join(details)}" if details else message}
    else:
        expected = {"message": message, "error": error, "errorDescription": message}
        if case == "body":
            expected["details"] = list(details)
    assert list(check_json(answer).items()) == list(expected.items())


def same(one: httpx2.Response, other: httpx2.Response) -> bool:
    """Tell whether two answers are alike but for the time and the request's own id."""

    def facts(answer: httpx2.Response) -> tuple[Any, ...]:
        headers = {name: text for name, text in answer.headers.items() if name not in ("date", "correlationid")}
        return answer.status_code, headers, answer.content

    return facts(one) == facts(other)


# -- requests -----------------------------------------------------------------------------------------------------


def send(
    service: Service,
    method: str,
    target: str,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes | Iterable[bytes] | None = None,
) -> httpx2.Response:
    """Send exactly these headers besides `Host` and the body's length; `target` is a path or a URL."""
    base = urlsplit(service.url)
    parts = urlsplit(target)
    connection = http.client.HTTPConnection(str(base.hostname), base.port, timeout=30)
    try:
        connection.putrequest(
            method, parts.path + ("?" + parts.query if parts.query else ""), skip_accept_encoding=True
        )
        chunked = body is not None and not isinstance(body, bytes)
        for name, text in headers:
            connection.putheader(name, text)
        if chunked:
            connection.putheader("Transfer-Encoding", "chunked")
        elif body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body, encode_chunked=chunked)
        answer = connection.getresponse()
        return httpx2.Response(answer.status, headers=answer.getheaders(), content=answer.read())
    finally:
        connection.close()


def bearer(caller: Caller) -> tuple[str, str]:
    return "Authorization", f"Bearer {caller.token}"


def post(caller: Caller, body: Any = EXAMPLE, **members: Any) -> httpx2.Response:
    """Ask for an extraction; `members` are added to the documents' example."""
    text = json.dumps({**body, **members})  # in ASCII, so that it may hold what UTF-8 cannot
    return caller.request("POST", JOBS, content=text, headers={"Content-Type": "application/json"})


def show(caller: Caller, job_id: str) -> httpx2.Response:
    return caller.request("GET", f"{JOBS}/{job_id}")


def cancel(caller: Caller, job_id: str) -> httpx2.Response:
    return caller.request("DELETE", f"{JOBS}/{job_id}")


def unknown_id() -> str:
    return str(uuid4())


def succeeded(caller: Caller, **members: Any) -> tuple[str, str]:
    """Run a job to its end; gives its id and a link."""
    job_id = caller.submit(**members)
    status = caller.wait(job_id)
    assert status["status"] == "SUCCEEDED", status
    return job_id, status["result"]["url"]


def extract(caller: Caller, **members: Any) -> bytes:
    """Give the bytes of a new job's file, whatever window is open."""
    age_window(caller, 31)
    return caller.extract(**members)


# -- moving time and states ---------------------------------------------------------------------------------------


def age_window(caller: Caller, seconds: float) -> None:
    """Let the tenant's last accepted creation be so old."""
    caller.service.database.execute(
        "UPDATE tenant_turns SET accepted_at = clock_timestamp() - make_interval(secs => %(age)s)"
        " WHERE tenant_id = %(tenant)s",
        {"age": seconds, "tenant": caller.tenant.id},
    )


def age_job(service: Service, job_id: str, **since: float) -> None:
    """Let everything about a job have happened so much earlier (`hours=…`, `days=…`)."""
    service.database.execute(
        "UPDATE jobs SET created_at = created_at - %(by)s, finished_at = finished_at - %(by)s,"
        " result_until = result_until - %(by)s, record_until = record_until - %(by)s WHERE id = %(id)s",
        {"by": timedelta(**since), "id": job_id},
    )


def hold(service: Service, job_id: str) -> str:
    """Let a job wait, as one that no worker takes; whatever a worker had begun or done with it counts no more."""
    with service.database.transaction() as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_CLAIM_LOCK])  # not while a worker takes it
        connection.execute(
            "UPDATE jobs SET state = 'queued', epoch = epoch + 1, attempt = 0, retry_at = 'infinity',"
            " lease_until = NULL, deadline_at = NULL, started_at = NULL, finished_at = NULL, error_code = NULL,"
            " result_key = NULL, result_until = NULL, record_until = NULL, slices_total = NULL WHERE id = %(id)s",
            {"id": job_id},
        )
    return job_id


def release(service: Service, job_id: str) -> None:
    """Let a worker take a job that was held."""
    service.database.execute("UPDATE jobs SET retry_at = now() WHERE id = %(id)s", {"id": job_id})
    service.database.execute("NOTIFY tailrace_jobs")


def running(caller: Caller, **members: Any) -> str:
    """Make a job that stays RUNNING."""
    return hold(caller.service, caller.submit(**members))


def fail(service: Service, job_id: str, code: str = "internal") -> str:
    """Let a job have failed just now."""
    hold(service, job_id)
    service.database.execute(
        "UPDATE jobs SET state = 'failed', error_code = %(code)s, finished_at = now(),"
        " record_until = now() + interval '7 days' WHERE id = %(id)s",
        {"code": code, "id": job_id},
    )
    return job_id


def in_state(caller: Caller, status: str) -> str:
    """Make a job of a wire status."""
    service = caller.service
    match status:
        case "RUNNING":
            return running(caller)
        case "FAILED":
            return fail(service, caller.submit())
        case "CANCELLED":
            job_id = running(caller)
            assert cancel(caller, job_id).is_success
            return job_id
    job_id, _ = succeeded(caller)
    if status == "EXPIRED":
        age_job(service, job_id, hours=24)
    return job_id


def add_unfinished(caller: Caller, number: int) -> None:
    """Give the tenant so many more waiting jobs like the one it has."""
    caller.service.database.execute(
        "INSERT INTO jobs (id, tenant_id, user_id, dialect, dataset, version, permission_id, start_date, end_date,"
        " request, retry_at) SELECT gen_random_uuid(), tenant_id, user_id, dialect, dataset, version, permission_id,"
        " start_date, end_date, request, 'infinity' FROM jobs, generate_series(1, %(number)s)"
        " WHERE tenant_id = %(tenant)s",
        {"number": number, "tenant": caller.tenant.id},
    )


def link_key(service: Service) -> bytes:
    [row] = service.database.execute("SELECT key FROM signing_keys WHERE purpose = 'link'")
    return bytes.fromhex(row.key)


def link_of_age(caller: Caller, job_id: str, seconds: float) -> str:
    """Give the link that an answer of so many seconds ago brought."""
    job: Any = view_job(caller.service.database, caller.tenant.id, "cxone", job_id)  # type: ignore[arg-type]
    job = replace(job, read_at=job.read_at - timedelta(seconds=seconds))
    return caller.service.url + sign_link(link_key(caller.service), job, 30)


# -- rows ---------------------------------------------------------------------------------------------------------


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


@cache
def dataset(name: str = "qm-workflows", version: str = "3") -> Dataset:
    return load_catalog().get(name, version)


def header(described: Dataset) -> bytes:
    return ",".join(column.name for column in described.columns).encode() + b"\r\n"


def row(described: Dataset, **values: Any) -> dict[str, Any]:
    """Fill a row: `values` by stored name; nothing elsewhere, but for columns that must have a value."""
    plain = {"text": "x", "integer": 0, "decimal": Decimal(0), "datetime": utc(2019, 5, 23, 9), "boolean": True}
    filled = {column.source: None if column.nullable else plain[column.type] for column in described.columns}
    assert values.keys() <= filled.keys()
    return {column.name: {**filled, **values}[column.source] for column in described.columns}


def load(caller: Caller, folder: Path, described: Dataset, rows: Sequence[dict[str, Any]]) -> None:
    """Load rows in the order given."""
    path = folder / f"{uuid4()}.ndjson"
    path.write_text("".join(json.dumps(one, default=_as_text) + "\n" for one in rows))
    caller.service.load(caller.tenant, described.name, path)


def _as_text(value: Any) -> str:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)


def expected_file(described: Dataset, rows: Sequence[dict[str, Any]]) -> bytes:
    """Write with the oracle what the server must write of these rows in this order."""
    kinds = [
        {"type": one.type, "scale": one.scale, "true_text": one.true_text, "false_text": one.false_text}
        for one in described.columns
    ]
    names = [column.name for column in described.columns]
    return oracle.write_csv(names, [[one[name] for name in names] for one in rows], kinds)


def claims(token: str) -> dict[str, Any]:
    """Read a JWT's claims without checking it."""
    return dict(json.loads(decode_part(token.split(".")[1])))


def decode_part(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encode_part(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")
