"""Which test proves which requirement: read from the specifications and from the marks of the tests."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

_NUMBER = re.compile(r"^- \*\*((?:CX|SS|WM)-\d{3})\*\*", re.MULTILINE)
# The title of each specification and its file, in the order of the page.
SPECIFICATIONS = {
    "Data Extraction API": "cxone-data-extraction.md",
    "SmartSync Export APIs": "smartsync.md",
    "WFM data model": "wfm-data-model.md",
}

# Requirements that no test can prove from outside, or at all, with the reason.
NOT_TESTED: dict[str, str] = {}


def required(root: Path, file: str | None = None) -> list[str]:
    """List the numbers of a specification, or of all, in their order."""
    files = [file] if file else SPECIFICATIONS.values()
    texts = ((root / "docs/specification" / name).read_text(encoding="utf-8") for name in files)
    return [number for text in texts for number in _NUMBER.findall(text)]


def proofs(root: Path) -> dict[str, list[tuple[str, str]]]:
    """Tell for each number the tests that carry it, as path and name."""
    found: dict[str, list[tuple[str, str]]] = {}
    for path in sorted((root / "tests").rglob("test_*.py")):
        name = path.relative_to(root).as_posix()
        for test, numbers in _marked(ast.parse(path.read_text(encoding="utf-8"))):
            for number in numbers:
                found.setdefault(number, []).append((name, test))
    return found


def without_test(root: Path) -> list[str]:
    """List the numbers that no test carries and that are not excused."""
    proven = proofs(root)
    return [number for number in required(root) if number not in proven and number not in NOT_TESTED]


def unknown(root: Path) -> list[str]:
    """List the numbers that tests carry but the specification does not have."""
    return sorted(proofs(root).keys() - set(required(root)))


def _marked(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            numbers = [number for mark in node.decorator_list for number in _numbers(mark)]
            if numbers:
                yield node.name, numbers


def _numbers(mark: ast.expr) -> Iterator[str]:
    """Read the numbers out of `@pytest.mark.req("CX-…", …)`."""
    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.req":
        yield from (one.value for one in mark.args if isinstance(one, ast.Constant) and isinstance(one.value, str))
