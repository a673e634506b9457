"""What the processes of a site are, each a function that finds its arguments where a command does.

A nursery imports all that they need, so that nothing it makes has to.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from tailrace.cli.main import main as run_command
from tailrace.plugins import plugin_names
from tailrace.runtime import open_runtime
from tailrace.web.app import create_app
from tailrace.web.server import listen, serve_app
from tailrace.worker import child
from tailrace.worker.housekeeping import Housekeeping

# What is imported only when it is needed, and always is.
LATER = (
    "tailrace.cli.worker",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
)


def import_the_rest() -> None:
    for name in LATER:
        import_module(name)
    child.load_plugins(plugin_names("tailrace.engines"))


def serve() -> None:
    """The API without a worker beside it, as a deployment has it whose workers run elsewhere: `<data> <port>`."""
    with open_runtime(Path(sys.argv[1])) as runtime:
        listener = listen("127.0.0.1", int(sys.argv[2]))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        serve_app(create_app(runtime, url), listener, lambda: print(f"ready {url}", flush=True))


def sweep() -> None:
    """One round of housekeeping, which comes once a minute in a worker: `<data>`."""
    with open_runtime(Path(sys.argv[1])) as runtime:
        Housekeeping(runtime).sweep()


def work() -> None:
    """`tailrace worker`, with its own arguments."""
    sys.argv.insert(0, "tailrace")
    run_command()


ROLES: dict[str, Callable[[], None]] = {"api": serve, "worker": work, "child": child.main, "sweep": sweep}
