"""Simulated days of the queue, each from one number: a day that goes wrong is told by its number and can be had again.

SIMULATION_SEED=417 make test TESTS=tests/model/test_simulation.py
"""

import os
from collections.abc import Callable, Iterator

import psycopg
import pytest

from model.clock import take_over
from model.history import note_history
from model.simulated import FAULT, Simulation
from tailrace.database.pool import Database

EVENTS = 200
BLOCK = 50
SEED = os.environ.get("SIMULATION_SEED")


@pytest.fixture(scope="module")
def house(new_database: Callable[[], str]) -> Iterator[Database]:
    """Open a database with the test's clock and faults, for runs one after another."""
    url = new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET synchronous_commit = off".encode())
    take_over(url)
    database = Database(url, size=2)
    note_history(database)
    database.execute(FAULT)
    yield database
    database.close()


def simulate(house: Database, seed: int) -> list[str]:
    simulation = Simulation(house, seed)
    try:
        simulation.run(EVENTS)
    except BaseException as fault:
        lines = "\n".join(simulation.log[-60:])
        fault.add_note(f"SIMULATION_SEED={seed} has it happen again. What happened last:\n{lines}")
        raise
    finally:
        simulation.close()
    return simulation.log


def run_seeds(house: Database, first: int, number: int) -> None:
    for seed in range(first, first + number):
        simulate(house, seed)


def test_a_few_days_or_the_one_that_is_asked_for(house):
    if SEED:
        simulate(house, int(SEED))
    else:
        run_seeds(house, first=10_000, number=3)


def test_a_number_gives_the_same_day_again(house):
    assert simulate(house, 417) == simulate(house, 417)


@pytest.mark.slow
@pytest.mark.share
def test_ten_days(house):
    run_seeds(house, first=20_000, number=10)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_five_hundred_days(house, block):
    run_seeds(house, first=block * BLOCK, number=BLOCK)
