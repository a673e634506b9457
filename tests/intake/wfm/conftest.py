"""What the tests of this folder share: a tenant with two users, and ways to load and look."""

from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from intake.wfm.small import stored_rows, write_folder
from tailrace.access.tenants import Tenant, create_tenant
from tailrace.access.users import create_user
from tailrace.database.pool import Database
from tailrace.errors import LoadRefused
from tailrace.intake.manifest import wfm_files
from tailrace.intake.wfm.load import WfmReport, load_wfm

COPIES = ("wfm_entities", "wfm_data_groups", "wfm_code_attributes", "wfm_time_off_rules", "entity_views")


@pytest.fixture
def tenant(database: Database) -> Tenant:
    return make_tenant(database, "Harbour Ferries")


def make_tenant(database: Database, name: str) -> Tenant:
    tenant = create_tenant(database, name)
    for user in ("maria", "paul"):
        create_user(database, tenant, user)
    return tenant


class House:
    """A data folder with its database."""

    def __init__(self, database: Database, tables: Path, tenant: Tenant, folder: Path) -> None:
        self.database, self.tables, self.tenant, self._folder = database, tables, tenant, folder
        self._number = count()

    def folder(self, files: Mapping[str, str | bytes]) -> Path:
        return write_folder(self._folder / f"folder-{next(self._number)}", files)

    def load(self, files: Mapping[str, str | bytes], tenant: Tenant | None = None, **more: Any) -> WfmReport:
        return load_wfm(self.database, self.tables, tenant or self.tenant, self.folder(files), **more)

    def refused(self, files: Mapping[str, str | bytes], **more: Any) -> LoadRefused:
        """Load what must be refused, and check that all is as before."""
        before = self.everything()
        with pytest.raises(LoadRefused) as refused:
            self.load(files, **more)
        assert self.everything() == before
        return refused.value

    def stored(self, tenant: Tenant | None = None) -> dict[str, list[tuple[object, ...]]]:
        return stored_rows(self.tables, wfm_files(self.database, (tenant or self.tenant).id))

    def copies(self, tenant: Tenant | None = None) -> dict[str, list[Any]]:
        """Read the copies in PostgreSQL."""
        return {
            table: sorted(
                map(repr, self.database.execute(f"SELECT * FROM {table} WHERE tenant_id = %(id)s", self._id(tenant)))
            )
            for table in COPIES
        }

    def everything(self) -> tuple[Any, ...]:
        """All there is: rows in PostgreSQL, and files on the disk, which are never written again."""
        assert not list(self.tables.glob(".scratch*"))
        published = sorted(map(repr, self.database.execute("SELECT * FROM stored_files")))
        files = {path: path.stat().st_mtime_ns for path in self.tables.rglob("*") if not path.is_dir()}
        return published, self.copies(), files

    def _id(self, tenant: Tenant | None) -> dict[str, object]:
        return {"id": (tenant or self.tenant).id}


@pytest.fixture
def house(database: Database, tables: Path, tenant: Tenant, tmp_path: Path) -> House:
    return House(database, tables, tenant, tmp_path)


@pytest.fixture
def new_tenant(database: Database) -> Callable[[str], Tenant]:
    return lambda name: make_tenant(database, name)
