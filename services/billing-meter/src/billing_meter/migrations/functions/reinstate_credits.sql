-- A reinstatement returns what a reversal took: the refund failed, or the dispute was won. house -N, the wallet +N.
-- Answers: `reinstated`; `known`: booked before.
-- It runs as the ledger's owner: its caller needs no right to write the tables.
CREATE OR REPLACE FUNCTION reinstate_credits(p_cause text, p_tenant text, p_wallet text, p_credits bigint, p_reason text)
RETURNS movement LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    b balances := lock_wallet(p_tenant, p_wallet);
BEGIN
    IF EXISTS (SELECT FROM transactions WHERE kind = 'reinstatement' AND cause = p_cause) THEN
        RETURN moved('known', 0, b);
    END IF;
    b := book(b, 'reinstatement', p_cause, p_actor => 'stripe', p_reason => p_reason, free => p_credits, house => -p_credits);
    RETURN moved('reinstated', p_credits, b);
END $$;
