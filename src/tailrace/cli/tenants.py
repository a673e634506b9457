"""`tailrace tenant`: those whose data is kept apart."""

from typing import Annotated

import typer

from tailrace.cli.options import DataOption, JsonOption, example
from tailrace.cli.output import print_json, print_rows, printable

app = typer.Typer(help="Make and list tenants, whose data is kept apart.", no_args_is_help=True)


@app.command(epilog=example("tailrace tenant create acme"))
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new tenant.")],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a tenant."""
    from tailrace.access.tenants import create_tenant
    from tailrace.runtime import open_runtime

    with open_runtime(data) as runtime:
        tenant = create_tenant(runtime.database, name)
    if as_json:
        print_json({"name": tenant.name, "id": tenant.id, "created_at": tenant.created_at})
    else:
        typer.echo(f"Tenant '{printable(tenant.name)}' is there.")


@app.command("list", epilog=example("tailrace tenant list"))
def list_(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List all tenants."""
    from tailrace.access.tenants import list_tenants
    from tailrace.runtime import open_runtime

    with open_runtime(data) as runtime:
        tenants = list_tenants(runtime.database)
    rows = [{"name": tenant.name, "id": tenant.id, "created_at": tenant.created_at} for tenant in tenants]
    print_rows(rows, as_json=as_json, when_empty="There is no tenant yet; `tailrace tenant create NAME` makes one.")
