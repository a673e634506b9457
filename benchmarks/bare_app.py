"""The least that could answer a status poll: the same framework, server and pool, and one SELECT by primary key."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from fastapi import FastAPI

from tailrace.runtime import Runtime, open_runtime
from tailrace.web.server import listen, serve_app


def main(data: Path) -> None:
    """Serve until told to stop."""
    with open_runtime(data) as runtime:
        app = FastAPI(openapi_url=None)

        @app.get("/jobs/{job_id}")
        def status(job_id: UUID) -> dict[str, str]:
            [row] = runtime.database.execute("SELECT id, state::text FROM jobs WHERE id = %(id)s", {"id": job_id})
            return {"id": str(row.id), "state": row.state}

        listener = listen("127.0.0.1", 0)
        port = listener.getsockname()[1]
        serve_app(app, listener, lambda: print(f"http://127.0.0.1:{port}", flush=True))


@contextmanager
def bare_server(runtime: Runtime) -> Iterator[str]:
    """Run it in a process of its own and yield its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.bare_app", str(runtime.data)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TAILRACE_LOG__LEVEL": "warning"},
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(30)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
