"""`tailrace sample`: makes up rows to try things out."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated

import typer

from tailrace.cli.intake import WFM, print_report, print_tables
from tailrace.cli.options import DataOption, JsonOption, TenantOption, example
from tailrace.cli.output import print_json, printable
from tailrace.errors import RequestInvalid

app = typer.Typer()

_ROWS, _AGENTS = 100_000, 60
# The days a WFM sample spans around the present when none are given: a year, so that every clock changes in it.
_DAYS_BEFORE, _DAYS_AFTER = 305, 60

DatasetArgument = Annotated[
    str,
    typer.Argument(metavar="DATASET", help="Name of the dataset (`tailrace dataset list`), or `wfm` for WFM tables."),
]
RowsOption = Annotated[
    int | None, typer.Option("--rows", min=0, metavar="NUMBER", help=f"How many rows to make up. Not given: {_ROWS:,}.")
]
AgentsOption = Annotated[
    int | None,
    typer.Option("--agents", min=1, metavar="NUMBER", help=f"For `wfm`: how many agents. Not given: {_AGENTS}."),
]
SeedOption = Annotated[int, typer.Option("--seed", metavar="NUMBER", help="The same seed gives the same rows.")]
StartOption = Annotated[
    str | None,
    typer.Option(
        "--start",
        metavar="DAY",
        help="First day of the rows (UTC), yyyy-mm-dd. Not given: 2019-05-01; for `wfm` ten months before the present.",
    ),
]
EndOption = Annotated[
    str | None,
    typer.Option(
        "--end",
        metavar="DAY",
        help="Last day of the rows (UTC), yyyy-mm-dd. Not given: 2019-06-30; for `wfm` two months after the present.",
    ),
]
PresentOption = Annotated[
    str | None,
    typer.Option(
        "--present",
        metavar="DAY",
        help="For `wfm`: what happened lies before the end of this day. Not given: yesterday.",
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="PATH",
        help="Write a CSV file instead of loading the rows; for `wfm` a folder with a CSV file for each table.",
    ),
]
VersionOption = Annotated[
    str | None,
    typer.Option("--version", metavar="VERSION", help="Version whose columns the CSV file has. Not given: the newest."),
]


@app.command(epilog=example("tailrace sample qm-workflows --tenant acme --rows 100000 --seed 1"))
def sample(
    dataset: DatasetArgument,
    tenant: TenantOption,
    rows: RowsOption = None,
    agents: AgentsOption = None,
    seed: SeedOption = 1,
    start: StartOption = None,
    end: EndOption = None,
    present: PresentOption = None,
    output: OutputOption = None,
    version: VersionOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make up rows to try things out.

    The rows look like a contact centre's. They are loaded into the tenant's dataset, or written to a CSV file.
    With `wfm` a whole contact centre is made up, and replaces the tenant's WFM tables.
    """
    if dataset == WFM:
        _refuse(dataset, **{"--rows": rows, "--version": version})
        days = _wfm_days(start, end, present)
        _sample_wfm(tenant, agents or _AGENTS, seed, days, output, data, as_json=as_json)
        return
    _refuse(dataset, **{"--agents": agents, "--present": present})
    span = _in_order(_read_day("--start", start or "2019-05-01"), _read_day("--end", end or "2019-06-30"))
    wanted = _ROWS if rows is None else rows
    if output:
        _write_csv(dataset, tenant, output, wanted, seed, span, version, data, as_json=as_json)
    else:
        _load_sample(dataset, tenant, wanted, seed, span, data, as_json=as_json)


