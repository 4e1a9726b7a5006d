-- Each movement is one call, and the account's row is its first lock, so that movements never wait for each other in a ring.
-- Every function answers with what became of it and the balance after it.
CREATE TYPE movement AS (outcome text, credits bigint, balance bigint, held bigint, version bigint);

-- The tenant's balance, locked; the account opens when it is first seen.
CREATE FUNCTION lock_balance(p_tenant text) RETURNS balances LANGUAGE plpgsql AS $$
DECLARE
    b balances;
BEGIN
    SELECT * INTO b FROM balances WHERE tenant_id = p_tenant FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO accounts (account_id, kind, tenant_id)
            VALUES ('tenant:' || p_tenant, 'tenant', p_tenant), ('holds:' || p_tenant, 'holds', p_tenant)
            ON CONFLICT DO NOTHING;
        INSERT INTO balances (account_id, tenant_id) VALUES ('tenant:' || p_tenant, p_tenant) ON CONFLICT DO NOTHING;
        SELECT * INTO b FROM balances WHERE tenant_id = p_tenant FOR UPDATE;
    END IF;
    RETURN b;
END $$;

-- A transaction with its entries; those of zero are left out. A second one of the same cause and kind is an error.
CREATE FUNCTION post(
    p_kind text, p_cause text, p_reason text, p_actor text, p_trace text, p_accounts text[], p_amounts bigint[]
) RETURNS void LANGUAGE sql AS $$
    WITH t AS (
        INSERT INTO transactions (kind, cause, reason, actor, trace_id) VALUES (p_kind, p_cause, p_reason, p_actor, p_trace)
        RETURNING transaction_id
    )
    INSERT INTO entries (transaction_id, account_id, amount)
    SELECT t.transaction_id, m.account, m.amount FROM t, unnest(p_accounts, p_amounts) AS m (account, amount)
    WHERE m.amount <> 0
$$;

-- Credits from the house. `granted`; `known`: this receipt was booked so before; `refused`: it was booked otherwise.
CREATE FUNCTION grant_credits(
    p_tenant text, p_credits bigint, p_receipt text, p_actor text, p_reason text
) RETURNS movement LANGUAGE plpgsql AS $$
DECLARE
    b balances := lock_balance(p_tenant);
    booked entries;
BEGIN
    IF p_credits <= 0 THEN
        RAISE EXCEPTION 'a grant is of one credit or more' USING ERRCODE = 'check_violation';
    END IF;
    SELECT e.* INTO booked FROM transactions t JOIN entries e USING (transaction_id)
        WHERE t.cause = 'receipt:' || p_receipt AND t.kind = 'grant' AND e.account_id <> 'house';
    IF FOUND AND booked.account_id = b.account_id AND booked.amount = p_credits THEN
        RETURN ROW('known', 0, b.balance, b.held, b.version)::movement;
    ELSIF FOUND THEN
        RETURN ROW('refused', 0, b.balance, b.held, b.version)::movement;
    END IF;
    PERFORM post('grant', 'receipt:' || p_receipt, p_reason, p_actor, NULL,
        ARRAY['house', b.account_id], ARRAY[-p_credits, p_credits]);
    UPDATE balances SET balance = balance + p_credits, version = version + 1 WHERE account_id = b.account_id;
    RETURN ROW('granted', p_credits, b.balance + p_credits, b.held, b.version + 1)::movement;
END $$;

-- Sets a job's price aside. `held`; `denied`: not enough is available; `known`: decided before.
CREATE FUNCTION hold_credits(
    p_job text, p_tenant text, p_credits bigint, p_expires timestamptz, p_traceparent text
) RETURNS movement LANGUAGE plpgsql AS $$
DECLARE
    b balances := lock_balance(p_tenant);
    covered boolean := b.balance - b.held >= p_credits;
