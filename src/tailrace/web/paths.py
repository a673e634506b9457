"""The paths that are offered: which template a path belongs to, and which methods are offered there."""

import re
from collections.abc import Iterable, Mapping

from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send


class Paths:
    """Path templates with their methods; a template ending in a path parameter takes the rest of the path."""

    def __init__(self, documented: Mapping[str, Iterable[str]], spellings: Mapping[str, str]) -> None:
        """Take templates and methods from an OpenAPI document, and other spellings of a beginning of paths."""
        self._known = [
            (_compile(path), path, {name.upper() for name in methods}) for path, methods in documented.items()
        ]
        self._spellings = spellings

    def template(self, path: str) -> str:
        """Name the template of a path, `unknown` when there is none; never the path itself, which may name things."""
        found = self._find(path)
        return found[0] if found else "unknown"

    def methods(self, path: str) -> set[str]:
        """Name the methods offered at a path."""
        found = self._find(path)
        return found[1] if found else set()

    def _find(self, path: str) -> tuple[str, set[str]] | None:
        for other, usual in self._spellings.items():
            if path.startswith(other):
                path = usual + path.removeprefix(other)
        return next(((template, methods) for pattern, template, methods in self._known if pattern.match(path)), None)


class OneSpelling:
    """Passes requests on with one spelling of the first part of the path, whatever the case it came in (SS-001)."""

    def __init__(self, app: ASGIApp, first: str) -> None:
        """Take the application and the spelling its routes have, such as `/SMARTSync`."""
        self._app = app
        self._first = first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        path = scope.get("path", "")
        length = len(self._first)
        if path[length : length + 1] == "/" and path[:length].lower() == self._first.lower():
            scope = {**scope, "path": self._first + path[length:]}
        await self._app(scope, receive, send)


def _compile(path: str) -> re.Pattern[str]:
    """Compile a template; OpenAPI does not say that the key of a download may have slashes."""
    return compile_path(path.replace("{key}", "{key:path}"))[0]
