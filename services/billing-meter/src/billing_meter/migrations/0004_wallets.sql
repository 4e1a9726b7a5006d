-- Original: sha256 51bf52a9bcbe70781dcde99548e52e8b7eb933055775d705836f91ba8d10248d
-- A wallet is what can be spent together: a tenant's, or a device's own prepaid one. Its name is that of its first account.
--   tenant:<id>, device:<id>  what was paid for      promotional:<wallet>  what was given, for a time; used first
--   promised:<wallet>         what a device may promise while offline      holds:<wallet>  what is set aside for jobs
-- In the last three a tenant's wallet goes by the tenant's id alone: `holds:acme`, but `holds:device:k1`.
ALTER TABLE accounts DROP CONSTRAINT accounts_kind_check, DROP CONSTRAINT accounts_check, ADD COLUMN wallet text;
UPDATE accounts SET wallet = 'tenant:' || tenant_id WHERE tenant_id IS NOT NULL;
INSERT INTO accounts (account_id, kind, tenant_id, wallet)
    SELECT part || ':' || tenant_id, part, tenant_id, 'tenant:' || tenant_id
    FROM accounts, unnest(ARRAY['promotional', 'promised']) AS part WHERE kind = 'tenant';
ALTER TABLE accounts
    ADD CHECK (kind IN ('tenant', 'device', 'promotional', 'promised', 'holds', 'house', 'revenue')),
    ADD CHECK ((tenant_id IS NULL) = (kind IN ('house', 'revenue'))),
    ADD CHECK ((wallet IS NULL) = (kind IN ('house', 'revenue')));

-- balance = all of the wallet's accounts, held = its holds and promises, available = balance - held.
-- Here and below, what is checked with each movement is one constraint: the server prepares every one anew each time.
ALTER TABLE balances
    DROP CONSTRAINT balances_tenant_id_key,
    DROP CONSTRAINT balances_check,
    DROP CONSTRAINT balances_held_check,
    ADD COLUMN promotional bigint NOT NULL DEFAULT 0,
    ADD COLUMN promised bigint NOT NULL DEFAULT 0,
    ADD COLUMN low_at bigint[] NOT NULL DEFAULT '{100}',  -- falling below each of these is told
    ADD COLUMN told_low bigint,  -- the lowest threshold told of since credits last came in
    ADD COLUMN suspended_from timestamptz,  -- nothing new is held from then on
    ADD CHECK (promised >= 0 AND held >= promised AND promotional >= 0 AND balance - held >= promotional);

ALTER TABLE transactions DROP CONSTRAINT transactions_kind_check, ADD CHECK (kind = ANY (
    '{grant,topup,subscription,promotion,expiry,adjustment,hold,capture,release,refund,reversal,promise,settlement}'));
-- What came in came in once, whatever it was booked as.
CREATE UNIQUE INDEX transactions_receive_once ON transactions (cause)
    WHERE kind IN ('grant', 'topup', 'subscription', 'promotion');

-- `promotional`: how much of the hold was taken from what was given. `refunded`: how much of `captured` was given back.
ALTER TABLE holds
    DROP CONSTRAINT holds_credits_check,
    DROP CONSTRAINT holds_check,
    DROP CONSTRAINT holds_check1,
    DROP CONSTRAINT holds_check2,
    DROP CONSTRAINT holds_state_check,
    ADD COLUMN wallet text,
    ADD COLUMN promotional bigint NOT NULL DEFAULT 0,
    ADD COLUMN refunded bigint NOT NULL DEFAULT 0,
    ADD CHECK (
        promotional BETWEEN 0 AND credits AND captured BETWEEN 0 AND credits AND refunded BETWEEN 0 AND captured
        AND state = ANY ('{held,captured,released,denied,barred}') AND (state = 'held') = (settled_at IS NULL)
        AND (state <> 'held' OR expires_at IS NOT NULL)
    );
UPDATE holds SET wallet = 'tenant:' || tenant_id;
ALTER TABLE holds ALTER COLUMN wallet SET NOT NULL;
-- Rows are written in the order of time: a summary of blocks finds a day's, and costs the writer next to nothing.
CREATE INDEX holds_settled ON holds USING brin (settled_at) WITH (autosummarize = on);

-- Credits that were given until a day. What of them is left then goes back to the house.
CREATE TABLE promotions (
    cause text PRIMARY KEY,
    wallet text NOT NULL REFERENCES balances,
    credits bigint NOT NULL CHECK (credits > 0),
    expires_at timestamptz NOT NULL
);
CREATE INDEX promotions_of_wallet ON promotions (wallet, expires_at);

-- What a device may promise to shoppers while it is offline, and how much of it jobs have drawn since.
CREATE TABLE promises (
    promise_id text PRIMARY KEY,
    wallet text NOT NULL REFERENCES balances,
    tenant_id text NOT NULL,
    credits bigint NOT NULL CHECK (credits > 0),
    drawn bigint NOT NULL DEFAULT 0 CHECK (drawn BETWEEN 0 AND credits),
    expires_at timestamptz NOT NULL,
    settled_at timestamptz
);
CREATE INDEX promises_due ON promises (expires_at) WHERE settled_at IS NULL;

-- Money that went back to the payer. `taken`: what was still there of the credits; the rest had been spent.
CREATE TABLE reversals (
    cause text PRIMARY KEY,
    wallet text NOT NULL REFERENCES balances,
    credits bigint NOT NULL CHECK (credits > 0),
    taken bigint NOT NULL CHECK (taken BETWEEN 0 AND credits),
    at timestamptz NOT NULL DEFAULT now()
);

DROP VIEW balances_astray;
CREATE VIEW balances_by_entries AS
    SELECT b.account_id, coalesce(sum(amount), 0)::bigint AS balance,
        coalesce(sum(amount) FILTER (WHERE a.kind IN ('holds', 'promised')), 0)::bigint AS held,
        coalesce(sum(amount) FILTER (WHERE a.kind = 'promotional'), 0)::bigint AS promotional,
        coalesce(sum(amount) FILTER (WHERE a.kind = 'promised'), 0)::bigint AS promised
    FROM balances b LEFT JOIN (entries JOIN accounts a USING (account_id)) ON a.wallet = b.account_id
    GROUP BY b.account_id;

-- Balances that are not what the entries say. Empty, always.
CREATE VIEW balances_astray AS
    SELECT b.account_id, b.balance, b.held, e.balance AS entries_balance, e.held AS entries_held
    FROM balances b JOIN balances_by_entries e USING (account_id)
    WHERE (b.balance, b.held, b.promotional, b.promised) IS DISTINCT FROM (e.balance, e.held, e.promotional, e.promised);
