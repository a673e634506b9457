"""Plug-ins: the name of a file in a package is the name of the plug-in, and there is no list to edit."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from tailrace.errors import PluginUnknown


def plugin_names(package: str) -> list[str]:
    """List the plug-ins of a package: its modules but `base`."""
    path = import_module(package).__path__
    return sorted(module.name for module in iter_modules(path) if module.name != "base" and not module.ispkg)


@cache
def load_plugin(package: str, name: str) -> ModuleType:
    """Import the module `name` of `package`.

    Raises PluginUnknown with the names there are.
    """
    names = plugin_names(package)
    if name not in names:
        kind = package.rpartition(".")[2]
        raise PluginUnknown(f"There is no '{name}' in {kind}; there is: {', '.join(names)}.")
    return import_module(f"{package}.{name}")
