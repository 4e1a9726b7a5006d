"""The credit ledger: prices, holds, captures."""
