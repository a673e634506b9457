"""`tailrace extract`: an extraction from a running server into a file, as any client would."""

import json
from pathlib import Path
from typing import Annotated

import typer

from tailrace.cli.options import JsonOption, UrlOption, example
from tailrace.cli.output import print_json, printable
from tailrace.cli.progress import noted_interruption, shown_extraction
from tailrace.errors import ClientError

app = typer.Typer()

_DAY = "DAY"
_EXAMPLE = "tailrace extract qm-workflows --version 3 --start 2019-05-22 --end 2019-05-29 -o workflows.csv"
# A key file holds two short texts; anything longer is another file.
_LARGEST_KEY_FILE_BYTES = 65_536

VersionOption = Annotated[str, typer.Option("--version", metavar="VERSION", help="Version of the dataset.")]
StartOption = Annotated[str, typer.Option("--start", metavar=_DAY, help="First day (UTC), yyyy-mm-dd.")]
EndOption = Annotated[str, typer.Option("--end", metavar=_DAY, help="Day after the last one (UTC), yyyy-mm-dd.")]
OutputOption = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="FILE", help="File to save the result as; one already there is replaced."),
]
KeyIdOption = Annotated[
    str, typer.Option("--access-key-id", metavar="ID", envvar="TAILRACE_ACCESS_KEY_ID", help="Id of the access key.")
]
KeySecretOption = Annotated[
    str,
    typer.Option(
        "--access-key-secret",
        metavar="SECRET",
        envvar="TAILRACE_ACCESS_KEY_SECRET",
        help="Secret of the access key. Other users of this machine can see it in the list of processes and the shell "
        "keeps it in its history: better set the environment variable, or use --key-file.",
    ),
]
KeyFileOption = Annotated[
    Path | None,
    typer.Option(
        "--key-file",
        metavar="FILE",
        help="File with id and secret, as `tailrace key create --json` prints them; instead of the two options above.",
    ),
]
WaitOption = Annotated[
    float | None,
    typer.Option("--wait", metavar="SECONDS", min=0, help="Longest wait for the extraction. Not given: without end."),
]

FormatOption = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="What the file shall be, if the server offers it for the dataset: `csv`, `csv.gz`, `csv.zst`, `ndjson`, "
        "`ndjson.gz`, `ndjson.zst` or `parquet`. The name in --output is taken as it is.",
    ),
]


@app.command(epilog=example(_EXAMPLE))
def extract(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="Name of the dataset (`tailrace dataset list`).")],
    version: VersionOption,
    start: StartOption,
    end: EndOption,
    output: OutputOption,
    url: UrlOption = "http://127.0.0.1:8080",
    access_key_id: KeyIdOption = "",
    access_key_secret: KeySecretOption = "",
    key_file: KeyFileOption = None,
    wait: WaitOption = None,
    format: FormatOption = "csv",  # noqa: A002 - the option's own name
    as_json: JsonOption = False,
) -> None:
    """Extract a range of days into a file: CSV, or what the server offers besides.

    Asks a running server, as any client would. A rule that refuses for now is waited out; a lost connection is taken
    up again; the file appears complete, with its SHA-256 checked, or not at all. Ctrl-C cancels the extraction.
    """
    from tailrace.client import DataExtraction

    key = read_key(key_file) if key_file else (access_key_id, access_key_secret)
    if not all(key):
        raise typer.BadParameter(
            "An access key is needed: set TAILRACE_ACCESS_KEY_ID and TAILRACE_ACCESS_KEY_SECRET, or give --key-file."
        )
    with noted_interruption(), DataExtraction(url, *key) as api, shown_extraction(quiet=as_json) as progress:
        saved = api.extract(dataset, version, start, end, output, format=format, progress=progress, wait_seconds=wait)
    if as_json:
        print_json({"path": saved.path, "rows": saved.rows, "bytes": saved.bytes, "sha256": saved.sha256})
    else:
        typer.echo(f"Saved {printable(str(saved.path))}: {saved.rows:,} rows, {saved.bytes:,} bytes.")
        typer.echo(f"SHA-256 {saved.sha256}")


def read_key(path: Path) -> tuple[str, str]:
    """Read id and secret from a key file; raises ClientError, never with the file's content."""
    try:
        with path.open("rb") as file:
            key = json.loads(file.read(_LARGEST_KEY_FILE_BYTES))
        key_id, secret = key["accessKeyId"], key["accessKeySecret"]
    except OSError as error:
        raise ClientError(f"The key file '{path}' cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError):
        key_id = secret = None
    if not isinstance(key_id, str) or not isinstance(secret, str):
        raise ClientError(
            f"The key file '{path}' does not hold what `tailrace key create --json` prints: "
            '{"accessKeyId": "...", "accessKeySecret": "..."}.'
        )
    return key_id, secret
