-- What clients brought, from the first job that needs it on. One row is one piece of work until it is settled.
CREATE TABLE uploads (
    upload_id text PRIMARY KEY,
    tenant_id text NOT NULL,
    user_id text NOT NULL,
    state text NOT NULL DEFAULT 'unchecked' CHECK (state IN ('unchecked', 'ready', 'rejected')),
    asset jsonb,
    code text,
    message text,
    -- Unchecked: when it is to be checked; in a worker's hands: when that worker has lost its claim.
    due_at timestamptz NOT NULL DEFAULT now(),
    lease uuid,
    tries integer NOT NULL DEFAULT 0,
    -- After this no job waits for it any more.
    wanted_until timestamptz NOT NULL,
    -- Whether the bytes as the client sent them may still be in storage.
    raw_left boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz,
    CHECK ((state = 'ready') = (asset IS NOT NULL)),
    CHECK ((state = 'rejected') = (code IS NOT NULL AND message IS NOT NULL)),
    CHECK ((state = 'unchecked') = (settled_at IS NULL))
);
CREATE INDEX uploads_due ON uploads (due_at) WHERE state = 'unchecked';
CREATE INDEX uploads_raw_left ON uploads (settled_at) WHERE state <> 'unchecked' AND raw_left;

-- The jobs that wait for an upload to be settled, with the event that made each wait and its trace.
CREATE TABLE waiting_jobs (
    upload_id text NOT NULL REFERENCES uploads ON DELETE CASCADE,
    job_id text NOT NULL,
    cause_id uuid NOT NULL,
    traceparent text,
    PRIMARY KEY (upload_id, job_id)
);
