"""What an exporter is: a dataset computed from a tenant's WFM tables, with its parameters, fields, order and SQL."""

from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from tailrace.catalog.model import CatalogModel, Name
from tailrace.formats.base import FieldType

OutputFormat = Literal["PIPE", "JSON", "XML"]
# The field that stands for one column an agent data group (SS-704).
AGENT_DATA = "agentData"


class ExtraParameter(CatalogModel):
    """A parameter not common to all exporters; for people."""

    name: str
    type: str
    required: str
    description: str
    default: Any = None
    values: tuple[str, ...] = Field((), strict=False)
    origin: str = "ours"


class ExporterField(CatalogModel):
    """One field of an exporter; keys as in annex B of the SmartSync specification."""

    name: str = Field(min_length=1, max_length=200)
    type: FieldType
    description: str = ""
    unit: str = ""
    kind: Literal["simple", "attribute", "value"] = "simple"
    scale: int = Field(0, ge=0, le=18)
    enum: tuple[str, ...] = Field((), strict=False)
    attribute_names: tuple[str, ...] = Field((), strict=False)
    attribute_values: tuple[str, ...] = Field((), strict=False)
    attribute_default: str = ""
    value_names: str = ""
    repeatable: bool = False
    path: str = ""
    xml_element: str = ""
    formats: tuple[OutputFormat, ...] = Field((), strict=False)
    pii: bool = False
    origin: str = "ours"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind == "attribute" and self.attribute_default not in self.attribute_values:
            raise ValueError(f"field '{self.name}': 'attribute_default' must be one of 'attribute_values'")
        return self


class Exporter(CatalogModel):
    """One exporter: what a client may ask for by name, and the SQL that computes it.

    `sql` is one SELECT over the WFM tables, the derivations and what was asked for; its columns are named as the
    fields. `order_by` are terms over its columns that say the same as `sort`, in order of time where that says times.
    """

    name: Name
    path: str
    title: str
    description: str
    endpoint_origin: str = "ours"
    formats: tuple[OutputFormat, ...] = Field(strict=False, min_length=1)
    scope: Literal["mu", "bu_ct", "time_off_group"]
    grain: str = ""
    key: tuple[str, ...] = Field(strict=False, min_length=1)
    sort: tuple[str, ...] = Field(strict=False, min_length=1)
    time_zone: Literal["mu", "ct"]
    dates: Literal["any", "past"] = "any"
    notes: tuple[str, ...] = Field((), strict=False)
    params: dict[str, str]
    extra_params: tuple[ExtraParameter, ...] = Field((), strict=False)
    fields: tuple[ExporterField, ...] = Field(strict=False, min_length=1, max_length=200)
    tree: dict[str, Any] | None = None
    sql: str = Field(min_length=1)
    order_by: tuple[str, ...] = Field(strict=False, min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [field.name for field in self.fields]
        twice = sorted({name for name in names if [other.lower() for other in names].count(name.lower()) > 1})
        if twice:
            raise ValueError(f"fields share the name, whatever its case: {', '.join(twice)}")
        if "XML" in self.formats and self.tree is None:
            raise ValueError("an exporter that offers XML needs a 'tree'")
        if not self.path.endswith(f"/{self.name}"):
            raise ValueError(f"'path' must end in '/{self.name}'")
        if self.tree is not None and record_of(self.tree) is None:
            raise ValueError("no element of the 'tree' is marked 'record = true'")
        return self

    def field(self, name: str) -> ExporterField | None:
        """Find a field, whatever the case of its name (SS-705)."""
        return next((field for field in self.fields if field.name.lower() == name.lower()), None)

    def requires(self, parameter: str, output_format: str | None) -> bool:
        """Tell whether a request for that format must have a parameter (SS-204).

        The texts are `required`, `required for PIPE, optional otherwise` and `required for PIPE and JSON, …`.
        """
        must = self.params.get(parameter, "").partition(",")[0]
        formats = must.removeprefix("required for ")
        return must == "required" or (formats != must and output_format in formats.split(" and "))

    @property
    def version(self) -> str:
        """Exporters have one version."""
        return "1"

    @property
    def is_flat(self) -> bool:
        """Whether JSON is flat; where there is no PIPE, JSON has the form of the tree too (SS-821, SS-826)."""
        return "PIPE" in self.formats


def record_of(tree: dict[str, Any], element: str | None = None) -> dict[str, Any] | None:
    """Find the record element of a tree, by name where there are several."""
    if tree.get("record") and element in (None, tree["element"]):
        return tree
    found = (record_of(child, element) for child in tree.get("children", ()))
    return next((one for one in found if one is not None), None)


def prune(tree: dict[str, Any], element: str | None, wanted: Sequence[str] | None) -> dict[str, Any]:
    """Leave only one record element in a tree, and in it the fields wanted (None: all), in the tree's order (SS-707).

    A field stands at most one level below its container; naming a part brings the container along (SS-710).
    """
    if tree.get("record"):
        if wanted is None:
            return tree
        return {**tree, "children": [part for child in tree["children"] if (part := _part(child, wanted))]}
    children = [
        prune(child, element, wanted) if "children" in child else child
        for child in tree["children"]
        if "children" not in child or record_of(child, element)
    ]
    return {**tree, "children": children}


def _part(node: dict[str, Any], wanted: Sequence[str]) -> dict[str, Any] | None:
    name = node.get("field", node["element"])
    if name in wanted:
        return node
    parts = [child for child in node.get("children", ()) if child.get("field", child["element"]) in wanted]
    return {**node, "children": parts} if parts and "source" not in node else None
