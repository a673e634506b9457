"""`tailrace dataset`: what can be extracted."""

import typer

from tailrace.cli.options import DataOption, JsonOption, example
from tailrace.cli.output import print_rows

app = typer.Typer(help="List the datasets that can be extracted.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keep `list` a command of its own, although it is the only one."""


@app.command("list", epilog=example("tailrace dataset list"))
def list_(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the datasets and exporters: what can be extracted.

    Shows name, version, number of columns, the permission needed to extract it, and what it holds. Exporters need View
    permission on what they are asked for, instead of one of their own.
    """
    from tailrace.catalog.loader import load_catalog
    from tailrace.runtime import catalog_folders
    from tailrace.settings import data_folder, load_settings

    # No database is needed for this, so none is started.
    folder = data_folder(data)
    catalog = load_catalog(catalog_folders(folder, load_settings(folder)))
    rows = [
        {
            "name": dataset.name,
            "version": dataset.version,
            "columns": len(dataset.columns),
            "permission_id": dataset.permission_id,
            "title": dataset.title,
        }
        for dataset in catalog
    ]
    rows += [
        {
            "name": exporter.name,
            "version": exporter.version,
            "columns": len(exporter.fields),
            "permission_id": None,
            "title": exporter.title,
        }
        for exporter in catalog.exporters
    ]
    print_rows(rows, as_json=as_json, when_empty="There is no dataset.")
