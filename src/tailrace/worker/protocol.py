"""What a worker and its child processes say to each other: one JSON object a line."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from tailrace.engines.base import Bound, Program, Relation, Selection, Slice, Step
from tailrace.jobs.model import Rendered, Request, Result
from tailrace.worker.extract import Task


@dataclass(frozen=True, slots=True)
class Removal:
    """An object that nobody wants any more; whether it could be removed is not told."""

    key: str
    storage: str
    storage_options: Mapping[str, Any]


def write_task(stream: IO[bytes], task: Task) -> None:
    """Hand a task to a child."""
    message = {
        "request": task.request.as_json(),
        "source": task.source,
        "in_order": task.in_order,
        "specials": dict(task.specials),
        "program": None if task.program is None else asdict(task.program),
        "key": task.key,
        "engine": task.engine,
        "engine_options": dict(task.engine_options),
        "storage": task.storage,
        "storage_options": dict(task.storage_options),
        "threads": task.threads,
        "selection": None if task.selection is None else asdict(task.selection),
        "share_slices": task.share_slices,
        "slices": [asdict(part) for part in task.slices],
        "likeness": task.likeness,
    }
    write_message(stream, message)


def write_removal(stream: IO[bytes], removal: Removal) -> None:
    """Let a child remove an object."""
    write_message(stream, {"removal": asdict(removal)})


def read_order(line: bytes) -> Task | Removal:
    """Read in the child what it is to do."""
    message = json.loads(line)
    return Removal(**message["removal"]) if "removal" in message else _read_task(message)


def _read_task(message: dict[str, Any]) -> Task:
    lists = {name: tuple(message[name]) for name in ("source", "in_order")}
    program = None if message["program"] is None else _read_program(message["program"])
    selection = None if message["selection"] is None else _read_selection(message["selection"])
    read = {"program": program, "selection": selection, "request": Request.from_json(message["request"])}
    return Task(**{**message, **lists, **read, "slices": read_slices(message["slices"])})


def read_slices(data: list[dict[str, Any]]) -> tuple[Slice, ...]:
    """Read slices from what their members have become in JSON."""
    return tuple(
        Slice(_bound(one["start"]), _bound(one["end"]), tuple(one["source"]), _pairs(one["missing"])) for one in data
    )


def _bound(value: int | str) -> Bound:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _read_selection(data: dict[str, Any]) -> Selection:
    return Selection(_pairs(data["columns"]), data["tenant_column"], data["tenant"])


def _read_program(data: dict[str, Any]) -> Program:
    relations = tuple(
        Relation(
            data["name"],
            _pairs(data["columns"]),
            tuple(data["parts"]),
            tuple(map(tuple, data["rows"])),
            _pairs(data["constants"]),
        )
        for data in data["relations"]
    )
    steps = tuple(Step(**step) for step in data["steps"])
    order, groups = tuple(data["order"]), tuple(data["groups"])
    return Program(relations, steps, data["sql"], _pairs(data["columns"]), order, groups)


def _pairs(data: list[list[Any]]) -> tuple[tuple[Any, Any], ...]:
    return tuple((first, second) for first, second in data)


def write_message(stream: IO[bytes], message: dict[str, Any]) -> None:
    """Write one message whole."""
    stream.write(json.dumps(message, default=_text).encode() + b"\n")
    stream.flush()


def _text(value: object) -> str:
    """Write the few things that are no JSON but can be read back; raises TypeError for any other."""
    if isinstance(value, datetime | UUID | Path):
        return str(value)
    raise TypeError(f"a message cannot hold {type(value).__name__}")


def describe_result(result: Result | Rendered) -> dict[str, Any]:
    """Write a result as a message."""
    return {"event": "done", "result": asdict(result)}
