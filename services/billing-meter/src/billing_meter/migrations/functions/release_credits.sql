-- A release gives a hold back to where it was taken from, promotional credits as promotional ones.
-- Answers: `released`; `known`: settled before; `barred`: there is no hold yet, and a later one is refused.
-- It runs as the ledger's owner: its caller needs no right to write the tables.
CREATE OR REPLACE FUNCTION release_credits(p_job text, p_tenant text, p_reason text, p_traceparent text)
RETURNS movement LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
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
