"""A record as a tree of elements: an exporter's `[tree]` bound to the columns that hold what it shows.

Its keys are those of annex B of the SmartSync specification, and three of our own: `source = "list"` on an element
whose value is a list column of its name, `source = "struct"` likewise, and `keep = true` on the root of a tree whose
empty elements are written.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tailrace.formats.base import Field, FieldType, quote_name, write_value

# A date as XML writes it in agent-export (SS-837); the elements are called as the parts are in SQL.
DATE_PARTS = ["day", "month", "year"]
# What one item of a list is called in SQL.
_ITEM = "item"


@dataclass(frozen=True, slots=True)
class Leaf:
    """An element with one value: `value` is SQL for it; `parts` asks XML for day, month and year.

    `attribute` is the name and the value of the one attribute it may have; such an element is never left out (SS-836).
    """

    name: str
    field: Field
    value: str
    parts: bool = False
    attribute: tuple[str, str] | None = None

    @property
    def text(self) -> str:
        """SQL for the written value, null for none."""
        return write_value(self.field, self.value)

    @property
    def has_text(self) -> bool:
        """Whether its characters are anybody's, rather than digits and signs of ours."""
        return self.field.type == "text"


@dataclass(frozen=True, slots=True)
class Branch:
    """An element that holds elements; `struct` when they come from one column and so are there or not as one."""

    name: str
    children: tuple["Node", ...]
    struct: bool = False


@dataclass(frozen=True, slots=True)
class Repeated:
    """Elements of one name, one an item of a list, which `items` is SQL for; `wrapper` names the element around them.

    `children` are in terms of one item.
    """

    name: str
    items: str
    children: tuple["Node", ...]
    wrapper: str = ""

    def each(self, expression: str, separator: str) -> str:
        """SQL for an expression over every item, joined; null or empty when there is no item."""
        return f"array_to_string(list_transform({self.items}, lambda {_ITEM}: {expression}), '{separator}')"


Node = Leaf | Branch | Repeated


@dataclass(frozen=True, slots=True)
class Tree:
    """A whole document: its root, the element around records of one group if there is any, and the record.

    `group` holds the grouping element's own leaves only.
    """

    root: str
    record: Branch
    group: Branch | None = None
    keep: bool = False


def bind_tree(tree: Mapping[str, Any], fields: Sequence[Field]) -> Tree:
    """Bind an exporter's tree, pruned to one kind of record, to the output columns."""
    keep = bool(tree.get("keep", False))
    around, record = None, next(child for child in tree["children"] if "children" in child)
    if not record.get("record"):
        around, record = record, next(child for child in record["children"] if child.get("record"))
    group = None
    if around is not None:
        own = [child for child in around["children"] if not child.get("record")]
        group = Branch(around["element"], tuple(_bind(own, fields)))
    return Tree(tree["element"], Branch(record["element"], tuple(_bind(record["children"], fields))), group, keep)


def leaves(nodes: Sequence[Node]) -> Iterator[Leaf]:
    """Yield the leaves below elements that are not repeated."""
    for node in nodes:
        if isinstance(node, Leaf):
            yield node
        elif isinstance(node, Branch):
            yield from leaves(node.children)


def lists(nodes: Sequence[Node]) -> Iterator[Repeated]:
    """Yield the lists below elements."""
    for node in nodes:
        if isinstance(node, Repeated):
            yield node
        elif isinstance(node, Branch):
            yield from lists(node.children)


def _bind(nodes: Sequence[Mapping[str, Any]], fields: Sequence[Field], within: str = "") -> Iterator[Node]:
    """Bind elements; `within` is SQL for the struct that holds their columns, empty for the row itself."""
    for node in nodes:
        element, children = node["element"], node.get("children", ())
        reference = _reference(node, within)
        if node.get("source") == "list":
            yield _bind_list(node, reference)
        elif node.get("source") == "struct":
            yield Branch(element, tuple(_bind(children, (), reference)), struct=True)
        elif children and [child["element"] for child in children] != DATE_PARTS:
            yield Branch(element, tuple(_bind(children, fields, within)))
        else:
            yield from _bind_leaf(node, fields, reference)


def _bind_list(node: Mapping[str, Any], reference: str) -> Repeated:
    """Bind a list: of the element itself, or of the one repeated element in it."""
    children = node["children"]
    if len(children) == 1 and children[0].get("occurs") == "1..n":
        inner = children[0]
        return Repeated(inner["element"], reference, tuple(_bind(inner["children"], (), _ITEM)), node["element"])
    return Repeated(node["element"], reference, tuple(_bind(children, (), _ITEM)))


def _bind_leaf(node: Mapping[str, Any], fields: Sequence[Field], reference: str) -> Iterator[Leaf]:
    """Bind an element with a value: to every column of its name, agent data having one for each group (SS-836)."""
    name, parts = node.get("field", node["element"]), bool(node.get("children"))
    kind: FieldType = "date" if parts else node["type"]
    unknown = Field(name, name, kind, precision=38, scale=node.get("scale", 0))
    attributes = node.get("attributes", ())
    for field in [field for field in fields if field.name == name] or [unknown]:
        if field.type == "group":
            continue
        value = reference if field is unknown else field.reference
        # Ids are numbers or texts; each is written as text.
        value = f"CAST({value} AS VARCHAR)" if field.type == "text" else value
        attribute = (attributes[0]["name"], field.label or attributes[0].get("default", "")) if attributes else None
        # In trees dates are always ISO 8601 and times of 24 hours (SS-827, SS-837, SS-902).
        written = replace(field, pattern="", true_text="true", false_text="false")
        yield Leaf(node["element"], written, value, parts, attribute)


def _reference(node: Mapping[str, Any], within: str) -> str:
    column = quote_name(node.get("field", node["element"]))
    return f"{within}.{column}" if within else column
