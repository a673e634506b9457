"""Entities of the WFM model and who may View them (SS-101 to SS-109, SS-321).

View is granted on single entities or on all of a type (number 0 in the table, `all` elsewhere), and on a BU it
covers the BU's MUs and CTs.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from tailrace.access.tenants import Tenant
from tailrace.access.users import User
from tailrace.database.pool import Connection, Database
from tailrace.errors import StillViewable, UnknownEntity

ENTITY_TYPES = ("mu", "ct", "eg", "bu", "tog")
_ALL = 0
_GREATEST_ID = 2**63 - 1
_VIEW = re.compile(r"(mu|ct|eg|bu|tog):(all|[1-9][0-9]{0,17})")
_ASKED = "unnest(%(types)s::text[], %(ids)s::bigint[]) AS asked (entity_type, entity_id)"
# Whether a user may View entity e. Two conditions rather than one, so that each is one look into the index.
_VIEWED = """
    (EXISTS (SELECT FROM entity_views v WHERE v.tenant_id = %(tenant)s AND v.user_id = %(user)s
             AND v.entity_type = e.entity_type AND v.entity_id IN (0, e.entity_id))
     OR e.entity_type IN ('mu', 'ct') AND e.bu_id IS NOT NULL
     AND EXISTS (SELECT FROM entity_views v WHERE v.tenant_id = %(tenant)s AND v.user_id = %(user)s
                 AND v.entity_type = 'bu' AND v.entity_id IN (0, e.bu_id)))
"""


class View(NamedTuple):
    """View permission on an entity, or on all of a type: then the number is 0."""

    entity_type: str
    entity_id: int

    def __str__(self) -> str:
        """Write it as people do: `mu:1`, `mu:all`."""
        return f"{self.entity_type}:{self.entity_id or 'all'}"


@dataclass(frozen=True, slots=True)
class ListedEntity:
    """An entity as it is listed; `status` is ADD, CHANGE or DELETE."""

    entity_type: str
    id: int
    name: str
    status: str


def read_view(text: str) -> View:
    """Read `mu:1` or `mu:all`; raises UnknownEntity."""
    found = _VIEW.fullmatch(text)
    if found is None:
        raise UnknownEntity(f"'{text}' is no entity.")
    entity_type, number = found.groups()
    return View(entity_type, _ALL if number == "all" else int(number))


def list_entities(
    database: Database, tenant_id: UUID, user_id: UUID, types: Sequence[str], since: datetime | None
) -> list[ListedEntity]:
    """List the entities a user may View, by type in the order given, then by id.

    Without `since` those that are there, else those added, changed or deleted at or after it (SS-106, SS-107). The
    permission on a deleted entity is the one it had (SS-109), as it is kept.
    """
    rows = database.execute(
        f"""
        SELECT e.entity_type, e.entity_id, e.name, s.status
        FROM wfm_entities e CROSS JOIN LATERAL (SELECT CASE
            WHEN %(since)s::timestamptz IS NULL THEN CASE WHEN e.deleted_at IS NULL THEN 'ADD' END
            WHEN e.deleted_at IS NULL AND e.created_at >= %(since)s THEN 'ADD'
            WHEN e.created_at >= %(since)s THEN NULL
            WHEN e.deleted_at >= %(since)s THEN 'DELETE'
            WHEN e.deleted_at IS NULL AND e.changed_at >= %(since)s THEN 'CHANGE'
        END AS status) s
        WHERE e.tenant_id = %(tenant)s AND e.entity_type = ANY(%(types)s::text[]) AND s.status IS NOT NULL AND {_VIEWED}
        ORDER BY array_position(%(types)s::text[], e.entity_type), e.entity_id
        """,
        {"tenant": tenant_id, "user": user_id, "types": list(types), "since": since},
        tenant=tenant_id,
    )
    return [ListedEntity(*row) for row in rows]


def viewable(database: Database, tenant_id: UUID, user_id: UUID, entity_type: str) -> list[int]:
    """List the ids of a type that a user may View, deleted ones too: they have a past."""
    rows = database.execute(
        f"""
        SELECT e.entity_id FROM wfm_entities e
        WHERE e.tenant_id = %(tenant)s AND e.entity_type = %(type)s AND {_VIEWED} ORDER BY e.entity_id
        """,
        {"tenant": tenant_id, "user": user_id, "type": entity_type},
        tenant=tenant_id,
    )
    return [row.entity_id for row in rows]


def refused(
    database: Database, tenant_id: UUID, user_id: UUID, asked: Mapping[str, Sequence[int]]
) -> dict[str, list[int]]:
    """Find the ids, by type, that do not exist or may not be viewed, which are one and the same (SS-216).

    Each once, in the order asked (SS-321); a type without any is left out.
    """
    pairs = [(kind, number) for kind, ids in asked.items() for number in ids if 0 < number <= _GREATEST_ID]
    rows = database.execute(
        f"""
        SELECT DISTINCT e.entity_type, e.entity_id
        FROM unnest(%(types)s::text[], %(ids)s::bigint[]) AS asked (entity_type, entity_id)
        JOIN wfm_entities e USING (entity_type, entity_id)
        WHERE e.tenant_id = %(tenant)s AND {_VIEWED}
        """,
        {
            "tenant": tenant_id,
            "user": user_id,
            "types": [kind for kind, _ in pairs],
            "ids": [number for _, number in pairs],
        },
        tenant=tenant_id,
    )
    may = set(map(tuple, rows))
    wanting = {
        kind: [number for number in dict.fromkeys(ids) if (kind, number) not in may] for kind, ids in asked.items()
    }
    return {kind: ids for kind, ids in wanting.items() if ids}


# -- granting -----------------------------------------------------------------------------------------------------


def views_of(database: Database, tenant: Tenant) -> dict[UUID, list[View]]:
    """List what the tenant's users were granted, by user, type and number; users without any are left out."""
    rows = database.execute(
        """
        SELECT user_id, entity_type, entity_id FROM entity_views WHERE tenant_id = %(tenant)s
        ORDER BY user_id, array_position(%(types)s::text[], entity_type), entity_id
        """,
        {"tenant": tenant.id, "types": list(ENTITY_TYPES)},
        tenant=tenant.id,
    )
    found: dict[UUID, list[View]] = {}
    for row in rows:
        found.setdefault(row.user_id, []).append(View(row.entity_type, row.entity_id))
    return found


