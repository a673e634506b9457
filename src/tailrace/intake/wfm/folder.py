"""Finds the files of a folder that are named after WFM tables."""

from collections.abc import Iterator
from pathlib import Path

from tailrace.catalog.wfm import load_wfm_tables
from tailrace.errors import LoadRefused
from tailrace.intake.refusal import refuse


def find_files(folder: Path) -> dict[str, Path]:
    """List the files by table, in the order of the tables; hidden files are passed over.

    Raises LoadRefused when the folder is none, holds nothing, or holds what is not named after a table.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise LoadRefused(f"{folder}: {error.strerror}; nothing was loaded.") from error
    tables = load_wfm_tables()
    if not paths:
        raise LoadRefused(f"{folder}: holds no file; nothing was loaded. {_names()}")
    problems = [*_strangers(paths), *_twins(paths)]
    if problems:
        raise refuse(str(folder), problems)
    by_table = {_table_of(path): path for path in paths}
    return {name: by_table[name] for name in tables if name in by_table}


def _strangers(paths: list[Path]) -> Iterator[str]:
    strangers = [path.name for path in paths if _table_of(path) not in load_wfm_tables()]
    yield from (f"{name}: is not named after a table" for name in strangers)
    if strangers:
        yield _names()


def _twins(paths: list[Path]) -> Iterator[str]:
    seen: dict[str, Path] = {}
    for path in paths:
        twin = seen.setdefault(_table_of(path), path)
        if twin is not path and _table_of(path) in load_wfm_tables():
            yield f"{twin.name} and {path.name}: both are for the table {_table_of(path)}"


def _names() -> str:
    return f"Files are named after the tables, as in agent.csv: {', '.join(load_wfm_tables())}"


def _table_of(path: Path) -> str:
    """Take the name without its ending, which is looked at when the file is read."""
    packed = path.suffix.lower() == ".gz"
    return Path(path.stem if packed else path.name).stem
