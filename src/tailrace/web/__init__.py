"""HTTP: one folder a dialect, links, health."""
