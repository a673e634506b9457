"""The list of entities (section 1 of the specification)."""

import re
from datetime import datetime

from fastapi import APIRouter, Request

from tailrace.access.entities import ListedEntity, list_entities
from tailrace.web.errors import JsonAnswer
from tailrace.web.requests import State
from tailrace.web.smartsync import schema
from tailrace.web.smartsync.authentication import Signed
from tailrace.web.smartsync.body import invalid, missing, wrong

router = APIRouter(tags=["SmartSync"])

_LISTED = ("ct", "mu", "eg", "bu")
_TIMESTAMP = re.compile(
    r"[0-9]{4}\.[0-9]{2}\.[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}(?:Z|[+ -](?:[01][0-9]|2[0-3])[0-5][0-9])"
)


@router.get(
    "/entities/v1",
    summary="List the entities the user may View",
    operation_id="listEntities",
    responses=schema.responses(200, schema.ENTITIES, 400, 401, 503),
    openapi_extra={**schema.SECURED, "parameters": [schema.ENTITY_TYPE, schema.TIMESTAMP]},
)
def entities(request: Request, state: State, signed: Signed) -> JsonAnswer:
    """All that are there, or with `timestamp` what has changed since."""
    types, since = _read_query(request)
    found = list_entities(state.runtime.database, signed.tenant_id, signed.user_id, types, since)
    return JsonAnswer([_describe(entity) for entity in found])


def _describe(entity: ListedEntity) -> dict[str, object]:
    return {"entityType": entity.entity_type, "id": entity.id, "name": entity.name, "status": entity.status}


def _read_query(request: Request) -> tuple[list[str], datetime | None]:
    """Read the types, each once, and the time from which on; raises RequestInvalid with every fault."""
    asked, timestamp = request.query_params.get("entityType"), request.query_params.get("timestamp")
    types = [name for name in dict.fromkeys((asked or "").split(",")) if name in _LISTED]
    since = None if timestamp is None else _read_timestamp(timestamp)
    faults = []
    if asked is None:
        faults.append(missing("entityType"))
    elif not types:
        faults.append(wrong("entityType", asked))
    if timestamp is not None and since is None:
        faults.append(wrong("timestamp", timestamp))
    if faults:
        raise invalid(*faults)
    return types, since


def _read_timestamp(text: str) -> datetime | None:
    """Read a time (SS-108); a blank is a plus sign that the query could not hold. None: it is no time."""
    if not _TIMESTAMP.fullmatch(text):
        return None
    try:
        return datetime.strptime(text.replace(" ", "+"), "%Y.%m.%dT%H:%M:%S.%f%z")
    except ValueError:
        return None
