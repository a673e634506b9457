"""What the tests of this folder share: a tenant and the folder of stored rows."""

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from tailrace.database.pool import Database


@dataclass(frozen=True)
class Tenant:
    id: UUID
    name: str


@pytest.fixture
def tenant(database: Database) -> Tenant:
    row = database.execute("INSERT INTO tenants (name, customer_id) VALUES ('Harbour Ferries', 1) RETURNING id, name")[
        0
    ]
    return Tenant(row.id, row.name)


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    return tmp_path / "tables"
