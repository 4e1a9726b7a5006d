"""The command for operating Closet: streams, outboxes, dead letters, ledgers, reconciliation."""
