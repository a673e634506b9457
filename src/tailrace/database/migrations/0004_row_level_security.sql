-- One tenant at a time --------------------------------------------------------------------------------------------
-- The second belt (docs/decisions/0012): where `tailrace.tenant` is set, a transaction sees and writes that tenant's
-- rows alone, whatever its statements say. Where it is not, only the service sees any: whoever may write the list of
-- migrations, which the role of the scoped statements may not.
-- A new table with a tenant gets both policies in its own migration, and what that role may do in tenant_role.py.

DO $$
DECLARE
    of_tenants text;
BEGIN
    FOREACH of_tenants IN ARRAY ARRAY[
        'tenants', 'users', 'user_permissions', 'access_keys', 'sessions', 'entity_views', 'idempotency_keys',
        'wfm_entities', 'wfm_data_groups', 'wfm_code_attributes', 'wfm_time_off_rules',
        'stored_files', 'jobs', 'tenant_turns']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', of_tenants);
        -- In brackets with a SELECT: computed once a statement rather than for each row.
        EXECUTE format($policy$
            CREATE POLICY one_tenant ON %I
            USING (%I = (SELECT nullif(current_setting('tailrace.tenant', true), '')::uuid))
            $policy$, of_tenants, CASE of_tenants WHEN 'tenants' THEN 'id' ELSE 'tenant_id' END);
        EXECUTE format($policy$
            CREATE POLICY whole_service ON %I
            USING ((SELECT coalesce(current_setting('tailrace.tenant', true), '') = ''
                           AND has_table_privilege('migrations'::regclass, 'INSERT')))
            $policy$, of_tenants);
    END LOOP;
END $$;
