"""What a worker and its child processes say to each other: one JSON object a line."""

import json
from dataclasses import asdict
from typing import IO, Any

from tailrace.jobs.model import Request, Result
from tailrace.worker.extract import Task


def write_task(stream: IO[bytes], task: Task) -> None:
    """Hand a task to a child."""
    message = {
        "request": task.request.as_json(),
        "source": task.source,
        "in_order": task.in_order,
        "plain": task.plain,
        "key": task.key,
        "engine": task.engine,
        "engine_options": dict(task.engine_options),
        "storage": task.storage,
        "storage_options": dict(task.storage_options),
        "threads": task.threads,
    }
    write_message(stream, message)


def read_task(line: bytes) -> Task:
    """Read a task in the child."""
    message = json.loads(line)
    lists = {name: tuple(message[name]) for name in ("source", "in_order", "plain")}
    return Task(**{**message, **lists, "request": Request.from_json(message["request"])})


def write_message(stream: IO[bytes], message: dict[str, Any]) -> None:
    """Write one message whole."""
    stream.write(json.dumps(message, default=str).encode() + b"\n")
    stream.flush()


def describe_result(result: Result) -> dict[str, Any]:
    """Write a result as a message."""
    return {"event": "done", "result": asdict(result)}
