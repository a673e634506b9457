"""`tailrace smartsync`: the SmartSync Export APIs of a running server, as any client would use them."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tailrace.cli.options import JsonOption, UrlOption, example
from tailrace.cli.output import print_json, print_rows, printable
from tailrace.cli.progress import noted_interruption, shown_export
from tailrace.cli.session_file import ask_password, read_session, write_session

if TYPE_CHECKING:
    from tailrace.client import Download, ExportJob, ExportStatus, ProgressCallback, SmartSync

app = typer.Typer(help="Export from a running server through the SmartSync Export APIs.", no_args_is_help=True)

_STATE_FOLDER, _SESSION_FILE = "tailrace", "smartsync.json"
# Arguments of the client's call that are no parameters of the wire.
_NOT_OF_THE_WIRE = {"self", "exporter", "patient", "progress"}

SessionFileOption = Annotated[
    Path | None,
    typer.Option(
        "--session-file",
        metavar="FILE",
        help="File the session is kept in. Not given: tailrace/smartsync.json in XDG_STATE_HOME, else in "
        "~/.local/state.",
        show_default=False,
    ),
]
PasswordOption = Annotated[
    str,
    typer.Option(
        "--password",
        metavar="PASSWORD",
        envvar="TAILRACE_PASSWORD",
        help="The user's password. Other users of this machine can see it in the list of processes and the shell keeps "
        "it in its history: better leave it out and be asked for it, or set the environment variable.",
    ),
]
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job.")]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="File to save the result as; one already there is replaced. Not given: standard output.",
    ),
]
StartOption = Annotated[str, typer.Option("--start", metavar="DAY", help="First day, yyyy-mm-dd.")]
EndOption = Annotated[str, typer.Option("--end", metavar="DAY", help="Last day, yyyy-mm-dd.")]
FormatOption = Annotated[str, typer.Option("--format", metavar="FORMAT", help="PIPE, JSON or XML.")]
_IDS = "Ids, separated by commas."
MuOption = Annotated[str, typer.Option("--mu", metavar="IDS", help=f"Management units. {_IDS}")]
BuOption = Annotated[str, typer.Option("--bu", metavar="IDS", help=f"Business units. {_IDS}")]
CtOption = Annotated[str, typer.Option("--ct", metavar="IDS", help=f"Contact types. {_IDS}")]
DateFormatOption = Annotated[
    str, typer.Option("--date-format", metavar="LAYOUT", help="Layout of dates, such as mmddyyyy; needed for PIPE.")
]
TimeFormatOption = Annotated[str, typer.Option("--time-format", metavar="HOURS", help="12 or 24.")]
FieldOption = Annotated[
    list[str] | None,
    typer.Option(
        "--field",
        metavar="FIELD",
        help="A field to write, such as date, agentData=Team or id=ssn; may be repeated. Not given: all.",
    ),
]
ParameterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="NAME=JSON",
        help="A further parameter of the request, such as excludePipeHeader=true; may be repeated. What is not JSON "
        "counts as text.",
    ),
]
WaitOption = Annotated[
    float | None,
    typer.Option("--wait", metavar="SECONDS", min=0, help="Longest wait for the export. Not given: without end."),
]
StartRecordOption = Annotated[
    int | None, typer.Option("--start-record", metavar="N", help="First record wanted, counted from 1.")
]
RecordsOption = Annotated[int | None, typer.Option("--records", metavar="N", help="How many records are wanted.")]


@app.callback()
def group(
    context: typer.Context,
    state_home: Annotated[str, typer.Option("--state-home", envvar="XDG_STATE_HOME", hidden=True)] = "",
) -> None:
    """Work out where the session is kept; a relative XDG_STATE_HOME does not count, as its specification says."""
    given = Path(state_home)
    home = given if given.is_absolute() else Path.home() / ".local" / "state"
    context.obj = home / _STATE_FOLDER / _SESSION_FILE


@app.command(epilog=example("tailrace smartsync login --url http://127.0.0.1:8080 --customer 1 --user reporting"))
def login(
    context: typer.Context,
    customer: Annotated[int, typer.Option("--customer", metavar="N", help="Number of the customer (tenant).")],
    user: Annotated[str, typer.Option("--user", metavar="USER", help="Name of the user.")],
    url: UrlOption = "http://127.0.0.1:8080",
    password: PasswordOption = "",
    session_file: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Begin a session, which the other commands use.

    The password is asked for, or read from standard input when that is no terminal; it is kept nowhere.
    """
    from tailrace.client import SmartSync

    api = SmartSync(url, customer_id=customer, user=user, password=password or ask_password())
    try:
        session = api.login()
    finally:
        # Not as a context manager: the session shall outlive this command.
        api.close()
    path = session_file or context.obj
    write_session(path, url, session)
    if as_json:
        print_json({"url": url, "session_file": path})
    else:
        typer.echo(f"Logged in at {printable(url)}; the session is kept in {printable(str(path))}.")


