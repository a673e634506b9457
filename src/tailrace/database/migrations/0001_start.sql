-- Who may ---------------------------------------------------------------------------------------------------------

CREATE TABLE tenants (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name       text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id  uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    name       text NOT NULL,
    active     boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, name),
    UNIQUE (tenant_id, id)
);

CREATE TABLE user_permissions (
    tenant_id     uuid NOT NULL,
    user_id       uuid NOT NULL,
    permission_id text NOT NULL,
    PRIMARY KEY (user_id, permission_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);

-- The secret itself is nowhere: 256 random bits need no slow hash.
CREATE TABLE access_keys (
    id            text PRIMARY KEY,
    tenant_id     uuid NOT NULL,
    user_id       uuid NOT NULL,
    secret_sha256 bytea NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    revoked_at    timestamptz,
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX ON access_keys (tenant_id, user_id);

-- One row a sign-in: a signed token is good only while its row says so (CX-105).
CREATE TABLE access_tokens (
    id             uuid PRIMARY KEY,
    access_key_id  text NOT NULL REFERENCES access_keys ON DELETE CASCADE,
    issued_at      timestamptz NOT NULL DEFAULT now(),
    expires_at     timestamptz NOT NULL,
    refresh_sha256 bytea NOT NULL,
    refresh_until  timestamptz NOT NULL,
    revoked_at     timestamptz
);
CREATE INDEX ON access_tokens (access_key_id);
CREATE INDEX ON access_tokens (refresh_until);

CREATE TABLE sign_in_failures (
    subject   text NOT NULL,
    failed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON sign_in_failures (subject, failed_at);

-- Keys the service signs with, made at first use and shared by all its processes.
CREATE TABLE signing_keys (
    id         text PRIMARY KEY,
    purpose    text NOT NULL,
    key        text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON signing_keys (purpose, created_at);

-- Rows in ---------------------------------------------------------------------------------------------------------

-- A stored file without a row here is garbage by definition: the row is what publishes it.
CREATE TABLE stored_files (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id    uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    dataset      text NOT NULL,
    input_sha256 text NOT NULL,
    input_name   text NOT NULL,
    path         text NOT NULL UNIQUE,
    rows         bigint NOT NULL CHECK (rows >= 0),
    bytes        bigint NOT NULL CHECK (bytes >= 0),
    first_at     timestamptz,
    last_at      timestamptz,
    plain_columns text[] NOT NULL DEFAULT '{}',  -- text no format has to escape
    sorted_by    text[] NOT NULL DEFAULT '{}',   -- terms of the order its rows are in
    loaded_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, dataset, input_sha256)
);

-- One extraction --------------------------------------------------------------------------------------------------

CREATE TYPE job_state AS ENUM ('queued', 'running', 'succeeded', 'failed', 'cancelled');

CREATE TABLE jobs (
    id              uuid PRIMARY KEY,
    tenant_id       uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    user_id         uuid NOT NULL,
    dialect         text NOT NULL,
    dataset         text NOT NULL,
    version         text NOT NULL,
    permission_id   text NOT NULL,
    start_date      date NOT NULL,
    end_date        date NOT NULL,
    request         jsonb NOT NULL,              -- resolved: columns, range, order, format; all a worker needs
    state           job_state NOT NULL DEFAULT 'queued',
    attempt         int NOT NULL DEFAULT 0,
    epoch           bigint NOT NULL DEFAULT 0,   -- grows with every claim: an older holder's writes change 0 rows
    worker          text,
    lease_until     timestamptz,
    deadline_at     timestamptz,                 -- all attempts together
    retry_at        timestamptz NOT NULL DEFAULT now(),
    created_at      timestamptz NOT NULL DEFAULT now(),
    claimed_at      timestamptz,
    started_at      timestamptz,
    finished_at     timestamptz,
    slices_done     int NOT NULL DEFAULT 0,
    slices_total    int,
    error_code      text,
    result_key      text UNIQUE,
    result_bytes    bigint,
    result_rows     bigint,
    result_sha256   text,
    result_until    timestamptz,                 -- retention: refused by time, not by the sweeper
    result_purged_at timestamptz,
    record_until    timestamptz,
    CHECK ((state = 'running') = (lease_until IS NOT NULL)),
    CHECK ((state = 'succeeded') = (result_key IS NOT NULL)),
    CHECK ((state IN ('failed', 'cancelled')) = (error_code IS NOT NULL)),
    CHECK ((state IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL))
);
CREATE INDEX jobs_of_tenant ON jobs (tenant_id, dialect, created_at DESC, id);
CREATE INDEX jobs_queued ON jobs (dialect, tenant_id, created_at, id) WHERE state = 'queued';
CREATE INDEX jobs_running ON jobs (dialect, tenant_id, lease_until) WHERE state = 'running';
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;

-- One row a tenant and dialect: the lock under which a job is accepted, and whose turn it is.
CREATE TABLE tenant_turns (
    tenant_id   uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    dialect     text NOT NULL,
    accepted_at timestamptz,                     -- last accepted request (the 30-second rule)
    served_at   timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (tenant_id, dialect)
);
