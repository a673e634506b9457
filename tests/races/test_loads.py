"""Loads of WFM tables while exports run: each export sees the tables of one moment, all of them before or all after."""

from collections.abc import Mapping
from datetime import date
from functools import partial
from threading import Event

from conformance.smartsync import exports_wire as exports
from conformance.smartsync.wire import make_person
from races.together import together, wait_for_all
from sizes import sizes
from tailrace.intake.manifest import wfm_files
from tailrace.intake.wfm.load import load_wfm
from wfm.oracle import Wanted, rows_of
from wfm.tables import RUN_AT, as_csv_folder, small
from wfm.writers import write

# Both read several tables, the one of agents and units, the other of schedules and codes besides.
ASKED: Mapping[str, Mapping[str, object]] = {
    "agent-info": {"muIds": [1, 2, 3], "outputFormat": "JSON"},
    "agent-schedule-detail": {"muIds": [1, 2, 3], "outputFormat": "PIPE"},
}
# What is changed in the second state, so that no export can mix the two unseen.
CHANGED = {"management_unit": "name", "agent": "first_name", "code": "name", "business_unit": "name"}


class Centre:
    """A tenant whose tables are in one of two states."""

    def __init__(self, service, folder):
        self.service, self.person = service, make_person(service)
        tables = small(user=self.person.user.name)
        other = {
            name: [row | {CHANGED[name]: f"{row[CHANGED[name]]} B"} for row in rows] if name in CHANGED else rows
            for name, rows in tables.items()
        }
        self.states = (tables, other)
        self.folders = [as_csv_folder(one, folder / f"state-{number}") for number, one in enumerate(self.states)]
        self.expected = {name: [self._written(name, one) for one in self.states] for name in ASKED}
        for one, another in self.expected.values():
            assert one != another

    def _written(self, exporter, tables):
        asked = exports.ask(exporter, **ASKED[exporter])
        dates = date.fromisoformat(asked["startDate"]), date.fromisoformat(asked["endDate"])
        wanted = Wanted(*dates, RUN_AT, mu_ids=asked["muIds"], customer_id=self.person.tenant.customer_id)
        style = exports.style_of(exporter, **ASKED[exporter])
        return write(exports.described(exporter), rows_of(exporter, tables, wanted), **style)

    def load(self, state):
        load_wfm(
            self.service.database, self.service.data / "tables", self.person.tenant, self.folders[state], threads=1
        )

    def export(self, number):
        """Make exports of each kind at once, and tell which state each has seen."""
        jobs = [
            (name, exports.submitted(self.person, name, **asked))
            for _ in range(number)
            for name, asked in ASKED.items()
        ]
        wait_for_all(self.service, [job for _, job in jobs])
        return [self.state_of(name, job) for name, job in jobs]

    def state_of(self, name, job):
        answer = exports.result(self.person, job)
        assert answer.status_code == 200, answer.text
        assert answer.content in self.expected[name], f"{name}: neither of the two states"
        return self.expected[name].index(answer.content)

    def export_until(self, done):
        found = self.export(1)
        while not done.is_set():
            found += self.export(2)
        return found


def load_beside_exports(centre, loads):
    done = Event()

    def load_all():
        try:
            for number in range(1, loads + 1):
                centre.load(number % 2)
        finally:
            done.set()
        return []

    centre.load(0)
    assert set(centre.export(1)) == {0}
    found, _ = together(partial(centre.export_until, done), load_all)
    assert set(centre.export(1)) == {loads % 2}
    return set(found)


def load_against_each_other(centre, rounds):
    """Both states are loaded at once: one of them is what there is in the end, and no table has two files."""
    for _ in range(rounds):
        together(partial(centre.load, 0), partial(centre.load, 1))
        found = centre.export(1)
        assert len(set(found)) == 1
        files = wfm_files(centre.service.database, centre.person.tenant.id)
        assert all(len(paths) == 1 for paths in files.values())


@sizes("loads", share=5, whole=20)
def test_an_export_sees_one_moment_always(crew_of_four, tmp_path, loads):
    assert load_beside_exports(Centre(crew_of_four, tmp_path), loads) == {0, 1}


@sizes("rounds", share=1, whole=6)
def test_two_loads_at_once_leave_one_state(quick, tmp_path, rounds):
    load_against_each_other(Centre(quick, tmp_path), rounds)
