-- Programs that sign in through the OAuth token endpoint; they stand for nobody until an access key comes along.
CREATE TABLE oauth_clients (
    id            text PRIMARY KEY,
    secret_sha256 bytea NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    revoked_at    timestamptz
);

-- Tokens got by refreshing belong to the sign-in they came from; a used refresh token lives on for a lost answer.
ALTER TABLE access_tokens
    ADD COLUMN client_id text NOT NULL DEFAULT 'access-key',
    ADD COLUMN sign_in_id uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD COLUMN refresh_used_at timestamptz,
    ADD COLUMN refresh_revoked_at timestamptz;
CREATE UNIQUE INDEX ON access_tokens (refresh_sha256);
CREATE INDEX ON access_tokens (sign_in_id);

CREATE TABLE idempotency_keys (
    tenant_id   uuid NOT NULL,
    user_id     uuid NOT NULL,
    key         text NOT NULL,
    body_sha256 bytea NOT NULL,
    job_id      uuid NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, key),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX ON idempotency_keys (created_at);
