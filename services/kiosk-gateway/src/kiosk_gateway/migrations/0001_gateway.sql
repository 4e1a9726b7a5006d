-- Who may speak -------------------------------------------------------------------------------------------------------

CREATE TABLE tenants (
    tenant_id text PRIMARY KEY,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- The key itself is never stored. A digest without salt is enough: keys are random, not chosen by people.
CREATE TABLE api_keys (
    key_hash bytea PRIMARY KEY,
    tenant_id text NOT NULL REFERENCES tenants,
    prefix text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- A session is a family of refresh tokens of which only the youngest is good; an older one that comes back ends them all.
CREATE TABLE sessions (
    session_id uuid PRIMARY KEY,
    tenant_id text NOT NULL REFERENCES tenants,
    user_id text NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

CREATE TABLE refresh_tokens (
    token_hash bytea PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);

-- Consent: how it stands, and every word ever given, which stays as the proof -------------------------------------------

CREATE TABLE consents (
    tenant_id text NOT NULL,
    user_id text NOT NULL,
    version text NOT NULL,
    given_at timestamptz NOT NULL,
    withdrawn_at timestamptz,
    PRIMARY KEY (tenant_id, user_id),
    CHECK (withdrawn_at > given_at)
);

CREATE TABLE consent_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id text NOT NULL,
    user_id text NOT NULL,
    version text NOT NULL,
    given boolean NOT NULL,
    at timestamptz NOT NULL
);

-- Intake --------------------------------------------------------------------------------------------------------------

-- Whose an upload is. What became of its bytes is upload-signer's business.
CREATE TABLE uploads (
    upload_id text PRIMARY KEY,
    tenant_id text NOT NULL,
    user_id text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- The answer that a repeated request gets again. A row commits with what the request made.
CREATE TABLE idempotency (
    tenant_id text NOT NULL,
    user_id text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    answer jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id, key)
);
CREATE INDEX idempotency_created_at ON idempotency USING brin (created_at);

-- The read model ------------------------------------------------------------------------------------------------------

-- Every fact rewrites its job's row: room on the page keeps the indexes out of it.
CREATE TABLE jobs (
    job_id text PRIMARY KEY,
    tenant_id text NOT NULL,
    user_id text NOT NULL,
    kind text NOT NULL,
    credits integer NOT NULL,
    usd_cents integer NOT NULL,
    created_at timestamptz NOT NULL,
    deadline timestamptz NOT NULL,
    status text NOT NULL DEFAULT 'queued'
        CHECK (status IN ('queued', 'processing', 'completed', 'failed', 'cancelled', 'expired')),
    version integer NOT NULL DEFAULT 0,
    progress smallint NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    results jsonb,
    credits_charged integer,
    error_code text,
    error_message text,
    updated_at timestamptz NOT NULL,
    ended_at timestamptz,
    cancel_requested_at timestamptz,
    -- Counts the lines of the timeline; the row's lock makes their numbers visible in order.
    events integer NOT NULL,
    CHECK ((ended_at IS NULL) = (status IN ('queued', 'processing')))
) WITH (fillfactor = 70);
-- Ids grow with time: this is also the order of creation.
CREATE INDEX jobs_of_user ON jobs (tenant_id, user_id, job_id DESC);
CREATE INDEX jobs_completed ON jobs (kind, ended_at DESC) WHERE status = 'completed';

CREATE TABLE job_events (
    job_id text NOT NULL,
    seq integer NOT NULL,
    type text NOT NULL,
    -- Tells facts of one type and job apart: an attempt, an upload.
    part text NOT NULL DEFAULT '',
    service text NOT NULL,
    at timestamptz NOT NULL,
    status text NOT NULL,
    progress smallint NOT NULL,
    PRIMARY KEY (job_id, seq)
);

CREATE TABLE accounts (
    account_id text PRIMARY KEY,
    balance bigint NOT NULL,
    held bigint NOT NULL,
    available bigint NOT NULL,
    version bigint NOT NULL,
    updated_at timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE price_books (
    version text PRIMARY KEY,
    book jsonb NOT NULL,
    effective_from timestamptz NOT NULL
);
