"""Parquet files read by DuckDB: what the engines share that read them."""
