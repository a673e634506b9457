-- Slices of running jobs that workers other than the job's own may render (docs/decisions/0016) -------------------
-- Nothing rests on a row here: whatever becomes of it, the job's own worker renders the slices itself.
CREATE TABLE job_shares (
    job_id      uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    tenant_id   uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    epoch       bigint NOT NULL,                 -- of the job: shares of an earlier claim are nobody's
    number      int NOT NULL,                    -- its place among the job's shares; the first is never offered
    state       text NOT NULL DEFAULT 'offered' CHECK (state IN ('offered', 'taken', 'done', 'left')),
    content     jsonb NOT NULL,                  -- which slices, of which parts of the source; no secrets
    worker      text,                            -- the helper
    lease_until timestamptz,
    key         text UNIQUE,                     -- of the share's object, made for one helper
    bytes       bigint,
    rows        bigint,
    PRIMARY KEY (job_id, epoch, number),
    CHECK ((state = 'taken') = (lease_until IS NOT NULL)),
    CHECK (state NOT IN ('taken', 'done') OR key IS NOT NULL),
    CHECK (state <> 'done' OR (bytes IS NOT NULL AND rows IS NOT NULL))
);

ALTER TABLE job_shares ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON job_shares
    USING (tenant_id = (SELECT nullif(current_setting('tailrace.tenant', true), '')::uuid));
CREATE POLICY whole_service ON job_shares
    USING ((SELECT coalesce(current_setting('tailrace.tenant', true), '') = ''
                   AND has_table_privilege('migrations'::regclass, 'INSERT')));
