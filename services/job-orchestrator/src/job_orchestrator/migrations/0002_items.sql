-- A job consists of items, each one task at the vendor with attempts of its own. `items` says how each stands, `results`
-- keeps what those that succeeded made until the job's end tells of it. `attempt` is now the most of any item.
ALTER TABLE jobs ADD COLUMN items jsonb NOT NULL DEFAULT '[]', ADD COLUMN results jsonb NOT NULL DEFAULT '{}';
UPDATE jobs SET items = jsonb_build_array(jsonb_build_object(
    'step', CASE phase WHEN 'accepted' THEN 'waiting' WHEN 'completed' THEN 'succeeded'
        WHEN 'dispatched' THEN phase WHEN 'running' THEN phase ELSE 'failed' END,
    'attempt', attempt, 'vendor_ms', vendor_ms, 'reason', NULL));
ALTER TABLE jobs DROP COLUMN vendor_ms, ALTER COLUMN items DROP DEFAULT;
-- Where no person's photo goes in, no consent is needed.
ALTER TABLE jobs ALTER COLUMN consent_given_at DROP NOT NULL;

ALTER TABLE attempts ADD COLUMN item smallint NOT NULL DEFAULT 0;
ALTER TABLE attempts DROP CONSTRAINT attempts_pkey, ADD PRIMARY KEY (job_id, item, attempt);
