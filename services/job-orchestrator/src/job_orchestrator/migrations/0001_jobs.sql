-- What was asked (`request`, fixed) and where it stands. Facts about one job are taken one at a time, under its row lock.
CREATE TABLE jobs (
    job_id text PRIMARY KEY,
    tenant_id text NOT NULL,
    user_id text NOT NULL,
    request jsonb NOT NULL,
    consent_given_at timestamptz NOT NULL,
    deadline timestamptz NOT NULL,
    max_attempts smallint NOT NULL CHECK (max_attempts >= 1),
    -- The trace of the client's request, so that an end which no event causes belongs to it too.
    traceparent text,
    phase text NOT NULL DEFAULT 'accepted'
        CHECK (phase IN ('accepted', 'dispatched', 'running', 'completed', 'failed', 'cancelled', 'expired')),
    version integer NOT NULL DEFAULT 1,
    attempt smallint NOT NULL DEFAULT 0,
    held boolean NOT NULL DEFAULT false,
    assets jsonb NOT NULL DEFAULT '{}',
    vendor_ms bigint NOT NULL DEFAULT 0,
    code text,
    message text,
    accepted_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (attempt BETWEEN 0 AND max_attempts)
) WITH (fillfactor = 70);

-- What the reaper looks at, and what a withdrawal may stop. Ended jobs, nearly all of them, are in neither.
CREATE INDEX jobs_due ON jobs (deadline) WHERE phase IN ('accepted', 'dispatched', 'running');
CREATE INDEX jobs_not_at_vendor ON jobs (tenant_id, user_id) WHERE phase IN ('accepted', 'dispatched');

-- Terminal exactly once, whoever writes.
CREATE FUNCTION refuse_life_after_the_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'job % has ended as %', OLD.job_id, OLD.phase USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER jobs_end_once BEFORE UPDATE OF phase ON jobs FOR EACH ROW
    WHEN (OLD.phase IN ('completed', 'failed', 'cancelled', 'expired') AND NEW.phase <> OLD.phase)
    EXECUTE FUNCTION refuse_life_after_the_end();

CREATE TABLE attempts (
    job_id text NOT NULL REFERENCES jobs ON DELETE CASCADE,
    attempt smallint NOT NULL,
    dispatched_at timestamptz,
    started_at timestamptz,
    ended_at timestamptz,
    outcome text,
    vendor_task_id text,
    vendor_code text,
    vendor_calls integer,
    vendor_ms bigint,
    PRIMARY KEY (job_id, attempt)
) WITH (fillfactor = 70);

-- A withdrawal may overtake the request that it stops, so it is kept. A consent given later is named by the later request.
CREATE TABLE withdrawals (
    tenant_id text NOT NULL,
    user_id text NOT NULL,
    withdrawn_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id)
);
