"""Draws the ratios that were measured as one picture: a bar each, and where the goal is."""

from html import escape
from pathlib import Path
from typing import Any

_LEFT, _WIDTH, _ROW, _TOP = 430, 420, 26, 40
_LONGEST = 1.5


def draw(results: list[dict[str, Any]], path: Path) -> None:
    """Write an SVG of all comparisons; a bar to the left of the line is quicker than the other."""
    ratios = [one for one in results if "ratio" in one]
    height = _TOP + _ROW * len(ratios) + 20
    size = f'width="{_LEFT + _WIDTH + 80}" height="{height}"'
    title = "time, as a multiple of the other's (line: as quick; mark: goal)"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">',
        f'<rect width="100%" height="100%" fill="white"/><text x="{_LEFT}" y="20">{title}</text>',
    ]
    lines += [_bar(number, one) for number, one in enumerate(ratios)]
    one = _LEFT + _WIDTH / _LONGEST
    lines.append(f'<line x1="{one}" x2="{one}" y1="{_TOP - 8}" y2="{height - 16}" stroke="black"/></svg>\n')
    path.write_text("\n".join(lines))


def _bar(number: int, one: dict[str, Any]) -> str:
    y = _TOP + number * _ROW
    width = min(one["ratio"], _LONGEST) / _LONGEST * _WIDTH
    goal = _LEFT + min(one["goal"], _LONGEST) / _LONGEST * _WIDTH
    rows = f", {one['rows'] / 1e6:g} M rows" if one["rows"] else ""
    label = escape(f"{one['name']}{rows} / {one['against']}")
    colour = "#2a7" if one["reached"] else "#c63"
    return (
        f'<text x="{_LEFT - 8}" y="{y + 13}" text-anchor="end">{label}</text>'
        f'<rect x="{_LEFT}" y="{y}" width="{width:.0f}" height="18" fill="{colour}"/>'
        f'<line x1="{goal:.0f}" x2="{goal:.0f}" y1="{y - 3}" y2="{y + 21}" stroke="#333" stroke-dasharray="3 2"/>'
        f'<text x="{_LEFT + width + 6:.0f}" y="{y + 13}">{one["ratio"]:.2f}</text>'
    )
