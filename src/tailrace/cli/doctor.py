"""`tailrace doctor`: looks at what the service needs and says what to mend."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from tailrace.cli.options import DataOption, JsonOption, example
from tailrace.cli.output import print_json, printable

if TYPE_CHECKING:
    from tailrace.worker.doctor import Finding

app = typer.Typer()
_SIGNS = {"ok": "ok     ", "warning": "warning", "wrong": "WRONG  "}


@app.command(epilog=example("tailrace doctor --data /srv/tailrace"))
def doctor(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Look at data folder, database, store, sources and clocks, and say what to mend.

    It writes a small object into the store and removes it, changes nothing else, and may be run beside the service.
    The exit status is 1 when something is wrong.
    """
    from tailrace.runtime import open_runtime
    from tailrace.worker.doctor import look_at

    with open_runtime(data, as_found=True) as runtime:
        found = []
        for finding in look_at(runtime):
            found.append(finding)
            if not as_json:
                _print(finding)
    if as_json:
        print_json([asdict(finding) for finding in found])
    _end(found)


def _print(finding: "Finding") -> None:
    typer.echo(printable(f"{_SIGNS[finding.state]}  {finding.part}: {finding.told}"))
    if finding.mend:
        typer.echo(printable(f"         {finding.mend}"))


def _end(found: "Sequence[Finding]") -> None:
    if any(finding.state == "wrong" for finding in found):
        raise typer.Exit(1)
