"""The main job, from key to file, and what the wire promises of it."""

import httpx2
import pytest

from service import EXAMPLE, JOBS, Service


@pytest.mark.req("CX-201", "CX-202", "CX-211", "CX-311", "CX-312", "CX-313", "CX-502", "CX-602", "CX-816")
def test_the_documents_example(documented: Service):
    caller = documented.caller()
    answer = caller.request("POST", JOBS, json=EXAMPLE)
    assert answer.status_code == 202
    job_id = answer.json()
    assert answer.text == f'"{job_id}"'
    assert answer.headers["location"] == f"{JOBS}/{job_id}"
    status = caller.wait(job_id)
    assert status["status"] == "SUCCEEDED"
    assert httpx2.get(status["result"]["url"]).text.count("\r\n") == 1
