"""`tailrace settings`: what is in force and what each setting means."""

import textwrap

import typer

from tailrace.cli.options import DataOption, JsonOption, example
from tailrace.cli.output import print_json, printable

app = typer.Typer()


@app.command(epilog=example("TAILRACE_SERVER__PORT=9000 tailrace settings"))
def settings(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show the settings in force, each with its meaning.

    Secrets are hidden. A setting `group.name` is set in the file tailrace.toml of the data folder or by the
    environment variable TAILRACE_GROUP__NAME, which wins.
    """
    from tailrace.settings import data_folder, describe, load_settings

    described = list(describe(load_settings(data_folder(data))))
    if as_json:
        print_json({name: value for name, value, _ in described})
        return
    for name, value, meaning in described:
        typer.echo(f"{name} = {printable(_shown(value))}")
        typer.echo(textwrap.fill(meaning, 100, initial_indent="    ", subsequent_indent="    "))


def _shown(value: object) -> str:
    if value is None:
        return "(not set)"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value)) or "(none)"
    return str(value)
