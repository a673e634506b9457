"""The 20 SmartSync exporters in plain Python, from the specification alone, sharing nothing with the product.

`rows_of(exporter, tables, wanted)` gives the records in their order (SS-802). Tables are lists of rows, a row a mapping
of the columns' names; integers, texts, dates, booleans, `Decimal`, None, and instants as `datetime` without a zone, in
UTC. A record maps every field of the exporter to its value: None for a blank, dates, `Decimal` rounded to the field's
scale, times as wall clock `datetime`; `agentData` maps group ids to values. The two trees are different: see
`agent_export` and `mu_opens`. Slow on purpose: a reader checks it against the specification line by line.
"""

from collections.abc import Callable

from wfm import oracle_contacts, oracle_days, oracle_people
from wfm.oracle_data import Record, Tables, Wanted, World

EXPORTERS: dict[str, Callable[[World], list[Record]]] = {
    "agent-activity-and-schedules": oracle_days.activity_and_schedules,
    "agent-activity-detail": oracle_days.activity_detail,
    "agent-activity-summary": oracle_days.activity_summary,
    "agent-adherence-attribute-detail": oracle_days.adherence_attribute_detail,
    "agent-adherence-attribute-summary": oracle_days.adherence_attribute_summary,
    "agent-adherence-detail": oracle_days.adherence_detail,
    "agent-adherence-summary": oracle_days.adherence_summary,
    "agent-export": oracle_people.agent_export,
    "agent-info": oracle_people.agent_info,
    "agent-results-detail": oracle_contacts.agent_results_detail,
    "agent-results-summary": oracle_contacts.agent_results_summary,
    "agent-schedule-detail": oracle_days.schedule_detail,
    "agent-schedule-summary": oracle_days.schedule_summary,
    "agent-vacation-summary": oracle_people.agent_vacation_summary,
    "ct-active-forecast": oracle_contacts.ct_active_forecast,
    "ct-queue-data": oracle_contacts.ct_queue_data,
    "ct-results": oracle_contacts.ct_results,
    "mu-forecast": oracle_contacts.mu_forecast,
    "mu-opens": oracle_contacts.mu_opens,
    "mu-results": oracle_contacts.mu_results,
}

__all__ = ["EXPORTERS", "Record", "Tables", "Wanted", "rows_of"]


def rows_of(exporter: str, tables: Tables, wanted: Wanted) -> list[Record]:
    """All records of one request, in order."""
    return EXPORTERS[exporter](World(tables, wanted))
