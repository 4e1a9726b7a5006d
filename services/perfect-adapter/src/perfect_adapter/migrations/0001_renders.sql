-- Attempts to make a job's picture at the vendor. One row is one piece of work until it has ended.
CREATE TABLE renders (
    render_id text PRIMARY KEY, -- <job>.<attempt>
    job_id text NOT NULL,
    attempt integer NOT NULL,
    tenant_id text NOT NULL,
    work jsonb NOT NULL,
    inputs jsonb NOT NULL, -- role -> key in storage
    rank smallint NOT NULL, -- the lower, the more urgent
    deadline timestamptz NOT NULL,
    cause_id uuid NOT NULL,
    traceparent text,
    -- waiting: no task at the vendor. submitting: the intent to create one is written, and what became of it is not.
    -- running: the task's id is known. done, failed: told. dropped: nobody wants it any more.
    state text NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'submitting', 'running', 'done', 'failed', 'dropped')),
    -- When there is next something to do about it; in a worker's hands: when that worker has lost its claim.
    due_at timestamptz NOT NULL DEFAULT now(),
    lease uuid,
    tries integer NOT NULL DEFAULT 0, -- failures to collect the result
    calls integer NOT NULL DEFAULT 0, -- made, or about to be made, at the vendor
    lane text, -- whose quota they were charged to
    task_id text UNIQUE,
    task_began_at timestamptz,
    told_at timestamptz, -- when a webhook said that the task has ended
    code text, -- why it failed, or why it has not yet been submitted
    vendor_code text,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    UNIQUE (job_id, attempt),
    CHECK (state <> 'running' OR (task_id IS NOT NULL AND task_began_at IS NOT NULL)),
    CHECK ((state IN ('done', 'failed', 'dropped')) = (ended_at IS NOT NULL))
);
CREATE INDEX renders_waiting ON renders (rank, due_at) WHERE state = 'waiting';
CREATE INDEX renders_overdue ON renders (deadline) WHERE state = 'waiting';
CREATE INDEX renders_at_vendor ON renders (due_at) WHERE state IN ('submitting', 'running');

-- Jobs that ended before their picture was made; what is dispatched for them later is not begun.
CREATE TABLE ended_jobs (
    job_id text PRIMARY KEY,
    ended_at timestamptz NOT NULL DEFAULT now()
);

-- The lanes to the vendor: one per quota, which is to say per API key.
CREATE TABLE lanes (
    lane text PRIMARY KEY,
    paused_until timestamptz NOT NULL DEFAULT 'epoch',
    strikes integer NOT NULL DEFAULT 0 -- pauses without a success in between
);

-- The quota ledger: one row for each call, written before the call is made.
CREATE TABLE vendor_calls (
    lane text NOT NULL REFERENCES lanes,
    at timestamptz NOT NULL
);
CREATE INDEX vendor_calls_at ON vendor_calls (lane, at);

-- What the vendor told us by webhook, by its own id for the message.
CREATE TABLE webhooks (
    webhook_id text PRIMARY KEY,
    task_id text NOT NULL,
    task_status text NOT NULL,
    received_at timestamptz NOT NULL,
    -- When it was matched to its render, or given up on; a message may come before its task's id is stored.
    settled_at timestamptz
);
CREATE INDEX webhooks_open ON webhooks (received_at) WHERE settled_at IS NULL;
CREATE INDEX webhooks_task ON webhooks (task_id);
