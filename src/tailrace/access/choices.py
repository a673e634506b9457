"""What an export may name besides entities: attributes, agent data groups and time-off rules of a tenant."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from tailrace.database.pool import Database


@dataclass(frozen=True, slots=True)
class DataGroup:
    """An agent data group, such as `Team`."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class TimeOffRule:
    """A rule of a time-off group; `unit` is what it is counted in, both dates are included."""

    group_id: int
    rule: str
    from_date: date
    last_date: date
    unit: str


@dataclass(frozen=True, slots=True)
class Choices:
    """All of a tenant's: attributes by name, data groups by id, rules by group and name."""

    attributes: tuple[str, ...]
    data_groups: tuple[DataGroup, ...]
    rules: tuple[TimeOffRule, ...]


def find_choices(database: Database, tenant_id: UUID) -> Choices:
    """Find what a tenant's requests may name, all as of one moment."""
    tenant = {"tenant": tenant_id}
    with database.transaction(tenant=tenant_id) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        attributes = connection.execute(
            'SELECT name FROM wfm_code_attributes WHERE tenant_id = %(tenant)s ORDER BY name COLLATE "C"', tenant
        ).fetchall()
        groups = connection.execute(
            "SELECT group_id, name FROM wfm_data_groups WHERE tenant_id = %(tenant)s ORDER BY group_id", tenant
        ).fetchall()
        rules = connection.execute(
            """
            SELECT group_id, rule, from_date, last_date, unit FROM wfm_time_off_rules
            WHERE tenant_id = %(tenant)s ORDER BY group_id, rule COLLATE "C"
            """,
            tenant,
        ).fetchall()
    return Choices(
        tuple(row.name for row in attributes),
        tuple(DataGroup(*row) for row in groups),
        tuple(TimeOffRule(*row) for row in rules),
    )
