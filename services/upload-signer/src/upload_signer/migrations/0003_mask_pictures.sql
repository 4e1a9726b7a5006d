-- A job that uses an upload as a mask is told of it when the pictures that the mask is for are settled too.
ALTER TABLE waiting_jobs ADD COLUMN picture_ids text[] NOT NULL DEFAULT '{}';
CREATE INDEX waiting_jobs_pictures ON waiting_jobs USING gin (picture_ids) WHERE picture_ids <> '{}';
