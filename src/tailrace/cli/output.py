"""Writes results to the terminal: plain aligned tables for people, JSON for programs."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import NoneType

import typer

Row = Mapping[str, object]


def print_rows(rows: Sequence[Row], *, as_json: bool, when_empty: str) -> None:
    """Print rows that all have the same keys: a table with the keys as its head, or a JSON array."""
    if as_json:
        print_json(rows)
    elif rows:
        _print_table(rows)
    else:
        typer.echo(when_empty)


def print_json(value: object) -> None:
    """Print one JSON document, indented; times as ISO 8601, everything else JSON does not know as text."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_as_text))


def printable(text: str) -> str:
    """Replace characters that could steer a terminal; line ends stay."""
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


def _print_table(rows: Sequence[Row]) -> None:
    heads = list(rows[0])
    cells = [
        [head.upper().replace("_", " ") for head in heads],
        *([_cell(row[head]) for head in heads] for row in rows),
    ]
    widths = [max(len(line[place]) for line in cells) for place in range(len(heads))]
    right = [all(type(row[head]) in (int, NoneType) for row in rows) for head in heads]
    for line in cells:
        padded = (
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, right, strict=True)
        )
        typer.echo("  ".join(padded).rstrip())


def _cell(value: object) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(map(_cell, value)) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value in (None, "") else printable(_as_text(value)).replace("\n", " ")


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)
