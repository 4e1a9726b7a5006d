-- Credits come in: a grant, a top-up, a paid period of a subscription, or a promotion.
--   house -N, the wallet +N. A promotion goes to the promotional account and is good until a day; the rest is for good.
-- Each cause is booked once, as one of the four. Answers: `granted`; `known`: booked so before; `refused`: booked otherwise before.
-- It runs as the ledger's owner: its caller needs no right to write the tables.
CREATE OR REPLACE FUNCTION receive_credits(
    p_kind text, p_cause text, p_tenant text, p_wallet text, p_credits bigint, p_actor text, p_reason text,
    p_expires timestamptz
) RETURNS movement LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    b balances := lock_wallet(p_tenant, p_wallet);
    before record;
    from_promotions bigint := CASE WHEN p_kind = 'promotion' THEN p_credits ELSE 0 END;
BEGIN
    IF p_credits <= 0 OR (p_kind = 'promotion') <> (p_expires IS NOT NULL) THEN
        RAISE EXCEPTION 'one credit or more, and an expiry for a promotion only' USING ERRCODE = 'check_violation';
    END IF;
    SELECT t.kind, a.wallet, e.amount INTO before
        FROM transactions t JOIN entries e USING (transaction_id) JOIN accounts a USING (account_id)
        WHERE t.cause = p_cause AND t.kind IN ('grant', 'topup', 'subscription', 'promotion') AND a.wallet IS NOT NULL;
    IF FOUND THEN
        RETURN moved(CASE WHEN before = ROW(p_kind, p_wallet, p_credits) THEN 'known' ELSE 'refused' END, 0, b);
    END IF;
    b := book(b, p_kind, p_cause, p_actor => p_actor, p_reason => p_reason,
        free => p_credits - from_promotions, promotional => from_promotions, house => -p_credits);
    IF p_kind = 'promotion' THEN
        INSERT INTO promotions VALUES (p_cause, p_wallet, p_credits, p_expires);
    END IF;
    RETURN moved('granted', p_credits, b);
END $$;
