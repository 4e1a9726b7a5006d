-- Original: sha256 eb2fe736f38cadda1501af51b76ff7f821918987117eeb44b26ef29d9906c2a5
-- Money that went back may come to us again: a dispute is won, a refund fails. The credits that were taken for it come back.
ALTER TABLE transactions DROP CONSTRAINT transactions_kind_check, ADD CHECK (kind = ANY (
    '{grant,topup,subscription,promotion,expiry,adjustment,hold,capture,release,refund,reversal,reinstatement,promise,settlement}'));

-- `taken`: how many of the credits in `reversed` were still there. `reversals` counts their changes. `money_seen_at`: when
-- Stripe was last asked how much of the money is back.
ALTER TABLE topups
    ADD COLUMN taken bigint NOT NULL DEFAULT 0,
    ADD COLUMN reversals int NOT NULL DEFAULT 0,
    ADD COLUMN money_seen_at timestamptz;
-- Of earlier reversals only their wallet is known. No more is called taken than surely was.
UPDATE topups t SET taken = greatest(0, reversed - (
    SELECT coalesce(sum(r.credits - r.taken), 0) FROM reversals r WHERE r.wallet = t.wallet));
ALTER TABLE topups ADD CHECK (taken BETWEEN 0 AND reversed);
