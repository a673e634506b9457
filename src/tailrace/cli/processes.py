"""`tailrace serve` and `tailrace worker`: the processes of the service."""

from typing import Annotated

import typer

from tailrace.cli.options import DataOption, example

app = typer.Typer()


@app.command(epilog=example("tailrace serve --data /srv/tailrace --port 8080"))
def serve(
    data: DataOption = None,
    host: Annotated[
        str | None,
        typer.Option(
            "--host", metavar="ADDRESS", help="Address to listen on. Not given: server.host.", show_default=False
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            min=0,
            max=65535,
            metavar="PORT",
            help="Port to listen on; 0 picks a free one. Not given: server.port.",
            show_default=False,
        ),
    ] = None,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Run no worker beside the API: there are some elsewhere.")
    ] = False,
) -> None:
    """Run the service: the API and a worker.

    It stops on Ctrl-C or SIGTERM.

    Everything it needs is kept in the data folder; without DATABASE_URL a private PostgreSQL runs there, too.
    """
    from tailrace.cli import serve as serving

    serving.serve(data, host, port, with_worker=not no_worker)


@app.command(epilog=example("DATABASE_URL=postgresql://... tailrace worker --data /srv/tailrace"))
def worker(data: DataOption = None) -> None:
    """Run one more worker beside `tailrace serve`.

    It needs the same database, data folder and store as the service.
    """
    from tailrace.cli import worker as working

    working.run_worker(data)
