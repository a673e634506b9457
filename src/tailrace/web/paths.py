"""The paths that are offered: which template a path belongs to, and which methods are offered there."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

_MANY_PATHS = 256


class Paths:
    """Path templates with their methods; a template ending in a path parameter takes the rest of the path."""

    def __init__(self, documented: Mapping[str, Iterable[str]]) -> None:
        """Take templates and methods from an OpenAPI document."""
        self._known = [
            (_compile(path), path, {name.upper() for name in methods}) for path, methods in documented.items()
        ]
        # A job's path is asked for again and again.
        self._find = lru_cache(_MANY_PATHS)(self._look_up)

    def template(self, path: str) -> str:
        """Name the template of a path, `unknown` when there is none; never the path itself, which may name things."""
        found = self._find(path)
        return found[0] if found else "unknown"

    def methods(self, path: str) -> set[str]:
        """Name the methods offered at a path."""
        found = self._find(path)
        return found[1] if found else set()

    def _look_up(self, path: str) -> tuple[str, set[str]] | None:
        return next(((template, methods) for pattern, template, methods in self._known if pattern.match(path)), None)


class OneSpelling:
    """Passes requests on with one spelling of the beginning of the path, whichever they came in (CX-001, SS-001)."""

    def __init__(self, app: ASGIApp, spellings: Mapping[str, str]) -> None:
        """Take the application, and for each pattern of a beginning the spelling its routes have."""
        self._app = app
        self._spellings = [(re.compile(pattern), usual) for pattern, usual in spellings.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        path = scope.get("path", "")
        for pattern, usual in self._spellings:
            if found := pattern.match(path):
                scope = {**scope, "path": usual + path[found.end() :]}
        await self._app(scope, receive, send)


def _compile(path: str) -> re.Pattern[str]:
    """Compile a template; OpenAPI does not say that the key of a download may have slashes."""
    return compile_path(path.replace("{key}", "{key:path}"))[0]
