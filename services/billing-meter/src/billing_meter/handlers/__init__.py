"""What each event, request and decision does to the ledger."""
