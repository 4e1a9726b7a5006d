-- A capture charges a job to its hold, at most what is held. Promotional credits are used up before those that were paid for.
--   holds: the whole hold leaves; what is not charged goes back to where it was taken from.
--   Paid credits that are charged are earned: revenue +. Promotional ones earn nothing and go back to the house: house +.
-- Answers: `captured`; `known`: done before; `missing`: no hold was ever asked for; `lost`: the hold was released, denied or
-- barred before, so nothing is charged and the loss is noted once.
-- It runs as the ledger's owner: its caller needs no right to write the tables.
CREATE OR REPLACE FUNCTION capture_credits(p_job text, p_tenant text, p_credits bigint, p_traceparent text)
RETURNS movement LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    b balances := lock_wallet(p_tenant, 'tenant:' || p_tenant);
    h holds;
    charged bigint;
    from_promotions bigint;
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
    from_promotions := least(charged, h.promotional);
    UPDATE holds SET state = 'captured', captured = charged, settled_at = now() WHERE job_id = p_job;
    b := book(b, 'capture', p_job, trace_of(p_traceparent),
        free => (h.credits - h.promotional) - (charged - from_promotions),
        promotional => h.promotional - from_promotions,
        held => -h.credits,
        house => from_promotions,
        revenue => charged - from_promotions);
    RETURN moved('captured', charged, b);
END $$;
