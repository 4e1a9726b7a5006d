-- What others said of jobs, kept to compare the books with. A job ends once.
CREATE TABLE job_ends (
    job_id text PRIMARY KEY,
    tenant_id text NOT NULL,
    phase text NOT NULL CHECK (phase IN ('completed', 'failed', 'cancelled', 'expired')),
    credits bigint NOT NULL CHECK (credits >= 0),
    ended_at timestamptz NOT NULL
);
CREATE INDEX job_ends_by_time ON job_ends USING brin (ended_at) WITH (autosummarize = on);

CREATE TABLE job_renders (
    render_id text PRIMARY KEY,
    job_id text NOT NULL,
    tenant_id text NOT NULL,
    succeeded boolean NOT NULL,
    vendor_calls int NOT NULL,
    ended_at timestamptz NOT NULL
);
CREATE INDEX job_renders_of_job ON job_renders (job_id);
CREATE INDEX job_renders_by_time ON job_renders USING brin (ended_at) WITH (autosummarize = on);

-- The last comparison of each day.
CREATE TABLE reconciliations (
    day date PRIMARY KEY,
    at timestamptz NOT NULL,
    compared jsonb NOT NULL,
    differences jsonb NOT NULL
);
