-- An adjustment puts a balance right by hand, up or down, with who did it and why: house -N, the wallet +N.
-- Each number is booked once. Answers: `adjusted`; `known`: booked before; `refused`: less is available of what was paid for.
-- It runs as the ledger's owner: its caller needs no right to write the tables.
CREATE OR REPLACE FUNCTION adjust_credits(
    p_number text, p_tenant text, p_wallet text, p_credits bigint, p_actor text, p_reason text
) RETURNS movement LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
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