BEGIN
    INSERT INTO holds (job_id, tenant_id, credits, state, expires_at, traceparent, settled_at)
        VALUES (p_job, p_tenant, p_credits, CASE WHEN covered THEN 'held' ELSE 'denied' END, p_expires, p_traceparent,
            CASE WHEN covered THEN NULL ELSE now() END)
        ON CONFLICT (job_id) DO NOTHING;
    IF NOT FOUND THEN
        RETURN ROW('known', 0, b.balance, b.held, b.version)::movement;
    ELSIF NOT covered THEN
        RETURN ROW('denied', 0, b.balance, b.held, b.version)::movement;
    END IF;
    PERFORM post('hold', p_job, NULL, NULL, nullif(split_part(p_traceparent, '-', 2), ''),
        ARRAY[b.account_id, 'holds:' || p_tenant], ARRAY[-p_credits, p_credits]);
    UPDATE balances SET held = held + p_credits, version = version + 1 WHERE account_id = b.account_id;
    RETURN ROW('held', p_credits, b.balance, b.held + p_credits, b.version + 1)::movement;
END $$;

-- Charges a job to its hold, at most what is held; the rest is available again. `captured`; `known`: done before;
-- `lost`: the hold was given back, or there never was one, and the loss is noted; `missing`: no hold was ever asked for.
CREATE FUNCTION capture_credits(p_job text, p_tenant text, p_credits bigint, p_traceparent text)
RETURNS movement LANGUAGE plpgsql AS $$
DECLARE
    b balances := lock_balance(p_tenant);
    h holds;
    charged bigint;
BEGIN
    SELECT * INTO h FROM holds WHERE job_id = p_job AND tenant_id = p_tenant;
    IF NOT FOUND THEN
        RETURN ROW('missing', 0, b.balance, b.held, b.version)::movement;
    ELSIF h.state = 'captured' THEN
        RETURN ROW('known', 0, b.balance, b.held, b.version)::movement;
    ELSIF h.state <> 'held' THEN
        INSERT INTO losses (job_id, tenant_id, credits, hold_state) VALUES (p_job, p_tenant, p_credits, h.state)
            ON CONFLICT (job_id) DO NOTHING;
        RETURN ROW(CASE WHEN FOUND THEN 'lost' ELSE 'known' END, p_credits, b.balance, b.held, b.version)::movement;
    END IF;
    charged := least(p_credits, h.credits);
    UPDATE holds SET state = 'captured', captured = charged, settled_at = now() WHERE job_id = p_job;
    PERFORM post('capture', p_job, NULL, NULL, nullif(split_part(p_traceparent, '-', 2), ''),
        ARRAY['holds:' || p_tenant, 'revenue', b.account_id], ARRAY[-h.credits, charged, h.credits - charged]);
    UPDATE balances SET balance = balance - charged, held = held - h.credits, version = version + 1
        WHERE account_id = b.account_id;
    RETURN ROW('captured', charged, b.balance - charged, b.held - h.credits, b.version + 1)::movement;
END $$;

-- Gives a hold back. `released`; `barred`: there is none yet, and there shall be none; `known`: settled before.
CREATE FUNCTION release_credits(p_job text, p_tenant text, p_reason text, p_traceparent text)
RETURNS movement LANGUAGE plpgsql AS $$
DECLARE
    b balances := lock_balance(p_tenant);
    h holds;
BEGIN
    SELECT * INTO h FROM holds WHERE job_id = p_job AND tenant_id = p_tenant;
    IF NOT FOUND THEN
        INSERT INTO holds (job_id, tenant_id, credits, state, settled_at) VALUES (p_job, p_tenant, 0, 'barred', now());
        RETURN ROW('barred', 0, b.balance, b.held, b.version)::movement;
    ELSIF h.state <> 'held' THEN
        RETURN ROW('known', 0, b.balance, b.held, b.version)::movement;
    END IF;
    UPDATE holds SET state = 'released', settled_at = now() WHERE job_id = p_job;
    PERFORM post('release', p_job, p_reason, NULL, nullif(split_part(p_traceparent, '-', 2), ''),
        ARRAY['holds:' || p_tenant, b.account_id], ARRAY[-h.credits, h.credits]);
    UPDATE balances SET held = held - h.credits, version = version + 1 WHERE account_id = b.account_id;
    RETURN ROW('released', h.credits, b.balance, b.held - h.credits, b.version + 1)::movement;
END $$;
