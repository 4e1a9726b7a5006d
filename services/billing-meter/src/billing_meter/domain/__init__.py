"""The rules about money that need no database; those of the ledger are in `migrations/functions`."""
