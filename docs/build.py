"""Writes the generated pages of `docs/reference`; with `--check`, writes nothing and says what is wrong.

Run it with `make docs` and `make check`.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tailrace.errors import TailraceError

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that `docs` is found wherever this is started

from docs.pages import PAGES  # noqa: E402 - as above

from docs import checks  # noqa: E402 - as above

Check = Callable[[Path], list[str]]

CHECKS: Mapping[str, Check] = {
    "settings": checks.check_settings,
    "errors": checks.check_errors,
    "catalogue": checks.check_catalogue,
    "openapi": checks.check_openapi,
    "requirements": checks.check_requirements,
    "links": checks.check_links,
    "commands": checks.check_commands,
}


def main(arguments: list[str]) -> int:
    """Write the pages, or check them and everything around them; returns the exit status."""
    if arguments not in ([], ["--check"]):
        print("usage: python docs/build.py [--check]", file=sys.stderr)
        return 2
    if arguments:
        return run_checks(ROOT)
    write_pages(ROOT)
    return 0


def write_pages(root: Path) -> None:
    """Write every generated page that is not as it should be."""
    for name, write in PAGES.items():
        path = checks.page_path(root, name)
        text = write()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(root)}")


def run_checks(root: Path, wanted: Mapping[str, Check] = CHECKS) -> int:
    """Run all checks: one line for each that is well, one for each fault; returns the exit status."""
    failed = False
    for name, check in wanted.items():
        try:
            faults = check(root)
        except TailraceError as error:
            faults = [error.message]
        for fault in faults:
            print(f"{name}: {fault}", file=sys.stderr)
        if not faults:
            print(f"{name}: ok")
        failed = failed or bool(faults)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
