"""How the routes of the exporters are described in the OpenAPI document."""

from importlib.resources import files
from typing import Any

from tailrace.jobs.exports import DATE_FORMATS
from tailrace.web.smartsync.schema import Responses, Schema, json_content, object_of, refusals

_TEXT: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "integer"}
_SWITCH: Schema = {"type": "boolean", "default": False}
_DATE: Schema = {**_TEXT, "format": "date", "examples": ["2024-05-22"]}
_JOB_ID: Schema = {**_TEXT, "pattern": "^[0-9a-f]{32}$", "examples": ["0f8fad5bd9cb469fa16570867728950e"]}
_FORMATS = ["PIPE", "JSON", "XML"]

# Those that come with Tailrace; an operator may add others.
EXPORTERS = sorted(
    path.name.removesuffix(".toml")
    for path in (files("tailrace.catalog") / "exporters").iterdir()
    if path.name.endswith(".toml")
)


def _ids(words: str) -> Schema:
    number = {"type": "integer", "minimum": 1}
    return {"type": "array", "items": number, "minItems": 1, "maxItems": 1000, "description": words, "examples": [[1]]}


_FIELD = object_of(
    ("name",),
    name={**_TEXT, "examples": ["agentData"]},
    attributes={"type": "object", "additionalProperties": _TEXT, "examples": [{"idType": "ssn"}]},
    value={**_TEXT, "description": "One agent data group; without it all of them.", "examples": ["Team"]},
)
_TIME_OFF_GROUP = object_of(
    ("timeOffGroup",),
    timeOffGroup={"type": "integer", "minimum": 1},
    timeOffRules={"type": "array", "items": _TEXT, "description": "None means all that overlap the range."},
)
EXPORT_REQUEST: Schema = {
    **object_of(
        ("startDate", "endDate", "outputFormat"),
        startDate={**_DATE, "description": "First day, in the entities' own time zone."},
        endDate={**_DATE, "description": "Last day, included."},
        outputFormat={**_TEXT, "description": "`PIPE`, `JSON` or `XML`, in any case.", "examples": _FORMATS},
        dateFormat={
            **_TEXT,
            "description": f"One of {', '.join(f'`{name}`' for name in DATE_FORMATS)}, in any case; needed for PIPE.",
            "examples": ["mmddyyyy"],
        },
        timeFormat={
            "type": ["string", "integer"],
            "enum": ["12", "24", 12, 24],
            "description": "Hours of the clock; needed by most exporters.",
        },
        muIds=_ids("Management units."),
        buIds=_ids("Business units whose contact types are meant."),
        ctIds=_ids("Contact types."),
        timeOffGroupList={"type": "array", "items": _TIME_OFF_GROUP, "minItems": 1},
        allTimeOffGroups=object_of((), includeAllTimeOffRules=_SWITCH),
        keepEmptyJsonFields={**_SWITCH, "description": "Write members without a value too; for JSON only."},
        excludePipeHeader={**_SWITCH, "description": "Leave out the two header lines; for PIPE only."},
        attribute={**_TEXT, "default": "EXC_EXPORT", "description": "Activity-code attribute, in any case."},
        lastModifiedTime={**_TEXT, "format": "date-time", "examples": ["2024-05-22T13:00:00Z"]},
        disableMidnightCutOff=_SWITCH,
        recordType={**_TEXT, "description": "`newAgent` or `changedAgent`, in any case."},
        fields={"type": "array", "items": _FIELD, "minItems": 1, "maxItems": 200},
    ),
    "description": "Which parameters an exporter takes and which it needs is in its list of parameters.",
    "examples": [
        {
            "startDate": "2024-05-22",
            "endDate": "2024-05-28",
            "outputFormat": "PIPE",
            "dateFormat": "mmddyyyy",
            "timeFormat": "24",
            "muIds": [1],
        }
    ],
}
ACCEPTED = object_of(("jobId",), jobId=_JOB_ID)
STATUS: Schema = {
    **object_of(
        ("jobId", "status", "exporterType", "lastStatusChange", "outputFormat"),
        jobId=_JOB_ID,
        status={
            **_TEXT,
            "enum": ["WAITING", "RUNNING", "COMPLETED_SUCCESSFULLY", "COMPLETED_SUCCESFULLY", "FAILED", "CANCELED"],
            "description": "The misspelt one is that of profile `live`.",
        },
        exporterType=_TEXT,
        lastStatusChange={**_TEXT, "format": "date-time"},
        outputFormat={**_TEXT, "enum": _FORMATS},
        errorDetails={**_TEXT, "description": "Why there is no result."},
        totalRecords=_WHOLE,
        resultsSizeBytes=object_of(("compressed", "uncompressed"), compressed=_WHOLE, uncompressed=_WHOLE),
        additionalDetails={**_TEXT, "description": "The run's report, a line for each fact, when the job has ended."},
    ),
    "examples": [
        {
            "jobId": "0f8fad5bd9cb469fa16570867728950e",
            "status": "COMPLETED_SUCCESSFULLY",
            "exporterType": "agent-schedule-summary",
            "lastStatusChange": "2024-05-29T06:00:01.250Z",
            "outputFormat": "PIPE",
            "totalRecords": 1204,
            "resultsSizeBytes": {"compressed": 9120, "uncompressed": 61344},
            "additionalDetails": "Exporter: agent-schedule-summary\nSubmitted: 2024-05-29T06:00:00.010Z\n"
            "Started: 2024-05-29T06:00:00.020Z\nFinished: 2024-05-29T06:00:01.250Z\nRecords: 1204\n"
            "Replaced characters: 0\n",
        }
    ],
}
STATUSES: Schema = {"type": "array", "items": STATUS}
PAGE: list[dict[str, Any]] = [
    {
        "name": name,
        "in": "query",
        "required": False,
        "description": words,
        "schema": {"type": "integer", "minimum": 1},
    }
    for name, words in (
        ("startRecord", "First record of the page, counted from 1; `numRecords` must be there too."),
        ("numRecords", "Most records of the page; `startRecord` must be there too."),
    )
]
_NO_RESULT = object_of(("message", "status"), message=_TEXT, status={"const": 206})
_DOCUMENT: dict[str, Any] = {
    "application/json": {"schema": {"type": ["array", "object"]}},
    **{name: {"schema": _TEXT} for name in ("text/plain", "application/xml", "text/xml")},
}


def result_responses(*errors: int) -> Responses:
    """Describe the answers to a request for a result."""
    pages = {
        "X-Start-Record": "First record of the page.",
        "X-Count-Records": "Records of the page.",
        "X-Next-Record": "Where the next page begins; only when more follow.",
        "X-Remaining-Records": "How many records follow; only when any do.",
    }
    waiting = {"Retry-After": {"description": "Seconds to wait, if the job has not ended.", "schema": _WHOLE}}
    return {
        200: {
            "description": "The output, whole or a page of it; gzip if `Accept-Encoding` allows it.",
            "headers": {name: {"description": words, "schema": _WHOLE} for name, words in pages.items()},
            "content": _DOCUMENT,
        },
        206: {
            "description": "There is no result: the job has not ended, has failed or was canceled. Never a byte range.",
            "headers": waiting,
            "content": json_content(_NO_RESULT),
        },
    } | refusals(*errors, 500)
