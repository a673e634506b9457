"""Tailrace: self-hosted, multi-tenant bulk data extraction."""

__version__ = "0.1.0"
