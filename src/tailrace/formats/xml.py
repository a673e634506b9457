"""XML 1.0, as section 8.4 of the SmartSync specification says (SS-831 to SS-837)."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tailrace.formats.base import CONTROL, Field, concat, quote_text, replace_signs
from tailrace.formats.tree import DATE_PARTS, Branch, Leaf, Node, Repeated, Tree, bind_tree, leaves, lists

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
# What XML 1.0 does not allow, in any form, and what stands for it (SS-833); lone surrogates cannot be stored.
_FORBIDDEN = r"\x00-\x08\x0b\x0c\x0e-\x1f\x{fffe}\x{ffff}"
_FORBIDDEN_IN_PYTHON = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_REPLACEMENT = "\ufffd"
# The ampersand first, so that those of the other escapes stay single (SS-832).
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_ATTRIBUTE_ESCAPES = _ESCAPES | {'"': "&quot;", "\t": "&#9;", "\n": "&#10;"}


def create(fields: Sequence[Field], options: Mapping[str, Any]) -> "XmlFormat":
    """Make the format.

    Option `tree` says which elements there are; without it a record is a list of `field` elements with names.
    """
    if "tree" in options:
        return XmlFormat(bind_tree(options["tree"], fields))
    named = [replace(field, label=f"{field.name}({field.label})" if field.label else field.name) for field in fields]
    return XmlFormat(bind_tree(_plain_tree(dict.fromkeys(field.name for field in fields)), named))


class XmlFormat:
    """One element a record, within the root and perhaps within a group's element."""

    extension = "xml"
    media_type = "application/xml; charset=utf-8"

    def __init__(self, tree: Tree) -> None:
        """Take the elements and the columns that fill them."""
        self._tree = tree
        self._end_group = f"</{tree.group.name}>\n" if tree.group else ""
        self.grouped = tree.group is not None
        self.row_bytes = sum(map(_tag_bytes, leaves(tree.record.children)))

    def head(self) -> bytes:
        """The declaration and the root's start tag."""
        return f"{_DECLARATION}<{self._tree.root}>\n".encode()

    def lead(self) -> str:
        """Where a group opens: the end tag of the one before, the start tag, and the group's own elements."""
        group = self._tree.group
        if group is None:
            return "''"
        end, start = quote_text(self._end_group), quote_text(f"<{group.name}>")
        pieces = [f"CASE WHEN _row_key > 0 THEN {end} END", start, *_elements(group.children, keep=self._tree.keep)]
        return f"CASE WHEN _opens THEN {concat([*pieces, 'chr(10)'])} ELSE '' END"

    def row(self) -> str:
        """The SQL of one record's element; it is there even when all in it is left out."""
        record, keep = self._tree.record, self._tree.keep
        if any(isinstance(node, Leaf) and _is_kept(node, keep=keep) for node in record.children):
            start, end = quote_text(f"<{record.name}>"), quote_text(f"</{record.name}>")
            return concat([start, *_elements(record.children, keep=keep), end, "chr(10)"])
        element = _enclose(record.name, _contents(record.children, keep=keep))
        return f"concat(coalesce({element}, {quote_text(f'<{record.name}/>')}), chr(10))"

    def tail(self) -> bytes:
        """The end tags of the last group and of the root."""
        return f"{self._end_group}</{self._tree.root}>\n".encode()

    def empty(self) -> bytes:
        """The root without content (SS-835)."""
        return f"{_DECLARATION}<{self._tree.root}/>\n".encode()

    def open_page(self, lead: bytes) -> bytes:
        """The declaration, the root's start tag, and the group's without the end of the one before (SS-524)."""
        return self.head() + lead.removeprefix(self._end_group.encode())

    def replaced(self) -> str:
        """The characters XML does not allow, those of a group once."""
        tree = self._tree
        count = _count_forbidden(tree.record.children)
        if tree.group is None or (in_group := _count_forbidden(tree.group.children)) == "0":
            return count
        return f"{count} + CASE WHEN _opens THEN {in_group} ELSE 0 END"


def _plain_tree(names: Iterable[str]) -> dict[str, Any]:
    leaf = {"element": "field", "type": "text", "attributes": [{"name": "name"}]}
    record = {"element": "record", "record": True, "children": [{**leaf, "field": name} for name in names]}
    return {"element": "records", "keep": True, "children": [record]}


# -- elements -----------------------------------------------------------------------------------------------------


