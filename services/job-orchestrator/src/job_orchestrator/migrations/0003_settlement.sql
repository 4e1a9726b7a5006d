-- A job that is cancelled while work of it is on its way to the vendor ends once it is known what the vendor has begun,
-- or at `settle_at`. `stopping` is the reason that it will end for.
ALTER TABLE jobs ADD COLUMN stopping jsonb, ADD COLUMN settle_at timestamptz;
CREATE INDEX jobs_settling ON jobs (settle_at) WHERE phase = 'dispatched' AND settle_at IS NOT NULL;

-- A withdrawal whose jobs are still being stopped, a portion at a time.
ALTER TABLE withdrawals ADD COLUMN pending boolean NOT NULL DEFAULT false;
CREATE INDEX withdrawals_pending ON withdrawals (withdrawn_at) WHERE pending;
