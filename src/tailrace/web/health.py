"""Whether the process lives, and whether it can serve."""

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter

from tailrace.web.errors import JsonAnswer
from tailrace.web.probes import OK
from tailrace.web.requests import State

router = APIRouter(tags=["Health"])

_RETRY_SECONDS = "5"
# Threads of its own: those of all others may be waiting for the database, and who asks must hear of it soon.
_THREADS = CapacityLimiter(4)


@router.get("/healthz", summary="Whether the server lives", operation_id="health")
async def health() -> JsonAnswer:
    """Answers as long as the process does; asks nothing else."""
    return JsonAnswer({"status": "ok", "checks": {}})


@router.get(
    "/readyz",
    summary="Whether the server accepts requests",
    operation_id="readiness",
    responses={503: {"description": "The database or the store cannot be reached; `checks` says which."}},
)
async def readiness(state: State) -> JsonAnswer:
    """200 when database and store answer and the tables are up to date, 503 with `Retry-After` when not.

    Each check takes two seconds at most and is repeated after one. What does not answer by then is
    `unreachable`; tables of an older version are `behind`; a database that takes no writes is `read_only`; `full` is
    a disk without room.
    """
    checks = await to_thread.run_sync(state.probes.ask, limiter=_THREADS)
    if all(found == OK for found in checks.values()):
        return JsonAnswer({"status": "ready", "checks": checks})
    return JsonAnswer({"status": "not ready", "checks": checks}, 503, {"Retry-After": _RETRY_SECONDS})
