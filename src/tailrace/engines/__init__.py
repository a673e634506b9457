"""Rows FROM: one file an engine, each runs SQL and yields blocks of bytes."""
