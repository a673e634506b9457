"""`tailrace job`: the extractions of a tenant."""

import typer

from tailrace.cli.options import DataOption, JsonOption, TenantOption, example
from tailrace.cli.output import print_rows

app = typer.Typer(help="List extractions.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keep `list` a command of its own, although it is the only one."""


@app.command("list", epilog=example("tailrace job list --tenant acme"))
def list_(tenant: TenantOption, data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the extractions of a tenant through all APIs, newest first."""
    from tailrace.access.tenants import find_tenant
    from tailrace.jobs.queue import list_jobs
    from tailrace.runtime import open_runtime

    with open_runtime(data) as runtime:
        jobs = list_jobs(runtime.database, find_tenant(runtime.database, tenant).id)
    rows = [
        {
            "id": job.id,
            "api": job.dialect,
            "dataset": job.dataset,
            "version": job.version,
            "state": job.state,
            "attempt": job.attempt,
            "created_at": job.created_at,
            "finished_at": job.finished_at,
            "rows": job.result_rows,
            "bytes": job.result_bytes,
            "error": job.error_code,
        }
        for job in jobs
    ]
    print_rows(rows, as_json=as_json, when_empty="This tenant has asked for no extraction yet.")
