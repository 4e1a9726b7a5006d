"""Work by time and not by an event: expiry, Stripe, reconciliation."""
