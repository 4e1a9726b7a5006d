-- Our customers at Stripe: one per tenant that has anything to do with it.
CREATE TABLE customers (
    tenant_id text PRIMARY KEY,
    customer_id text UNIQUE,
    payment_method_id text,
    subscription_id text,
    status text,
    price_id text,
    overdue_since timestamptz,
    metered_since timestamptz,  -- captures from then on are told to Stripe's meter
    -- Automatic top-up: when less than `topup_below` is available, `topup_credits` are bought.
    topup_below bigint CHECK (topup_below > 0),
    topup_credits bigint CHECK (topup_credits > 0),
    CHECK ((topup_below IS NULL) = (topup_credits IS NULL))
);

-- Credits on their way from a payment at Stripe into a wallet.
CREATE TABLE topups (
    topup_id text PRIMARY KEY,
    tenant_id text NOT NULL,
    wallet text NOT NULL,
    credits bigint NOT NULL CHECK (credits > 0),
    usd_cents bigint NOT NULL CHECK (usd_cents > 0),
    automatic boolean NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'paid', 'failed')),
    url text,
    payment_id text UNIQUE,
    reversed bigint NOT NULL DEFAULT 0 CHECK (reversed BETWEEN 0 AND credits),
    opened_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz
);
CREATE UNIQUE INDEX topups_one_automatic ON topups (wallet) WHERE automatic AND state = 'open';

-- What there is to do with Stripe: its events to be looked into (`event`), usage to be told (`usage`), and orders of ours.
-- The id is Stripe's own of an event, else what Stripe knows a repetition by. `doubtful`: Stripe may have done it and would
-- not know a repetition any more; a person looks.
CREATE TABLE stripe_work (
    work_id text PRIMARY KEY,
    kind text NOT NULL,
    tenant_id text,
    body jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    state text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'done', 'failed', 'doubtful', 'ignored')),
    due_at timestamptz NOT NULL DEFAULT now(),
    attempts int NOT NULL DEFAULT 0,
    generation int NOT NULL DEFAULT 0,  -- grows when Stripe took it and told later that it could not be used
    first_tried_at timestamptz,
    done_at timestamptz,
    outcome text,
    error text
);
CREATE INDEX stripe_work_due ON stripe_work (due_at) WHERE state = 'due';
CREATE INDEX stripe_work_stuck ON stripe_work (at) WHERE state IN ('failed', 'doubtful');
CREATE INDEX stripe_work_usage ON stripe_work (at, tenant_id) WHERE kind = 'usage';
