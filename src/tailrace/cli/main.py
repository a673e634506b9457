"""The command line: puts the groups of commands together. Commands import heavy libraries when they run."""

from typing import Annotated

import typer

from tailrace import __version__
from tailrace.cli import (
    clients,
    datasets,
    doctor,
    extract,
    intake,
    jobs,
    keys,
    processes,
    sample,
    settings,
    smartsync,
    tenants,
    users,
)
from tailrace.cli.faults import ReportingGroup
from tailrace.cli.options import example

_TO_BEGIN = """\b
To begin:
  tailrace tenant create acme
  tailrace user create reporting --tenant acme
  tailrace key create --tenant acme --user reporting --allow qm-workflows
  tailrace sample qm-workflows --tenant acme
  tailrace serve"""

app = typer.Typer(
    name="tailrace",
    cls=ReportingGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=_TO_BEGIN,
    context_settings={"max_content_width": 110},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def start(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the whole stack trace of an error.")] = False,
) -> None:
    """Tailrace: self-hosted, multi-tenant bulk data extraction for contact centres."""


for part in (processes, extract, intake, sample, settings, doctor):
    app.add_typer(part.app)
for name, group in (
    ("tenant", tenants),
    ("user", users),
    ("key", keys),
    ("client", clients),
    ("dataset", datasets),
    ("job", jobs),
    ("smartsync", smartsync),
):
    app.add_typer(group.app, name=name)


@app.command(epilog=example("tailrace version"))
def version() -> None:
    """Show which version of Tailrace this is."""
    typer.echo(__version__)


def main() -> None:
    """Run the command line; exits with 0, 1 (error), 2 (usage error) or 130 (Ctrl-C)."""
    app(prog_name="tailrace")
