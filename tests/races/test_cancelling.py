"""Cancel against everything: the worker that finishes, another who cancels. One of them is first, and stays so."""

from functools import partial

import httpx2
import pytest

from conformance import wire
from conformance.smartsync import exports_wire as exports
from conformance.smartsync.wire import make_person
from model.history import FINAL
from races.together import block, row_of, together, wait_for_all
from service import poll
from sizes import sizes

pytestmark = pytest.mark.long

MOST_ROUNDS = 200


def results_of(service, job_id):
    """What lies in the store for a job, once its worker has let go of it."""
    row = row_of(service, job_id)
    folder = service.data / "results" / str(row.tenant_id) / str(row.id)
    return {str(path.relative_to(service.data / "results")) for path in folder.glob("*")}


class Aim:
    """How often to look at a job's row before the cancel, which thereby comes close to the job's own end."""

    def __init__(self):
        self.looks = 0
        self.found = set()

    def rounds(self, number):
        """So many rounds, and more until either of the two has been first."""
        for done in range(MOST_ROUNDS):
            if done >= number and len(self.found) > 1:
                return
            yield done

    def wait(self, service, job_id):
        for _ in range(self.looks):
            row_of(service, job_id)

    def learn(self, state):
        self.found.add(state)
        if len(self.found) == 1:  # far off still
            self.looks = self.looks * 2 + 1 if state == "cancelled" else self.looks // 2
        else:
            self.looks = self.looks * 5 // 4 + 1 if state == "cancelled" else self.looks * 4 // 5


def cancel_in_flight(service, caller, aim):
    """Submit, wait a little, cancel; gives how it ended."""
    job_id = caller.submit()
    aim.wait(service, job_id)
    answer = wire.cancel(caller, job_id)
    row = row_of(service, job_id)
    if answer.status_code == 202:
        assert answer.json()["jobStatus"]["status"] == "CANCELLED"
        assert (row.state, row.result_key) == ("cancelled", None)
    else:
        wire.check_refusal(service, answer, "finished")
        status = caller.status(job_id)
        assert (row.state, status["status"]) == ("succeeded", "SUCCEEDED")
        assert httpx2.get(status["result"]["url"], verify=False).status_code == 200
    return job_id, row


def race_cancel(service, rounds):
    caller, aim = service.caller(), Aim()
    ends = {}
    for _ in aim.rounds(rounds):
        job_id, row = cancel_in_flight(service, caller, aim)
        ends[job_id] = row
        aim.learn(row.state)
    # Whatever a worker does with what was cancelled under its hands, it stays as it was told.
    caller.wait(caller.submit())
    for job_id, row in ends.items():
        assert row_of(service, job_id) == row
    return aim.found


@sizes("rounds", 12, share=24, whole=120)
@pytest.mark.req("CX-421", "CX-423")
def test_cancelled_is_cancelled_and_finished_is_finished(quick, rounds):
    assert race_cancel(quick, rounds) == {"cancelled", "succeeded"}


def cancel_from_four_sides(service, person, aim):
    """Four cancel an export at the same moment, while it may just be finishing."""
    job_id = exports.submitted(person)
    aim.wait(service, job_id)
    answers = together(*[partial(exports.cancel, person, job_id)] * 4)
    [code] = {answer.status_code for answer in answers}  # all are told the same
    row = row_of(service, job_id)
    if code == 200:
        assert {answer.json()["status"] for answer in answers} == {"CANCELED"}
        assert (row.state, row.epoch) == ("cancelled", 1 if row.started_at is None else 2)
        assert exports.result(person, job_id).status_code == 206
    else:
        assert code == 409
        assert row.state == "succeeded"
        assert exports.result(person, job_id).status_code == 200
    aim.learn(row.state)


def someone(service):
    person = make_person(service)
    for entity in ("mu:1", "mu:2"):
        person.add_entity(entity)
    person.allow("mu:all")
    return person


@sizes("rounds", 4, share=12, whole=60)
@pytest.mark.req("SS-608", "SS-609")
def test_several_cancel_an_export_at_once(quick, rounds):
    person, aim = someone(quick), Aim()
    for _ in aim.rounds(rounds):
        cancel_from_four_sides(quick, person, aim)
    assert aim.found == {"cancelled", "succeeded"}


def test_many_cancel_what_waits(quick):
    """A colleague and the maker cancel ten waiting jobs from both ends; each is cancelled just once."""
    caller = quick.caller(permissions=["qm-workflow", "job-cancel-any"])
    colleague = quick.caller(caller.tenant, permissions=["qm-workflow", "job-cancel-any"])
    with block(quick, "cxone"):
        jobs = [caller.submit() for _ in range(10)]
        sides = [(caller, jobs), (colleague, jobs[::-1])]
        found = together(*[partial(_cancel_all, one, order) for one, order in sides])
        assert set(found[0] + found[1]) == {202}
        assert {(row_of(quick, job).state, row_of(quick, job).epoch) for job in jobs} == {("cancelled", 1)}
    wait_for_all(quick, jobs)
    poll(lambda: all(not results_of(quick, job) for job in jobs))
    assert all(row_of(quick, job).state in FINAL for job in jobs)


def _cancel_all(caller, jobs):
    return [wire.cancel(caller, job).status_code for job in jobs]
