"""Brings an operator's WFM tables in: a folder with a file for each table, checked as a whole, all or nothing."""
