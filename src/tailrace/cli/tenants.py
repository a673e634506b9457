"""`tailrace tenant`: those whose data is kept apart."""

from typing import TYPE_CHECKING, Annotated

import typer

from tailrace.cli.options import DataOption, JsonOption, example
from tailrace.cli.output import Row, print_json, print_rows, printable

if TYPE_CHECKING:
    from tailrace.access.tenants import Tenant

app = typer.Typer(help="Make and list tenants, whose data is kept apart.", no_args_is_help=True)


@app.command(epilog=example("tailrace tenant create acme"))
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new tenant.")],
    customer_id: Annotated[
        int | None,
        typer.Option(
            "--customer-id",
            metavar="N",
            min=1,
            max=2_147_483_647,
            help="Number that SmartSync logins name the tenant by. Not given: the lowest free one.",
            show_default=False,
        ),
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a tenant.

    SmartSync logins name it by its customer id.
    """
    from tailrace.access.tenants import create_tenant
    from tailrace.runtime import open_runtime

    with open_runtime(data) as runtime:
        tenant = create_tenant(runtime.database, name, customer_id)
    if as_json:
        print_json(_describe(tenant))
    else:
        typer.echo(f"Tenant '{printable(tenant.name)}' is there, with customer id {tenant.customer_id}.")


@app.command("list", epilog=example("tailrace tenant list"))
def list_(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List all tenants."""
    from tailrace.access.tenants import list_tenants
    from tailrace.runtime import open_runtime

    with open_runtime(data) as runtime:
        tenants = list_tenants(runtime.database)
    rows = [_describe(tenant) for tenant in tenants]
    print_rows(rows, as_json=as_json, when_empty="There is no tenant yet; `tailrace tenant create NAME` makes one.")


def _describe(tenant: "Tenant") -> Row:
    return {
        "name": tenant.name,
        "customer_id": tenant.customer_id,
        "id": tenant.id,
        "created_at": tenant.created_at,
    }
