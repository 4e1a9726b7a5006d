-- Events that this service has committed to and the bus has yet to acknowledge, or has within the last day.
-- Ids are UUIDv7: the primary key is also the order of creation, so no other index has to keep it.
CREATE TABLE outbox (
    id uuid PRIMARY KEY,
    subject text NOT NULL,
    payload bytea NOT NULL,
    traceparent text,
    created_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    -- Grows when the row is to be published anew; part of the bus's message id, or the bus would drop the copy.
    replays integer NOT NULL DEFAULT 0
);
CREATE INDEX outbox_unpublished ON outbox (id) WHERE published_at IS NULL;

-- Events that this service has handled. A row commits with what the handler did, so an event counts once.
CREATE TABLE inbox (
    event_id uuid PRIMARY KEY,
    handled_at timestamptz NOT NULL DEFAULT now()
);
