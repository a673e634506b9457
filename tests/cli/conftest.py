"""A way to run commands, and a data folder with a database of the module's own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from run_cli import Cli


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of whoever runs the tests out of them."""
    names = ("DATA", "CONFIG", "URL", "ACCESS_KEY_ID", "ACCESS_KEY_SECRET")
    for name in ("DATABASE_URL", *(f"TAILRACE_{name}" for name in names)):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def bare_cli() -> Cli:
    """Run commands that need no data folder."""
    return Cli()


@pytest.fixture(scope="module")
def module_database(new_database: Callable[[], str]) -> str:
    """Name a database that the tests of a module share."""
    return new_database()


@pytest.fixture
def cli(module_database: str, bare_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run commands on a data folder."""
    monkeypatch.setenv("DATABASE_URL", module_database)
    return Cli(tmp_path / "data")
