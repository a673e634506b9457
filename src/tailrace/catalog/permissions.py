"""Permission ids: what a user may extract, deny by default (CX-821, CX-824)."""

from collections.abc import Sequence

from tailrace.catalog.loader import Catalog
from tailrace.errors import UnknownPermission

# Not bound to a dataset: cancelling other users' jobs of the tenant.
CANCEL_ANY = "job-cancel-any"


def permission_ids_for(catalog: Catalog, names: Sequence[str]) -> list[str]:
    """Turn dataset names and permission ids into permission ids; raises UnknownPermission."""
    ids = catalog.permission_ids() | {CANCEL_ANY}
    return sorted({permission for name in names for permission in _ids_for(catalog, name, ids)})


def _ids_for(catalog: Catalog, name: str, ids: set[str]) -> set[str]:
    found = {dataset.permission_id for dataset in catalog.versions(name)} or ({name} & ids)
    if not found:
        raise UnknownPermission(
            f"'{name}' is neither a dataset nor one of the permission ids {', '.join(sorted(ids))}."
        )
    return found
