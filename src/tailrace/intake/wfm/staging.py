"""Reads one table's file, checks each value by itself and keeps the rows with their numbers for the other checks."""

from pathlib import Path

from tailrace.catalog.model import Column
from tailrace.catalog.wfm import WfmTable
from tailrace.errors import LoadRefused
from tailrace.formats.base import quote_name, quote_text
from tailrace.intake.inputs import Input, reopened
from tailrace.intake.kinds import Staged, stage
from tailrace.intake.load import explained, worded
from tailrace.intake.store import PARQUET, Written, stored_type
from tailrace.intake.versions import Named

# The number of a row in its file, from 1; NULL in rows loaded before.
ROW = "_row"
# May be in every file, as it is part of every key (WM-001).
CUSTOMER = Column(name="customer_id", type="integer", nullable=False)


def stage_table(written: Written, table: WfmTable, source: Input) -> tuple[Path, int]:
    """Write a file's rows into the scratch folder, in their order, and return the path and how many they are.

    The columns are those of the table, `_row` and `customer_id` (NULL where the file does not have it). Raises
    LoadRefused with each value that cannot be stored.
    """
    target = written.scratch / f"{table.name}.parquet"
    with (
        worded(source.name),
        reopened(source, written.scratch) as path,
        written.connect() as connection,
    ):
        staged = stage(connection, source, path, _wanted(table))
        with explained(connection, source, staged):
            copied = connection.execute(f"COPY ({_query(table, staged)}) TO {quote_text(str(target))} ({PARQUET})")
            [(rows,)] = copied.fetchall()
    if rows != staged.total:
        raise LoadRefused(f"{source.name}: {staged.total} rows were read, but {rows} kept; nothing was loaded.")
    return target, rows


def _wanted(table: WfmTable) -> Named:
    optional = [column.name for column in table.columns if column.nullable]
    return Named(f"the table {table.name}", (*table.columns, CUSTOMER), frozenset((*optional, CUSTOMER.name)))


def _query(table: WfmTable, staged: Staged) -> str:
    values = dict(cell.stored() for cell in staged.cells)
    parts = [
        f"CAST({values.get(column.source, 'NULL')} AS {stored_type(column)}) AS {quote_name(column.name)}"
        for column in (*table.columns, CUSTOMER)
    ]
    return f"SELECT CAST({staged.number} AS BIGINT) AS {ROW}, {', '.join(parts)} FROM {staged.relation}"
