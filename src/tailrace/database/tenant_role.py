"""The role that statements for one tenant run as: it owns nothing, and may do to rows what such statements need.

Row-level security holds for it even where the role that Tailrace signs in with is a superuser.
"""

from typing import Any

import psycopg
from psycopg import sql
from psycopg.errors import DuplicateObject, InsufficientPrivilege, UniqueViolation

# The first PostgreSQL whose members of a role need not have its rights all the time.
_PARTS_RIGHTS = 160_000
# Named after the owner of the tables: roles are the whole server's, and two installations must not share one.
_FIND = """
    SELECT wanted.name, current_setting('role') AS present, found.oid IS NOT NULL AS is_there,
           coalesce(NOT (rolcanlogin OR rolsuper OR rolbypassrls), false) AS is_harmless,
           coalesce(CASE WHEN current_setting('server_version_num')::int < 160000
                         THEN pg_has_role(session_user, found.oid, 'MEMBER')
                         ELSE pg_has_role(session_user, found.oid, 'SET') END, false) AS may_be_taken,
           coalesce(has_table_privilege(found.oid, 'jobs', 'SELECT'), false) AS is_granted,
           row_security_active('jobs') AS policies_apply
    FROM (SELECT (left(pg_get_userbyid(relowner), 52) || '_one_tenant')::name AS name
          FROM pg_class WHERE oid = 'migrations'::regclass) AS wanted
    LEFT JOIN pg_roles AS found ON found.rolname = wanted.name
"""
# Rows of other tenants are out of its reach by the policies; secrets, and who signs in, by what is not granted here.
_GRANT = """
    GRANT USAGE ON SCHEMA {schema} TO {role};
    GRANT SELECT, UPDATE (created_at) ON tenants TO {role};  -- locking the row asks for the right to update something
    GRANT SELECT (id, tenant_id, name, active, created_at), INSERT (tenant_id, name), UPDATE (active, password_hash)
        ON users TO {role};
    GRANT SELECT, INSERT, DELETE ON user_permissions, entity_views TO {role};
    GRANT SELECT (id, tenant_id, user_id, created_at, revoked_at), INSERT, UPDATE (revoked_at)
        ON access_keys TO {role};
    GRANT SELECT (id, tenant_id, user_id), DELETE ON sessions TO {role};
    GRANT SELECT, INSERT, DELETE ON wfm_entities, wfm_data_groups, wfm_code_attributes, wfm_time_off_rules TO {role};
    GRANT SELECT, INSERT, UPDATE (replaced_at) ON stored_files TO {role};
    GRANT SELECT, INSERT, UPDATE (state, error_code, lease_until, epoch, finished_at, record_until) ON jobs TO {role};
    GRANT SELECT, INSERT, UPDATE (accepted_at) ON tenant_turns TO {role};
    GRANT SELECT, INSERT, UPDATE (body_sha256, job_id, created_at) ON idempotency_keys TO {role};
"""

_Connection = psycopg.Connection[Any]


def find_role(connection: _Connection) -> str:
    """Name the role for statements of one tenant; where there is none to be had, the role there is at present."""
    found = _find(connection)
    return str(found.name if _is_ready(found) else found.present)


def has_role(connection: _Connection) -> bool:
    """Tell whether the role for statements of one tenant is there to be taken."""
    return _is_ready(_find(connection))


def make_role(connection: _Connection, *, anew: bool) -> dict[str, Any]:
    """Make the role where it is not ready, with its rights; `anew` grants these also where it is.

    Returns the fields of a warning, none when all is well: then the role is there to be taken.
    """
    found = _find(connection)
    if anew or not _is_ready(found):
        reason = _try_to_make(connection, found)
        found = _find(connection)
        if not _is_ready(found):
            return {"role": found.name, "reason": reason, "policies_apply": found.policies_apply}
    return {}


def _find(connection: _Connection) -> Any:
    return connection.execute(_FIND).fetchone()


def _is_ready(found: Any) -> bool:
    return bool(found.is_harmless and found.may_be_taken and found.is_granted)


def _try_to_make(connection: _Connection, found: Any) -> str:
    """Do what is wanting as far as the server lets us; returns what it refused."""
    if found.is_there and not found.is_harmless:
        return "a role of that name may sign in or see everything"
    role = sql.Identifier(found.name)
    try:
        with connection.transaction():
            if not found.is_there:
                _create(connection, role)
            if not _find(connection).may_be_taken:
                _take(connection, role)
            schema = connection.execute("SELECT current_schema() AS name").fetchone().name  # type: ignore[union-attr]
            connection.execute(sql.SQL(_GRANT).format(role=role, schema=sql.Identifier(schema)))
    except InsufficientPrivilege as error:
        return str(error.diag.message_primary)
    return ""


def _create(connection: _Connection, role: sql.Identifier) -> None:
    try:
        with connection.transaction():
            connection.execute(sql.SQL("CREATE ROLE {role} NOLOGIN").format(role=role))
    except (DuplicateObject, UniqueViolation):
        return  # another database of the same server was faster


def _take(connection: _Connection, role: sql.Identifier) -> None:
    """Let the role we signed in with become this one; its rights stay apart from our own where PostgreSQL can."""
    can_part = connection.info.server_version >= _PARTS_RIGHTS
    statement = sql.SQL("GRANT {} TO SESSION_USER" + (" WITH INHERIT FALSE, SET TRUE" if can_part else ""))
    connection.execute(statement.format(role))
