-- The books. Credits are whole numbers; a transaction moves them between accounts and sums to zero.
--   tenant:<id>  what the tenant may spend      holds:<id>  what is set aside for the tenant's jobs
--   house        where credits come from        revenue     what has been earned
CREATE TABLE accounts (
    account_id text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('tenant', 'holds', 'house', 'revenue')),
    tenant_id text CHECK ((tenant_id IS NOT NULL) = (kind IN ('tenant', 'holds'))),
    opened_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO accounts (account_id, kind) VALUES ('house', 'house'), ('revenue', 'revenue');

CREATE TABLE transactions (
    transaction_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('grant', 'hold', 'capture', 'release')),
    -- What it is for: a job's id, or `receipt:<number>`.
    cause text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason text,
    actor text,
    trace_id text,
    UNIQUE (cause, kind)
);
-- A hold is settled one way, once.
CREATE UNIQUE INDEX transactions_settle_once ON transactions (cause) WHERE kind IN ('capture', 'release');

CREATE TABLE entries (
    entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction_id bigint NOT NULL REFERENCES transactions,
    account_id text NOT NULL REFERENCES accounts,
    amount bigint NOT NULL CHECK (amount <> 0),
    UNIQUE (transaction_id, account_id)
);
CREATE INDEX entries_of_account ON entries (account_id, entry_id);

-- Projections of the entries, one row per tenant's account: balance = tenant + holds, held = holds.
-- The row's lock is what orders everything that happens to the account.
CREATE TABLE balances (
    account_id text PRIMARY KEY REFERENCES accounts,
    tenant_id text NOT NULL UNIQUE,
    balance bigint NOT NULL DEFAULT 0,
    held bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    version bigint NOT NULL DEFAULT 0,
    CHECK (balance >= held)
) WITH (fillfactor = 50);

-- What became of each job's money. `denied`: never set aside. `barred`: the job ended before its hold was asked for.
CREATE TABLE holds (
    job_id text PRIMARY KEY,
    tenant_id text NOT NULL,
    credits bigint NOT NULL CHECK (credits >= 0),
    captured bigint NOT NULL DEFAULT 0 CHECK (captured BETWEEN 0 AND credits),
    state text NOT NULL CHECK (state IN ('held', 'captured', 'released', 'denied', 'barred')),
    expires_at timestamptz,
    traceparent text,
    opened_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz,
    CHECK ((state = 'held') = (settled_at IS NULL)),
    CHECK (state <> 'held' OR expires_at IS NOT NULL)
) WITH (fillfactor = 80);
CREATE INDEX holds_due ON holds (expires_at) WHERE state = 'held';

-- Work that was delivered when nothing was held for it any more. It is never charged afterwards; it is a person's to see to.
CREATE TABLE losses (
    job_id text PRIMARY KEY,
    tenant_id text NOT NULL,
    credits bigint NOT NULL,
    hold_state text NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER transactions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transactions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Looked at when the database transaction commits, whoever wrote the rows. A transaction without entries is refused too:
-- it would sum to nothing, not to zero.
CREATE FUNCTION refuse_imbalance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT sum(amount) FROM entries WHERE transaction_id = NEW.transaction_id) IS DISTINCT FROM 0 THEN
        RAISE EXCEPTION 'transaction % does not sum to zero', NEW.transaction_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER transactions_sum_to_zero AFTER INSERT ON transactions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_imbalance();
CREATE CONSTRAINT TRIGGER entries_sum_to_zero AFTER INSERT ON entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_imbalance();

-- Balances that are not what the entries say. Empty, always.
CREATE VIEW balances_astray AS
    SELECT b.account_id, b.balance, b.held, coalesce(e.balance, 0) AS entries_balance, coalesce(e.held, 0) AS entries_held
    FROM balances b
    LEFT JOIN (
        SELECT a.tenant_id, sum(amount) AS balance, coalesce(sum(amount) FILTER (WHERE a.kind = 'holds'), 0) AS held
        FROM entries JOIN accounts a USING (account_id)
        WHERE a.tenant_id IS NOT NULL GROUP BY a.tenant_id
    ) e USING (tenant_id)
    WHERE (b.balance, b.held) IS DISTINCT FROM (coalesce(e.balance, 0), coalesce(e.held, 0));
