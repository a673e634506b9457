"""Which files a pattern means, segment by segment, and what folders say of rows.

Signs are `*`, `**`, `?`, `[…]` and `{day}`; `{tenant}` stands for the tenant's name, whatever signs it holds.
"""

import fnmatch
import glob
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Protocol
from urllib.parse import unquote

from tailrace.errors import SourceUnavailable

DAY, TENANT = "{day}", "{tenant}"
_DAY = r"(?P<day>\d{4}-\d{2}-\d{2})"
# How Hive and Spark write that a row has no value there.
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_SCHEME = "s3://"

Partitions = tuple[tuple[str, str | None], ...]
"""What folders named `column=value` say: names in small letters, values as text."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file as it was when it was listed: its size and a stamp that changes when the file does."""

    path: str
    size: int
    stamp: str


class Place(Protocol):
    """What holds files: a machine's folders, or a bucket; names are paths without a slash at an end."""

    def list_folder(self, folder: str) -> tuple[list[str], list[Found]]:
        """List the folders and files in a folder; nothing where there is none. Raises SourceUnavailable."""

    def list_below(self, folder: str) -> Iterator[Found]:
        """List all files in a folder and below. Raises SourceUnavailable."""

    def find(self, path: str) -> Found | None:
        """Look for one file. Raises SourceUnavailable."""

    def check(self, folder: str) -> None:
        """Raises SourceUnavailable unless a folder can be listed."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern in its segments; `root` is empty for this machine's files, else `s3://` and the bucket.

    `bound` counts the first segments that are there whoever the tenant is.
    """

    text: str
    root: str
    segments: tuple[str, ...]
    bound: int


def read_pattern(text: str, tenant: str) -> Pattern:
    """Take a pattern apart, and name the tenant in it.

    Raises SourceUnavailable where it is none, or where the tenant's name would lead to other folders.
    """
    scheme = _SCHEME if text.startswith(_SCHEME) else ""
    head, *segments = text.removeprefix(_SCHEME).split("/")
    if (scheme == "") != (head == "") or not segments:
        raise SourceUnavailable(f"'{text}' is neither an absolute path nor s3:// with a bucket and a path")
    if TENANT in text and ("/" in tenant or DAY in tenant or tenant in {"", ".", ".."}):
        raise SourceUnavailable("The tenant's name cannot be that of a folder; tell rows apart by a column instead")
    names = [segment.replace(TENANT, glob.escape(tenant)) for segment in segments]
    if any(name in {"", ".", ".."} for name in names):
        raise SourceUnavailable(f"'{text}' has a folder without a name, or one that leads elsewhere")
    signs = next((place for place, name in enumerate(names) if _has_signs(name)), len(names) - 1)
    named = [place for place, segment in enumerate(segments[: signs + 1]) if TENANT in segment]
    return Pattern(text, scheme + head.replace(TENANT, tenant), tuple(names), min([signs, *named[:1]]))


def _has_signs(segment: str) -> bool:
    return _literal(segment) is None


def _literal(segment: str) -> str | None:
    """The one name that a segment means, if it means one only."""
    plain = re.sub(r"\[([*?[])\]", r"\1", segment)
    return plain if glob.escape(plain) == segment and DAY not in segment else None


def read_partitions(path: str) -> Partitions:
    """Tell what a path's folders say of the rows in it."""
    named = [segment.partition("=") for segment in path.split("/")[:-1] if "=" in segment[1:]]
    return tuple((name.lower(), None if value == _NO_VALUE else unquote(value)) for name, _, value in named)


class Search:
    """Finds the files of a pattern; folders that cannot hold wanted rows are not even listed."""

    def __init__(self, place: Place, days: tuple[date, date], is_wanted: Callable[[Partitions], bool]) -> None:
        """Take where to look, the first and last day of the range, and whether partitions may hold wanted rows."""
        self._place, self._days, self._is_wanted = place, days, is_wanted

    def find(self, pattern: Pattern) -> Iterator[Found]:
        """Yield the files of a pattern.

        Raises SourceUnavailable when its first folders cannot be listed: no file there is no answer then.
        """
        names = [_literal(segment) or segment for segment in pattern.segments[: pattern.bound]]
        start = "/".join([pattern.root, *names])
        if pattern.bound == len(pattern.segments) - 1 and (name := _literal(pattern.segments[-1])) is not None:
            yield from self._one(pattern, f"{start}/{name}")
            return
        self._place.check(start)
        yield from self._walk(start, pattern.segments[pattern.bound :])

    def _one(self, pattern: Pattern, path: str) -> Iterator[Found]:
        found = self._place.find(path)
        if found is None:
            raise SourceUnavailable(f"There is no file '{pattern.text}'")
        yield from self._wanted([found])

    def _walk(self, folder: str, segments: tuple[str, ...]) -> Iterator[Found]:
        head, *rest = segments
        if head == "**":
            yield from self._below(folder, tuple(rest))
            return
        name = _literal(head)
        if name is not None and rest:
            yield from self._enter(f"{folder}/{name}", tuple(rest))
            return
        folders, files = self._place.list_folder(folder)
        matches = _matcher(head, self._days)
        if not rest:
            yield from self._wanted(file for file in files if matches(_last(file.path)))
            return
        for inner in folders:
            if matches(_last(inner)):
                yield from self._enter(inner, tuple(rest))

    def _enter(self, folder: str, rest: tuple[str, ...]) -> Iterator[Found]:
        if self._is_wanted(read_partitions(f"{folder}/")):
            yield from self._walk(folder, rest)

    def _below(self, folder: str, rest: tuple[str, ...]) -> Iterator[Found]:
        """Match what lies below at any depth; it is listed whole, which in a bucket is quicker than by folders."""
        matchers = tuple(one if one == "**" else _matcher(one, self._days) for one in rest or ("*",))
        files = self._place.list_below(folder)
        cut = len(folder) + 1
        yield from self._wanted(
            file
            for file in files
            if not any(map(_is_hidden, (names := file.path[cut:].split("/")))) and _fits(names, ("**", *matchers))
        )

    def _wanted(self, files: Iterator[Found] | list[Found]) -> Iterator[Found]:
        return (file for file in files if self._is_wanted(read_partitions(file.path)))


_Matcher = Callable[[str], bool]


def _fits(names: list[str], matchers: tuple[str | _Matcher, ...]) -> bool:
    if not matchers:
        return not names
    head, *rest = matchers
    if isinstance(head, str):
        return any(_fits(names[skip:], tuple(rest)) for skip in range(len(names) + 1))
    return bool(names) and head(names[0]) and _fits(names[1:], tuple(rest))


def _matcher(segment: str, days: tuple[date, date]) -> _Matcher:
    """Make the test whether a name fits a segment; `*` and `?` never mean a hidden file, as with Hive and Spark."""
    name = _literal(segment)
    if name is not None:
        return lambda other: other == name
    first, *others = (fnmatch.translate(part).removeprefix("(?s:").removesuffix(r")\Z") for part in segment.split(DAY))
    expression = re.compile(
        first + "".join((_DAY if not n else "(?P=day)") + one for n, one in enumerate(others)), re.DOTALL
    )
    visible = segment[0] not in "._"

    def matches(other: str) -> bool:
        found = None if visible and _is_hidden(other) else expression.fullmatch(other)
        return found is not None and (not others or _is_day_within(found["day"], days))

    return matches


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def _is_day_within(text: str, days: tuple[date, date]) -> bool:
    try:
        return days[0] <= date.fromisoformat(text) <= days[1]
    except ValueError:
        return False


def _last(path: str) -> str:
    return path.rpartition("/")[2]
