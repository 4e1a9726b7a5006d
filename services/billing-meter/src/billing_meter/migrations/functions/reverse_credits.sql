-- A reversal takes back credits whose money went back to the payer, as far as they are still there: the wallet -N, house +N.
-- What had been spent already stands in `reversals` (credits - taken). Answers: `reversed`; `known`: booked before.
-- It runs as the ledger's owner: whoever may call it need not be able to write what it writes.
CREATE OR REPLACE FUNCTION reverse_credits(p_cause text, p_tenant text, p_wallet text, p_credits bigint, p_reason text)
RETURNS movement LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
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
