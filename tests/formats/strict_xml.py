"""A small parser that takes well-formed XML 1.0 without DOCTYPE, comments, CDATA and namespaces, and nothing else."""

import re
from typing import NamedTuple

_NAME = r"[A-Za-z_][A-Za-z0-9_.-]*"
_CHARACTERS = r"\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff"
_REFERENCE = r"&(?:amp|lt|gt|quot|apos|#[0-9]+);"
_DECLARATION = re.compile(r'<\?xml version="1\.0" encoding="UTF-8"\?>\n')
_TAG = re.compile(rf'<({_NAME})((?: {_NAME}="(?:(?![<&"])[{_CHARACTERS}]|{_REFERENCE})*")*)(/?)>')
_ATTRIBUTE = re.compile(rf' ({_NAME})="([^"]*)"')
_END = re.compile(rf"</({_NAME})>")
_TEXT = re.compile(rf"(?:(?![<&])[{_CHARACTERS}]|{_REFERENCE})+")
_REFERENCES = re.compile(_REFERENCE)
_NAMED = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'"}


class Parsed(NamedTuple):
    """An element: its name, attributes, text directly within it, and elements."""

    name: str
    attributes: dict[str, str]
    text: str
    children: list["Parsed"]


def parse(document: bytes) -> Parsed:
    """Parse a document; raises ValueError where it is not well-formed."""
    text = document.decode()
    start = _expect(_DECLARATION, text, 0).end()
    root, end = _element(text, start)
    if text[end:] != "\n":
        raise ValueError("something follows the root")
    return root


def _element(text: str, at: int) -> tuple[Parsed, int]:
    tag = _expect(_TAG, text, at)
    pairs = [(name, _resolve(value, blank=True)) for name, value in _ATTRIBUTE.findall(tag[2])]
    if len(dict(pairs)) != len(pairs):
        raise ValueError("an attribute stands twice")
    element, at, texts = Parsed(tag[1], dict(pairs), "", []), tag.end(), []
    while not tag[3] and not text.startswith("</", at):
        if text.startswith("<", at):
            child, at = _element(text, at)
            element.children.append(child)
        else:
            found = _expect(_TEXT, text, at)
            if "]]>" in found[0]:
                raise ValueError("]]> in text")
            texts.append(_resolve(found[0], blank=False))
            at = found.end()
    if not tag[3]:
        end = _expect(_END, text, at)
        if end[1] != element.name:
            raise ValueError(f"</{end[1]}> ends <{element.name}>")
        at = end.end()
    return element._replace(text="".join(texts)), at


def _resolve(text: str, *, blank: bool) -> str:
    """Normalise line ends, in attributes blanks too, and then resolve references."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = re.sub(r"[\t\n]", " ", text) if blank else text
    return _REFERENCES.sub(lambda found: _NAMED.get(found[0]) or chr(int(found[0][2:-1])), text)


def _expect(pattern: re.Pattern[str], text: str, at: int) -> re.Match[str]:
    found = pattern.match(text, at)
    if found is None:
        raise ValueError(f"not well-formed at {at}: {text[at : at + 30]!r}")
    return found
