"""What the engine over PostgreSQL is made of: its session, what a source looks like, and a translation of SQL."""
