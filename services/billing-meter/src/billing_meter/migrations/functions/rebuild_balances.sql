-- Rebuilds the balances from the entries, and returns how many were wrong. Nothing moves meanwhile.
-- It runs as the ledger's owner: its caller needs no right to write the tables.
CREATE OR REPLACE FUNCTION rebuild_balances() RETURNS bigint LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    wrong bigint;
BEGIN
    LOCK TABLE balances IN EXCLUSIVE MODE;
    UPDATE balances b SET (balance, held, promotional, promised, version) =
            (e.balance, e.held, e.promotional, e.promised, b.version + 1)
        FROM balances_by_entries e JOIN balances_astray USING (account_id) WHERE e.account_id = b.account_id;
    GET DIAGNOSTICS wrong = ROW_COUNT;
    RETURN wrong;
END $$;
