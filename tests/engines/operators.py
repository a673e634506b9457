"""Scans of an operator's own table in PostgreSQL, and all their lines."""

from datetime import datetime

from tailrace.engines.base import Scan, Selection, Slice

START, END = datetime(2019, 5, 22), datetime(2019, 5, 29)
LINE = "concat(strftime(instant, '%Y-%m-%dT%H:%M:%S.%f'), ' ', key, chr(10))"
TENANT = Selection((), "tenant", "acme")


def options(server, **others):
    return {"url": server, "statement_timeout_s": 60, "connect_timeout_s": 5, **others}


def scan_of(source="rows", selection=TENANT, columns=(("key", "VARCHAR"),), order=('"key" NULLS FIRST',)):
    return Scan(
        (source,), "instant", START, END, ('"instant" NULLS FIRST', *order), columns=columns, selection=selection
    )


def lines(engine, scan, slices=None, row=LINE):
    parts = [Slice(scan.start, scan.end)] if slices is None else slices
    blocks = [block for part in parts for block in engine.render(scan, part, row)]
    return b"".join(block.data for block in blocks).decode().splitlines()
