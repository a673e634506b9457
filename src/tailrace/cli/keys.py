"""`tailrace key`: access keys, what programs sign in with."""

from typing import Annotated

import typer

from tailrace.cli.options import DataOption, JsonOption, TenantOption, UserOption, example
from tailrace.cli.output import print_json, print_rows, printable

app = typer.Typer(help="Make, list and revoke access keys of programs.", no_args_is_help=True)


@app.command(epilog=example("tailrace key create --tenant acme --user reporting --allow qm-workflows"))
def create(
    tenant: TenantOption,
    user: UserOption,
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", metavar="DATASET", help="Let the user extract this dataset, too; may be repeated."),
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an access key and show its secret, this once.

    With --json it prints exactly what the token request takes. To keep the secret off the screen, send that to a file
    only you can read: umask 077; tailrace key create --tenant acme --user reporting --json > key.json
    """
    from tailrace.access import users
    from tailrace.access.keys import create_key
    from tailrace.access.tenants import find_tenant
    from tailrace.catalog.permissions import permission_ids_for
    from tailrace.runtime import open_runtime

    with open_runtime(data) as runtime:
        owner = users.find_user(runtime.database, find_tenant(runtime.database, tenant), user)
        # Granted first: a wrong name must not leave a key behind that nobody has seen.
        users.allow(runtime.database, owner, permission_ids_for(runtime.catalog, allow or []))
        new = create_key(runtime.database, owner)
    if as_json:
        print_json({"accessKeyId": new.access_key_id, "accessKeySecret": new.access_key_secret})
        return
    typer.echo(f"Access key of user '{printable(user)}', tenant '{printable(tenant)}':")
    typer.echo(f"  id      {new.access_key_id}")
    typer.echo(f"  secret  {new.access_key_secret}")
    typer.echo("The secret is not shown again: keep it now, where only those who need it can read it.")


@app.command("list", epilog=example("tailrace key list --tenant acme"))
def list_(tenant: TenantOption, data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the access keys of a tenant, revoked ones too.

    Secrets are not stored and cannot be shown.
    """
    from tailrace.access.keys import list_keys
    from tailrace.access.tenants import find_tenant
    from tailrace.runtime import open_runtime

    with open_runtime(data) as runtime:
        keys = list_keys(runtime.database, find_tenant(runtime.database, tenant))
    rows = [
        {"id": key.id, "user": key.user_name, "created_at": key.created_at, "revoked_at": key.revoked_at}
        for key in keys
    ]
    print_rows(rows, as_json=as_json, when_empty="This tenant has no access key yet; `tailrace key create` makes one.")


@app.command(epilog=example("tailrace key revoke 0123456789ABCDEF0123456789ABCDEF --tenant acme"))
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the access key (`tailrace key list`).")],
    tenant: TenantOption,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke an access key.

    The key and every token made with it stop working at the next request.
    """
    from tailrace.access.keys import revoke_key
    from tailrace.access.tenants import find_tenant
    from tailrace.runtime import open_runtime

    with open_runtime(data) as runtime:
        revoke_key(runtime.database, find_tenant(runtime.database, tenant), key_id)
    if as_json:
        print_json({"id": key_id, "revoked": True})
    else:
        typer.echo(f"Access key {printable(key_id)} is revoked.")
