-- The ledger is written by its functions alone, which run as its owner.
REVOKE INSERT, UPDATE, DELETE ON accounts, transactions, entries, balances, holds, promotions, promises, reversals, losses
    FROM {role};
REVOKE UPDATE, DELETE ON price_books FROM {role};
GRANT UPDATE (low_at, told_low, suspended_from) ON balances TO {role};
