-- A hold takes a job's price out of what may be spent, and sets it aside until the job ends.
--   Promotional credits are taken first, then those that were paid for; holds +N.
-- Answers: `held`; `denied`: less is available than the price; `suspended`: a payment is overdue, nothing is held for this
-- wallet; `known`: decided before. A denial stands, also if credits come in later.
-- It runs as the ledger's owner: its caller needs no right to write the tables.
CREATE OR REPLACE FUNCTION hold_credits(
    p_job text, p_tenant text, p_wallet text, p_credits bigint, p_expires timestamptz, p_traceparent text
) RETURNS movement LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    b balances := lock_wallet(p_tenant, p_wallet);
    from_promotions bigint := least(b.promotional, p_credits);
    decision text := CASE WHEN b.suspended_from <= now() THEN 'suspended'
        WHEN b.balance - b.held < p_credits THEN 'denied' ELSE 'held' END;
BEGIN
    INSERT INTO holds (job_id, tenant_id, wallet, credits, promotional, state, expires_at, traceparent, settled_at)
        VALUES (p_job, p_tenant, p_wallet, p_credits, CASE decision WHEN 'held' THEN from_promotions ELSE 0 END,
            CASE decision WHEN 'held' THEN 'held' ELSE 'denied' END, p_expires, p_traceparent,
            CASE decision WHEN 'held' THEN NULL ELSE now() END)
        ON CONFLICT (job_id) DO NOTHING;
    IF NOT FOUND THEN
        RETURN moved('known', 0, b);
    ELSIF decision <> 'held' THEN
        RETURN moved(decision, 0, b);
    END IF;
    b := book(b, 'hold', p_job, trace_of(p_traceparent),
        free => from_promotions - p_credits, promotional => -from_promotions, held => p_credits);
    RETURN moved('held', p_credits, b);
END $$;
