"""From a dataset and two dates to the rows and fields a worker needs."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from tailrace.catalog.model import Column, Dataset
from tailrace.formats.base import Field
from tailrace.jobs.model import Limits, RangeRows, Request


def resolve_range(
    dataset: Dataset,
    start_date: date,
    end_date: date,
    *,
    format_name: str,
    limits: Limits,
    options: Mapping[str, Any],
    leave_out_seconds: int = 0,
) -> Request:
    """Turn dates into the range they mean, up to `end_date`; equal dates are that day (CX-811, CX-812)."""
    last = max(end_date, start_date + timedelta(days=1))
    rows = RangeRows(
        table=dataset.name,
        column=dataset.column(dataset.range_column).source,
        start=datetime.combine(start_date, time(), UTC),
        end=datetime.combine(last, time(), UTC),
        order=_as_fields(tuple(dataset.order_columns())),
        leave_out_seconds=leave_out_seconds,
    )
    return Request(
        rows=rows, fields=_as_fields(dataset.columns), format=format_name, limits=limits, options=dict(options)
    )


def _as_fields(columns: Sequence[Column]) -> tuple[Field, ...]:
    return tuple(column.as_field() for column in columns)
