"""`tailrace client`: programs known to the OAuth token endpoint."""

from typing import Annotated

import typer

from tailrace.cli.options import DataOption, JsonOption, example
from tailrace.cli.output import print_json, print_rows, printable

app = typer.Typer(help="Register OAuth clients; programs that use /auth/token need one.", no_args_is_help=True)

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of the client, which its programs send along.")]


@app.command(epilog=example("tailrace client create reporting@example.org"))
def create(client_id: IdArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Register a client.

    Its secret is shown once and stored only as a hash. A client stands for nobody: users sign in through it with
    their access keys.
    """
    from tailrace.access.clients import create_client
    from tailrace.runtime import open_runtime

    with open_runtime(data) as runtime:
        new = create_client(runtime.database, client_id)
    if as_json:
        print_json({"clientId": new.client_id, "clientSecret": new.client_secret})
        return
    typer.echo(f"Client '{printable(new.client_id)}':")
    typer.echo(f"  secret  {new.client_secret}")
    typer.echo("The secret is not shown again: keep it now, where only those who need it can read it.")


@app.command("list", epilog=example("tailrace client list"))
def list_(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the clients, revoked ones too."""
    from tailrace.access.clients import list_clients
    from tailrace.runtime import open_runtime

    with open_runtime(data) as runtime:
        clients = list_clients(runtime.database)
    rows = [{"id": one.id, "created_at": one.created_at, "revoked_at": one.revoked_at} for one in clients]
    print_rows(rows, as_json=as_json, when_empty="There is no client yet; `tailrace client create ID` registers one.")


@app.command(epilog=example("tailrace client revoke reporting@example.org"))
def revoke(client_id: IdArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Revoke a client: it gets no more tokens. Tokens it has got live out their time."""
    from tailrace.access.clients import revoke_client
    from tailrace.runtime import open_runtime

    with open_runtime(data) as runtime:
        revoke_client(runtime.database, client_id)
    if as_json:
        print_json({"id": client_id, "revoked": True})
    else:
        typer.echo(f"Client '{printable(client_id)}' is revoked.")
