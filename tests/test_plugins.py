"""Plug-ins are found by the names of files, in every package that has some."""

import sys
from pathlib import Path

import pytest

from tailrace.errors import PluginUnknown
from tailrace.plugins import load_plugin, plugin_names

PACKAGES = {"tailrace.engines": "connect", "tailrace.formats": "create", "tailrace.storage": "open_store"}


@pytest.mark.parametrize(("package", "face"), PACKAGES.items())
def test_every_file_but_base_is_a_plugin_and_has_its_face(package, face):
    names = plugin_names(package)
    folder = Path(str(load_plugin(package, names[0]).__file__)).parent
    assert names == sorted(path.stem for path in folder.glob("*.py") if path.stem not in ("base", "__init__"))
    for name in names:
        assert callable(getattr(load_plugin(package, name), face)), name


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("name", ["base", "nothing", "", "__init__", "../settings", "os.path"])
def test_an_unknown_name_is_refused_with_the_names_there_are(package, name):
    with pytest.raises(PluginUnknown) as caught:
        load_plugin(package, name)
    for known in plugin_names(package):
        assert known in caught.value.message


def test_a_new_file_is_a_new_plugin_and_a_folder_is_none(tmp_path, monkeypatch):
    package = tmp_path / "plugins_of_this_test"
    (package / "folder").mkdir(parents=True)
    for name in ("__init__", "base", "second", "first", "folder/__init__"):
        (package / f"{name}.py").write_text(f"name = '{name}'\n")
    (package / "notes.txt").write_text("no plug-in")
    monkeypatch.syspath_prepend(tmp_path)
    assert plugin_names("plugins_of_this_test") == ["first", "second"]
    assert load_plugin("plugins_of_this_test", "second").name == "second"
    for module in [name for name in sys.modules if name.startswith("plugins_of_this_test")]:
        del sys.modules[module]