def grant_views(database: Database, user: User, views: Sequence[View]) -> None:
    """Let a user View entities, all or none of them; raises UnknownEntity, naming those that do not exist."""
    with database.transaction(tenant=user.tenant_id) as connection:
        known = connection.execute(
            f"""
            SELECT asked.entity_type, asked.entity_id FROM {_ASKED}
            WHERE asked.entity_id = 0 OR EXISTS (
                SELECT FROM wfm_entities e WHERE e.tenant_id = %(tenant)s
                AND (e.entity_type, e.entity_id) = (asked.entity_type, asked.entity_id))
            """,
            _asked(user, views),
        ).fetchall()
        unknown = set(views) - {View(*row) for row in known}
        if unknown:
            raise UnknownEntity(f"The tenant has no {_listed(unknown)}.")
        connection.execute(
            f"""
            INSERT INTO entity_views (tenant_id, user_id, entity_type, entity_id)
            SELECT %(tenant)s, %(user)s, entity_type, entity_id FROM {_ASKED} ON CONFLICT DO NOTHING
            """,
            _asked(user, views),
        )


def withdraw_views(database: Database, user: User, views: Sequence[View]) -> None:
    """Take View back, all or nothing; raises StillViewable where a wider permission would leave it in force."""
    with database.transaction(tenant=user.tenant_id) as connection:
        connection.execute(
            f"""
            DELETE FROM entity_views v USING {_ASKED}
            WHERE v.tenant_id = %(tenant)s AND v.user_id = %(user)s
              AND (v.entity_type, v.entity_id) = (asked.entity_type, asked.entity_id)
            """,
            _asked(user, views),
        )
        wider = _find_wider(connection, user, views)
        if wider:
            held = ", ".join(f"{view} through {through}" for view, through in sorted(wider.items()))
            raise StillViewable(f"User '{user.name}' could still view {held}; nothing was changed.")


def _find_wider(connection: Connection, user: User, views: Sequence[View]) -> dict[View, View]:
    """Find by which wider permission single entities can still be viewed."""
    rows = connection.execute(
        f"""
        SELECT asked.entity_type, asked.entity_id, v.entity_type AS wider_type, v.entity_id AS wider_id
        FROM {_ASKED}
        LEFT JOIN wfm_entities e ON e.tenant_id = %(tenant)s AND e.entity_type IN ('mu', 'ct')
            AND (e.entity_type, e.entity_id) = (asked.entity_type, asked.entity_id)
        JOIN entity_views v ON v.tenant_id = %(tenant)s AND v.user_id = %(user)s AND (
            (v.entity_type, v.entity_id) = (asked.entity_type, 0)
            OR v.entity_type = 'bu' AND e.bu_id IS NOT NULL AND v.entity_id IN (0, e.bu_id))
        WHERE asked.entity_id <> 0
        """,
        _asked(user, views),
    ).fetchall()
    return {View(*row[:2]): View(*row[2:]) for row in rows}


def _asked(user: User, views: Sequence[View]) -> dict[str, object]:
    return {
        "tenant": user.tenant_id,
        "user": user.id,
        "types": [view.entity_type for view in views],
        "ids": [view.entity_id for view in views],
    }


def _listed(views: Iterable[View]) -> str:
    return ", ".join(str(view) for view in sorted(views))
