"""Settings: what an operator may choose, from a TOML file and the environment; the only reader of the environment.

A setting `group.name` comes from `[group]` `name = …` in the TOML file or from `TAILRACE_GROUP__NAME` in the
environment, which wins. Names and defaults of the groups `cxone` and `smartsync` are those of the wire
specifications, annex C of each.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from tailrace.errors import SettingsInvalid
from tailrace.settings.groups import (
    Catalog,
    Cxone,
    DatasetSettings,
    FormatOffered,
    Settings,
    Smartsync,
    Source,
    Worker,
)

__all__ = [
    "Cxone",
    "DatasetSettings",
    "FormatOffered",
    "Settings",
    "Smartsync",
    "Source",
    "Worker",
    "data_folder",
    "describe",
    "load_settings",
]

_PREFIX = "TAILRACE_"
# Shorthands for the names that people and platforms use anyway.
_SHORTHANDS = {"DATABASE_URL": ("database", "url"), "TAILRACE_FAULT": ("testing", "fault")}
# Groups of which there may be any number, each with a name; a dataset's name is no part of a variable's.
_NAMED = {"sources": "TAILRACE_SOURCES__<NAME>__<SETTING>", "datasets": "[datasets.<name>] in the settings file only"}
_NAMED_DEPTH = 3


def data_folder(data: Path | None = None) -> Path:
    """Tell the data folder: the argument, else `TAILRACE_DATA`, else `./tailrace-data`."""
    return (data or Path(os.environ.get("TAILRACE_DATA", "tailrace-data"))).absolute()


def load_settings(data: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings of a data folder and the environment.

    The file is `TAILRACE_CONFIG`, else `tailrace.toml` in the data folder if it is there.
    Raises SettingsInvalid, naming every fault at once.
    """
    environ = os.environ if environ is None else environ
    values, faults = _from_file(data, environ)
    faults += _add_environment(values, environ)
    settings = _validate(values, faults)
    if faults or settings is None:
        listing = "".join(f"\n  {fault}" for fault in faults)
        raise SettingsInvalid(f"{len(faults)} setting(s) cannot be used:{listing}", details=tuple(faults))
    return settings


def describe(settings: Settings) -> Iterator[tuple[str, object, str]]:
    """Yield name, value as shown to people (secrets hidden) and documentation of every setting."""
    for name, value, field in _walk(settings):
        shown = "********" if isinstance(value, SecretStr) else value
        yield name, shown, field.description or ""


def _walk(settings: Settings) -> Iterator[tuple[str, object, FieldInfo]]:
    for group in type(settings).model_fields:
        found = getattr(settings, group)
        parts = (
            {group: found} if isinstance(found, BaseModel) else {f"{group}.{name}": one for name, one in found.items()}
        )
        for place, part in parts.items():
            for name, field in type(part).model_fields.items():
                yield f"{place}.{name}", getattr(part, name), field


def _from_file(data: Path, environ: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    named = environ.get("TAILRACE_CONFIG")
    path = Path(named) if named else data / "tailrace.toml"
    if not named and not path.exists():
        return {}, []
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), []
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return {}, [f"{path}: {error}"]


def _add_environment(values: dict[str, Any], environ: Mapping[str, str]) -> list[str]:
    faults = []
    # Shorthands first, so that the full name has the last word.
    for variable, text in sorted(environ.items(), key=lambda item: item[0] not in _SHORTHANDS):
        place = _SHORTHANDS.get(variable) or _place(variable)
        # Set but empty is how many platforms say "not set" of the shorthands.
        if place is None or (variable in _SHORTHANDS and not text):
            continue
        try:
            _put(values, place, Catalog.split(text) if place == ("catalog", "folders") else text)
        except LookupError as error:
            faults.append(f"{variable}: {error.args[0]}")
            values.pop(place[0], None)
    return faults


def _put(values: dict[str, Any], place: tuple[str, ...], value: object) -> None:
    """Set one value; raises LookupError where no setting can have that name."""
    group = place[0]
    if group not in Settings.model_fields:
        raise LookupError(f"there is no group of settings named '{group}'")
    named = group in _NAMED
    if named and (len(place) != _NAMED_DEPTH or group == "datasets"):
        raise LookupError(f"'{group}' is set as {_NAMED[group]}")
    part = values
    for name in place[: 2 if named else 1]:
        part = part.setdefault(name, {})
        if not isinstance(part, dict):
            raise LookupError(f"there is no group of settings named '{name}'")  # noqa: TRY004 - no such name, to people
    part["__".join(place[2 if named else 1 :])] = value


def _place(variable: str) -> tuple[str, ...] | None:
    """Split `TAILRACE_GROUP__NAME`; other variables are not settings."""
    if not variable.startswith(_PREFIX) or "__" not in variable:
        return None
    return tuple(variable.removeprefix(_PREFIX).lower().split("__"))


def _validate(values: dict[str, Any], faults: list[str]) -> Settings | None:
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        faults += [f"{'.'.join(map(str, fault['loc']))}: {_reason(fault)}" for fault in error.errors()]
        return None


def _reason(fault: Mapping[str, Any]) -> str:
    if fault["type"] == "extra_forbidden":
        return "there is no such setting"
    return str(fault["msg"][0].lower() + fault["msg"][1:])
