-- Expired promotions go back to the house. Promotions are used in the order of their expiry, so whatever is left beyond those
-- that still run has expired. Answers: `expired`; `known`: nothing has.
-- It runs as the ledger's owner: its caller needs no right to write the tables.
CREATE OR REPLACE FUNCTION expire_promotions(p_tenant text, p_wallet text) RETURNS movement LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    b balances := lock_wallet(p_tenant, p_wallet);
    expired bigint := b.promotional - (
        SELECT coalesce(sum(credits), 0) FROM promotions WHERE wallet = p_wallet AND expires_at > now());
BEGIN
    IF expired <= 0 THEN
        RETURN moved('known', 0, b);
    END IF;
    b := book(b, 'expiry', format('expiry:%s:%s', p_wallet, b.version + 1), promotional => -expired, house => expired);
    RETURN moved('expired', expired, b);
END $$;
