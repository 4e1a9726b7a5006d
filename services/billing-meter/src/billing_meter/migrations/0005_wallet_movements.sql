-- As 0002, for wallets. Every movement first locks the balance of the tenant it belongs to, then that of the device if it is
-- a device's: movements never wait for each other in a ring, and a tenant's holds and promises stand still meanwhile.
DROP FUNCTION hold_credits, capture_credits, release_credits, grant_credits, post, lock_balance;
ALTER TYPE movement ADD ATTRIBUTE told_low bigint, ADD ATTRIBUTE low_at bigint[],
    ADD ATTRIBUTE wallet text;

-- The account that is a part of a wallet: `holds:acme` of `tenant:acme`.
CREATE FUNCTION part(p_kind text, p_wallet text) RETURNS text IMMUTABLE LANGUAGE sql AS
    $$ SELECT p_kind || ':' || CASE WHEN p_wallet LIKE 'tenant:%' THEN substr(p_wallet, 8) ELSE p_wallet END $$;

CREATE FUNCTION moved(p_outcome text, p_credits bigint, b balances) RETURNS movement IMMUTABLE LANGUAGE sql AS
    $$ SELECT ROW(p_outcome, p_credits, b.balance, b.held, b.version, b.told_low, b.low_at, b.account_id)::movement $$;

-- A wallet's balance, locked after that of its tenant; it opens when it is first seen.
CREATE FUNCTION lock_wallet(p_tenant text, p_wallet text) RETURNS balances LANGUAGE plpgsql AS $$
DECLARE
    b balances;
BEGIN
    IF p_wallet <> 'tenant:' || p_tenant THEN
        PERFORM lock_wallet(p_tenant, 'tenant:' || p_tenant);
    END IF;
    SELECT * INTO b FROM balances WHERE account_id = p_wallet FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO accounts (account_id, kind, tenant_id, wallet)
            SELECT p_wallet, split_part(p_wallet, ':', 1), p_tenant, p_wallet
            UNION ALL SELECT part(kind, p_wallet), kind, p_tenant, p_wallet
            FROM unnest(ARRAY['holds', 'promotional', 'promised']) AS kind
            ON CONFLICT DO NOTHING;
        INSERT INTO balances (account_id, tenant_id) VALUES (p_wallet, p_tenant) ON CONFLICT DO NOTHING;
        SELECT * INTO b FROM balances WHERE account_id = p_wallet FOR UPDATE;
    END IF;
    IF b.tenant_id <> p_tenant THEN
        RAISE EXCEPTION '% is not of %', p_wallet, p_tenant USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN b;
END $$;

-- One transaction: its entries, those of zero left out, and the projection with them. `free` is the wallet's first account.
-- A second transaction of the same cause and kind is an error.
CREATE FUNCTION book(
    INOUT b balances, p_kind text, p_cause text, p_trace text DEFAULT NULL, p_actor text DEFAULT NULL,
    p_reason text DEFAULT NULL, free bigint DEFAULT 0, promotional bigint DEFAULT 0, held bigint DEFAULT 0,
    promised bigint DEFAULT 0, house bigint DEFAULT 0, revenue bigint DEFAULT 0
) LANGUAGE plpgsql AS $$
BEGIN
    WITH t AS (
        INSERT INTO transactions (kind, cause, reason, actor, trace_id) VALUES (p_kind, p_cause, p_reason, p_actor, p_trace)
        RETURNING transaction_id
    )
    INSERT INTO entries (transaction_id, account_id, amount)
    SELECT t.transaction_id, m.account, m.amount
    FROM t, unnest(
        ARRAY['house', b.account_id, part('promotional', b.account_id), part('promised', b.account_id),
            part('holds', b.account_id), 'revenue'],
        ARRAY[house, free, book.promotional, book.promised, book.held, revenue]
    ) AS m (account, amount)
    WHERE m.amount <> 0;
    UPDATE balances p SET
        balance = p.balance + free + book.promotional + book.held + book.promised,
        held = p.held + book.held + book.promised,
        promotional = p.promotional + book.promotional,
        promised = p.promised + book.promised,
        version = p.version + 1
    WHERE p.account_id = b.account_id RETURNING p.* INTO b;
END $$;

CREATE FUNCTION trace_of(p_traceparent text) RETURNS text IMMUTABLE LANGUAGE sql AS
    $$ SELECT nullif(split_part(p_traceparent, '-', 2), '') $$;

-- Credits that come in, from the house. `granted`; `known`: booked so before; `refused`: booked otherwise.
-- A promotion is until a day, everything else for good.
CREATE FUNCTION receive_credits(
    p_kind text, p_cause text, p_tenant text, p_wallet text, p_credits bigint, p_actor text, p_reason text,
    p_expires timestamptz
) RETURNS movement LANGUAGE plpgsql AS $$
DECLARE
    b balances := lock_wallet(p_tenant, p_wallet);
    before record;
    given bigint := CASE WHEN p_kind = 'promotion' THEN p_credits ELSE 0 END;
