"""JSON, flat or as a tree, as section 8.3 of the SmartSync specification says (SS-821 to SS-827)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tailrace.formats.base import Field, concat, quote_text, write_value
from tailrace.formats.json_text import bytes_of_keys, is_escaped, quote, quote_in_sql
from tailrace.formats.tree import Branch, Leaf, Node, Repeated, bind_tree, leaves

# Written without quotes (SS-823).
_BARE = {"integer", "decimal", "boolean"}
_EMPTY = '""'
# Says of a member that it always has a value.
_ALWAYS = "true"


def create(fields: Sequence[Field], options: Mapping[str, Any]) -> "JsonFormat":
    """Make the format.

    Option `keep_empty` asks for members without value, `tree` for records that are trees.
    """
    keep = bool(options.get("keep_empty", False))
    if "tree" not in options:
        row = _write_object(list(_members(fields, keep=keep)), keep=keep)
        return JsonFormat("[", "]", row, [field.name for field in fields])
    tree = bind_tree(options["tree"], fields)
    row = _tree_object(tree.record.children, keep=keep)
    names = [leaf.name for leaf in leaves(tree.record.children)]
    return JsonFormat(f"{{{quote(tree.root)}:{{{quote(tree.record.name)}:[", "]}}", row, names)


class JsonFormat:
    """One array of objects, one object a line."""

    extension = "json"
    media_type = "application/json"
    grouped = False

    def __init__(self, opening: str, closing: str, row: str, names: Iterable[str]) -> None:
        """Take the brackets around the records, the SQL of one record, and the names it may write."""
        self._opening = opening
        self._closing = closing
        self._row = row
        self.row_bytes = bytes_of_keys(names)

    def head(self) -> bytes:
        """The opening brackets on their own line (SS-822)."""
        return f"{self._opening}\n".encode()

    def lead(self) -> str:
        """A comma and LF between records."""
        return "CASE WHEN _row_key > 0 THEN concat(',', chr(10)) ELSE '' END"

    def row(self) -> str:
        """The SQL of one object."""
        return self._row

    def tail(self) -> bytes:
        """The closing brackets on their own line."""
        return f"\n{self._closing}\n".encode()

    def empty(self) -> bytes:
        """All brackets on one line."""
        return f"{self._opening}{self._closing}\n".encode()

    def open_page(self, lead: bytes) -> bytes:  # noqa: ARG002 the protocol's argument; there are no groups
        """The opening brackets."""
        return self.head()

    def replaced(self) -> str:
        """JSON holds every character."""
        return "0"


@dataclass(frozen=True, slots=True)
class _Member:
    """A member of an object, or an item of an array: SQL that says whether it has a value, and for the value's parts.

    `start` is the text before the parts. Without value every part is null, or, when empty members are kept, they say
    what stands for it.
    """

    has: str
    start: str
    parts: tuple[str, ...]


def _write_object(members: Sequence[_Member], *, keep: bool) -> str:
    """SQL for an object; with `keep` every member is there, otherwise those with a value (SS-824)."""
    return concat([quote_text("{"), *_join(members, keep=keep), quote_text("}")])


def _join(members: Sequence[_Member], *, keep: bool) -> Iterator[str]:
    """Yield the pieces of members one after the other, with commas between.

    Conditions choose among constants, and nothing is put together but the whole: half the time of joining members
    that were made one by one. Where the first may be missing, whichever is first has a comma that is taken away: to
    ask of every member whether one came before it makes a statement that takes longer to plan than to run.
    """
    if not members or keep or members[0].has == _ALWAYS:
        for number, member in enumerate(members):
            yield from _pieces("," if number else "", member, keep=keep)
    else:
        yield f"ltrim({concat(piece for member in members for piece in _pieces(',', member, keep=keep))}, ',')"


def _pieces(comma: str, member: _Member, *, keep: bool) -> Iterator[str]:
    yield _if(member.has, comma + member.start, keep=keep)
    yield from member.parts


def _if(has: str, text: str, *, keep: bool) -> str:
    """SQL for a text known beforehand that is there with a value, or always."""
    return quote_text(text) if keep or has == _ALWAYS else f"CASE WHEN {has} THEN {quote_text(text)} END"


def _any(members: Sequence[_Member]) -> str:
    has = [member.has for member in members]
    return _ALWAYS if _ALWAYS in has else " OR ".join(has) or "false"


# -- flat records -------------------------------------------------------------------------------------------------


def _members(fields: Sequence[Field], *, keep: bool) -> Iterator[_Member]:
    """Yield a member for each field; all agent data is one, at the place of the first (SS-706)."""
    seen = set[str]()
    for field in fields:
        if not field.label and field.type != "group":
            yield _value_member(field.name, field, field.reference, keep=keep)
        elif field.name not in seen:
            seen.add(field.name)
            items = [one for one in fields if one.name == field.name and one.type != "group"]
            yield _data_member(field.name, items, keep=keep)


def _value_member(name: str, field: Field, value: str, *, keep: bool) -> _Member:
    """A value that is text in quotes, or else a number or truth value without."""
    has = _has(field, value)
    if field.type == "text" and is_escaped(field):
        text = quote_in_sql(field, value)
        if has != _ALWAYS:
            text = _or_empty(text) if keep else _or_null(text)
        return _Member(has, _key(name), (text,))
    if field.type in _BARE:
        text = write_value(replace(field, true_text="true", false_text="false"), value)
        return _Member(has, _key(name), (_or_empty(text) if keep else text,))
    return _enclose(name, has, '""', [write_value(field, value)], keep=keep)


def _has(field: Field, value: str) -> str:
    if field.never_empty:
        return _ALWAYS
    return f"{value} <> ''" if field.type == "text" else f"{value} IS NOT NULL"


def _data_member(name: str, fields: Sequence[Field], *, keep: bool) -> _Member:
    """The agent data as an array of name and value (SS-825)."""
    items = []
    for field in fields:
        value = _value_member("value", field, field.reference, keep=keep)
        start = f"{{{_key('name')}{quote(field.label)},{value.start}"
        items.append(_Member(value.has, start, (*value.parts, _if(value.has, "}", keep=keep))))
    return _enclose(name, _any(items), "[]", list(_join(items, keep=keep)), keep=keep)


# -- trees --------------------------------------------------------------------------------------------------------


def _tree_object(nodes: Sequence[Node], *, keep: bool) -> str:
    return _write_object([_tree_member(node, keep=keep) for node in nodes], keep=keep)


def _tree_member(node: Node, *, keep: bool) -> _Member:
    match node:
        case Leaf(attribute=None):
            return _value_member(node.name, node.field, node.value, keep=keep)
        case Leaf():
            return _attribute_member(node, keep=keep)
        case Branch():
            return _branch_member(node, keep=keep)
        case Repeated():
            objects = node.each(_tree_object(node.children, keep=keep), ",")
            return _enclose(node.wrapper or node.name, f"len({node.items}) > 0", "[]", [objects], keep=keep)


def _attribute_member(node: Leaf, *, keep: bool) -> _Member:
    """An object that says which id this is, and the id if there is one."""
    name, label = node.attribute or ("", "")
    which = _Member(_ALWAYS, _key(name), (quote_text(quote(label)),))
    value = _value_member("value", node.field, node.value, keep=keep)
    return _Member(_ALWAYS, _key(node.name), (_write_object([which, value], keep=keep),))


def _branch_member(node: Branch, *, keep: bool) -> _Member:
    """An object of members; one from a single column is empty when none of its members has a value (SS-827)."""
    members = [_tree_member(child, keep=keep) for child in node.children]
    written, has = _write_object(members, keep=keep), _any(members)
    if not keep:
        return _Member(has, _key(node.name), (f"nullif({written}, '{{}}')",))
    kept = f"CASE WHEN {has} THEN {written} ELSE '{{}}' END" if node.struct else written
    return _Member(_ALWAYS, _key(node.name), (kept,))


# -- texts --------------------------------------------------------------------------------------------------------


def _enclose(name: str, has: str, around: str, parts: Sequence[str], *, keep: bool) -> _Member:
    """A member whose value stands between two signs; its parts are null or empty for none."""
    return _Member(has, _key(name) + around[0], (*parts, _if(has, around[1], keep=keep)))


def _key(name: str) -> str:
    return f"{quote(name)}:"


def _or_empty(text: str) -> str:
    return f"coalesce({text}, '{_EMPTY}')"


def _or_null(text: str) -> str:
    return f"nullif({text}, '{_EMPTY}')"
