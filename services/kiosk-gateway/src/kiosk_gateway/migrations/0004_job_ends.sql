-- An end that this service stated by itself, because nobody had told one long after the deadline; the owner of the job may
-- still say otherwise.
ALTER TABLE jobs ADD COLUMN presumed boolean NOT NULL DEFAULT false;
CREATE INDEX jobs_overdue ON jobs (deadline) WHERE ended_at IS NULL;

-- Which pictures go in where, so that a line about an upload can say what it is: [{"role", "uploadId", "item"}].
ALTER TABLE jobs ADD COLUMN inputs jsonb NOT NULL DEFAULT '[]';
-- Why something was refused or failed, where the line is about that.
ALTER TABLE job_events ADD COLUMN code text;

-- A user's jobs of one status, newest first, however rare it is among the others.
CREATE INDEX jobs_of_user_by_status ON jobs (tenant_id, user_id, status, job_id DESC);
