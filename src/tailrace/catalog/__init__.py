"""WHAT can be extracted: datasets as data, checked at start."""
