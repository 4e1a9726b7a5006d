"""The ledger and everything else in the database."""
