"""Files of an operator's own: which a pattern names, where they are, and how they are read from a bucket."""
