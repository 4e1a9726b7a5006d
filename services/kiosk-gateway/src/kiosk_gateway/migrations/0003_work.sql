-- Jobs of several items: how many the job has, how many of them have been at the vendor and since when, how many succeeded.
ALTER TABLE jobs
    ADD COLUMN priority text NOT NULL DEFAULT 'interactive',
    ADD COLUMN items smallint NOT NULL DEFAULT 1 CHECK (items > 0),
    ADD COLUMN started smallint NOT NULL DEFAULT 0,
    ADD COLUMN started_at timestamptz,
    ADD COLUMN made smallint NOT NULL DEFAULT 0,
    ADD COLUMN failures jsonb,
    ADD COLUMN error_tip text;
-- What waits for the vendor is counted once a second, among the open jobs alone.
CREATE INDEX jobs_open ON jobs (tenant_id) WHERE ended_at IS NULL;

-- Quotes that were passed on: a job that names one is priced by it.
CREATE TABLE quotes (
    tenant_id text NOT NULL,
    user_id text NOT NULL,
    quote_id text NOT NULL,
    item jsonb NOT NULL,
    price jsonb NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id, quote_id)
);
CREATE INDEX quotes_expiry ON quotes (expires_at);

-- How much can be made now, as last heard: one row.
CREATE TABLE capacity (
    vendor text PRIMARY KEY,
    available boolean NOT NULL,
    per_minute double precision,
    typical_s double precision,
    measured_at timestamptz NOT NULL
) WITH (fillfactor = 50);