@app.command(epilog=example("tailrace smartsync logout"))
def logout(context: typer.Context, session_file: SessionFileOption = None, as_json: JsonOption = False) -> None:
    """End the session; jobs go on."""
    with _opened(context, session_file) as api:
        api.logout()
    path: Path = session_file or context.obj
    path.unlink(missing_ok=True)
    if as_json:
        print_json({"session_file": path})
    else:
        typer.echo("Logged out.")


@app.command(epilog=example("tailrace smartsync entities mu ct"))
def entities(
    context: typer.Context,
    types: Annotated[
        list[str] | None, typer.Argument(metavar="TYPE...", help="Types: mu, ct, bu, eg. Not given: all four.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            "--since", metavar="TIME", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Changed since then (UTC)."
        ),
    ] = None,
    session_file: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the entities the user may view; with --since, what was added, changed or deleted."""
    with _opened(context, session_file) as api:
        found = api.entities(*types or (), since=since)
    print_rows([asdict(entity) for entity in found], as_json=as_json, when_empty="There is no entity to view.")


_EXPORT = (
    "tailrace smartsync export agent-schedule-detail --start 2024-05-22 --end 2024-05-22 --format PIPE --mu 1,2 "
    "--date-format mmddyyyy --time-format 24 -o schedules.txt"
)


@app.command(epilog=example(_EXPORT))
def export(
    context: typer.Context,
    exporter: Annotated[str, typer.Argument(metavar="EXPORTER", help="Name, such as agent-schedule-detail.")],
    start: StartOption,
    end: EndOption,
    output_format: FormatOption,
    mu: MuOption = "",
    bu: BuOption = "",
    ct: CtOption = "",
    date_format: DateFormatOption = "",
    time_format: TimeFormatOption = "",
    field: FieldOption = None,
    option: ParameterOption = None,
    output: OutputOption = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Only submit the export and print its job's id.")] = False,
    wait: WaitOption = None,
    session_file: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Export a range of days into a file or to standard output.

    A full queue is waited out; a lost connection is taken up again; the file appears complete and checked, or not at
    all. Ctrl-C while waiting cancels the export.
    """
    if as_json and not (output or no_wait):
        raise typer.BadParameter("--json needs --output: without it the result goes to standard output.")
    if output and no_wait:
        raise typer.BadParameter("With --no-wait there is nothing to save; `tailrace smartsync result` does it later.")
    asked: dict[str, Any] = {
        "start": start,
        "end": end,
        "output_format": output_format,
        "mu_ids": _ids("--mu", mu),
        "bu_ids": _ids("--bu", bu),
        "ct_ids": _ids("--ct", ct),
        "date_format": date_format or None,
        "time_format": time_format or None,
        "fields": field or None,
    } | dict(_parameter(text) for text in option or ())

    def fetch(api: "SmartSync", target: Path, progress: "ProgressCallback | None") -> "tuple[ExportJob, Download]":
        job = api.export(exporter, patient=True, progress=progress, **asked)
        return job, job.save(target, wait, progress)

    if no_wait:
        with _opened(context, session_file) as api:
            job = api.export(exporter, **asked)
        print_json({"job_id": job.id}) if as_json else typer.echo(job.id)
    else:
        _deliver(context, session_file, output, fetch, as_json=as_json)


@app.command(epilog=example("tailrace smartsync status"))
def status(
    context: typer.Context,
    job_id: Annotated[str, typer.Argument(metavar="[JOB]", help="Id of the job. Not given: all.")] = "",
    session_file: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how far a job is; without an id, all jobs of the user, newest first."""
    with _opened(context, session_file) as api:
        jobs = [api.job(job_id)] if job_id else api.jobs()
    found = [job.last_status for job in jobs if job.last_status]
    if as_json:
        print_json(asdict(found[0]) if job_id else [asdict(one) for one in found])
        return
    print_rows([_shown(one) for one in found], as_json=False, when_empty="There is no job yet.")
    if job_id and found[0].additional_details:
        typer.echo(f"\n{printable(found[0].additional_details)}".rstrip("\n"))


@app.command(epilog=example("tailrace smartsync result 0123456789abcdef0123456789abcdef -o schedules.txt"))
def result(
    context: typer.Context,
    job_id: JobArgument,
    output: OutputOption = None,
    start_record: StartRecordOption = None,
    records: RecordsOption = None,
    session_file: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Download the result of a completed job, or a page of it.

    The file appears complete and checked, or not at all. A page is a complete document of its own.
    """
    if as_json and not output:
        raise typer.BadParameter("--json needs --output: without it the result goes to standard output.")

    def fetch(api: "SmartSync", target: Path, progress: "ProgressCallback | None") -> "tuple[ExportJob, Download]":
        job = api.job(job_id)
        return job, job.download(target, progress, start_record=start_record, num_records=records)

    _deliver(context, session_file, output, fetch, as_json=as_json)


@app.command(epilog=example("tailrace smartsync cancel 0123456789abcdef0123456789abcdef"))
def cancel(
    context: typer.Context, job_id: JobArgument, session_file: SessionFileOption = None, as_json: JsonOption = False
) -> None:
    """Cancel a job that is waiting or running."""
    with _opened(context, session_file) as api:
        ended = api.job(job_id).cancel()
    if as_json:
        print_json(asdict(ended))
    else:
        typer.echo(f"Job {printable(ended.job_id)} is canceled.")


Fetch = Callable[["SmartSync", Path, "ProgressCallback | None"], "tuple[ExportJob, Download]"]


def _deliver(
    context: typer.Context, session_file: Path | None, output: Path | None, fetch: Fetch, *, as_json: bool
) -> None:
    """Fetch a result into the file named, or by way of a temporary one to standard output; whole or not at all."""
    with TemporaryDirectory(prefix="tailrace-") as folder:
        target = output or Path(folder) / "result"
        with noted_interruption(), _opened(context, session_file) as api, shown_export(quiet=as_json) as progress:
            job, saved = fetch(api, target, progress)
        if not output:
            _print_file(target)
        elif as_json:
            print_json({"job_id": job.id} | _described(saved))
        else:
            typer.echo(f"Saved {printable(str(saved.path))}: {saved.rows:,} records, {saved.bytes:,} bytes.")
            typer.echo(f"SHA-256 {saved.sha256}")


def _described(saved: "Download") -> dict[str, object]:
    return {"path": saved.path, "records": saved.rows, "bytes": saved.bytes, "sha256": saved.sha256}


def _print_file(path: Path) -> None:
    """Write a result to standard output, byte by byte unless that is a terminal, which names could steer."""
    if sys.stdout.isatty():
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            for line in file:
                typer.echo(printable(line), nl=False)
        return
    with path.open("rb") as file:
        shutil.copyfileobj(file, typer.get_binary_stream("stdout"))


def _shown(told: "ExportStatus") -> dict[str, object]:
    return {
        "job_id": told.job_id,
        "state": told.state,
        "exporter": told.exporter,
        "format": told.output_format,
        "changed_at": told.changed_at,
        "records": told.total_records,
        "bytes": told.uncompressed_bytes,
        "error": told.error_details,
    }


def _ids(name: str, text: str) -> list[int] | None:
    try:
        return [int(part) for part in text.split(",")] if text else None
    except ValueError:
        raise typer.BadParameter(f"{name} takes ids separated by commas, such as 1,2.") from None


def _parameter(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier() or name in _NOT_OF_THE_WIRE:
        raise typer.BadParameter(f"--option takes NAME=JSON, such as excludePipeHeader=true; not '{printable(text)}'.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _opened(context: typer.Context, session_file: Path | None) -> "SmartSync":
    from tailrace.client import SmartSync

    url, session = read_session(session_file or context.obj)
    return SmartSync(url, session=session)
