"""Reads what a client takes: `Accept` and `Accept-Encoding` (SS-502 to SS-504)."""

import re
from collections.abc import Sequence

_WEIGHT = re.compile(r"q=([0-9]+\.?[0-9]*|\.[0-9]+)")
# A lone asterisk is what old clients send for any type.
_ANYTHING = ("*/*", "*")
_APPLICATION_XML, _TEXT_XML = "application/xml", "text/xml"
# The types of each format; XML's own first, unless only the other is named.
_TYPES = {"json": ("application/json",), "pipe": ("text/plain",), "xml": (_APPLICATION_XML, _TEXT_XML)}
_WITHOUT_CHARSET = ("application/json",)


def choose_type(format_name: str, accept: Sequence[str]) -> str | None:
    """Choose the content type of a result by the `Accept` headers; None when there is none the client takes."""
    weights = _read(accept)
    types = _TYPES[format_name]
    if _named(weights, _TEXT_XML) and not _named(weights, _APPLICATION_XML, *_ANYTHING):
        types = tuple(reversed(types))
    chosen = next((one for one in types if not weights or _weight(weights, one) > 0), None)
    return chosen if chosen is None or chosen in _WITHOUT_CHARSET else f"{chosen}; charset=utf-8"


def takes_gzip(accept_encoding: Sequence[str]) -> bool:
    """Tell whether the `Accept-Encoding` headers allow gzip; without any they do not."""
    weights = _read(accept_encoding)
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def _named(weights: dict[str, float], *types: str) -> bool:
    return any(weights.get(one, 0.0) > 0 for one in types)


def _weight(weights: dict[str, float], media_type: str) -> float:
    """Find the weight of a type: what says most precisely which types are meant counts."""
    ranges = (media_type, f"{media_type.partition('/')[0]}/*", *_ANYTHING)
    return next((weights[one] for one in ranges if one in weights), 0.0)


def _read(headers: Sequence[str]) -> dict[str, float]:
    """Read names with their weights, the greatest where a name is there twice; unreadable weights count as 1."""
    weights: dict[str, float] = {}
    for part in ",".join(headers).split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if name:
            weights[name] = max(weights.get(name, 0.0), _read_weight(parameters))
    return weights


def _read_weight(parameters: Sequence[str]) -> float:
    found = next((match for one in parameters if (match := _WEIGHT.fullmatch(one))), None)
    return float(found[1]) if found else 1.0
