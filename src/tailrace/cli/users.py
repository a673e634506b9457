"""`tailrace user`: the accounts of a tenant, what each may extract and View, and their passwords."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tailrace.cli.options import DataOption, JsonOption, TenantOption, UserOption, example
from tailrace.cli.output import print_json, print_rows, printable

if TYPE_CHECKING:
    from tailrace.access.tenants import Tenant
    from tailrace.runtime import Runtime

app = typer.Typer(
    help="Make and list users, say what each may extract and View, set passwords, lock.", no_args_is_help=True
)

WhatArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="WHAT",
        help="Names of datasets or permission ids (`tailrace dataset list`), and entities to View: mu:1, bu:2, ct:3, "
        "eg:4, tog:5 (a time-off group), or mu:all. A bu brings its mu and ct.",
    ),
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the user.")]
_MOST_SHOWN = 10
# More than any password: what is longer is refused without being read.
_MOST_READ = 4096


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
    """List the users of a tenant and what each may extract and View."""
    from tailrace.access.entities import views_of
    from tailrace.access.tenants import find_tenant
    from tailrace.access.users import list_users
    from tailrace.runtime import open_runtime

    with open_runtime(data) as runtime:
        owner = find_tenant(runtime.database, tenant)
        users = list_users(runtime.database, owner)
        views = views_of(runtime.database, owner)
    rows = [
        {
            "name": user.name,
            "active": user.active,
            "permissions": user.permissions,
            "views": _shown(views.get(user.id, []), whole=as_json),
            "id": user.id,
        }
        for user in users
    ]
    print_rows(rows, as_json=as_json, when_empty="This tenant has no user yet; `tailrace user create` makes one.")


@app.command(epilog=example("tailrace user allow --tenant acme --user reporting qm-workflows mu:1 bu:3"))
def allow(
    what: WhatArgument,
    tenant: TenantOption,
    user: UserOption,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a user extract datasets and View entities.

    `mu:all` is every management unit, those added later too.
    """
    _change("allow", what, tenant, user, data, as_json=as_json)


@app.command(epilog=example("tailrace user deny --tenant acme --user reporting qm-workflows mu:1"))
def deny(
    what: WhatArgument,
    tenant: TenantOption,
    user: UserOption,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop letting a user extract datasets and View entities.

    Extractions of datasets under way go on, but their results are not handed out to this user. Exports that still wait
    for their turn fail.
    """
    _change("deny", what, tenant, user, data, as_json=as_json)


@app.command(epilog=example("tailrace user password reporting --tenant acme"))
def password(
    name: NameArgument,
    tenant: TenantOption,
    generate: Annotated[bool, typer.Option("--generate", help="Make a password and print it, this once.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set the password of a user for SmartSync logins.

    It is asked for twice on a terminal, and read from standard input where that is a file or a pipe. The user's
    sessions end.
    """
    from tailrace.access.passwords import generate_password, set_password
    from tailrace.access.users import find_user
    from tailrace.runtime import open_runtime

    with open_runtime(data) as runtime:
        # Found first: nobody should type a password for a name that is wrong.
        user = find_user(runtime.database, _tenant(runtime, tenant), name)
        chosen = generate_password() if generate else _read_password()
        set_password(runtime.database, user, chosen)
    if as_json:
        print_json({"name": user.name, **({"password": chosen} if generate else {})})
        return
    typer.echo(f"The password of user '{printable(name)}', tenant '{printable(tenant)}', is set.")
    if generate:
        typer.echo(f"  password  {chosen}")
        typer.echo("It is not shown again: keep it now, where only those who need it can read it.")


@app.command(epilog=example("tailrace user lock reporting --tenant acme"))
def lock(name: NameArgument, tenant: TenantOption, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Lock a user.

    Sessions end, passwords and access keys are refused, all from the next request on. Extractions under way go on.
    """
    _set_active(name, tenant, data, active=False, as_json=as_json)


@app.command(epilog=example("tailrace user unlock reporting --tenant acme"))
def unlock(name: NameArgument, tenant: TenantOption, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Let a locked user in again, with the same password and access keys."""
    _set_active(name, tenant, data, active=True, as_json=as_json)


def _change(verb: str, what: list[str], tenant: str, name: str, data: Path | None, *, as_json: bool) -> None:
    from tailrace.access import entities, users
    from tailrace.catalog.permissions import permission_ids_for
    from tailrace.runtime import open_runtime

    with open_runtime(data) as runtime:
        owner = _tenant(runtime, tenant)
        user = users.find_user(runtime.database, owner, name)
        # All is read before anything is changed.
        views = [entities.read_view(text) for text in what if ":" in text]
        ids = permission_ids_for(runtime.catalog, [text for text in what if ":" not in text])
        (entities.grant_views if verb == "allow" else entities.withdraw_views)(runtime.database, user, views)
        (users.allow if verb == "allow" else users.deny)(runtime.database, user, ids)
        now = users.find_user(runtime.database, owner, name)
        viewed = entities.views_of(runtime.database, owner).get(now.id, [])
    if as_json:
        print_json({"name": now.name, "permissions": now.permissions, "views": _shown(viewed, whole=True)})
        return
    typer.echo(f"User '{printable(name)}' may now extract with: {', '.join(now.permissions) or 'nothing'}.")
    if viewed or views:
        typer.echo(f"User '{printable(name)}' may now View: {', '.join(_shown(viewed)) or 'nothing'}.")


def _set_active(name: str, tenant: str, data: Path | None, *, active: bool, as_json: bool) -> None:
    from tailrace.access.users import find_user, set_active
    from tailrace.runtime import open_runtime

    with open_runtime(data) as runtime:
        user = find_user(runtime.database, _tenant(runtime, tenant), name)
        set_active(runtime.database, user, active=active)
    if as_json:
        print_json({"name": user.name, "active": active})
    else:
        typer.echo(f"User '{printable(name)}' is {'let in again' if active else 'locked'}.")


def _read_password() -> str:
    """Read a password: from the terminal, unseen and twice, or else all of standard input but its last line end."""
    from tailrace.errors import PasswordInvalid

    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    try:
        return sys.stdin.read(_MOST_READ).removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise PasswordInvalid("The password on standard input is not UTF-8.") from None


def _shown(views: Sequence[object], *, whole: bool = False) -> list[str]:
    """Write views as they are typed, a long list cut unless the whole is wanted."""
    texts = [str(view) for view in views]
    cut = not whole and len(texts) > _MOST_SHOWN
    return [*texts[:_MOST_SHOWN], f"and {len(texts) - _MOST_SHOWN} more"] if cut else texts


def _tenant(runtime: "Runtime", name: str) -> "Tenant":
    from tailrace.access.tenants import find_tenant

    return find_tenant(runtime.database, name)
