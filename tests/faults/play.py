"""One scenario as it is played: who is on stage, what it orders, and what must be so at its end."""

from typing import Any
from uuid import UUID

from faults.clients import Client
from faults.scenarios import Scenario
from faults.site import PATIENCE_SECONDS, Site
from service import poll


class Play:
    """One scenario on one site: `client` makes the job it is about, `neighbour` another one beside it."""

    def __init__(self, site: Site, scenario: Scenario, client: Client, neighbour: Client) -> None:
        self.site, self.scenario, self.client, self.neighbour = site, scenario, client, neighbour
        self.mark, self.gate = site.new_file("mark"), site.new_file("gate")
        self.job: UUID | None = None

    def order(self, action: str) -> str:
        """Write the order for the point, carried out once."""
        # A heartbeat comes after a second only: the job is held so long.
        held = f",child.first_block=pause:{self.gate}" if self.scenario.point == "worker.renew" else ""
        # The second part, as the first is on its way then.
        passed = "@2" if self.scenario.point == "store.part" else ""
        return f"{self.scenario.point}{passed}={action}*once:{self.mark}{held}"

    def await_mark(self) -> int:
        """Wait until the order is carried out; gives the process that does it."""
        return int(poll(lambda: self.mark.exists() and self.mark.read_text(), PATIENCE_SECONDS))

    def settle(self) -> None:
        self.site.settle()
        for process in self.site.workers:
            process.end()

    def check_end(self) -> None:
        row = self.row()
        assert row.state in self.scenario.ends, f"{row.state} {row.error_code}, attempt {row.attempt}"
        assert not self.scenario.code or row.error_code == self.scenario.code
        for job in self.neighbour.accepted:
            assert self.row(job).state == "succeeded"

    def row(self, job: UUID | None = None) -> Any:
        [row] = self.site.sql("SELECT * FROM jobs WHERE id = %s", job or self.job)
        return row
