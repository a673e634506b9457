"""What a dataset is: its name and version, its columns in wire order, the column the date range applies to."""

import re
from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from tailrace.formats.base import ROW_KEY, ColumnType
from tailrace.formats.base import Field as FormatField

_SOURCE_PREFIX = "source:"

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class CatalogModel(BaseModel):
    """What every part of a catalogue file is: checked strictly, never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def source_name(name: str) -> str:
    """Turn a written column name into the name it is stored under: lower case, words joined by `_`."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "column"


class Column(CatalogModel):
    """One column of a dataset; keys as in the catalogue's files (annex B of the wire specification).

    `source` is the stored column (default: made from the name); `precision` the digits a decimal may have in all.
    """

    name: ColumnName
    type: ColumnType
    description: str = ""
    source: str = ""
    scale: int | None = Field(None, ge=0, le=18)
    precision: int = Field(18, ge=1, le=38)
    true_text: str = "true"
    false_text: str = "false"
    enum: tuple[str, ...] = Field((), strict=False)
    enum_closed: bool = False
    nullable: bool = True
    pii: bool = False
    backslash_plus: bool = False
    spelling_note: str = ""
    origin: str = "ours"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.type == "decimal") != (self.scale is not None):
            raise ValueError(f"column '{self.name}': 'scale' belongs to type decimal, and a decimal needs one")
        if self.type == "decimal" and self.stored_scale >= self.precision:
            raise ValueError(f"column '{self.name}': 'precision' must be at least {self.stored_scale + 1}")
        if self.type == "boolean" and self.true_text == self.false_text:
            raise ValueError(f"column '{self.name}': 'true_text' and 'false_text' must differ")
        if not self.source:
            object.__setattr__(self, "source", source_name(self.name))
        return self

    @property
    def stored_scale(self) -> int:
        """Digits after the point that are stored: four more than are written, so that rounding happens once."""
        return (self.scale or 0) + 4

    def as_field(self) -> FormatField:
        """Tell a format what it needs to know."""
        return FormatField(
            name=self.name,
            source=self.source,
            type=self.type,
            precision=self.precision,
            scale=self.scale or 0,
            true_text=self.true_text,
            false_text=self.false_text,
            backslash_plus=self.backslash_plus,
        )


class Dataset(CatalogModel):
    """One dataset in one version: what a client may ask for by name."""

    name: Name
    version: str = Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9._-]+$")
    title: str = ""
    description: str = ""
    partial: bool = False
    permission: str = ""
    permission_id: str = ""
    range_column: str
    range_origin: str = ""
    grain: str = ""
    order_by: tuple[str, ...] = Field((), strict=False)
    column_order_origin: str = ""
    columns: tuple[Column, ...] = Field(strict=False, min_length=1, max_length=1000)

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_names()
        by_name = {column.name: column for column in self.columns}
        ranged = by_name.get(self.range_column)
        if ranged is None or ranged.type not in ("datetime", "date"):
            raise ValueError(f"range_column '{self.range_column}' must be a datetime or date column of the dataset")
        if not self.order_by:
            object.__setattr__(self, "order_by", (self.range_column,))
        if self.order_by[0] != self.range_column:
            raise ValueError(f"order_by must begin with the range column '{self.range_column}'")
        for name in self.order_by:
            if name not in by_name and (name == _SOURCE_PREFIX or not name.startswith(_SOURCE_PREFIX)):
                raise ValueError(f"order_by names '{name}', which is no column of the dataset")
        if not self.permission_id:
            object.__setattr__(self, "permission_id", self.name)
        return self

    def _check_names(self) -> None:
        for what, names in (
            ("name", [column.name for column in self.columns]),
            ("stored name ('source'), whatever its case", [column.source.lower() for column in self.columns]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"columns share the {what}: {', '.join(twice)}")
        if ROW_KEY in (name.lower() for name in (*(column.source for column in self.columns), *self.hidden_keys)):
            raise ValueError(f"a column is stored as '{ROW_KEY}', which is Tailrace's own")

    def column(self, name: str) -> Column:
        """Find a column by its written name."""
        return next(column for column in self.columns if column.name == name)

    @property
    def hidden_keys(self) -> tuple[str, ...]:
        """Stored columns that order rows but are not written: the `source:` names of `order_by`."""
        return tuple(name.removeprefix(_SOURCE_PREFIX) for name in self.order_by if name.startswith(_SOURCE_PREFIX))

    def order_columns(self) -> Iterator[Column]:
        """Yield the columns that order rows after the range column; hidden keys count as text (CX-614)."""
        for name in self.order_by[1:]:
            if name.startswith(_SOURCE_PREFIX):
                yield Column(name=name, type="text", source=name.removeprefix(_SOURCE_PREFIX))
            else:
                yield self.column(name)


class Table(CatalogModel):
    """What is stored for a dataset, whatever its version: the columns of all versions, and hidden keys."""

    name: Name
    range_column: str  # stored name
    columns: tuple[Column, ...] = Field(strict=False)
    hidden_keys: tuple[str, ...] = Field((), strict=False)
    order: tuple[Column, ...] = Field((), strict=False)  # rows are stored in the newest version's order
