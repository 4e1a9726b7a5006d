-- How orders are made, lost and found: pauses that grow, calls that never left, what the vendor's clock says.
ALTER TABLE renders ADD COLUMN setbacks integer NOT NULL DEFAULT 0; -- how often it went back to waiting before its task began
ALTER TABLE vendor_calls ADD COLUMN sent boolean NOT NULL DEFAULT true; -- false: it provably never left; it counts nowhere
ALTER TABLE webhooks ADD COLUMN searched_at timestamptz; -- when orders in doubt were last looked for because of it
ALTER TABLE template_lists ADD COLUMN failures integer NOT NULL DEFAULT 0; -- calls in a row that gave no list

-- How far the vendor's clock is ahead of this database's, in seconds: the last few measurements, the newest last.
CREATE TABLE vendor_clock (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    samples double precision[] NOT NULL DEFAULT '{}',
    sampled_at timestamptz NOT NULL DEFAULT 'epoch'
);
INSERT INTO vendor_clock DEFAULT VALUES;
CREATE INDEX webhooks_received ON webhooks (received_at);
CREATE INDEX ended_jobs_ended ON ended_jobs (ended_at);
