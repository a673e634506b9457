"""The documents agree with the code, and the check that says so does find what is wrong."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import Field

from tailrace.catalog.loader import load_catalog
from tailrace.errors import CatalogInvalid, TailraceError
from tailrace.settings import Settings, Worker

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def build() -> ModuleType:
    """Load docs/build.py as running it would."""
    spec = importlib.util.spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    path = list(sys.path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path[:] = path
    return module


@pytest.fixture
def page(tmp_path: Path):
    """Write a page of a project that has no other."""

    def write(text: str, name: str = "README.md") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return tmp_path

    return write


@pytest.mark.parametrize("name", ["settings", "errors", "catalogue", "openapi", "links", "commands"])
def test_the_tree_passes(build, name):
    assert build.CHECKS[name](ROOT) == []


def test_a_check_that_passes_prints_one_line(build, capsys):
    assert build.run_checks(ROOT, {"settings": lambda _root: [], "errors": lambda _root: []}) == 0
    assert capsys.readouterr() == ("settings: ok\nerrors: ok\n", "")


def test_every_fault_is_named_and_fails(build, capsys):
    assert build.run_checks(ROOT, {"links": lambda _root: ["one", "two"], "errors": lambda _root: []}) == 1
    assert capsys.readouterr() == ("errors: ok\n", "links: one\nlinks: two\n")


def test_a_broken_catalogue_is_a_fault(build, capsys, tmp_path):
    (tmp_path / "broken.toml").write_text("name = ")

    def check(_root):
        load_catalog([tmp_path])

    assert build.run_checks(ROOT, {"catalogue": check}) == 1
    assert "broken.toml" in capsys.readouterr().err


def test_other_arguments_are_refused(build, capsys):
    assert build.main(["--chek"]) == 2
    assert "usage" in capsys.readouterr().err


def test_pages_are_written_once(build, capsys, tmp_path):
    build.write_pages(tmp_path)
    written = capsys.readouterr().out.splitlines()
    assert len(written) == 7
    build.write_pages(tmp_path)
    assert capsys.readouterr().out == ""
    assert build.checks.stale(tmp_path, "settings.md") == []


def test_an_edited_page_is_out_of_date(build, tmp_path):
    build.write_pages(tmp_path)
    with (tmp_path / "docs" / "reference" / "errors.md").open("a", encoding="utf-8") as file:
        file.write("Added by hand.\n")
    [fault] = build.checks.check_errors(tmp_path)
    assert "errors.md is out of date" in fault


def test_a_missing_page_is_out_of_date(build, tmp_path):
    assert build.checks.check_openapi(tmp_path) == [
        "docs/reference/openapi.json is out of date; run `make docs`",
    ]


def test_a_setting_without_description(build):
    class SilentWorker(Worker):
        naps: int = 3
        songs: int = Field(1, description="Songs sung.")

    class SilentSettings(Settings):
        worker: SilentWorker = SilentWorker()

    assert build.checks.check_settings(ROOT, SilentSettings()) == ["worker.naps has no description"]


def test_an_error_without_words(build):
    class WordlessError(TailraceError):
        code = "wordless"

    assert build.checks.check_errors(ROOT, [WordlessError]) == [
        "WordlessError has no docstring",
        "WordlessError has no advice",
    ]


def test_an_error_may_take_its_parents_advice(build):
    class Broken(CatalogInvalid):
        """A dataset file is broken."""

    assert build.checks.check_errors(ROOT, [Broken]) == []


def test_an_invalid_openapi_document(build):
    faults = build.checks.check_openapi(ROOT, {"openapi": "3.1.0", "info": {"title": "x"}, "paths": {}})
    assert any("version" in fault for fault in faults)


def test_links_are_followed(build, page):
    root = page("# A title: one\n\n[here](#a-title-one) [there](docs/b.md#b) [out](https://example.com/x)\n")
    page("# B\n\n[back](../README.md)\n", "docs/b.md")
    assert build.checks.check_links(root) == []


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("docs/gone.md", "'docs/gone.md' leads nowhere"),
        ("#gone", "'#gone': there is no such heading"),
        ("README.md#gone", "'README.md#gone': there is no such heading"),
    ],
)
def test_a_broken_link(build, page, link, problem):
    root = page(f"# Title\n\nSee\n[the\nother page]({link}).\n")
    assert build.checks.check_links(root) == [f"README.md, line 4: {problem}"]


def test_links_in_code_and_in_hidden_folders_are_none(build, page):
    root = page("`[x](gone.md)`\n\n```text\n[x](gone.md)\n```\n")
    page("[x](gone.md)\n", ".venv/README.md")
    assert build.checks.check_links(root) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("tailrace serv", "`tailrace` has no command 'serv'"),
        ("tailrace user remove --tenant acme", "`tailrace user` has no command 'remove'"),
        ("tailrace serve --ports 80", "`tailrace serve` has no option --ports"),
        ("$ A=1 tailrace load x --tenants=acme a.csv > out", "`tailrace load` has no option --tenants"),
        ("(umask 077; tailrace key make)", "`tailrace key` has no command 'make'"),
        ("tailrace load x \\\n  --nope", "`tailrace load` has no option --nope"),
    ],
)
def test_an_unknown_command_or_option(build, page, line, problem):
    root = page(f"```sh\n{line}\n```\n")
    assert [fault.partition(": ")[2] for fault in build.checks.check_commands(root)] == [problem]


def test_commands_between_backquotes_are_checked(build, page):
    assert build.checks.check_commands(page("Run `tailrace serv` or `TAILRACE_X=1 tailrace`.\n")) == [
        "README.md, line 1: `tailrace` has no command 'serv'",
    ]


def test_known_commands_pass(build, page):
    root = page(
        "```sh\ntailrace --debug key create --tenant acme --user bob --json > key.json  # kept\n"
        "tailrace extract x --version 1 -o out.csv && other --option\n```\n"
    )
    assert build.checks.check_commands(root) == []
