-- Is this database older than the bus? Then it was restored from a backup, and what happened since has to be taken from the
-- streams first. An event is in the outbox before it is published: a service that finds one of its own on the bus and not
-- here has lost rows. What cleaning deletes is remembered by the newest of it; whichever release deletes.
CREATE TABLE outbox_deleted (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    newest uuid -- this event, and older ones, may have been deleted
);
INSERT INTO outbox_deleted DEFAULT VALUES;
-- In a database that has been in use, what is missing now was deleted by cleaning: it is older than what is here, or than a
-- day. The least id of a moment (RFC 9562) begins with its milliseconds.
UPDATE outbox_deleted SET newest = greatest(
    (SELECT id FROM outbox ORDER BY id DESC LIMIT 1),
    (SELECT event_id FROM inbox ORDER BY event_id DESC LIMIT 1),
    rpad(lpad(to_hex(((extract(epoch FROM now()) - 86400) * 1000)::bigint), 12, '0'), 32, '0')::uuid
) WHERE EXISTS (SELECT FROM outbox) OR EXISTS (SELECT FROM inbox);

CREATE FUNCTION note_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE outbox_deleted SET newest = greatest(newest, (SELECT id FROM gone ORDER BY id DESC LIMIT 1))
    WHERE EXISTS (SELECT FROM gone);
    RETURN NULL;
END $$;
CREATE TRIGGER outbox_note_deleted AFTER DELETE ON outbox REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION note_deleted();

-- The recovery under way or the last one. While one is not finished the service does not start.
CREATE TABLE recovery (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    since timestamptz NOT NULL,
    read_at timestamptz, -- when all that is to be taken was read from the bus
    finished_at timestamptz
);
-- What was read, in the order in which it is taken.
CREATE TABLE recovery_events (
    event_id uuid PRIMARY KEY,
    own boolean NOT NULL,
    cause uuid,
    thing text NOT NULL, -- type and subject of the envelope
    at timestamptz NOT NULL,
    payload bytea NOT NULL,
    taken_at timestamptz
);
CREATE INDEX recovery_events_next ON recovery_events (at, own, event_id) WHERE taken_at IS NULL;
CREATE INDEX recovery_events_cause ON recovery_events (cause) WHERE own;
