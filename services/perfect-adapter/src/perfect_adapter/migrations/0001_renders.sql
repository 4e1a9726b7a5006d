-- Attempts at a job's tasks at the vendor. One row is one piece of work until it has ended.
CREATE TABLE renders (
    render_id text PRIMARY KEY, -- <job>.<item>.<attempt>
    job_id text NOT NULL,
    item integer NOT NULL,
    attempt integer NOT NULL,
    tenant_id text NOT NULL,
    work jsonb NOT NULL,
    inputs jsonb NOT NULL, -- role -> the checked picture
    feature text NOT NULL, -- how it is asked for at the vendor: a row of the table of features
    units integer NOT NULL, -- what that costs there
    rank smallint NOT NULL, -- its class: the lower, the more urgent
    deadline timestamptz NOT NULL,
    cause_id uuid NOT NULL,
    traceparent text,
    -- waiting: no task at the vendor. submitting: the intent to create one is written, and what became of it is not.
    -- doubtful: it may exist, and is looked for. running: its id is known. done, failed: told. dropped: unwanted.
    state text NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'submitting', 'doubtful', 'running', 'done', 'failed', 'dropped')),
    -- When there is next something to do about it; in a worker's hands: when that worker has lost its claim.
    due_at timestamptz NOT NULL DEFAULT now(),
    lease uuid,
    tries integer NOT NULL DEFAULT 0, -- failures to collect the result
    looks integer NOT NULL DEFAULT 0, -- at its task
    key text, -- the API key of the task, or of the order in doubt
    asked_at timestamptz, -- when the task was last ordered
    doubts integer NOT NULL DEFAULT 0, -- how often the task was looked for
    searched_at timestamptz, -- when the history was last read back to when it was ordered
    repeats integer NOT NULL DEFAULT 0, -- orders that were repeated although the first may have been carried out
    task_id text UNIQUE,
    task_began_at timestamptz,
    told_at timestamptz, -- when a webhook said that the task has ended
    code text, -- why it failed, or why it has not yet been submitted
    vendor_code text,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    UNIQUE (job_id, item, attempt),
    CHECK (state <> 'running' OR (task_id IS NOT NULL AND task_began_at IS NOT NULL)),
    CHECK (state NOT IN ('submitting', 'doubtful', 'running') OR (key IS NOT NULL AND asked_at IS NOT NULL)),
    CHECK ((state IN ('done', 'failed', 'dropped')) = (ended_at IS NOT NULL))
);
-- The waiting room: who is next of each class and tenant.
CREATE INDEX renders_waiting ON renders (rank, tenant_id, due_at) WHERE state = 'waiting';
CREATE INDEX renders_overdue ON renders (deadline) WHERE state = 'waiting';
CREATE INDEX renders_at_vendor ON renders (due_at) WHERE state IN ('submitting', 'doubtful', 'running');
-- Orders of which nobody knows what became of them, also those that were given up.
CREATE INDEX renders_unknown ON renders (key, asked_at) WHERE task_id IS NULL AND asked_at IS NOT NULL;
CREATE INDEX renders_ended ON renders (ended_at DESC) WHERE state = 'done';

-- Jobs that ended before their picture was made; what is dispatched for them later is not begun.
CREATE TABLE ended_jobs (
    job_id text PRIMARY KEY,
    ended_at timestamptz NOT NULL DEFAULT now()
);

-- Whoever the vendor counts calls of: an API key, or an address that calls come from.
CREATE TABLE parties (
    party text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('key', 'egress')),
    paused_until timestamptz NOT NULL DEFAULT 'epoch',
    strikes integer NOT NULL DEFAULT 0, -- pauses without a success in between
    -- Of keys: whether work goes to it, and why not.
    state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'draining', 'out')),
    reason text,
    probes integer NOT NULL DEFAULT 0, -- in vain, since it is out
    probe_at timestamptz NOT NULL DEFAULT now(), -- when its account is next asked about
    units bigint
);

-- The ledger of calls: one row for each, written before the call is made. It is what the quota is counted by, and
-- tells afterwards what was done for a render.
CREATE TABLE vendor_calls (
    call_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL,
    egress text NOT NULL,
    operation text NOT NULL,
    render_id text,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    outcome text
) WITH (fillfactor = 80);
CREATE INDEX vendor_calls_of_key ON vendor_calls (key, at);
CREATE INDEX vendor_calls_of_egress ON vendor_calls (egress, at);
CREATE INDEX vendor_calls_of_render ON vendor_calls (render_id) WHERE render_id IS NOT NULL;

-- The waiting room: how many slots were given out, and each tenant's place in the ring.
CREATE TABLE room (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    slots bigint NOT NULL DEFAULT 0,
    told_at timestamptz, -- when capacity was last told
    told jsonb
);
INSERT INTO room DEFAULT VALUES;
CREATE TABLE shares (
    tenant_id text PRIMARY KEY,
    turn bigint NOT NULL,
    deficit integer NOT NULL
);

-- Circuit breakers, one for each feature that has failed.
CREATE TABLE circuits (
    feature text PRIMARY KEY,
    failures integer NOT NULL,
    open_until timestamptz NOT NULL DEFAULT 'epoch'
);

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

-- Tasks that exist at the vendor and that no render knows of, and whether a look has shown them to be of that key and
-- that feature.
CREATE TABLE strays (
    task_id text NOT NULL,
    key text NOT NULL,
    feature text NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('unknown', 'ours', 'foreign')),
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (task_id, key, feature)
);

-- Orders that were repeated: what they may have made can still turn up, and is never another's.
CREATE TABLE repeated_orders (
    render_id text NOT NULL,
    key text NOT NULL,
    feature text NOT NULL,
    asked_at timestamptz NOT NULL
);
CREATE INDEX repeated_orders_recent ON repeated_orders (key, feature, asked_at);

-- The vendor's copies that are to be deleted, by its task.
CREATE TABLE deletions (
    task_id text PRIMARY KEY,
    key text NOT NULL,
    due_at timestamptz NOT NULL DEFAULT now(),
    lease uuid,
    tries integer NOT NULL DEFAULT 0
);
CREATE INDEX deletions_due ON deletions (due_at);

-- The templates that the vendor offers, as last listed.
CREATE TABLE templates (
    kind text NOT NULL,
    place integer NOT NULL,
    template_id text NOT NULL,
    title text NOT NULL,
    category text,
    thumbnail_url text,
    PRIMARY KEY (kind, place)
);
CREATE TABLE template_lists (
    kind text PRIMARY KEY,
    listed_at timestamptz,
    due_at timestamptz NOT NULL DEFAULT now()
);
