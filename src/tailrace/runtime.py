"""What a process of Tailrace holds: settings, database, catalogue, and where its folders are."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailrace.catalog.loader import Catalog, load_catalog
from tailrace.database.embedded import EmbeddedPostgres
from tailrace.database.migrate import migrate
from tailrace.database.pool import Database
from tailrace.errors import LoadRefused, SettingsInvalid
from tailrace.faults import arm
from tailrace.logs import configure_logs
from tailrace.settings import Settings, data_folder, load_settings


@dataclass(frozen=True, slots=True)
class Runtime:
    """One process's share of the service.

    `tables` is the folder of stored rows, `catalog_folders` those with the operator's datasets;
    `ensure_database` brings the private PostgreSQL back if it went away, and does nothing for an outside one.
    """

    data: Path
    settings: Settings
    database: Database
    catalog: Catalog
    catalog_folders: tuple[Path, ...]
    ensure_database: Callable[[], None]

    @property
    def tables(self) -> Path:
        """The folder of stored rows."""
        return self.data / "tables"

    @property
    def scratch(self) -> Path:
        """The folder for what does not fit into memory."""
        return self.data / "scratch"

    def check_loadable(self, dataset: str) -> None:
        """Refuse to take in rows that nobody would ever read, as the dataset has a source; raises LoadRefused."""
        bound = self.settings.datasets.get(dataset)
        if bound is not None and bound.source is not None:
            raise LoadRefused(f"The rows of '{dataset}' come from the source '{bound.source}'; nothing was loaded.")

    @property
    def storage_options(self) -> dict[str, Any]:
        """What the configured store needs to be opened; may hold a secret, so it is never logged."""
        storage = self.settings.storage
        if storage.kind == "local":
            return {"folder": str(storage.folder or self.data / "results")}
        secret = storage.secret_access_key
        return {
            **storage.model_dump(exclude={"kind", "folder", "secret_access_key"}),
            "secret_access_key": None if secret is None else secret.get_secret_value(),
        }


@contextmanager
def open_runtime(data: Path | None = None, *, as_found: bool = False) -> Iterator[Runtime]:
    """Open the data folder and the database, with all tables up to date; closed at the end of the context.

    `as_found` leaves the tables as they are, and does not look whether the database answers.
    Raises SettingsInvalid, CatalogInvalid and DatabaseUnavailable.
    """
    folder = data_folder(data)
    settings = load_settings(folder)
    configure_logs(settings.log.level, settings.log.format)
    arm(settings.testing.fault)
    _make_folder(folder)
    folders = catalog_folders(folder, settings)
    catalog = load_catalog(folders)
    with ExitStack() as stack:
        conninfo, ensure = _open_database(stack, folder, settings)
        database = Database(conninfo, size=settings.database.pool_size, timeout_seconds=settings.database.timeout_s)
        stack.callback(database.close)
        if not as_found:
            database.probe()
            migrate(database)
        yield Runtime(folder, settings, database, catalog, folders, ensure)


def _open_database(stack: ExitStack, folder: Path, settings: Settings) -> tuple[str, Callable[[], None]]:
    if settings.database.url is not None:
        return settings.database.url.get_secret_value(), lambda: None
    embedded = EmbeddedPostgres(folder, system_user=settings.database.system_user)
    return stack.enter_context(embedded), embedded.ensure_running


def catalog_folders(folder: Path, settings: Settings) -> tuple[Path, ...]:
    """List the folders with the operator's datasets; raises SettingsInvalid when a named one is not there."""
    missing = [f"catalog.folders: {path} is not a folder" for path in settings.catalog.folders if not path.is_dir()]
    if missing:
        raise SettingsInvalid("\n".join(missing), details=tuple(missing))
    own = folder / "catalog"
    return (*settings.catalog.folders, *([own] if own.is_dir() else []))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SettingsInvalid(f"The data folder {folder} cannot be made: {error.strerror}") from error
