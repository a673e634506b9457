"""Runs commands of the command line inside the tests."""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from tailrace.cli.main import app


class Cli:
    """Runs commands in this process."""

    def __init__(self, data: Path | None = None) -> None:
        self._data = ["--data", str(data)] if data else []
        self.status = 0
        self.out = ""
        self.err = ""

    def run(self, *arguments: str) -> str:
        """Run a command and return what it printed; status and errors are kept."""
        result = CliRunner().invoke(app, [*arguments, *self._data], prog_name="tailrace")
        self.status, self.out, self.err = result.exit_code, result.stdout, result.stderr
        return self.out

    def ask(self, *arguments: str) -> Any:
        """Run a command that must succeed and read its JSON."""
        printed = self.run(*arguments, "--json")
        assert self.status == 0, self.err
        return json.loads(printed)
