"""Every fault of the matrix, and after each of them every invariant (`make faults`)."""

import pytest

from faults import invariants
from faults.clients import Watch
from faults.plays import PLAYS, Play
from faults.scenarios import SCENARIOS, SHARE


def marked(scenario):
    marks = [pytest.mark.share] if scenario.id in SHARE else []
    return pytest.param(scenario, id=scenario.id, marks=marks)


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("scenario", [marked(scenario) for scenario in SCENARIOS])
def test_nothing_is_lost(scenario, site, cast):
    client, neighbour = cast(scenario)
    play = Play(site, scenario, client, neighbour)
    with Watch([client, neighbour]):
        PLAYS[scenario.play](play)
    play.check_end()
    invariants.check(site, [client, neighbour])


def test_the_matrix_is_large_enough_and_no_scenario_comes_twice():
    ids = [scenario.id for scenario in SCENARIOS]
    assert len(ids) == len(set(ids))
    assert len(ids) >= 150
    assert len(SHARE) >= len(ids) // 4
