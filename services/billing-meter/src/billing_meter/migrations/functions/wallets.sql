-- A wallet is what can be spent together: a tenant's (`tenant:acme`) or a device's (`device:k1`). It has four accounts:
--   tenant:acme / device:k1  what was paid for or granted       promotional:acme  granted until a day
--   promised:device:k1       what is reserved for offline work  holds:acme        what is set aside for jobs
-- balance = all four, held = holds + promised, available = balance - held.

-- Returns the account that is a part of a wallet: `holds:acme` of `tenant:acme`, `holds:device:k1` of `device:k1`.
CREATE OR REPLACE FUNCTION part(p_kind text, p_wallet text) RETURNS text IMMUTABLE LANGUAGE sql AS
    $$ SELECT p_kind || ':' || CASE WHEN p_wallet LIKE 'tenant:%' THEN substr(p_wallet, 8) ELSE p_wallet END $$;

-- Locks a wallet and returns its balance; a wallet opens when it is first seen. The tenant's own wallet is locked first, so
-- that two movements never wait for each other in a ring, and a tenant's holds and reserves stand still meanwhile.
CREATE OR REPLACE FUNCTION lock_wallet(p_tenant text, p_wallet text) RETURNS balances LANGUAGE plpgsql AS $$
DECLARE
    b balances;
BEGIN
    IF p_wallet <> 'tenant:' || p_tenant THEN
        PERFORM lock_wallet(p_tenant, 'tenant:' || p_tenant);
    END IF;
    SELECT * INTO b FROM balances WHERE account_id = p_wallet FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO accounts (account_id, kind, tenant_id, wallet)
            SELECT p_wallet, split_part(p_wallet, ':', 1), p_tenant, p_wallet
            UNION ALL SELECT part(kind, p_wallet), kind, p_tenant, p_wallet
            FROM unnest(ARRAY['holds', 'promotional', 'promised']) AS kind
            ON CONFLICT DO NOTHING;
        INSERT INTO balances (account_id, tenant_id) VALUES (p_wallet, p_tenant) ON CONFLICT DO NOTHING;
        SELECT * INTO b FROM balances WHERE account_id = p_wallet FOR UPDATE;
    END IF;
    IF b.tenant_id <> p_tenant THEN
        RAISE EXCEPTION '% is not of %', p_wallet, p_tenant USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN b;
END $$;
