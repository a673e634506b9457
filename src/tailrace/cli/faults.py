"""The one place where errors become sentences: no command ever shows a stack trace, unless --debug asks for it."""

import errno
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from tailrace.cli.output import printable
from tailrace.errors import TailraceError


class ReportingGroup(TyperGroup):
    """The top group of commands: runs one of them and reports what went wrong."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; exit status 1 after an error. Usage errors and Ctrl-C are typer's (2 and 130)."""
        try:
            return _flushed(super().invoke(ctx))
        except TailraceError as error:
            _raise_for_debugging(ctx)
            _report(error)
        except Exception as error:
            if _is_ours_to_pass(error):
                raise
            _raise_for_debugging(ctx)
            _report_unexpected(error)
        raise typer.Exit(1)


def _flushed(result: Any) -> Any:
    """Write what is still buffered: if the pipe is closed, rather hear of it here than while Python exits."""
    sys.stdout.flush()
    return result


def _is_ours_to_pass(error: Exception) -> bool:
    """Tell what typer itself turns into an exit status: usage errors, exits, a closed pipe."""
    broken_pipe = isinstance(error, OSError) and error.errno == errno.EPIPE
    return broken_pipe or isinstance(error, typer.Exit | typer.Abort) or type(error).__module__.startswith("typer.")


def _raise_for_debugging(ctx: Any) -> None:
    """Let the exception being handled through when --debug was given."""
    if ctx.params.get("debug"):
        raise  # noqa: PLE0704 - called from except blocks only


def _report(error: TailraceError) -> None:
    lines = [f"error: {error.message}"]
    # Some messages list the details themselves.
    lines += [f"  - {detail}" for detail in error.details if detail not in error.message]
    if error.advice:
        lines.append(f"what to do: {error.advice}")
    lines.append(f"code: {error.code}")
    typer.echo(printable("\n".join(lines)), err=True)


def _report_unexpected(error: Exception) -> None:
    # Only the kind: the text of an unforeseen exception may hold anything, a secret too.
    typer.echo(f"error: Something unforeseen went wrong ({type(error).__name__}).", err=True)
    typer.echo("what to do: Run it again as `tailrace --debug ...` to see where, and report that.", err=True)
    typer.echo(f"code: {TailraceError.code}", err=True)
