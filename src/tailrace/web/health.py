"""Whether the process lives, and whether it can serve."""

from fastapi import APIRouter

from tailrace.web.errors import JsonAnswer
from tailrace.web.requests import State

router = APIRouter(tags=["Health"])


@router.get("/healthz", summary="Whether the server lives", operation_id="health")
def health() -> JsonAnswer:
    """Answers as long as the process does; asks nothing else."""
    return JsonAnswer({"status": "ok"})


@router.get(
    "/readyz",
    summary="Whether the server accepts requests",
    operation_id="readiness",
    responses={503: {"description": "The database cannot be reached."}},
)
def readiness(state: State) -> JsonAnswer:
    """200 when the database answers, 503 with `Retry-After` when not."""
    state.runtime.database.execute("SELECT 1")
    return JsonAnswer({"status": "ready"})
