-- A reversal takes back credits whose money went back to the payer, as far as they are still there: the wallet -N, house +N.
-- What had been spent already stands in `reversals` (credits - taken). Answers: `reversed`; `known`: booked before.
-- It runs as the ledger's owner: its caller needs no right to write the tables.
CREATE OR REPLACE FUNCTION reverse_credits(p_cause text, p_tenant text, p_wallet text, p_credits bigint, p_reason text)
RETURNS movement LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    b balances := lock_wallet(p_tenant, p_wallet);
    remaining bigint := least(p_credits, b.balance - b.held - b.promotional);
BEGIN
    INSERT INTO reversals (cause, wallet, credits, taken) VALUES (p_cause, p_wallet, p_credits, remaining)
        ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN moved('known', 0, b);
    ELSIF remaining > 0 THEN
        b := book(b, 'reversal', p_cause, p_actor => 'stripe', p_reason => p_reason, free => -remaining, house => remaining);
    END IF;
    RETURN moved('reversed', remaining, b);
END $$;
