"""`tailrace load` and `tailrace sample`: bring rows in."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from tailrace.cli.options import DataOption, JsonOption, TenantOption, example
from tailrace.cli.output import print_json, print_rows
from tailrace.cli.progress import shown_load
from tailrace.errors import RequestInvalid

app = typer.Typer()

DatasetArgument = Annotated[
    str, typer.Argument(metavar="DATASET", help="Name of the dataset (`tailrace dataset list`).")
]
FilesArgument = Annotated[
    list[Path], typer.Argument(metavar="FILE", help="CSV files with a header row, Parquet or NDJSON files.")
]
RowsOption = Annotated[int, typer.Option("--rows", min=0, metavar="NUMBER", help="How many rows to make up.")]
SeedOption = Annotated[int, typer.Option("--seed", metavar="NUMBER", help="The same seed gives the same rows.")]
StartOption = Annotated[str, typer.Option("--start", metavar="DAY", help="First day of the rows (UTC), yyyy-mm-dd.")]
EndOption = Annotated[str, typer.Option("--end", metavar="DAY", help="Last day of the rows (UTC), yyyy-mm-dd.")]
OutputOption = Annotated[
    Path | None, typer.Option("--output", metavar="FILE.csv", help="Write a CSV file instead of loading the rows.")
]
VersionOption = Annotated[
    str | None,
    typer.Option("--version", metavar="VERSION", help="Version whose columns the CSV file has. Not given: the newest."),
]


@app.command(epilog=example("tailrace load qm-workflows --tenant acme may.csv june.csv"))
def load(
    dataset: DatasetArgument,
    files: FilesArgument,
    tenant: TenantOption,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Load files into a tenant's dataset.

    All files are loaded or none; a file loaded before is not loaded again.
    """
    from tailrace.access.tenants import find_tenant
    from tailrace.intake.load import load_files
    from tailrace.runtime import open_runtime

    with open_runtime(data) as runtime, shown_load(quiet=as_json) as progress:
        owner = find_tenant(runtime.database, tenant)
        report = load_files(runtime.database, runtime.catalog, runtime.tables, owner, dataset, files, progress=progress)
    _print_report(report, as_json=as_json)


@app.command(epilog=example("tailrace sample qm-workflows --tenant acme --rows 100000 --seed 1"))
def sample(
    dataset: DatasetArgument,
    tenant: TenantOption,
    rows: RowsOption = 100_000,
    seed: SeedOption = 1,
    start: StartOption = "2019-05-01",
    end: EndOption = "2019-06-30",
    output: OutputOption = None,
    version: VersionOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make up rows to try things out.

    The rows look like a contact centre's. They are loaded into the tenant's dataset, or written to a CSV file.
    """
    days = _read_days(start, end)
    if output:
        _write_csv(dataset, tenant, output, rows, seed, days, version, data, as_json=as_json)
        return
    from tailrace.access.tenants import find_tenant
    from tailrace.intake.sample import load_sample
    from tailrace.runtime import open_runtime

    with open_runtime(data) as runtime:
        owner = find_tenant(runtime.database, tenant)
        report = load_sample(
            runtime.database,
            runtime.catalog,
            runtime.tables,
            owner,
            dataset,
            rows=rows,
            seed=seed,
            start=days[0],
            end=days[1],
            folders=runtime.catalog_folders,
        )
    _print_report(report, as_json=as_json)


def _write_csv(
    dataset: str,
    tenant: str,
    output: Path,
    rows: int,
    seed: int,
    days: tuple[date, date],
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
        start=days[0],
        end=days[1],
        version=chosen,
        folders=folders,
    )
    if as_json:
        print_json({"path": output, "rows": rows, "version": chosen})
    else:
        typer.echo(f"Wrote {rows:,} rows of {dataset}, version {chosen}, to {output}.")


def _read_days(start: str, end: str) -> tuple[date, date]:
    """Read two days; raises RequestInvalid."""
    try:
        first, last = date.fromisoformat(start), date.fromisoformat(end)
    except ValueError:
        raise RequestInvalid("--start and --end must be days in the form yyyy-mm-dd.") from None
    if last < first:
        raise RequestInvalid("--end must not be before --start.")
    return first, last


def _print_report(report: Any, *, as_json: bool) -> None:
    files: Sequence[dict[str, object]] = [
        {"file": file.name, "rows": file.rows, "bytes": file.bytes, "already_loaded": file.already_loaded}
        for file in report.files
    ]
    if as_json:
        print_json({"rows": report.rows, "files": files})
        return
    print_rows(files, as_json=False, when_empty="Nothing was loaded.")
    typer.echo(f"{report.rows:,} rows loaded.")
