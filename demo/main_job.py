"""The main job, shown from end to end: rows in, one request, one file out.

Run it with `make demo`. It keeps its data in `demo/data`, may be run as often as one likes, and speaks plain HTTP as
any client of the Data Extraction API would, without Tailrace's own client.
"""

import base64
import csv
import json
import signal
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2
from local_server import DATA, DemoFailedError, need_command, run_command, running_server
from story import bar, fail, say, say_quietly, step

TENANT, USER, DATASET, ROWS = "acme", "reporting", "qm-workflows", 120_000
JOBS = "/data-extraction/v1/jobs"
# The example of the API's documentation, word for word.
REQUEST = {"entityName": "qm-workflows", "version": "3", "startDate": "2019-05-22", "endDate": "2019-05-29"}
_LONGEST_WAIT_SECONDS = 300


def main() -> int:
    """Run the demo; returns the exit status."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(128 + signal.SIGTERM))
    started = time.monotonic()
    try:
        show_main_job()
    except DemoFailedError as error:
        fail(str(error))
        return 1
    except httpx2.TransportError as error:
        fail(f"the server does not answer any more ({type(error).__name__}); see {shown(DATA / 'server.log')}")
        return 1
    except KeyboardInterrupt:
        fail("interrupted; the server is stopped")
        return 130
    say(f"done in {time.monotonic() - started:.1f} s; run it again as often as you like")
    return 0


def show_main_job() -> None:
    """Start a server, bring rows in, extract a week of them, stop the server."""
    DATA.mkdir(exist_ok=True)
    step("Start a Tailrace server")
    say(f"$ tailrace serve --data {shown(DATA)} --port 0")
    with running_server(DATA / "server.log") as url:
        say(f"ready at {url}; its log is {shown(DATA / 'server.log')}")
        say_quietly("A tenant may send one request in 30 s; TAILRACE_CXONE__MIN_INTERVAL_S=5 makes that 5 s here.")
        key = prepare_access()
        load_rows()
        with httpx2.Client(base_url=url, timeout=30) as http:
            sign_in(http, key)
            job_id = submit(http)
            file = download(wait_for_link(http, job_id))
        revoke(key["accessKeyId"])
        describe(file)
        step("Stop the server")
    say("stopped")


def prepare_access() -> dict[str, str]:
    """Make tenant, user and a fresh access key; what is there already is fine."""
    step("Make a tenant, a user and an access key")
    say(f"$ export TAILRACE_DATA={shown(DATA)}")
    for command in (["tenant", "create", TENANT], ["user", "create", USER, "--tenant", TENANT]):
        say(f"$ tailrace {' '.join(command)}")
        done = run_command(*command)
        if done.returncode and "code: already_exists" not in done.stderr:
            raise DemoFailedError(f"that said:\n{done.stderr.strip()}")
        say_quietly("there already" if done.returncode else done.stdout.strip())
    command = ["key", "create", "--tenant", TENANT, "--user", USER, "--allow", DATASET, "--json"]
    say(f"$ tailrace {' '.join(command)}")
    key: dict[str, str] = json.loads(need_command(*command))
    say_quietly(f"access key {shorten(key['accessKeyId'])}; the secret is shown once and kept nowhere")
    return key


def load_rows() -> None:
    """Make up a CSV file unless it is there, and load it; loading it again changes nothing."""
    step(f"Bring {ROWS:,} rows in")
    rows = DATA / f"{DATASET}-{ROWS}.csv"
    if not rows.exists():
        made = ["sample", DATASET, "--tenant", TENANT, "--rows", str(ROWS), "--version", REQUEST["version"]]
        say(f"$ tailrace {' '.join(made)} --output {shown(rows)}")
        need_command(*made, "--output", str(rows))
    say(f"$ tailrace load {DATASET} --tenant {TENANT} {shown(rows)}")
    report = json.loads(need_command("load", DATASET, "--tenant", TENANT, str(rows), "--json"))
    [file] = report["files"]
    say_quietly("loaded by an earlier run" if file["already_loaded"] else f"{file['rows']:,} rows loaded")


def sign_in(http: httpx2.Client, key: dict[str, str]) -> None:
    """Exchange the access key for a token and use it from now on."""
    step("Sign in: exchange the access key for a token")
    response = http.post("/authentication/v1/token/access-key", json=key)
    token = expect(response, 200)["access_token"]
    say(f"token {shorten(token)}, good for {response.json()['expires_in']:,} s")
    http.headers["Authorization"] = f"Bearer {token}"


def submit(http: httpx2.Client) -> str:
    """Ask for the extraction; waits when the 30-second rule says so."""
    step("Ask for a week of data")
    say(json.dumps(REQUEST))
    deadline = time.monotonic() + _LONGEST_WAIT_SECONDS
    while True:
        response = http.post(JOBS, json=REQUEST)
        if response.status_code != httpx2.codes.TOO_MANY_REQUESTS or time.monotonic() > deadline:
            break
        seconds = int(response.headers["Retry-After"])
        say(f"POST {JOBS} -> 429: too soon after the last request; Retry-After says {seconds} s, so we wait")
        time.sleep(seconds)
    job_id = str(expect(response, 202))
    say(f"the job is {job_id}")
    return job_id


def wait_for_link(http: httpx2.Client, job_id: str) -> str:
    """Poll until the job has succeeded and return the link."""
    step("Wait for it")
    deadline, pause, polls = time.monotonic() + _LONGEST_WAIT_SECONDS, 0.1, 0
    with bar("RUNNING", "slices") as show:
        while True:
            response = http.get(f"{JOBS}/{job_id}")
            polls += 1
            if response.status_code != httpx2.codes.ACCEPTED:
                expect(response, 202)
            job = response.json()["jobStatus"]
            if job["status"] != "RUNNING":
                break
            if time.monotonic() > deadline:
                raise DemoFailedError(f"job {job_id} has not ended in {_LONGEST_WAIT_SECONDS} s")
            done, _, total = response.headers.get("Tailrace-Progress", "0/0").partition("/")
            # The last slice is not the end: until the server says so, nothing claims to be complete.
            show(int(done), int(total) if done != total else 0)
            time.sleep(pause)
            pause = min(pause * 1.5, 1.0)
    expect(response, 202)
    if job["status"] != "SUCCEEDED":
        raise DemoFailedError(f"job {job_id} ended as {job['status']}: {job['result'].get('errorMessage')}")
    say(f"{job['status']} at the {ordinal(polls)} look; the answer holds a link that lives for 30 s")
    return str(job["result"]["url"])


def download(link: str) -> Path:
    """Save what is behind the link and compare it with the digest the server announced."""
    step("Download the file")
    target = DATA / "{entityName}_v{version}_{startDate}_{endDate}.csv".format(**REQUEST)
    part, digest = target.with_suffix(".part"), sha256()
    # The link itself is the permission: no token goes along.
    with httpx2.stream("GET", link, timeout=30) as response, part.open("wb") as file:
        if response.status_code != httpx2.codes.OK:
            raise DemoFailedError(f"the link was answered with {response.status_code}")
        total = int(response.headers["Content-Length"])
        with bar("Downloading", "bytes") as show:
            for chunk in response.iter_raw():
                digest.update(chunk)
                show(file.tell() + file.write(chunk), total)
    say(f"GET {shorten(httpx2.URL(link).path, 40)} -> 200 (the link's signature is not shown)")
    if response.headers["Repr-Digest"] != f"sha-256=:{base64.b64encode(digest.digest()).decode()}:":
        raise DemoFailedError("the SHA-256 of the bytes is not the one the server announced")
    say("the SHA-256 of the bytes is the one the server announced (Repr-Digest)")
    return part.replace(target)


def revoke(key_id: str) -> None:
    """Take the access key back, so that runs leave none behind."""
    step("Take the access key back")
    say(f"$ tailrace key revoke {shorten(key_id)} --tenant {TENANT}")
    need_command("key", "revoke", key_id, "--tenant", TENANT)


def describe(path: Path) -> None:
    """Show the result as a stranger would check it."""
    step("The result")
    content = path.read_bytes()
    with path.open(newline="", encoding="utf-8") as file:
        rows = sum(1 for _ in csv.reader(file)) - 1
    say(f"file     {shown(path)}")
    say(f"rows     {rows:,}")
    say(f"bytes    {len(content):,}")
    say(f"SHA-256  {sha256(content).hexdigest()}")
    say("it begins:")
    for line in content.split(b"\r\n", 3)[:3]:
        text = line.decode()
        say_quietly(text if len(text) <= 110 else f"{text[:107]}...")  # noqa: PLR2004


def expect(response: httpx2.Response, status: int) -> Any:
    """Tell the request and how it was answered; raises DemoFailedError unless it is as documented."""
    say(f"{response.request.method} {response.request.url.path} -> {response.status_code} {response.reason_phrase}")
    if response.status_code != status:
        raise DemoFailedError(f"expected {status}, but the answer was: {response.text[:500]}")
    return response.json()


def shorten(text: str, length: int = 12) -> str:
    """Show the beginning of something long or secret."""
    return f"{text[:length]}..." if len(text) > length else text


def shown(path: Path) -> str:
    """Write a path as short as it can be from here."""
    here = Path.cwd()
    return str(path.resolve().relative_to(here)) if path.resolve().is_relative_to(here) else str(path)


def ordinal(number: int) -> str:
    """Write 1st, 2nd, 3rd, 4th."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


if __name__ == "__main__":
    sys.exit(main())
