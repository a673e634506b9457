"""Parquet with proper types, made from the CSV text of the rows: so it is the same for every engine.

DuckDB reads the text from one pipe and writes the file into another while the rows are rendered; nothing is staged.
One thread reads and writes, so rows stay in order, and the same text gives the same bytes.
"""

import fcntl
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import duckdb

from tailrace.engines.parquet.connection import spill_folder
from tailrace.errors import ExtractionFailed, OutOfMemory
from tailrace.formats.base import Field, quote_name, quote_text, sql_type
from tailrace.worker.packing.base import PIECE_BYTES, Means, Packer, Rendered, Sink

_LONGEST_ROW_BYTES = 8 * 2**20
# DuckDB keeps what it has read for as long as it may; with so little 1 M rows of 37 columns take some 100 MB.
_LEAST_MEMORY_MB, _COLUMN_MEMORY_MB = 96, 2
# A group of rows is held until it is written: fewer of them when there are many columns. In steps of DuckDB's own.
_STEP_ROWS, _MOST_STEPS, _COLUMNS_FOR_ONE_STEP = 2048, 8, 320


def open_packer(sink: Sink, means: Means) -> Packer:
    """Begin to convert."""
    return _ParquetPacker(sink, means)


def as_rendered(fields: Sequence[Field], options: Mapping[str, Any]) -> Rendered:  # noqa: ARG001 a packing's face
    """Tell what text is converted: values as they are, truth values in the words that are read."""
    plain = tuple(replace(field, true_text="true", false_text="false", backslash_plus=False) for field in fields)
    return _twice_if_one(plain), {}


def _twice_if_one(fields: Sequence[Field]) -> tuple[Field, ...]:
    """Write a single column twice: CSV cannot tell an empty text from none where there is no comma."""
    return tuple(fields) * (2 if len(fields) == 1 else 1)


class _ParquetPacker:
    """One thread converts from pipe to pipe, another hands on what comes out."""

    def __init__(self, sink: Sink, means: Means) -> None:
        """Open the pipes and start the threads."""
        self._sink = sink
        self._connection = _connect(means)
        self._text_out, self._text_in = _pipe()
        self._file_out, self._file_in = _pipe()
        self._statement = _copy(means.fields, self._text_out, self._file_in)
        self._rows = -1
        self._abandoned = False
        self._fault: BaseException | None = None
        self._fault_of_store: BaseException | None = None
        work = (self._convert, self._pass_on)
        self._threads = [threading.Thread(target=one, name="packing", daemon=True) for one in work]
        for thread in self._threads:
            thread.start()

    def write(self, piece: memoryview) -> None:
        """Give text to the conversion; waits while it has enough to do."""
        try:
            while piece:
                piece = piece[os.write(self._text_in, piece) :]
        except BrokenPipeError:
            self._end()
            self._check()
            raise ExtractionFailed("the conversion to Parquet has stopped") from None

    def finish(self, rows: int) -> None:
        """Wait for the file's end, and compare the rows in it with those rendered."""
        self._end()
        self._check()
        if self._rows != rows:
            raise ExtractionFailed(f"the Parquet file has {self._rows} rows where {rows} were rendered")

    def close(self) -> None:
        """Stop both threads."""
        if self._text_in >= 0:
            self._abandoned = True
            self._connection.interrupt()
            self._end()
        self._connection.close()

    def _end(self) -> None:
        """Let both threads come to the end of what they have."""
        os.close(self._text_in)
        self._text_in = -1
        for thread in self._threads:
            thread.join()

    def _check(self) -> None:
        """Raise what went wrong; where the store failed, the conversion then stops as well."""
        if fault := self._fault_of_store or self._fault:
            raise fault

    def _convert(self) -> None:
        try:
            [(self._rows,)] = self._connection.execute(self._statement).fetchall()
        except duckdb.OutOfMemoryException:
            self._fault = OutOfMemory("DuckDB: the Parquet file needs more memory than there is")
        except duckdb.Error as error:
            # Its words may quote a row's value.
            self._fault = ExtractionFailed(f"rows cannot be written as Parquet: {type(error).__name__}")
        finally:
            os.close(self._text_out)
            os.close(self._file_in)

    def _pass_on(self) -> None:
        try:
            while data := os.read(self._file_out, PIECE_BYTES):
                if not self._abandoned:
                    self._sink(data)
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is written
            self._fault_of_store = error
        finally:
            os.close(self._file_out)


def _pipe() -> tuple[int, int]:
    """Open a pipe that holds a piece; it stays as small as it comes where the system allows no more."""
    out, into = os.pipe()
    with suppress(OSError):
        fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, PIECE_BYTES)
    return out, into


def _connect(means: Means) -> duckdb.DuckDBPyConnection:
    memory_mb = max(means.memory_mb, _LEAST_MEMORY_MB, _COLUMN_MEMORY_MB * len(means.fields))
    config: dict[str, Any] = {
        "threads": 1,
        "memory_limit": f"{memory_mb}MB",
        "temp_directory": spill_folder(means.scratch),
    }
    connection = duckdb.connect(":memory:", config=config)
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _copy(fields: Sequence[Field], source: int, target: int) -> str:
    """Write the statement that converts. Not `strict_mode`: with CR LF it drops rows."""
    declared = ", ".join(f"'c{place}': '{_kind(field)}'" for place, field in enumerate(_twice_if_one(fields)))
    names = ", ".join(f"c{place} AS {quote_name(field.name)}" for place, field in enumerate(fields))
    steps = max(1, min(_MOST_STEPS, _COLUMNS_FOR_ONE_STEP // max(1, len(fields))))
    return f"""
        COPY (SELECT {names} FROM read_csv(
            '/dev/fd/{source}', auto_detect = false, columns = {{{declared}}}, header = true, delim = ',',
            quote = '"', escape = '"', new_line = {quote_text(chr(92) + "r" + chr(92) + "n")}, nullstr = '',
            allow_quoted_nulls = false, strict_mode = false, parallel = false, null_padding = false,
            ignore_errors = false, compression = 'none', max_line_size = {_LONGEST_ROW_BYTES},
            buffer_size = {2 * _LONGEST_ROW_BYTES}))
        TO '/dev/fd/{target}'
        (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {steps * _STEP_ROWS}, USE_TMP_FILE false)"""


def _kind(field: Field) -> str:
    """Name a column's type in the file; instants are in UTC and say so."""
    if field.type == "datetime":
        return "TIMESTAMPTZ"
    return sql_type(field.type, max(field.precision, field.scale + 1), field.scale)
