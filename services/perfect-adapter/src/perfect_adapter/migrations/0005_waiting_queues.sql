-- The waiting room by queues: one for each class, feature and tenant with something waiting. A claim reads the first few of
-- each class and feature in the order of their turns, however many there are.
CREATE TABLE waiting_queues (
    rank smallint NOT NULL,
    feature text NOT NULL,
    tenant_id text NOT NULL,
    turn bigint NOT NULL, -- in virtual time: how much its tenant has used; the lowest is next
    PRIMARY KEY (rank, feature, tenant_id)
);
CREATE INDEX waiting_queues_in_turn ON waiting_queues (rank, feature, turn);
CREATE INDEX waiting_queues_of_tenant ON waiting_queues (tenant_id);
ALTER TABLE room ADD COLUMN virtual_time bigint NOT NULL DEFAULT 0; -- the turn of whoever was served last

-- What has come to wait, until a claim takes it into its queue. Whoever makes a render wait only adds a row here, and so
-- neither waits for a claim nor holds one up. A row counts once it is due: what is to be tried later makes no queue before.
CREATE TABLE arrivals (
    rank smallint NOT NULL,
    feature text NOT NULL,
    tenant_id text NOT NULL,
    due_at timestamptz NOT NULL
);
CREATE INDEX arrivals_due ON arrivals (due_at);
CREATE FUNCTION note_arrival() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO arrivals VALUES (NEW.rank, NEW.feature, NEW.tenant_id, NEW.due_at);
    RETURN NULL;
END $$;
-- By a trigger, so that also what a process of the release before this one makes wait is found.
CREATE TRIGGER renders_arrive AFTER INSERT OR UPDATE OF state ON renders
    FOR EACH ROW WHEN (NEW.state = 'waiting') EXECUTE FUNCTION note_arrival();
INSERT INTO arrivals SELECT rank, feature, tenant_id, min(due_at) FROM renders WHERE state = 'waiting' GROUP BY 1, 2, 3;

CREATE INDEX renders_in_queue ON renders (rank, feature, tenant_id, due_at) WHERE state = 'waiting';
CREATE INDEX renders_waiting_longest ON renders (feature, created_at) WHERE state = 'waiting';
-- `shares` and `renders_waiting` are the room of the release before this one; they go with the next.
