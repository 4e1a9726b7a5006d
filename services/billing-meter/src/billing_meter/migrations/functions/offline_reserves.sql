-- A device that works offline spends out of a reserve: credits that were paid for and that nothing else can take meanwhile.
-- In tables, accounts and transactions a reserve is called a promise.
-- It runs as the ledger's owner: its caller needs no right to write the tables.

-- Sets a reserve aside: the device's wallet -N, promised +N; promotional credits are not taken. Answers: `promised`; `denied`:
-- less is available; `suspended`: a payment is overdue; `known`: reserved so before; `refused`: the id stands for another one.
CREATE OR REPLACE FUNCTION promise_credits(
    p_promise text, p_tenant text, p_wallet text, p_credits bigint, p_expires timestamptz
) RETURNS movement LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    b balances := lock_wallet(p_tenant, p_wallet);
    p promises;
BEGIN
    SELECT * INTO p FROM promises WHERE promise_id = p_promise;
    IF FOUND THEN
        RETURN moved(CASE WHEN p.wallet = p_wallet AND p.credits = p_credits THEN 'known' ELSE 'refused' END, 0, b);
    ELSIF b.suspended_from <= now() THEN
        RETURN moved('suspended', 0, b);
    ELSIF b.balance - b.held - b.promotional < p_credits THEN
        RETURN moved('denied', 0, b);
    END IF;
    INSERT INTO promises (promise_id, wallet, tenant_id, credits, expires_at)
        VALUES (p_promise, p_wallet, p_tenant, p_credits, p_expires);
    b := book(b, 'promise', p_promise, free => -p_credits, promised => p_credits);
    RETURN moved('promised', p_credits, b);
END $$;

-- Holds a job's price out of a reserve, never beyond it: promised -N, holds +N; it is captured or released as any other hold.
-- Answers: `held`; `denied`: less is left of the reserve, or it has ended; `known`: decided before; `missing`: no such reserve.
CREATE OR REPLACE FUNCTION draw_credits(
    p_job text, p_tenant text, p_promise text, p_credits bigint, p_expires timestamptz, p_traceparent text
) RETURNS movement LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    b balances := lock_wallet(p_tenant, 'tenant:' || p_tenant);
    p promises;
    covered boolean;
BEGIN
    SELECT * INTO p FROM promises WHERE promise_id = p_promise AND tenant_id = p_tenant;
    IF NOT FOUND THEN
        RETURN moved('missing', 0, b);
    END IF;
    IF p.wallet <> b.account_id THEN
        b := lock_wallet(p_tenant, p.wallet);
    END IF;
    covered := p.settled_at IS NULL AND p.credits - p.drawn >= p_credits;
    INSERT INTO holds (job_id, tenant_id, wallet, credits, state, expires_at, traceparent, settled_at)
        VALUES (p_job, p_tenant, p.wallet, p_credits, CASE WHEN covered THEN 'held' ELSE 'denied' END, p_expires,
            p_traceparent, CASE WHEN covered THEN NULL ELSE now() END)
        ON CONFLICT (job_id) DO NOTHING;
    IF NOT FOUND THEN
        RETURN moved('known', 0, b);
    ELSIF NOT covered THEN
        RETURN moved('denied', 0, b);
    END IF;
    UPDATE promises SET drawn = drawn + p_credits WHERE promise_id = p_promise;
    b := book(b, 'hold', p_job, trace_of(p_traceparent), held => p_credits, promised => -p_credits);
    RETURN moved('held', p_credits, b);
END $$;

-- Ends a reserve: what no job has drawn is available again. Answers: `settled`; `known`: done before; `missing`.
CREATE OR REPLACE FUNCTION settle_promise(p_promise text, p_tenant text, p_reason text) RETURNS movement LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    b balances := lock_wallet(p_tenant, 'tenant:' || p_tenant);
    p promises;
BEGIN
    SELECT * INTO p FROM promises WHERE promise_id = p_promise AND tenant_id = p_tenant;
    IF NOT FOUND THEN
        RETURN moved('missing', 0, b);
    ELSIF p.settled_at IS NOT NULL THEN
        RETURN moved('known', 0, b);
    END IF;
    IF p.wallet <> b.account_id THEN
        b := lock_wallet(p_tenant, p.wallet);
    END IF;
    UPDATE promises SET settled_at = now() WHERE promise_id = p_promise;
    IF p.credits > p.drawn THEN
        b := book(b, 'settlement', p_promise, p_reason => p_reason,
            free => p.credits - p.drawn, promised => p.drawn - p.credits);
    END IF;
    RETURN moved('settled', p.credits - p.drawn, b);
END $$;
