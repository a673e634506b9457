"""What `docs/build.py --check` looks at; each check takes the root folder and returns its faults as sentences."""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
from docs.pages import PAGES, error_classes, groups_of, own_doc
from openapi_spec_validator import OpenAPIV31SpecValidator

from docs import requirements
from tailrace.cli.main import app
from tailrace.errors import TailraceError
from tailrace.settings import Settings
from tailrace.web.app import bare_app, describe_api

_FENCE = re.compile(r"^ {0,3}(```|~~~)")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.*?) *#*$")
_INLINE_CODE = re.compile(r"`([^`\n]+)`")
# A command, after what may stand before it: a prompt, another command in a subshell, settings of the environment.
_COMMAND = re.compile(r"^\s*(?:\$ )?(?:\([^;]*; )?(?:[A-Z][A-Z0-9_]*=\S+ )*(tailrace [^)]*)")
_SHELL_OPERATORS = {"|", ">", ">>", "<", "2>", "&&", "||", ";", "&"}
_FOREIGN = ("http://", "https://", "mailto:")
# Options every command has, whatever it declares.
_ALWAYS = {"--help"}


def page_path(root: Path, name: str) -> Path:
    """Tell where a generated page is."""
    return root / "docs" / "reference" / name


def stale(root: Path, name: str) -> list[str]:
    """Say if a generated page is not what would be written now."""
    path = page_path(root, name)
    if path.exists() and path.read_text(encoding="utf-8") == PAGES[name]():
        return []
    return [f"{path.relative_to(root)} is out of date; run `make docs`"]


def check_requirements(root: Path) -> list[str]:
    """Say which numbers have no test, which marks name no number, and if the page is out of date."""
    faults = [f"{number} has no test" for number in requirements.without_test(root)]
    faults += [f"tests name {number}, which no specification has" for number in requirements.unknown(root)]
    return faults + stale(root, "requirements.md")


# -- what the code says about itself ------------------------------------------------------------------------------


def check_settings(root: Path, settings: Settings | None = None) -> list[str]:
    """Every setting has a description, and the page has every setting."""
    silent = [
        f"{group}.{name} has no description"
        for group, fields in groups_of(settings or Settings())
        for name, field in type(fields).model_fields.items()
        if not (field.description or "").strip()
    ]
    return silent + stale(root, "settings.md")


def check_errors(root: Path, kinds: Iterable[type[TailraceError]] | None = None) -> list[str]:
    """Every error says what it means and what to do, and the page has every error."""
    silent = [fault for kind in kinds or error_classes() for fault in _faults_of(kind)]
    return silent + stale(root, "errors.md")


def _faults_of(kind: type[TailraceError]) -> Iterator[str]:
    if not own_doc(kind):
        yield f"{kind.__name__} has no docstring"
    # The advice of the root fits only what nobody foresaw.
    if kind is not TailraceError and not (kind.advice.strip() and kind.advice != TailraceError.advice):
        yield f"{kind.__name__} has no advice"


def check_catalogue(root: Path) -> list[str]:
    """The catalogue loads (its own errors say why not), and the pages have every dataset, exporter and WFM table."""
    return [fault for page in ("datasets.md", "exporters.md", "wfm-tables.md") for fault in stale(root, page)]


def check_openapi(root: Path, document: Mapping[str, Any] | None = None) -> list[str]:
    """The OpenAPI document is valid, and the file has it."""
    validator = OpenAPIV31SpecValidator(dict(document or describe_api(bare_app())))
    faults = [f"{'/'.join(map(str, error.path)) or 'document'}: {error.message}" for error in validator.iter_errors()]
    return faults + stale(root, "openapi.json")


# -- what the pages say -------------------------------------------------------------------------------------------


def markdown_files(root: Path) -> list[Path]:
    """List the Markdown files of the project; hidden folders are not part of it."""
    folders = [folder for folder in root.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
    return sorted([*root.glob("*.md"), *(path for folder in folders for path in folder.rglob("*.md"))])


def check_links(root: Path) -> list[str]:
    """Every relative link leads to a file that is there, and its anchor to a heading."""
    return [
        f"{path.relative_to(root)}, line {number}: {problem}"
        for path in markdown_files(root)
        for number, target in _links_in(path)
        for problem in _problems_of_link(path, target)
    ]


def _links_in(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and target of the links outside code; a link's text may go on in the next line."""
    prose = dict(_prose(path))
    text = "\n".join(_INLINE_CODE.sub("", prose.get(number, "")) for number in range(1, max(prose, default=0) + 1))
    for found in _LINK.finditer(text):
        yield text.count("\n", 0, found.start()) + 1, found[1]


def _problems_of_link(page: Path, target: str) -> Iterator[str]:
    if target.startswith(_FOREIGN):
        return
    name, _, anchor = target.partition("#")
    goal = page.parent / name if name else page
    if not goal.exists():
        yield f"'{target}' leads nowhere"
    elif anchor and goal.suffix == ".md" and anchor not in _anchors(goal):
        yield f"'{target}': there is no such heading"


def _anchors(path: Path) -> set[str]:
    """List the anchors GitHub gives to a page's headings."""
    titles = (found[1] for _, line in _prose(path) if (found := _HEADING.match(line)))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def check_commands(root: Path) -> list[str]:
    """Every `tailrace` command named in the pages exists, with the options it is given."""
    command = typer.main.get_command(app)
    return [
        f"{path.relative_to(root)}, line {number}: {problem}"
        for path in markdown_files(root)
        for number, text in _commands_in(path)
        for problem in _problems_of_command(command, text)
    ]


def _commands_in(path: Path) -> Iterator[tuple[int, str]]:
    """Yield what begins with `tailrace ` in fenced code and in code between backquotes."""
    for number, line in _code(path):
        if found := _COMMAND.match(line):
            yield number, found[1]
    for number, line in _prose(path):
        for code in _INLINE_CODE.findall(line):
            if found := _COMMAND.match(code):
                yield number, found[1]


def _problems_of_command(command: Any, text: str) -> Iterator[str]:
    try:
        words = shlex.split(text, comments=True)[1:]
    except ValueError as error:
        yield f"`{text}`: {error}"
        return
    path = "tailrace"
    for word in _until_operator(words):
        if word.startswith("-") and word != "-":
            option = word.partition("=")[0]
            if option not in _options(command):
                yield f"`{path}` has no option {option}"
        elif hasattr(command, "commands"):
            if word not in command.commands:
                yield f"`{path}` has no command '{word}'"
                return
            command, path = command.commands[word], f"{path} {word}"


def _until_operator(words: list[str]) -> Iterator[str]:
    for word in words:
        if word in _SHELL_OPERATORS:
            return
        yield word


def _options(command: Any) -> set[str]:
    return _ALWAYS | {option for parameter in command.params for option in parameter.opts}


# -- reading pages ------------------------------------------------------------------------------------------------


def _prose(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number and text of the lines outside fenced code."""
    return ((number, line) for number, line, fenced in _lines(path) if not fenced)


def _code(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number and text of the lines inside fenced code; lines continued by a backslash are joined."""
    begun = ""
    for number, line, fenced in _lines(path):
        if fenced and line.endswith("\\"):
            begun += line[:-1]
        elif fenced:
            yield number, begun + line
            begun = ""


def _lines(path: Path) -> Iterator[tuple[int, str, bool]]:
    fenced = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if _FENCE.match(line):
            fenced = not fenced
        else:
            yield number, line, fenced