def _load_sample(
    dataset: str, tenant: str, rows: int, seed: int, span: tuple[date, date], data: Path | None, *, as_json: bool
) -> None:
    from tailrace.access.tenants import find_tenant
    from tailrace.intake.sample import load_sample
    from tailrace.runtime import open_runtime

    with open_runtime(data) as runtime:
        runtime.check_loadable(dataset)
        owner = find_tenant(runtime.database, tenant)
        report = load_sample(
            runtime.database,
            runtime.catalog,
            runtime.tables,
            owner,
            dataset,
            rows=rows,
            seed=seed,
            start=span[0],
            end=span[1],
            folders=runtime.catalog_folders,
        )
    print_report(report, as_json=as_json)


def _write_csv(
    dataset: str,
    tenant: str,
    output: Path,
    rows: int,
    seed: int,
    span: tuple[date, date],
    version: str | None,
    data: Path | None,
    *,
    as_json: bool,
) -> None:
    """Write the rows as a file; needs no database, so none is started."""
    from tailrace.catalog.loader import load_catalog
    from tailrace.intake.sample import write_sample_csv
    from tailrace.runtime import catalog_folders
    from tailrace.settings import data_folder, load_settings

    folder = data_folder(data)
    folders = catalog_folders(folder, load_settings(folder))
    catalog = load_catalog(folders)
    catalog.table(dataset)
    chosen = version or catalog.versions(dataset)[-1].version
    write_sample_csv(
        catalog,
        dataset,
        output,
        tenant_name=tenant,
        rows=rows,
        seed=seed,
        start=span[0],
        end=span[1],
        version=chosen,
        folders=folders,
    )
    if as_json:
        print_json({"path": output, "rows": rows, "version": chosen})
    else:
        typer.echo(f"Wrote {rows:,} rows of {dataset}, version {chosen}, to {output}.")


# -- a contact centre ---------------------------------------------------------------------------------------------


def _sample_wfm(
    tenant: str,
    agents: int,
    seed: int,
    days: tuple[date, date, datetime],
    output: Path | None,
    data: Path | None,
    *,
    as_json: bool,
) -> None:
    from tailrace.access.tenants import find_tenant
    from tailrace.intake.wfm.sample import load_wfm_sample, write_sample
    from tailrace.runtime import open_runtime

    start, end, present = days
    if output:
        written = write_sample(
            output, kind="csv", agents=agents, seed=seed, start=start, end=end, present=present, name=tenant
        )
        if as_json:
            print_json({"path": output, "tables": written})
        else:
            typer.echo(f"Wrote {sum(written.values()):,} rows of {len(written)} tables to {output}.")
        return
    with open_runtime(data) as runtime:
        owner = find_tenant(runtime.database, tenant)
        report = load_wfm_sample(
            runtime.database, runtime.tables, owner, agents=agents, seed=seed, start=start, end=end, present=present
        )
    print_tables(report, as_json=as_json)
    if not as_json:
        typer.echo(
            "Let a user view it:\n  tailrace user allow --tenant "
            f"{printable(tenant)} --user USER mu:all bu:all ct:all eg:all tog:all"
        )


def _wfm_days(start: str | None, end: str | None, present: str | None) -> tuple[date, date, datetime]:
    """Settle the days a contact centre is made up for, and the end of what has happened."""
    today = _read_day("--present", present) + timedelta(days=1) if present else datetime.now(UTC).date()
    first = _read_day("--start", start) if start else today - timedelta(days=_DAYS_BEFORE)
    last = _read_day("--end", end) if end else today + timedelta(days=_DAYS_AFTER)
    return *_in_order(first, last), datetime.combine(today, time(), UTC)


# -- reading options ----------------------------------------------------------------------------------------------


def _read_day(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise RequestInvalid(f"{option} must be a day in the form yyyy-mm-dd.") from None


def _in_order(first: date, last: date) -> tuple[date, date]:
    if last < first:
        raise RequestInvalid("--end must not be before --start.")
    return first, last


def _refuse(dataset: str, **given: object) -> None:
    """Refuse options that mean nothing for a dataset."""
    for option, value in given.items():
        if value is not None:
            raise typer.BadParameter(f"{option} means nothing for `{dataset}`.")
