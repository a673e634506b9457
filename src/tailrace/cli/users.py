"""`tailrace user`: the accounts of a tenant and what each may extract."""

from pathlib import Path
from typing import Annotated

import typer

from tailrace.cli.options import DataOption, JsonOption, TenantOption, UserOption, example
from tailrace.cli.output import print_json, print_rows, printable

app = typer.Typer(help="Make and list users, and say what each may extract.", no_args_is_help=True)

DatasetsArgument = Annotated[
    list[str],
    typer.Argument(metavar="DATASET", help="Names of datasets, or permission ids (`tailrace dataset list`)."),
]


@app.command(epilog=example("tailrace user create reporting --tenant acme"))
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new user.")],
    tenant: TenantOption,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a user of a tenant.

    A new user may extract nothing until `tailrace user allow` or `tailrace key create --allow`.
    """
    from tailrace.access.tenants import find_tenant
    from tailrace.access.users import create_user
    from tailrace.runtime import open_runtime

    with open_runtime(data) as runtime:
        user = create_user(runtime.database, find_tenant(runtime.database, tenant), name)
    if as_json:
        print_json({"name": user.name, "id": user.id, "active": user.active, "permissions": user.permissions})
    else:
        typer.echo(f"User '{printable(user.name)}' of tenant '{printable(tenant)}' is there.")


@app.command("list", epilog=example("tailrace user list --tenant acme"))
def list_(tenant: TenantOption, data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the users of a tenant and what each may extract."""
    from tailrace.access.tenants import find_tenant
    from tailrace.access.users import list_users
    from tailrace.runtime import open_runtime

    with open_runtime(data) as runtime:
        users = list_users(runtime.database, find_tenant(runtime.database, tenant))
    rows = [
        {"name": user.name, "active": user.active, "permissions": user.permissions, "id": user.id} for user in users
    ]
    print_rows(rows, as_json=as_json, when_empty="This tenant has no user yet; `tailrace user create` makes one.")


@app.command(epilog=example("tailrace user allow --tenant acme --user reporting qm-workflows"))
def allow(
    datasets: DatasetsArgument,
    tenant: TenantOption,
    user: UserOption,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a user extract datasets."""
    _change("allow", datasets, tenant, user, data, as_json=as_json)


@app.command(epilog=example("tailrace user deny --tenant acme --user reporting qm-workflows"))
def deny(
    datasets: DatasetsArgument,
    tenant: TenantOption,
    user: UserOption,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop letting a user extract datasets.

    Extractions under way go on, but their results are not handed out to this user.
    """
    _change("deny", datasets, tenant, user, data, as_json=as_json)


def _change(verb: str, datasets: list[str], tenant: str, name: str, data: Path | None, *, as_json: bool) -> None:
    from tailrace.access import users
    from tailrace.access.tenants import find_tenant
    from tailrace.catalog.permissions import permission_ids_for
    from tailrace.runtime import open_runtime

    with open_runtime(data) as runtime:
        owner = find_tenant(runtime.database, tenant)
        user = users.find_user(runtime.database, owner, name)
        change = users.allow if verb == "allow" else users.deny
        change(runtime.database, user, permission_ids_for(runtime.catalog, datasets))
        now = users.find_user(runtime.database, owner, name)
    if as_json:
        print_json({"name": now.name, "permissions": now.permissions})
    else:
        typer.echo(f"User '{printable(name)}' may now extract with: {', '.join(now.permissions) or 'nothing'}.")