def _elements(nodes: Sequence[Node], *, keep: bool) -> Iterator[str]:
    """Yield SQL for the pieces of elements; all are null, or empty, for one that is left out (SS-836)."""
    for node in nodes:
        match node:
            case Leaf():
                yield from _leaf(node, keep=keep)
            case Branch():
                yield _enclose(node.name, _contents(node.children, keep=keep))
            case Repeated():
                yield _repeated(node, keep=keep)


def _contents(nodes: Sequence[Node], *, keep: bool) -> str:
    """SQL for elements one after the other, null when there is none."""
    return f"nullif({concat(_elements(nodes, keep=keep))}, '')" if nodes else "NULL"


def _enclose(name: str, content: str) -> str:
    return f"'<{name}>' || {content} || '</{name}>'"


def _leaf(leaf: Leaf, *, keep: bool) -> Iterator[str]:
    """Yield tags and the value; conditions choose among constants, so that a value is copied but into the whole."""
    name, value = leaf.attribute or ("", "")
    attribute = f' {name}="{_escape(value)}"' if name else ""
    start, end = quote_text(f"<{leaf.name}{attribute}>"), quote_text(f"</{leaf.name}>")
    if leaf.field.never_empty:
        yield from (start, *_content(leaf), end)
        return
    has, without = _has_value(leaf), quote_text(f"<{leaf.name}{attribute}/>") if _is_kept(leaf, keep=keep) else "NULL"
    yield f"CASE WHEN {has} THEN {start} ELSE {without} END"
    yield from _content(leaf)
    yield f"CASE WHEN {has} THEN {end} END"


def _tag_bytes(leaf: Leaf) -> int:
    """Count what stands around a value."""
    return len(f"<{leaf.name}></{leaf.name}>") + sum(len(text) + 2 for text in leaf.attribute or ())


def _is_kept(leaf: Leaf, *, keep: bool) -> bool:
    """Tell whether an element is there in any case; so is one with an attribute."""
    return keep or leaf.attribute is not None


def _has_value(leaf: Leaf) -> str:
    """SQL for whether there is anything between a leaf's tags; an empty text is nothing."""
    return f"{leaf.text} <> ''" if leaf.has_text else f"{leaf.value} IS NOT NULL"


def _content(leaf: Leaf) -> Iterator[str]:
    """Yield SQL for what stands between a leaf's tags: null or empty where there is nothing."""
    if leaf.parts:
        yield from (_enclose(part, f"CAST({part}({leaf.value}) AS VARCHAR)") for part in DATE_PARTS)
    else:
        yield _escape_in_sql(leaf.text) if leaf.field.may_hold(*_ESCAPES, CONTROL) else leaf.text


def _repeated(node: Repeated, *, keep: bool) -> str:
    each = node.each(_enclose(node.name, _contents(node.children, keep=keep)), "")
    return _enclose(node.wrapper, f"nullif({each}, '')") if node.wrapper else each


# -- characters ---------------------------------------------------------------------------------------------------


def _escape_in_sql(text: str) -> str:
    found = quote_text(f"[&<>\\r{_FORBIDDEN}]")
    allowed = f"regexp_replace({text}, {quote_text(f'[{_FORBIDDEN}]')}, {quote_text(_REPLACEMENT)}, 'g')"
    return f"CASE WHEN regexp_matches({text}, {found}) THEN {replace_signs(allowed, _ESCAPES)} ELSE {text} END"


def _escape(text: str) -> str:
    """Escape an attribute's value, which is known beforehand."""
    text = _FORBIDDEN_IN_PYTHON.sub(_REPLACEMENT, text)
    for sign, written in _ATTRIBUTE_ESCAPES.items():
        text = text.replace(sign, written)
    return text


def _count_forbidden(nodes: Sequence[Node]) -> str:
    """SQL for the number of forbidden characters in all texts of a record, those of attributes included."""
    known = sum(len(_FORBIDDEN_IN_PYTHON.findall(leaf.attribute[1])) for leaf in leaves(nodes) if leaf.attribute)
    texts = list(_texts(nodes))
    if not texts:
        return str(known)
    whole, forbidden = f"concat({', '.join(texts)})", quote_text(f"[{_FORBIDDEN}]")
    count = f"length({whole}) - length(regexp_replace({whole}, {forbidden}, '', 'g'))"
    counted = f"CASE WHEN regexp_matches({whole}, {forbidden}) THEN {count} ELSE 0 END"
    return f"{counted} + {known}" if known else counted


def _texts(nodes: Sequence[Node]) -> Iterator[str]:
    yield from (leaf.text for leaf in leaves(nodes) if leaf.field.may_hold(CONTROL))
    for node in lists(nodes):
        if inner := list(_texts(node.children)):
            yield node.each(f"concat({', '.join(inner)})", "")
