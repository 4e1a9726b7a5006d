-- Books one transaction of the ledger: its entries and, with them, the wallet's balance. The amounts sum to zero; those of zero
-- are left out. A second transaction of the same cause and kind is an error.
--   free          the wallet's first account: what was paid for or granted
--   promotional   granted until a day       held      what is set aside for jobs
--   promised      what is reserved for offline work
--   house         where credits come from and go back to     revenue   what was earned
CREATE OR REPLACE FUNCTION book(
    INOUT b balances, p_kind text, p_cause text, p_trace text DEFAULT NULL, p_actor text DEFAULT NULL,
    p_reason text DEFAULT NULL, free bigint DEFAULT 0, promotional bigint DEFAULT 0, held bigint DEFAULT 0,
    promised bigint DEFAULT 0, house bigint DEFAULT 0, revenue bigint DEFAULT 0
) LANGUAGE plpgsql AS $$
BEGIN
    WITH t AS (
        INSERT INTO transactions (kind, cause, reason, actor, trace_id) VALUES (p_kind, p_cause, p_reason, p_actor, p_trace)
        RETURNING transaction_id
    )
    INSERT INTO entries (transaction_id, account_id, amount)
    SELECT t.transaction_id, m.account, m.amount
    FROM t, unnest(
        ARRAY['house', b.account_id, part('promotional', b.account_id), part('promised', b.account_id),
            part('holds', b.account_id), 'revenue'],
        ARRAY[house, free, book.promotional, book.promised, book.held, revenue]
    ) AS m (account, amount)
    WHERE m.amount <> 0;
    UPDATE balances p SET
        balance = p.balance + free + book.promotional + book.held + book.promised,
        held = p.held + book.held + book.promised,
        promotional = p.promotional + book.promotional,
        promised = p.promised + book.promised,
        version = p.version + 1
    WHERE p.account_id = b.account_id RETURNING p.* INTO b;
END $$;

-- Returns the answer of a movement: what became of it, how many credits moved, and the wallet after it.
CREATE OR REPLACE FUNCTION moved(p_outcome text, p_credits bigint, b balances) RETURNS movement IMMUTABLE LANGUAGE sql AS
    $$ SELECT ROW(p_outcome, p_credits, b.balance, b.held, b.version, b.told_low, b.low_at, b.account_id)::movement $$;

-- Returns the trace that a W3C traceparent belongs to.
CREATE OR REPLACE FUNCTION trace_of(p_traceparent text) RETURNS text IMMUTABLE LANGUAGE sql AS
    $$ SELECT nullif(split_part(p_traceparent, '-', 2), '') $$;
