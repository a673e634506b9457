"""To BYTES: one file a format, each says a row's text in SQL."""
