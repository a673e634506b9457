"""Rows IN: the operator's files, checked and stored as Parquet; sample rows."""
