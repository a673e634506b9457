"""One site for each test process, with the people whose jobs the scenarios are about."""

import pytest

from faults import invariants
from faults.clients import new_cxone, new_smartsync
from faults.site import Site


@pytest.fixture(scope="session")
def whole_site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("site"))
    invariants.watch(site)
    yield site
    site.close()


@pytest.fixture(scope="session")
def people(whole_site):
    """Makes each client when it is first asked for."""
    makers = {
        "cxone": lambda: new_cxone(whole_site),
        "cxone neighbour": lambda: new_cxone(whole_site),
        "cxone large": lambda: new_cxone(whole_site, "large"),
        "cxone heavy": lambda: new_cxone(whole_site, "heavy"),
        "smartsync": lambda: new_smartsync(whole_site),
        "smartsync neighbour": lambda: new_smartsync(whole_site, "agent-info", outputFormat="PIPE"),
    }
    made = {}

    def find(name):
        if name not in made:
            made[name] = makers[name]()
        return made[name]

    return find


def lead_of(scenario):
    """Who plays: one with several slices or parts where the point is in their midst."""
    if scenario.point == "child.slice" or scenario.play == "share":
        return "cxone large"
    return "cxone heavy" if scenario.store == "s3" and scenario.dialect == "cxone" else scenario.dialect


@pytest.fixture
def cast(people, whole_site):
    """Has an empty stage with who plays."""

    def choose(scenario):
        whole_site.keep_in(scenario.store)
        whole_site.serve()
        chosen = people(lead_of(scenario)), people(f"{scenario.dialect} neighbour")
        for client in chosen:
            client.forget()
        whole_site.clear()
        invariants.begin(whole_site)
        return chosen

    return choose


@pytest.fixture
def site(whole_site):
    """The site, and no process of a scenario left on it, however that ended."""
    yield whole_site
    whole_site.heal()
    for process in whole_site.workers:
        process.destroy()
