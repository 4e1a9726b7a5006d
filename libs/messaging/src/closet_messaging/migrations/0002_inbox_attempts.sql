-- Messages that did not go well. Nothing is written for one that is handled when it first or second comes.
-- A message, not an event, is what fails: a second copy of an event, or a dead letter that is sent back, begins anew.
CREATE TABLE inbox_attempts (
    event_id uuid NOT NULL,
    stream text NOT NULL,
    stream_seq bigint NOT NULL,
    -- How often the handler failed.
    failures integer NOT NULL DEFAULT 0,
    -- How often it began, in the deliveries in which that is noted, and neither finished nor failed: its process ended.
    interruptions integer NOT NULL DEFAULT 0,
    -- The delivery in which it last began, as far as that is noted.
    begun_in integer NOT NULL DEFAULT 0,
    attempted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (event_id, stream, stream_seq)
);
