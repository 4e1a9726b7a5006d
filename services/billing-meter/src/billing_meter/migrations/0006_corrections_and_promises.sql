-- Corrections are new transactions with a reason and whoever made them.

-- Credits of a captured job given back, once per number, together at most what was captured; what was paid comes first.
-- `refunded`; `known`: this number was booked before; `refused`: no such job, or more than is left of its charge.
CREATE FUNCTION refund_credits(p_number text, p_tenant text, p_job text, p_credits bigint, p_actor text, p_reason text)
RETURNS movement LANGUAGE plpgsql AS $$
DECLARE
    b balances := lock_wallet(p_tenant, 'tenant:' || p_tenant);
    h holds;
    paid bigint;
    back bigint;
BEGIN
    IF EXISTS (SELECT FROM transactions WHERE kind = 'refund' AND cause = 'refund:' || p_number) THEN
        RETURN moved('known', 0, b);
    END IF;
    SELECT * INTO h FROM holds WHERE job_id = p_job AND tenant_id = p_tenant;
    IF NOT FOUND OR p_credits <= 0 OR h.captured - h.refunded < p_credits THEN
        RETURN moved('refused', 0, b);
    END IF;
    IF h.wallet <> b.account_id THEN
        b := lock_wallet(p_tenant, h.wallet);
    END IF;
    paid := h.captured - least(h.captured, h.promotional);
    back := least(h.refunded + p_credits, paid) - least(h.refunded, paid);
    UPDATE holds SET refunded = refunded + p_credits WHERE job_id = p_job;
    b := book(b, 'refund', 'refund:' || p_number, p_actor => p_actor, p_reason => p_reason,
        free => back, promotional => p_credits - back, revenue => -back, house => back - p_credits);
    RETURN moved('refunded', p_credits, b);
END $$;

-- A correction by hand, up or down, once per number. `adjusted`; `known`; `refused`: that much is not available.
CREATE FUNCTION adjust_credits(p_number text, p_tenant text, p_wallet text, p_credits bigint, p_actor text, p_reason text)
RETURNS movement LANGUAGE plpgsql AS $$
DECLARE
    b balances := lock_wallet(p_tenant, p_wallet);
BEGIN
    IF EXISTS (SELECT FROM transactions WHERE kind = 'adjustment' AND cause = 'adjustment:' || p_number) THEN
        RETURN moved('known', 0, b);
    ELSIF p_credits = 0 OR b.balance - b.held - b.promotional + p_credits < 0 THEN
        RETURN moved('refused', 0, b);
    END IF;
    b := book(b, 'adjustment', 'adjustment:' || p_number, p_actor => p_actor, p_reason => p_reason,
        free => p_credits, house => -p_credits);
    RETURN moved('adjusted', p_credits, b);
END $$;

-- The payer has the money back: the credits go, as far as they are still there. `reversed`; `known`.
CREATE FUNCTION reverse_credits(p_cause text, p_tenant text, p_wallet text, p_credits bigint, p_reason text)
RETURNS movement LANGUAGE plpgsql AS $$
DECLARE
    b balances := lock_wallet(p_tenant, p_wallet);
    there bigint := least(p_credits, b.balance - b.held - b.promotional);
BEGIN
    INSERT INTO reversals (cause, wallet, credits, taken) VALUES (p_cause, p_wallet, p_credits, there)
        ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN moved('known', 0, b);
    ELSIF there > 0 THEN
        b := book(b, 'reversal', p_cause, p_actor => 'stripe', p_reason => p_reason, free => -there, house => there);
    END IF;
    RETURN moved('reversed', there, b);
END $$;

-- Promotions are used in the order of their expiry, so what is left beyond those that still run has expired.
-- `expired`; `known`: nothing has.
CREATE FUNCTION expire_promotions(p_tenant text, p_wallet text) RETURNS movement LANGUAGE plpgsql AS $$
DECLARE
    b balances := lock_wallet(p_tenant, p_wallet);
    over bigint := b.promotional - (
        SELECT coalesce(sum(credits), 0) FROM promotions WHERE wallet = p_wallet AND expires_at > now());
BEGIN
    IF over <= 0 THEN
        RETURN moved('known', 0, b);
    END IF;
    b := book(b, 'expiry', format('expiry:%s:%s', p_wallet, b.version + 1), promotional => -over, house => over);
    RETURN moved('expired', over, b);
END $$;

-- Sets aside what a device may promise while it is offline; only what was paid for. `promised`; `denied`: not enough is
-- available; `suspended`; `known`: promised so before; `refused`: the id was used for something else.
CREATE FUNCTION promise_credits(p_promise text, p_tenant text, p_wallet text, p_credits bigint, p_expires timestamptz)
RETURNS movement LANGUAGE plpgsql AS $$
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

-- Holds a job's price out of a promise, never beyond it. `held`; `denied`: less is left of it, or it is settled; `known`:
-- decided before; `missing`: there is no such promise.
CREATE FUNCTION draw_credits(
    p_job text, p_tenant text, p_promise text, p_credits bigint, p_expires timestamptz, p_traceparent text
) RETURNS movement LANGUAGE plpgsql AS $$
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

-- Ends a promise: what no job has drawn is available again. `settled`; `known`: done before; `missing`.
CREATE FUNCTION settle_promise(p_promise text, p_tenant text, p_reason text) RETURNS movement LANGUAGE plpgsql AS $$
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
