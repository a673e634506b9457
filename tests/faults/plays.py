"""All kinds of scenarios by name: strike, wait for what must follow, and leave the rest to the invariants."""

from collections.abc import Callable

from faults.play import Play
from faults.plays_of_database import half_open, outage, recovery_of_the_door, weather
from faults.plays_of_door import accept, cancel, hand_out, sign_in
from faults.plays_of_housekeeping import housekeeping, late_read, retention
from faults.plays_of_shares import share
from faults.plays_of_store import away, download, store, store_outage
from faults.plays_of_workers import poison, recovery_of_a_job, strike


def recovery(play: Play) -> None:
    """What must be done within a time is measured."""
    (recovery_of_a_job if play.scenario.deed == "kill" else recovery_of_the_door)(play)
    play.settle()


PLAYS: dict[str, Callable[[Play], None]] = {
    play.__name__: play
    for play in (
        strike, share, outage, accept, sign_in, cancel, hand_out, poison, store, store_outage, away, download, weather,
        half_open, retention, late_read, housekeeping, recovery,
    )
}  # fmt: skip
