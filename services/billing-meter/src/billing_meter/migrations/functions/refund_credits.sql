-- A refund returns credits of a captured job, in parts or at once, together at most what was captured.
--   What was paid for comes back first, out of revenue; then what was promotional, out of the house.
-- Each number is booked once. Answers: `refunded`; `known`: booked before; `refused`: no such job of this tenant, or more than
-- is left of its charge.
-- It runs as the ledger's owner: its caller needs no right to write the tables.
CREATE OR REPLACE FUNCTION refund_credits(
    p_number text, p_tenant text, p_job text, p_credits bigint, p_actor text, p_reason text
) RETURNS movement LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    b balances := lock_wallet(p_tenant, 'tenant:' || p_tenant);
    h holds;
    paid bigint;
    to_paid bigint;
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
    to_paid := least(h.refunded + p_credits, paid) - least(h.refunded, paid);
    UPDATE holds SET refunded = refunded + p_credits WHERE job_id = p_job;
    b := book(b, 'refund', 'refund:' || p_number, p_actor => p_actor, p_reason => p_reason,
        free => to_paid, promotional => p_credits - to_paid, revenue => -to_paid, house => to_paid - p_credits);
    RETURN moved('refunded', p_credits, b);
END $$;
