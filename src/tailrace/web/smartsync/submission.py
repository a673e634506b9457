"""From the body of a request to export to an accepted job: all faults together, then the queue's limit (SS-203)."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from tailrace.access.choices import find_choices
from tailrace.access.entities import refused, viewable
from tailrace.access.sessions import Session
from tailrace.catalog.exporter import Exporter
from tailrace.jobs.exports import ENTITY_OF, ExportOrder, TimeOff, resolve_export
from tailrace.jobs.model import Limits
from tailrace.jobs.submit import Caller, Order, Rules, submit
from tailrace.settings import Smartsync
from tailrace.web.smartsync.body import invalid, read_object
from tailrace.web.smartsync.faults import Row
from tailrace.web.smartsync.parameters import read_parameters, taken
from tailrace.web.smartsync.reading import Reading
from tailrace.web.smartsync.time_off import choose_rules
from tailrace.web.state import WebState

DIALECT = "smartsync"
_RETENTION_HOURS, _RECORD_HOURS = 24, 48
# The parameters that name entities, with the type of each.
_VIEWED = {**ENTITY_OF, "timeOffGroupList": "tog"}


def accept(state: WebState, signed: Session, exporter: Exporter, body: bytes) -> UUID:
    """Accept a job; raises RequestInvalid with every fault, and TooManyJobs."""
    settings = state.runtime.settings.smartsync
    reading = _read(state, signed, exporter, body)
    refused_groups = _check_permission(state, signed, reading)
    time_off = choose_rules(reading, refused_groups, _viewable_groups(state, signed, reading))
    if reading.faults:
        raise invalid(*reading.faults.listed())
    order = _order(reading.values, time_off)
    request = resolve_export(exporter, reading.choices, order, _limits(settings))
    return submit(
        state.runtime.database,
        Caller(signed.tenant_id, signed.user_id),
        Order(DIALECT, exporter.name, exporter.version, "", order.start_date, order.end_date, request),
        Rules(max_waiting_jobs=settings.max_waiting_per_tenant),
    )


def _read(state: WebState, signed: Session, exporter: Exporter, body: bytes) -> Reading:
    """Read the parameters, as the tenant's choices are now."""
    settings = state.runtime.settings.smartsync
    members = read_object(body)
    reading = Reading(
        exporter=exporter,
        choices=find_choices(state.runtime.database, signed.tenant_id),
        max_range_days=settings.max_range_days,
        documented=settings.profile == "documented",
        given=taken(exporter.params, members),
    )
    read_parameters(reading, members)
    return reading


def _check_permission(state: WebState, signed: Session, reading: Reading) -> set[int]:
    """Note the entities that may not be viewed, in one fault (SS-321); gives the time-off groups among them."""
    asked = {kind: _ids(reading, name) for name, kind in _VIEWED.items() if name in reading.values}
    found = refused(state.runtime.database, signed.tenant_id, signed.user_id, asked) if asked else {}
    listed = ", ".join(f"{name} {found[kind]}" for name, kind in _VIEWED.items() if kind in found)
    if listed:
        reading.faults.add(Row.NOT_PERMITTED, "", f"Insufficient permissions to view entities: {listed}")
    return set(found.get("tog", ()))


def _ids(reading: Reading, name: str) -> list[int]:
    if name == "timeOffGroupList":
        return [group.id for group in reading.values[name]]
    return list(reading.values[name])


def _viewable_groups(state: WebState, signed: Session, reading: Reading) -> Sequence[int]:
    if "allTimeOffGroups" not in reading.values:
        return ()
    return viewable(state.runtime.database, signed.tenant_id, signed.user_id, "tog")


def _order(values: Mapping[str, Any], time_off: Sequence[TimeOff]) -> ExportOrder:
    """Make the order of a request without faults."""
    return ExportOrder(
        start_date=values["startDate"],
        end_date=values["endDate"],
        output_format=values["outputFormat"],
        date_format=values.get("dateFormat", ""),
        time_format=values.get("timeFormat", "24"),
        ids={name: values[name] for name in ENTITY_OF if name in values},
        time_off=time_off,
        attribute=values.get("attribute"),
        last_modified_at=values.get("lastModifiedTime"),
        midnight_cut_off=not values.get("disableMidnightCutOff", False),
        record_type=values.get("recordType"),
        # Profile `live` takes both switches with any format (SS-218).
        keep_empty=values["outputFormat"] == "JSON" and values.get("keepEmptyJsonFields", False),
        header=not values.get("excludePipeHeader", False),
        fields=values.get("fields"),
    )


def _limits(settings: Smartsync) -> Limits:
    return Limits(
        timeout_seconds=settings.job_timeout_s,
        max_result_bytes=settings.max_result_bytes,
        max_rows=settings.max_records,
        retention_hours=_RETENTION_HOURS,
        record_hours=_RECORD_HOURS,
    )
