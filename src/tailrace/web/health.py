"""Whether the process lives, and whether it can serve."""

from fastapi import APIRouter

from tailrace.web.errors import JsonAnswer
from tailrace.web.probes import OK
from tailrace.web.requests import State

router = APIRouter(tags=["Health"])

_RETRY_SECONDS = "5"


@router.get("/healthz", summary="Whether the server lives", operation_id="health")
def health() -> JsonAnswer:
    """Answers as long as the process does; asks nothing else."""
    return JsonAnswer({"status": "ok", "checks": {}})


@router.get(
    "/readyz",
    summary="Whether the server accepts requests",
    operation_id="readiness",
    responses={503: {"description": "The database or the store cannot be reached; `checks` says which."}},
)
def readiness(state: State) -> JsonAnswer:
    """200 when database and store answer and the tables are up to date, 503 with `Retry-After` when not.

    Each check takes two seconds at most and is repeated after one. What does not answer by then is
    `unreachable`; tables of an older version are `behind`.
    """
    checks = state.probes.ask()
    if all(found == OK for found in checks.values()):
        return JsonAnswer({"status": "ready", "checks": checks})
    return JsonAnswer({"status": "not ready", "checks": checks}, 503, {"Retry-After": _RETRY_SECONDS})
