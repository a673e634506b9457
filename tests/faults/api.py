"""The API without a worker beside it, as a deployment has it whose workers run elsewhere: `api.py <data> <port>`."""

import sys
from pathlib import Path

from tailrace.runtime import open_runtime
from tailrace.web.app import create_app
from tailrace.web.server import listen, serve_app

with open_runtime(Path(sys.argv[1])) as runtime:
    listener = listen("127.0.0.1", int(sys.argv[2]))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    serve_app(create_app(runtime, url), listener, lambda: print(f"ready {url}", flush=True))
