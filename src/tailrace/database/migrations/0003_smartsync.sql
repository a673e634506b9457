-- Who may (SmartSync) ---------------------------------------------------------------------------------------------

-- The number a tenant is signed in to under (SS-033).
ALTER TABLE tenants ADD COLUMN customer_id bigint UNIQUE CHECK (customer_id BETWEEN 1 AND 2147483647);
UPDATE tenants SET customer_id = numbered.n
FROM (SELECT id, row_number() OVER (ORDER BY created_at, id) AS n FROM tenants) numbered WHERE tenants.id = numbered.id;
ALTER TABLE tenants ALTER COLUMN customer_id SET NOT NULL;

-- Argon2id, with its parameters; none: the user cannot sign in with a password.
ALTER TABLE users ADD COLUMN password_hash text;

CREATE TABLE sessions (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    secret_sha256 bytea NOT NULL UNIQUE,
    tenant_id     uuid NOT NULL,
    user_id       uuid NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    last_used_at  timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX ON sessions (user_id, created_at);

-- What a user may View: entities by number, or all of a type (id 0).
CREATE TABLE entity_views (
    tenant_id   uuid NOT NULL,
    user_id     uuid NOT NULL,
    entity_type text NOT NULL CHECK (entity_type IN ('mu', 'ct', 'eg', 'bu', 'tog')),
    entity_id   bigint NOT NULL CHECK (entity_id >= 0),
    PRIMARY KEY (user_id, entity_type, entity_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);

-- What requests may name ------------------------------------------------------------------------------------------
-- Copied from a tenant's WFM tables by the load that publishes them, in its transaction.

CREATE TABLE wfm_entities (
    tenant_id   uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    entity_type text NOT NULL CHECK (entity_type IN ('mu', 'ct', 'eg', 'bu', 'tog')),
    entity_id   bigint NOT NULL,
    name        text NOT NULL,
    bu_id       bigint,                          -- of an MU or CT
    created_at  timestamptz,
    changed_at  timestamptz,
    deleted_at  timestamptz,
    PRIMARY KEY (tenant_id, entity_type, entity_id)
);

CREATE TABLE wfm_data_groups (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    group_id  bigint NOT NULL,
    name      text NOT NULL,
    PRIMARY KEY (tenant_id, group_id)
);

CREATE TABLE wfm_code_attributes (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    name      text NOT NULL,
    PRIMARY KEY (tenant_id, name)
);

CREATE TABLE wfm_time_off_rules (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    group_id  bigint NOT NULL,
    rule      text NOT NULL,
    from_date date NOT NULL,
    last_date date NOT NULL,
    unit      text NOT NULL,
    PRIMARY KEY (tenant_id, group_id, rule)
);

-- Rows in ---------------------------------------------------------------------------------------------------------

-- A file whose table was loaded anew: no new job reads it, and it goes when no job that may is left.
ALTER TABLE stored_files ADD COLUMN replaced_at timestamptz;
ALTER TABLE stored_files DROP CONSTRAINT stored_files_tenant_id_dataset_input_sha256_key;
CREATE UNIQUE INDEX stored_files_content ON stored_files (tenant_id, dataset, input_sha256) WHERE replaced_at IS NULL;

-- One extraction --------------------------------------------------------------------------------------------------

ALTER TABLE jobs
    ADD COLUMN result_compressed_bytes bigint,   -- of the gzip form kept beside the result, where there is one
    ADD COLUMN result_replaced bigint;           -- characters the format does not allow (SS-833)
CREATE INDEX jobs_of_user ON jobs (user_id, dialect, created_at DESC, id);

-- A request names its kind of rows, and how long its record is kept in hours, as the dialects count differently.
UPDATE jobs SET request = jsonb_build_object(
    'rows', jsonb_build_object(
        'table', request -> 'table', 'column', request -> 'range_source', 'start', request -> 'start',
        'end', request -> 'end', 'order', request -> 'order', 'leave_out_seconds', request -> 'leave_out_seconds'),
    'fields', request -> 'fields', 'format', request -> 'format', 'options', request -> 'options',
    'limits', (request -> 'limits') - 'record_days'
              || jsonb_build_object('record_hours', (request #>> '{limits,record_days}')::int * 24))
WHERE request ? 'range_source';
