-- Events in worker processes, counted where every process finds them: one row a kind, there once it has happened.
CREATE TABLE counters (
    name  text PRIMARY KEY,
    value bigint NOT NULL CHECK (value >= 0)
);