BEGIN
    IF p_credits <= 0 OR (p_kind = 'promotion') <> (p_expires IS NOT NULL) THEN
        RAISE EXCEPTION 'one credit or more, and an expiry for a promotion only' USING ERRCODE = 'check_violation';
    END IF;
    SELECT t.kind, a.wallet, e.amount INTO before
        FROM transactions t JOIN entries e USING (transaction_id) JOIN accounts a USING (account_id)
        WHERE t.cause = p_cause AND t.kind IN ('grant', 'topup', 'subscription', 'promotion') AND a.wallet IS NOT NULL;
    IF FOUND THEN
        RETURN moved(CASE WHEN before = ROW(p_kind, p_wallet, p_credits) THEN 'known' ELSE 'refused' END, 0, b);
    END IF;
    b := book(b, p_kind, p_cause, p_actor => p_actor, p_reason => p_reason,
        free => p_credits - given, promotional => given, house => -p_credits);
    IF p_kind = 'promotion' THEN
        INSERT INTO promotions VALUES (p_cause, p_wallet, p_credits, p_expires);
    END IF;
    RETURN moved('granted', p_credits, b);
END $$;

-- Sets a job's price aside, of what was given before what was paid for. `held`; `denied`: not enough is available;
-- `suspended`: nothing is held for this wallet; `known`: decided before.
CREATE FUNCTION hold_credits(
    p_job text, p_tenant text, p_wallet text, p_credits bigint, p_expires timestamptz, p_traceparent text
) RETURNS movement LANGUAGE plpgsql AS $$
DECLARE
    b balances := lock_wallet(p_tenant, p_wallet);
    given bigint := least(b.promotional, p_credits);
    verdict text := CASE WHEN b.suspended_from <= now() THEN 'suspended'
        WHEN b.balance - b.held < p_credits THEN 'denied' ELSE 'held' END;
BEGIN
    INSERT INTO holds (job_id, tenant_id, wallet, credits, promotional, state, expires_at, traceparent, settled_at)
        VALUES (p_job, p_tenant, p_wallet, p_credits, CASE verdict WHEN 'held' THEN given ELSE 0 END,
            CASE verdict WHEN 'held' THEN 'held' ELSE 'denied' END, p_expires, p_traceparent,
            CASE verdict WHEN 'held' THEN NULL ELSE now() END)
        ON CONFLICT (job_id) DO NOTHING;
    IF NOT FOUND THEN
        RETURN moved('known', 0, b);
    ELSIF verdict <> 'held' THEN
        RETURN moved(verdict, 0, b);
    END IF;
    b := book(b, 'hold', p_job, trace_of(p_traceparent),
        free => given - p_credits, promotional => -given, held => p_credits);
    RETURN moved('held', p_credits, b);
END $$;

-- Charges a job to its hold, at most what is held; the rest is available again. What was given earns nothing: used up, it
-- goes back to the house. `captured`; `known`: done before; `lost`: the hold was given back, or there never was one, and the
-- loss is noted; `missing`: no hold was ever asked for.
CREATE FUNCTION capture_credits(p_job text, p_tenant text, p_credits bigint, p_traceparent text)
RETURNS movement LANGUAGE plpgsql AS $$
DECLARE
    b balances := lock_wallet(p_tenant, 'tenant:' || p_tenant);
    h holds;
    charged bigint;
    given bigint;
BEGIN
    SELECT * INTO h FROM holds WHERE job_id = p_job AND tenant_id = p_tenant;
    IF NOT FOUND THEN
        RETURN moved('missing', 0, b);
    ELSIF h.state = 'captured' THEN
        RETURN moved('known', 0, b);
    ELSIF h.state <> 'held' THEN
        INSERT INTO losses (job_id, tenant_id, credits, hold_state) VALUES (p_job, p_tenant, p_credits, h.state)
            ON CONFLICT (job_id) DO NOTHING;
        RETURN moved(CASE WHEN FOUND THEN 'lost' ELSE 'known' END, p_credits, b);
    END IF;
    IF h.wallet <> b.account_id THEN
        b := lock_wallet(p_tenant, h.wallet);
    END IF;
    charged := least(p_credits, h.credits);
    given := least(charged, h.promotional);
    UPDATE holds SET state = 'captured', captured = charged, settled_at = now() WHERE job_id = p_job;
    b := book(b, 'capture', p_job, trace_of(p_traceparent),
        free => (h.credits - h.promotional) - (charged - given), promotional => h.promotional - given, held => -h.credits,
        house => given, revenue => charged - given);
    RETURN moved('captured', charged, b);
END $$;

-- Gives a hold back to where it was taken from. `released`; `barred`: there is none yet, and there shall be none; `known`:
-- settled before.
CREATE FUNCTION release_credits(p_job text, p_tenant text, p_reason text, p_traceparent text)
RETURNS movement LANGUAGE plpgsql AS $$
DECLARE
    b balances := lock_wallet(p_tenant, 'tenant:' || p_tenant);
    h holds;
BEGIN
    SELECT * INTO h FROM holds WHERE job_id = p_job AND tenant_id = p_tenant;
    IF NOT FOUND THEN
        INSERT INTO holds (job_id, tenant_id, wallet, credits, state, settled_at)
            VALUES (p_job, p_tenant, b.account_id, 0, 'barred', now());
        RETURN moved('barred', 0, b);
    ELSIF h.state <> 'held' THEN
        RETURN moved('known', 0, b);
    END IF;
    IF h.wallet <> b.account_id THEN
        b := lock_wallet(p_tenant, h.wallet);
    END IF;
    UPDATE holds SET state = 'released', settled_at = now() WHERE job_id = p_job;
    b := book(b, 'release', p_job, trace_of(p_traceparent), p_reason => p_reason,
        free => h.credits - h.promotional, promotional => h.promotional, held => -h.credits);
    RETURN moved('released', h.credits, b);
END $$;
