"""`tailrace load`: brings rows in."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from tailrace.cli.options import DataOption, JsonOption, TenantOption, example
from tailrace.cli.output import print_json, print_rows
from tailrace.cli.progress import shown_load

app = typer.Typer()

WFM = "wfm"

TargetArgument = Annotated[
    str,
    typer.Argument(metavar="DATASET", help="Name of the dataset (`tailrace dataset list`), or `wfm` for WFM tables."),
]
FilesArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE", help="CSV files with a header row, Parquet or NDJSON files; for `wfm` one folder of them."
    ),
]


@app.command(epilog=example("tailrace load qm-workflows --tenant acme may.csv june.csv"))
def load(
    dataset: TargetArgument,
    files: FilesArgument,
    tenant: TenantOption,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Load files into a tenant's dataset.

    All files are loaded or none; a file loaded before is not loaded again. `wfm` takes a folder with a file for each
    WFM table, such as agent.csv, which replaces what the table held.
    """
    if dataset == WFM:
        _load_wfm(files, tenant, data, as_json=as_json)
        return
    from tailrace.access.tenants import find_tenant
    from tailrace.intake.load import load_files
    from tailrace.runtime import open_runtime

    with open_runtime(data) as runtime, shown_load(quiet=as_json) as progress:
        runtime.check_loadable(dataset)
        owner = find_tenant(runtime.database, tenant)
        report = load_files(runtime.database, runtime.catalog, runtime.tables, owner, dataset, files, progress=progress)
    print_report(report, as_json=as_json)


def _load_wfm(paths: Sequence[Path], tenant: str, data: Path | None, *, as_json: bool) -> None:
    """Load a folder of WFM tables."""
    if len(paths) != 1 or paths[0].is_file():
        raise typer.BadParameter(f"`{WFM}` takes one folder with a file for each table, such as agent.csv.")
    from tailrace.access.tenants import find_tenant
    from tailrace.intake.wfm.load import load_wfm
    from tailrace.runtime import open_runtime

    with open_runtime(data) as runtime, shown_load(quiet=as_json) as progress:
        owner = find_tenant(runtime.database, tenant)
        report = load_wfm(runtime.database, runtime.tables, owner, paths[0], progress=progress)
    print_tables(report, as_json=as_json)


def print_tables(report: Any, *, as_json: bool) -> None:
    """Tell what became of each WFM table."""
    tables: Sequence[dict[str, object]] = [
        {"table": one.table, "file": one.file, "rows": one.rows, "already_loaded": one.already_loaded}
        for one in report.tables
    ]
    if as_json:
        print_json({"rows": report.rows, "tables": tables})
        return
    print_rows(tables, as_json=False, when_empty="Nothing was loaded.")
    typer.echo(f"{report.rows:,} rows loaded.")


def print_report(report: Any, *, as_json: bool) -> None:
    """Tell what became of each file."""
    files: Sequence[dict[str, object]] = [
        {"file": file.name, "rows": file.rows, "bytes": file.bytes, "already_loaded": file.already_loaded}
        for file in report.files
    ]
    if as_json:
        print_json({"rows": report.rows, "files": files})
        return
    print_rows(files, as_json=False, when_empty="Nothing was loaded.")
    typer.echo(f"{report.rows:,} rows loaded.")
