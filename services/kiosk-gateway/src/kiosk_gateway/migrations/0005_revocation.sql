-- A key, a tenant or a session can be revoked. Rows of `revocations` are what replicas hold in memory: as long as access
-- tokens live that may still name what was revoked.

ALTER TABLE tenants ADD COLUMN revoked_at timestamptz;
ALTER TABLE api_keys ADD COLUMN revoked_at timestamptz;
ALTER TABLE api_keys ADD COLUMN key_id text GENERATED ALWAYS AS (encode(substring(key_hash FROM 1 FOR 8), 'hex')) STORED;
CREATE UNIQUE INDEX api_keys_key_id ON api_keys (key_id);

-- The key that began the session; null: it began before this was kept.
ALTER TABLE sessions ADD COLUMN key_id text;
CREATE INDEX sessions_user ON sessions (tenant_id, user_id) WHERE revoked_at IS NULL;

CREATE TABLE revocations (
    kind text NOT NULL CHECK (kind IN ('tenant', 'api_key', 'session')),
    id text NOT NULL,
    revoked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, id)
);
CREATE INDEX revocations_revoked_at ON revocations (revoked_at);

-- For a moment a used refresh token leads to the same successor again: HMAC(token, salt). The database holds no token, so
-- whoever reads it can derive none; the salt goes once the successor is used.
ALTER TABLE refresh_tokens ADD COLUMN successor_salt bytea;
