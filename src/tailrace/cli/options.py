"""Options that many commands share."""

from pathlib import Path
from typing import Annotated

import typer

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", help="Data folder. Not given: TAILRACE_DATA, else ./tailrace-data.", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
TenantOption = Annotated[str, typer.Option("--tenant", metavar="TENANT", help="Name of the tenant.")]
UrlOption = Annotated[str, typer.Option("--url", metavar="URL", envvar="TAILRACE_URL", help="Address of the server.")]
UserOption = Annotated[str, typer.Option("--user", metavar="USER", help="Name of the user.")]


def example(command: str) -> str:
    """Write the end of a command's help: an example on a line of its own that is not wrapped."""
    return f"\b\nExample:\n  {command}"
