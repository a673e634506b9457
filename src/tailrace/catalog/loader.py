"""Reads the dataset files, Tailrace's own and the operator's, and refuses a broken one with file and reason."""

import tomllib
from collections.abc import Iterator, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from tailrace.catalog.exporter import Exporter
from tailrace.catalog.model import Column, Dataset, Table
from tailrace.errors import CatalogInvalid, UnknownDataset

# The word under which all WFM tables are loaded, and so no dataset's name.
WFM = "wfm"


class Catalog:
    """All datasets this process offers: by name and version, and the exporters by name."""

    def __init__(self, datasets: Sequence[Dataset], exporters: Sequence[Exporter] = ()) -> None:
        """Take checked datasets and unite the versions of each into its table.

        Raises CatalogInvalid when versions of a dataset disagree about a stored column.
        """
        self._exporters = {exporter.name: exporter for exporter in sorted(exporters, key=lambda one: one.name)}
        self._datasets = {(dataset.name, dataset.version): dataset for dataset in datasets}
        self._tables = {name: _unite(name, self.versions(name)) for name in dict.fromkeys(d.name for d in datasets)}

    def __iter__(self) -> Iterator[Dataset]:
        """Yield the datasets in order of name and version."""
        return iter(sorted(self._datasets.values(), key=lambda d: (d.name, d.version.zfill(32))))

    def get(self, name: str, version: str) -> Dataset:
        """Find one dataset; raises UnknownDataset."""
        try:
            return self._datasets[name, version]
        except KeyError:
            raise UnknownDataset("Entity or version not found") from None

    def versions(self, name: str) -> list[Dataset]:
        """List the versions of a dataset, oldest first; empty when there is none of that name."""
        return [dataset for dataset in self if dataset.name == name]

    def table(self, name: str) -> Table:
        """Tell what is stored for a dataset; raises UnknownDataset."""
        try:
            return self._tables[name]
        except KeyError:
            known = ", ".join(sorted(self._tables))
            raise UnknownDataset(f"There is no dataset '{name}'; there is: {known}.") from None

    @property
    def exporters(self) -> list[Exporter]:
        """The exporters in order of name."""
        return list(self._exporters.values())

    def exporter(self, name: str) -> Exporter:
        """Find one exporter; raises UnknownDataset."""
        try:
            return self._exporters[name]
        except KeyError:
            raise UnknownDataset("There is no such exporter") from None

    def permission_ids(self) -> set[str]:
        """Collect the permission ids that datasets need."""
        return {dataset.permission_id for dataset in self}


def load_catalog(folders: Sequence[Path] = ()) -> Catalog:
    """Read Tailrace's own datasets and exporters, and those in `folders` and their folders `exporters`.

    A later folder's file replaces an equal name and version. Raises CatalogInvalid with file and reason; two files of
    one folder may not describe the same dataset.
    """
    datasets: dict[tuple[str, str], Dataset] = {}
    exporters: dict[tuple[str, str], Exporter] = {}
    with as_file(files("tailrace.catalog")) as own:
        for folder in (own / "entities", *folders):
            datasets |= _read_folder(folder, Dataset)
        for folder in (own, *folders):
            exporters |= _read_folder(folder / "exporters", Exporter)
    return Catalog(list(datasets.values()), list(exporters.values()))


_Kind = TypeVar("_Kind", Dataset, Exporter)


def _read_folder(folder: Path, kind: type[_Kind]) -> dict[tuple[str, str], _Kind]:
    found: dict[tuple[str, str], _Kind] = {}
    seen: dict[tuple[str, str], Path] = {}
    for path in sorted(folder.glob("*.toml")):
        dataset = _read(path, kind)
        key = (dataset.name, dataset.version)
        if key in seen:
            raise CatalogInvalid(f"{path}: '{key[0]}' version {key[1]} is described in {seen[key].name} already.")
        if dataset.name == WFM:
            raise CatalogInvalid(f"{path}: the name '{WFM}' stands for the WFM tables.")
        seen[key] = path
        found[key] = dataset
    return found


def read_dataset(path: Path) -> Dataset:
    """Read one dataset file; raises CatalogInvalid with file and every reason."""
    return _read(path, Dataset)


def _read(path: Path, kind: type[_Kind]) -> _Kind:
    try:
        return kind.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CatalogInvalid(f"{path}: {error}") from error
    except ValidationError as error:
        faults = tuple(
            f"{_place(fault['loc'])}{fault['msg'].removeprefix('Value error, ')}" for fault in error.errors()
        )
        listing = "".join(f"\n  {fault}" for fault in faults)
        what = "dataset" if kind is Dataset else "exporter"
        raise CatalogInvalid(f"{path} is not a valid {what} file:{listing}", details=faults) from error


def _place(location: tuple[int | str, ...]) -> str:
    """Write a place such as `columns[3].type: `, counting from 1 as people do."""
    parts = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    return f"{parts}: " if parts else ""


def _unite(name: str, versions: list[Dataset]) -> Table:
    columns: dict[str, Column] = {}
    for column in (column for dataset in versions for column in dataset.columns):
        known = columns.setdefault(column.source, column)
        if (known.type, known.scale, known.precision) != (column.type, column.scale, column.precision):
            raise CatalogInvalid(f"Dataset '{name}': versions disagree about the type of '{column.name}'.")
    ranges = {dataset.column(dataset.range_column).source for dataset in versions}
    if len(ranges) != 1:
        raise CatalogInvalid(f"Dataset '{name}': versions disagree about the range column.")
    hidden = {key for dataset in versions for key in dataset.hidden_keys if key not in columns}
    return Table(
        name=name,
        range_column=ranges.pop(),
        columns=tuple(columns.values()),
        hidden_keys=tuple(sorted(hidden)),
        order=tuple(versions[-1].order_columns()),
    )
